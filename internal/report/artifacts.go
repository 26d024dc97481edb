package report

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"bootaudit/internal/plain"
)

// Artifact is a file of a VM's folder.
type Artifact struct{ Name, Href, Size string }

// Bounds of the files that are listed, and of those that are shown.
const (
	maxArtifacts  = 60
	maxDiagnostic = 12 << 10
)

// addArtifacts lists the files of a VM's folder, with links from the report's
// folder (the first of near) where the VM's lies in it: a report is moved and
// served with what it links to. Of a VM that failed it shows the diagnostics.
func (b *Boot) addArtifacts(root *os.Root, near []string) {
	base := ""
	if len(near) > 0 {
		if rel, err := filepath.Rel(absolute(near[0]), absolute(root.Name())); err == nil && filepath.IsLocal(rel) {
			base = rel
		}
	}
	_ = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || len(b.Artifacts) >= maxArtifacts:
			return fs.SkipAll
		case entry.IsDir() && strings.Count(name, "/") > 1:
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		if base != "" {
			b.Artifacts = append(b.Artifacts, Artifact{cleanLine(name, 80), link(base, name), size(info.Size())})
		}
		if b.Failed() && path.Dir(name) == "diagnostics" && len(b.Diagnostics) < 20 {
			text, whole := readFile(root, name, 4*maxDiagnostic)
			text = bound(strings.TrimSpace(plain.Text(text)), maxDiagnostic)
			if !whole {
				text += "\n[... the file goes on ...]"
			}
			b.Diagnostics = append(b.Diagnostics, Screen{Title: cleanLine(name, 120), Text: text})
		}
		return nil
	})
	slices.SortStableFunc(b.Artifacts, func(x, y Artifact) int {
		return cmp.Compare(strings.Count(x.Name, "/"), strings.Count(y.Name, "/"))
	})
}

// ShownCommand is QEMU's command line, unless the VM passed and the file that has
// it is linked.
func (b Boot) ShownCommand() string {
	if !b.Failed() && slices.ContainsFunc(b.Artifacts, func(a Artifact) bool { return a.Name == "command.txt" }) {
		return ""
	}
	return b.Command
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// link is a file's address from the report. It begins with a dot, so that no name
// is taken for a scheme.
func link(base, name string) string {
	parts := strings.Split(path.Join(filepath.ToSlash(base), name), "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return "./" + strings.Join(parts, "/")
}

// size is a file's length as a person reads it.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.0f kB", float64(n)/(1<<10))
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
}
