package iso

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// files are files of the host that are an image together.
type files []*os.File

func (all files) ReadAt(p []byte, off int64) (int, error) { return all[0].ReadAt(p, off) }

func (all files) Close() (err error) {
	for _, f := range all {
		err = f.Close()
	}
	return err
}

// openKernel opens a kernel, which the machine loads with initrd ("" is none) and
// the command line. Its one menu has one entry.
func openKernel(kernel, initrd, cmdline string) (*Image, error) {
	var opened files
	sizes := map[string]int64{}
	names := map[string]*os.File{}
	v := &volume{}
	add := func(path string) (string, error) {
		f, size, err := openFile(path)
		if err != nil {
			return "", err
		}
		name := filepath.Base(path)
		if names[name] != nil {
			name = "initrd of " + name
		}
		opened = append(opened, f)
		v.paths, sizes[name], names[name] = append(v.paths, name), size, f
		return name, nil
	}
	v.stat = func(name string) (int64, bool, error) {
		if names[name] == nil {
			return 0, false, fmt.Errorf("%s is not part of the image", name)
		}
		return sizes[name], false, nil
	}
	v.open = func(name string) (io.ReaderAt, int64, error) {
		size, _, err := v.stat(name)
		return names[name], size, err
	}
	entry := Entry{ID: "kernel", Title: "the kernel", Args: strings.Fields(cmdline), File: "the command line"}
	var err error
	if entry.Kernel, err = add(kernel); err != nil {
		return nil, err
	}
	if initrd != "" {
		name, err := add(initrd)
		if err != nil {
			opened.Close()
			return nil, err
		}
		entry.Initrds = []string{name}
	}
	img := &Image{
		Path: kernel, Kind: kindKernel, Size: sizes[entry.Kernel], volumes: volumes{v}, RootErr: errNoSquashfs,
		file:  &guarded{File: opened, size: sizes[entry.Kernel]},
		Menus: []Menu{{File: "the command line", Loader: "the machine", Entries: []Entry{entry}}},
	}
	return img, nil
}
