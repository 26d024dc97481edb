package iso

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"bootaudit/internal/initrd"
)

var errNoSquashfs = errors.New("no squashfs in the ISO: its root file system cannot be looked into")

// maxLayers is more than any image stacks; a loop device is needed for each.
const maxLayers = 32

// findLayers are the files of the ISO that make the root file system, the lowest
// first.
func findLayers(img *Image) ([]string, error) {
	var found []string
	kinds := map[string]string{}
	size := func(name string) int64 { return img.tree.byPath[name].size }
	for _, name := range img.tree.paths {
		// What lies outside the image is not one of them.
		if kind, err := img.fileSystem(name); err == nil && kind != "" {
			found, kinds[name] = append(found, name), kind
		}
	}
	if len(found) == 0 {
		return nil, errNoSquashfs
	}
	slices.SortStableFunc(found, func(a, b string) int { return int(min(max(size(b)-size(a), -1), 1)) })
	if i := slices.IndexFunc(found, func(s string) bool { return path.Base(s) == "nix-store.squashfs" }); i > 0 {
		return found[i : i+1], nil
	}
	// The largest is one of those that count, unless the command line names the
	// folder; what stands beside it may, too.
	media := img.mediaFolder()
	if i := slices.IndexFunc(found, func(s string) bool { return path.Dir(s) == media }); i > 0 {
		found[0] = found[i]
	}
	dir, exts := path.Dir(found[0]), []string{path.Ext(found[0])}
	if img.argument("boot") == "live" && slices.Contains(liveExts, exts[0]) {
		exts = liveExts
	}
	layers := slices.DeleteFunc(found, func(s string) bool { return path.Dir(s) != dir || !slices.Contains(exts, path.Ext(s)) })
	slices.Sort(layers)
	layers = slices.Compact(layers)
	if len(layers) == 1 {
		return layers, nil
	}
	for _, name := range layers { // one that is in none is not opened
		if kinds[name] != "squashfs" && kinds[name] != "ext4" {
			return nil, errKind(name, kinds[name])
		}
	}
	if len(layers) > maxLayers {
		return nil, fmt.Errorf("%d file systems in %s: more than %d", len(layers), dir, maxLayers)
	}
	for _, order := range []func(*Image, string, []string) ([]string, error){liveBoot, casper, manjaro} {
		if ordered, err := order(img, dir, layers); ordered != nil || err != nil {
			return ordered, err
		}
	}
	// live-boot without a list, and most others: in the order of their names, the
	// last uppermost.
	return layers, nil
}

// liveExts are the names of what live-boot stacks.
var liveExts = []string{".squashfs", ".ext2", ".ext3", ".ext4", ".xfs", ".jffs2"}

// liveBoot reads the list of layers that live-boot goes by where there is one: the
// file that module= of the command line names, filesystem.module without it
// (components/9990-overlay.sh of live-boot).
func liveBoot(img *Image, dir string, _ []string) ([]string, error) {
	module := or(img.argument("module"), "filesystem")
	for _, list := range []string{"filesystem." + module + ".module", module + ".module"} {
		text, err := img.read(path.Join(dir, list), maxScript)
		if err != nil {
			continue
		}
		var layers []string
		for _, base := range strings.Fields(string(text)) {
			// What is listed and not there is left out.
			name := path.Join(dir, base)
			if e, ok := img.tree.byPath[name]; !ok || e.dir {
				continue
			}
			if layers = append(layers, name); len(layers) > maxLayers {
				return nil, fmt.Errorf("%s lists more than %d file systems", path.Join(dir, list), maxLayers)
			}
		}
		if layers == nil {
			return nil, fmt.Errorf("%s lists nothing that is in the ISO", path.Join(dir, list))
		}
		return layers, nil
	}
	return nil, nil
}

// casper stacks what the name of one layer tells: a.b.squashfs needs a.squashfs
// below it. Which one is booted, layerfs-path= says, or a file of the initrd.
func casper(img *Image, dir string, layers []string) ([]string, error) {
	ext := path.Ext(layers[0])
	booted := ""
	if arg := img.argument("layerfs-path"); arg != "" {
		booted = path.Join(dir, path.Base(arg))
	} else {
		chained := slices.ContainsFunc(layers, func(s string) bool { return layerBelow(s) != "" && slices.Contains(layers, layerBelow(s)) })
		if !chained {
			return nil, nil
		}
		var tops []string // those that no other one needs
		for _, name := range layers {
			if !slices.ContainsFunc(layers, func(s string) bool { return strings.HasPrefix(s, strings.TrimSuffix(name, ext)+".") && s != name }) {
				tops = append(tops, name)
			}
		}
		booted = tops[0]
		if len(tops) > 1 {
			if booted = img.defaultLayer(dir); booted == "" {
				return nil, fmt.Errorf("which of %s is booted, neither a boot entry's layerfs-path= says nor %s in the initrd: %w", list(tops), layerFile, errors.ErrUnsupported)
			}
		}
	}
	var chain []string
	for name := booted; name != ""; name = layerBelow(name) {
		if e, ok := img.tree.byPath[name]; !ok || e.dir {
			return nil, fmt.Errorf("%s is not in the ISO, and is a layer of %s", name, booted)
		}
		chain = append([]string{name}, chain...)
	}
	return chain, nil
}

const layerFile = "conf/conf.d/default-layer.conf"

// defaultLayer is the layer of casper's that the initrd names; "" where it names
// none, or cannot be read in time.
func (img *Image) defaultLayer(dir string) string {
	e, ok := img.bootsInto()
	if !ok {
		return ""
	}
	ctx, cancel := context.WithDeadline(context.Background(), img.file.until)
	defer cancel()
	packed, _, err := img.packed(e)
	if err != nil {
		return ""
	}
	ram, err := initrd.Read(ctx, packed, packed.size, initrd.Config{Keep: func(name string, size int64) int64 {
		if name == layerFile {
			return min(size, maxWord)
		}
		return 0
	}})
	if err != nil {
		return ""
	}
	text, err := fs.ReadFile(ram, layerFile)
	if layer := readVariables(string(text))["LAYERFS_PATH"].value; err == nil && layer != "" {
		return path.Join(dir, path.Base(layer))
	}
	return ""
}

// layerBelow is the layer that one of casper's stands on; "" of the lowest.
func layerBelow(name string) string {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(path.Base(name), ext)
	if i := strings.LastIndex(stem, "."); i > 0 {
		return path.Join(path.Dir(name), stem[:i]+ext)
	}
	return ""
}

// manjaro stacks the layers that Manjaro's tools make, and those who took them
// over: livefs is the uppermost.
func manjaro(_ *Image, dir string, layers []string) ([]string, error) {
	var found []string
	for _, name := range []string{"rootfs", "desktopfs", "mhwdfs", "livefs"} {
		for _, layer := range layers {
			if strings.TrimSuffix(path.Base(layer), path.Ext(layer)) == name {
				found = append(found, layer)
			}
		}
	}
	if len(found) < 2 || path.Base(found[0]) != "rootfs"+path.Ext(found[0]) {
		return nil, nil
	}
	return found, nil
}

// mediaFolder is where the command line lets live-boot or casper look.
func (img *Image) mediaFolder() string {
	if at := img.argument("live-media-path"); at != "" {
		return strings.Trim(path.Clean("/"+at), "/")
	}
	return img.argument("boot") // their folders have their names
}

// argument is the value of an argument in an entry that is booted by itself; ""
// where none has it.
func (img *Image) argument(name string) string {
	for _, m := range img.Menus {
		if m.Default < 0 || m.Default >= len(m.Entries) {
			continue
		}
		for _, value := range m.Entries[m.Default].values(name) {
			if value != "" {
				return value
			}
		}
	}
	return ""
}
