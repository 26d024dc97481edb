package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestArtifactsAreLinkedAndDiagnosticsShown(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "clean-disk")
	for name, text := range map[string]string{
		"serial.log": "x", "diagnostics/boot failure (1).txt": "no \x1b[31mgroup", "diagnostics/long.log": strings.Repeat("line\n", 20000), "a/b/c/deep": "x",
	} {
		file := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(folder, "passwd")))
	a := &Audit{VMs: []Boot{{Name: "clean-disk", Folder: folder, Outcome: "failed"}, {Name: "same", Folder: folder, Outcome: "passed"}}}
	a.Attach(dir)
	var names, hrefs []string
	for _, file := range a.VMs[0].Artifacts {
		names, hrefs = append(names, file.Name+" "+file.Size), append(hrefs, file.Href)
	}
	assert.Equal(t, []string{"serial.log 1 B", "diagnostics/boot failure (1).txt 13 B", "diagnostics/long.log 98 kB"}, names)
	assert.Equal(t, "./clean-disk/diagnostics/boot%20failure%20%281%29.txt", mdLink(hrefs[1]))
	require.Len(t, a.VMs[0].Diagnostics, 2)
	assert.Equal(t, "no group", a.VMs[0].Diagnostics[0].Text)
	assert.Less(t, len(a.VMs[0].Diagnostics[1].Text), 2*maxDiagnostic)
	assert.Contains(t, a.VMs[0].Diagnostics[1].Text, "the file goes on")
	assert.Empty(t, a.VMs[1].Diagnostics, "of a VM that passed they are only linked")

	for outcome, shown := range map[string]string{"passed": "", "failed": "qemu"} {
		vm := Boot{Outcome: outcome, Command: "qemu", Artifacts: []Artifact{{Name: "command.txt"}}}
		assert.Equal(t, shown, vm.ShownCommand())
		vm.Artifacts = nil
		assert.Equal(t, "qemu", vm.ShownCommand(), "there is no file to look into")
	}

	away := &Audit{VMs: []Boot{{Name: "clean-disk", Folder: folder}}}
	away.Attach(t.TempDir())
	assert.Empty(t, away.VMs[0].Artifacts, "a link out of the report's folder would not move with it")
}
