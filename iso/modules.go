package iso

import (
	"path"
	"strings"
)

// kernelModules is what an initramfs has for one kernel's version.
type kernelModules struct {
	there   map[string]bool // as modprobe names them, with _
	builtin map[string]bool // nil where no list of them is known
}

// modules is by the kernel's version what modules there are. Nix has them below
// its store.
func (r *ram) modules() map[string]*kernelModules {
	all := map[string]*kernelModules{}
	for at := range r.fs.Files() {
		_, below, ok := strings.Cut("/"+at, "/lib/modules/")
		version, file, inside := strings.Cut(below, "/")
		if !ok || !inside {
			continue
		}
		of := all[version]
		if of == nil {
			of = &kernelModules{there: map[string]bool{}}
			all[version] = of
		}
		if name := moduleName(file); name != "" {
			of.there[name] = true
		}
		if file == "modules.builtin" {
			of.builtin = builtinModules(r.text(at))
		}
	}
	return all
}

// moduleName is the name of a module's file, "" for other files.
func moduleName(file string) string {
	base := path.Base(file)
	for _, packed := range []string{".gz", ".xz", ".zst"} {
		base = strings.TrimSuffix(base, packed)
	}
	name, ok := strings.CutSuffix(base, ".ko")
	if !ok {
		return ""
	}
	return strings.ReplaceAll(name, "-", "_")
}

// builtinModules reads modules.builtin.
func builtinModules(text string) map[string]bool {
	if text == "" {
		return nil
	}
	all := map[string]bool{}
	for line := range strings.Lines(text) {
		if name := moduleName(strings.TrimSpace(line)); name != "" {
			all[name] = true
		}
	}
	return all
}

// builtin is what the kernel of the version has built in, as the root file
// system's modules say; nil where they do not.
func (r *Root) builtin(version string) map[string]bool {
	for _, dir := range []string{"/lib/modules/", "/usr/lib/modules/", "/run/current-system/kernel-modules/lib/modules/"} {
		if text, err := r.ReadFile(dir+version+"/modules.builtin", 1<<20); err == nil {
			return builtinModules(string(text))
		}
	}
	return nil
}

// moduleNeed is what must be in the kernel, or in its initramfs, for it to come
// to the root file system: one of some modules.
type moduleNeed struct {
	what string
	any  []string
	// soft is why it can do without.
	soft string
}

// mediumNeeds is for a root file system that is a squashfs on the CD.
var mediumNeeds = []moduleNeed{
	{what: "the CD's drive", any: []string{"sr_mod"}},
	{what: "the controller of the machine's CD", any: []string{"ahci", "ata_piix", "virtio_scsi", "ata_generic"}},
	{what: "the CD's file system", any: []string{"isofs"}},
	{what: "a file as a disk", any: []string{"loop"}},
	{what: "the root file system", any: []string{"squashfs"}},
	{what: "what is written over it", any: []string{"overlay", "aufs", "unionfs"}, soft: "the system may do without writing"},
}

// missing is what neither modules nor a kernel that is known to have nothing
// else built in provide.
func (m *kernelModules) missing(needs []moduleNeed, builtin map[string]bool) (none []moduleNeed) {
	for _, need := range needs {
		found := false
		for _, name := range need.any {
			found = found || m.there[name] || builtin[name]
		}
		if !found {
			none = append(none, need)
		}
	}
	return none
}
