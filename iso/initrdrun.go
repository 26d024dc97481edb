package iso

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"bootaudit/internal/initrd"
)

// errUnsure is a fault that may be none: only a boot can tell.
var errUnsure = errors.New("only a boot can tell")

// runs says what a program of the initramfs is and that it can be started, as
// the kernel and its loader would look: its interpreter, and that one's, and
// every library.
func (r *ram) runs(name string, depth int) (says string, err error) {
	at, head, program, err := r.program(name)
	if err != nil {
		return "", err
	}
	if depth > 4 { // as the kernel has it
		return "", fmt.Errorf("%s is a script of a script of a script", name)
	}
	if program == nil {
		line, ok := bytes.CutPrefix(head, []byte("#!"))
		if !ok {
			return "", fmt.Errorf("%s is neither a script nor a program: it starts with %s", name, kindOf(head[:min(len(head), 16)]))
		}
		line, _, _ = bytes.Cut(line, []byte("\n"))
		words := strings.Fields(strings.TrimRight(string(line), "\r"))
		if len(words) == 0 {
			return "", fmt.Errorf("%s is a script that names no interpreter", name)
		}
		if bytes.HasSuffix(line, []byte("\r")) && len(words) == 1 {
			return "", fmt.Errorf(`%s is a script whose first line ends in CR LF: the kernel looks for %q`, name, words[0]+"\r")
		}
		says, err := r.runs(words[0], depth+1)
		if err != nil {
			return "", fmt.Errorf("%s is a script, and its interpreter %w", name, err)
		}
		return fmt.Sprintf("%s is a script of %s", name, says), nil
	}
	if program.fault != nil {
		return "", fmt.Errorf("%s is %w", name, program.fault)
	}
	if !runsOn(program.arch, r.arch) {
		return "", fmt.Errorf("%s is an %s program; the kernel is for %s", name, program.arch, r.arch)
	}
	if program.interpreter == "" {
		return fmt.Sprintf("%s (%s, static)", name, program.arch), nil
	}
	if _, _, loader, err := r.program(program.interpreter); err != nil {
		return "", fmt.Errorf("%s is loaded by what %w", name, err)
	} else if loader == nil || loader.arch != program.arch {
		return "", fmt.Errorf("%s is loaded by %s, which is no %s program", name, program.interpreter, program.arch)
	}
	libraries, err := r.libraries(at, program)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (%s, with %d libraries)", name, program.arch, libraries), nil
}

// runsOn: an unknown kernel runs everything.
func runsOn(arch, kernel string) bool {
	return kernel == "" || arch == kernel || kernel == "x86_64" && arch == "i386"
}

// program finds what the kernel would execute: its name with all links
// resolved, its first bytes, and what it is if it is an ELF program.
func (r *ram) program(name string) (at string, head []byte, p *elfProgram, err error) {
	at, err = r.fs.Resolve(name)
	if err != nil {
		if to, _ := r.fs.ReadLink(strings.TrimPrefix(path.Clean("/"+name), "/")); to != "" {
			return "", nil, nil, fmt.Errorf("%s is a link to %s, which is not in the initrd", name, to)
		}
		return "", nil, nil, fmt.Errorf("%s is not in the initrd", name)
	}
	info, err := r.fs.Stat(at)
	switch {
	case err != nil:
		return "", nil, nil, err
	case !info.Mode().IsRegular():
		return "", nil, nil, fmt.Errorf("%s is no file but %s", name, info.Mode().Type())
	case info.Mode()&0o111 == 0:
		return "", nil, nil, fmt.Errorf("%s is not executable (%s)", name, info.Mode())
	}
	p, _ = sysOf(info).Inspected.(*elfProgram)
	head, err = fs.ReadFile(r.fs, at)
	if errors.Is(err, initrd.ErrNotKept) {
		err = nil
		if p == nil && (len(head) == 0 || bytes.HasPrefix(head, []byte("\x7fELF"))) {
			err = fmt.Errorf("%s is too large to be looked into: %w", name, errUnsure)
		}
	}
	return at, head, p, err
}

func sysOf(info fs.FileInfo) *initrd.Sys {
	if sys, ok := info.Sys().(*initrd.Sys); ok {
		return sys
	}
	return &initrd.Sys{}
}

// maxLibraries is far from what one program of an initramfs has.
const maxLibraries = 400

// libraries looks for all that a program needs, and what that needs, where
// glibc's and musl's loaders look, and counts them.
func (r *ram) libraries(at string, program *elfProgram) (int, error) {
	type object struct {
		at string // resolved
		*elfProgram
	}
	todo := []object{{at, program}}
	// The loader is there already, and musl's is the C library too.
	loader := path.Base(program.interpreter)
	musl := strings.HasPrefix(loader, "ld-musl-")
	seen := map[string]bool{}
	usual := r.usualFolders(program)
	for len(todo) > 0 {
		o := todo[0]
		todo = todo[1:]
		dirs := append(objectFolders(o.at, o.elfProgram, at, program), usual...)
		for _, name := range o.needed {
			if seen[name] || name == loader || musl && muslOwn.MatchString(name) {
				continue
			}
			if seen[name] = true; len(seen) > maxLibraries {
				return 0, fmt.Errorf("/%s needs more than %d libraries: %w", at, maxLibraries, errUnsure)
			}
			found, p := r.library(name, dirs, program.arch)
			if p == nil {
				return 0, r.noLibrary(name, "/"+o.at, program.arch)
			}
			todo = append(todo, object{found, p})
		}
	}
	return len(seen), nil
}

// muslOwn are names that musl's loader takes for itself.
var muslOwn = regexp.MustCompile(`^lib(c|pthread|rt|m|dl|util|xnet)\.`)

// maxFolders bounds each list of folders for libraries.
const maxFolders = 100

// objectFolders is where the libraries of an object say that they are, which a
// program loads.
func objectFolders(at string, o *elfProgram, main string, program *elfProgram) (all []string) {
	add := func(origin string, paths []string) {
		for _, p := range paths {
			p = strings.ReplaceAll(strings.ReplaceAll(p, "${ORIGIN}", "$ORIGIN"), "$ORIGIN", "/"+path.Dir(origin))
			if strings.HasPrefix(p, "/") && len(all) < maxFolders {
				all = append(all, p)
			}
		}
	}
	add(at, o.runpath)
	add(at, o.rpath)
	add(main, program.rpath)
	if strings.Contains(program.interpreter, "musl") { // it takes them for one, and inherits both
		add(main, program.runpath)
	}
	return all
}

// usualFolders is where a program's loader looks for every library.
func (r *ram) usualFolders(program *elfProgram) (all []string) {
	configs := []string{"etc/ld.so.conf"}
	list, _ := fs.ReadDir(r.fs, "etc/ld.so.conf.d")
	for _, e := range list[:min(len(list), maxFolders)] {
		configs = append(configs, "etc/ld.so.conf.d/"+e.Name())
	}
	if name, ok := strings.CutSuffix(path.Base(program.interpreter), ".so.1"); ok {
		configs = append(configs, "etc/"+name+".path") // musl's
	}
	for _, name := range configs {
		for _, dir := range strings.FieldsFunc(r.text(name), func(c rune) bool { return c == '\n' || c == ':' || c == ' ' }) {
			if strings.HasPrefix(dir, "/") && len(all) < maxFolders {
				all = append(all, dir)
			}
		}
	}
	if loader, err := r.fs.Resolve(program.interpreter); err == nil {
		all = append(all, "/"+path.Dir(loader)) // Nix's loader looks there
	}
	triplet := map[string]string{"x86_64": "x86_64-linux-gnu", "i386": "i386-linux-gnu", "aarch64": "aarch64-linux-gnu"}[program.arch]
	for _, dir := range []string{"/lib", "/usr/lib", "/usr/local/lib"} {
		all = append(all, dir)
		if triplet != "" {
			all = append(all, dir+"/"+triplet)
		}
	}
	return append(all, "/lib64", "/usr/lib64", "/lib32", "/usr/lib32")
}

func (r *ram) text(name string) string {
	text, _ := fs.ReadFile(r.fs, name)
	return string(text)
}

// library finds one by name.
func (r *ram) library(name string, folders []string, arch string) (string, *elfProgram) {
	tries := make([]string, 0, len(folders)+4)
	if strings.Contains(name, "/") {
		tries = append(tries, name)
	} else {
		for _, dir := range folders {
			tries = append(tries, dir+"/"+name)
		}
		// The cache of ldconfig has paths that end in NUL.
		for cached := range strings.SplitSeq(r.text("etc/ld.so.cache"), "\x00") {
			if strings.HasPrefix(cached, "/") && path.Base(cached) == name {
				tries = append(tries, cached)
			}
		}
	}
	for _, try := range tries {
		at, err := r.fs.Resolve(try)
		if err != nil {
			continue
		}
		info, err := r.fs.Stat(at)
		if err != nil {
			continue
		}
		if p, _ := sysOf(info).Inspected.(*elfProgram); p != nil && p.fault == nil && p.arch == arch {
			return at, p
		}
	}
	return "", nil
}

// noLibrary says that a library is not to be found, or where it is.
func (r *ram) noLibrary(name, by, arch string) error {
	var elsewhere []string
	for at, info := range r.fs.Files() {
		if info.Name() == path.Base(name) && len(elsewhere) < maxFolders {
			elsewhere = append(elsewhere, "/"+at)
		}
	}
	if len(elsewhere) == 0 {
		return fmt.Errorf("%s needs %s, which is not in the initrd", by, name)
	}
	slices.Sort(elsewhere)
	for _, at := range elsewhere {
		if real, err := r.fs.Resolve(at); err == nil {
			info, err := r.fs.Stat(real)
			if p, _ := sysOf(info).Inspected.(*elfProgram); err == nil && p != nil && p.arch == arch && p.fault == nil {
				return fmt.Errorf("%s needs %s, which is at %s, where a loader does not look by itself: %w", by, name, at, errUnsure)
			}
		}
	}
	return fmt.Errorf("%s needs %s, and %s is no %s library", by, name, list(elsewhere[:min(len(elsewhere), 3)]), arch)
}
