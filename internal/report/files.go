package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"bootaudit/internal/plain"
	"bootaudit/internal/record"
)

// Names of the files in an audit's folder.
const (
	EventsFile   = "events.json" // the streams, byte for byte
	MarkdownFile = "report.md"
	HTMLFile     = "report.html"
	JUnitFile    = "junit.xml"
)

// Write writes the audit's files to dir, each whole or not at all. It tries
// all, and reports every failure.
func (a *Audit) Write(dir string) error {
	var all error
	for _, file := range []struct {
		name  string
		write func(io.Writer) error
	}{{MarkdownFile, a.Markdown}, {HTMLFile, a.HTML}, {JUnitFile, a.JUnit}} {
		var b bytes.Buffer
		err := file.write(&b)
		if err == nil {
			err = renameio.WriteFile(filepath.Join(dir, file.name), b.Bytes(), 0o644)
		}
		all = errors.Join(all, err)
	}
	return all
}

// Latest points the symbolic link `latest` beside dir at dir, in one step. What
// is called so and is no link is left alone.
func Latest(dir string) error {
	link := filepath.Join(filepath.Dir(dir), "latest")
	if info, err := os.Lstat(link); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("%s is not a symbolic link; move it away, so that it can name the latest audit", link)
	}
	return renameio.Symlink(filepath.Base(dir), link)
}

// Bounds of what is taken from a VM's folder.
const (
	maxScreen    = 64 << 10
	maxRecord    = 1 << 20
	maxRecording = 8 << 20
)

// Attach reads the screens and recordings of the VMs from their folders, or,
// where the audit has been moved, from the folder of that name in one of near.
func (a *Audit) Attach(near ...string) {
	for i := range a.VMs {
		vm := &a.VMs[i]
		if vm.Folder == "" {
			continue
		}
		root := openFolder(vm.Folder, near)
		if root == nil {
			vm.Notes = append(vm.Notes, "The VM's folder could not be opened here, so its screen and its recording are not shown.")
			continue
		}
		vm.addRecord(root)
		screen, _ := readFile(root, "screen.txt", maxScreen)
		vm.Screen = bound(plain.Text(screen), maxScreen)
		vm.addRecording(root)
		vm.addArtifacts(root, near)
		root.Close()
	}
}

// addRecord adds what metadata.json tells beside the `vm` attribute.
func (b *Boot) addRecord(root *os.Root) {
	text, whole := readFile(root, "metadata.json", maxRecord)
	var vm record.VM
	if err := json.Unmarshal([]byte(text), &vm); err != nil || !whole {
		return
	}
	more := newBoot(vm)
	b.Firmware, b.Ending = cmp.Or(b.Firmware, more.Firmware), cmp.Or(b.Ending, more.Ending)
	if len(b.Errors)+len(b.Trips) == 0 {
		b.Errors, b.Trips = more.Errors, more.Trips
	}
}

// openFolder opens a folder as a root, which no link inside it can leave.
func openFolder(folder string, near []string) *os.Root {
	places := []string{folder}
	for _, dir := range near {
		places = append(places, filepath.Join(dir, filepath.Base(folder)))
	}
	for _, place := range places {
		if root, err := os.OpenRoot(place); err == nil {
			return root
		}
	}
	return nil
}

func readFile(root *os.Root, name string, most int64) (text string, whole bool) {
	if info, err := root.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return "", true
	}
	f, err := root.Open(name)
	if err != nil {
		return "", true
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", true
	}
	if int64(len(content)) > most {
		return string(content[:most]), false
	}
	return string(content), true
}

// wholeLines drops a last line that has no end: its writer died, or it was cut.
func wholeLines(s string) string {
	return s[:bytes.LastIndexByte([]byte(s), '\n')+1]
}
