package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Folder makes the folder of a VM's files: <artifacts>/<name>, or
// <log root>/<UTC>-vm-run/logs as today's tools expect it, or a temporary one.
func Folder(artifacts, logRoot, name string, now time.Time) (folder string, temporary bool, err error) {
	switch {
	case artifacts != "":
		folder, err = freshFolder(filepath.Join(artifacts, name), "")
	case logRoot != "":
		folder, err = freshFolder(filepath.Join(logRoot, now.UTC().Format("2006-01-02T150405Z")), "-vm-run")
		if err == nil {
			folder = filepath.Join(folder, "logs")
			err = os.Mkdir(folder, 0o755)
		}
	default:
		folder, err = os.MkdirTemp("", "bootaudit-"+name+"-")
		temporary = true
	}
	if err != nil {
		err = fmt.Errorf("no folder for the files of VM %s: %w", name, err)
	}
	return folder, temporary, err
}

// freshFolder makes base+suffix, or base-2+suffix and so on where it exists.
func freshFolder(base, suffix string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(base), 0o755); err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		folder := base + suffix
		if n > 1 {
			folder = fmt.Sprintf("%s-%d%s", base, n, suffix)
		}
		if err := os.Mkdir(folder, 0o755); !errors.Is(err, fs.ErrExist) {
			return folder, err
		}
	}
}
