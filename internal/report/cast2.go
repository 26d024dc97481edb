package report

import (
	"errors"
	"io"
	"io/fs"

	"bootaudit/internal/cast"
	"bootaudit/internal/record"
)

// Cast2File is a recording in the version that older players know.
const Cast2File = "console-v2.cast"

// WriteCast2 writes each VM's recording as version 2 beside it.
func (a *Audit) WriteCast2(near ...string) error {
	var all error
	for _, vm := range a.VMs {
		if vm.Folder == "" {
			continue
		}
		root := openFolder(vm.Folder, near)
		if root == nil {
			continue
		}
		in, err := root.Open(record.CastFile)
		if err == nil {
			var out io.WriteCloser
			if out, err = root.Create(Cast2File); err == nil {
				err = errors.Join(cast.Version2(out, in), out.Close())
			}
			in.Close()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
		root.Close()
	}
	return all
}
