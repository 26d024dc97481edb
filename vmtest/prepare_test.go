package vmtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bootaudit/internal/fakevm"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A disk is of the format that it is said to be, or it is refused by name: QEMU
// would show the guest another format's header as its disk.
func TestDisksFormat(t *testing.T) {
	fakevm.Use(t) // its qemu-img writes down how it was called
	dir := t.TempDir()
	file := func(name, begins string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, append([]byte(begins), make([]byte, 4096)...), 0o644))
		return path
	}
	raw, qcow2, vmdk := file("raw", "\x33\xc0"), file("qcow2", "QFI\xfb"), file("vmdk", "KDMV")
	vdi, vpc := file("vdi", strings.Repeat("<", 64)+"\x7f\x10\xda\xbe"), file("vpc", "conectix")
	tiny := filepath.Join(dir, "tiny")
	require.NoError(t, os.WriteFile(tiny, []byte("x"), 0o644))
	for name, row := range map[string]struct {
		disk Disk
		want string // of the call, or of the error
		ok   bool
	}{
		"raw by default":   {Disk{Base: raw}, "-F raw -b " + raw, true},
		"raw":              {Disk{Base: raw, BaseFormat: "raw"}, "-F raw -b " + raw, true},
		"tiny":             {Disk{Base: tiny}, "-F raw -b " + tiny, true},
		"qcow2":            {Disk{Base: qcow2, BaseFormat: "qcow2"}, "-F qcow2 -b " + qcow2, true},
		"qcow2 as raw":     {Disk{Base: qcow2}, qcow2 + " is a qcow2 image, and BaseFormat says raw: say qcow2", false},
		"raw as qcow2":     {Disk{Base: raw, BaseFormat: "qcow2"}, raw + ": want a qcow2 image, found raw; convert it (qemu-img convert)", false},
		"vmdk as raw":      {Disk{Base: vmdk}, vmdk + " is a vmdk image, and BaseFormat says raw: say vmdk", false},
		"vmdk":             {Disk{Base: vmdk, BaseFormat: "vmdk"}, "-F vmdk -b " + vmdk, true},
		"vdi":              {Disk{Base: vdi, BaseFormat: "vdi"}, "-F vdi -b " + vdi, true},
		"vdi as raw":       {Disk{Base: vdi}, vdi + " is a vdi image, and BaseFormat says raw: say vdi", false},
		"vpc":              {Disk{Base: vpc, BaseFormat: "vpc"}, "-F vpc -b " + vpc, true},
		"vpc, fixed":       {Disk{Base: raw, BaseFormat: "vpc"}, "-F vpc -b " + raw, true},
		"unknown":          {Disk{Base: raw, BaseFormat: "dmg"}, `BaseFormat is "dmg"; want one of raw, qcow2, vmdk, vhdx, vpc, vdi`, false},
		"no base":          {Disk{Base: filepath.Join(dir, "none")}, "no such file", false},
		"file":             {Disk{File: raw}, "", true},
		"file of qcow2":    {Disk{File: qcow2}, qcow2 + " is a qcow2 image, and File is used as raw: give it as Base, with BaseFormat qcow2", false},
		"existing overlay": {Disk{File: qcow2, Base: raw}, "", true},
		"blank":            {Disk{MiB: 3}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			m := Machine{Folder: t.TempDir(), Disks: []Disk{row.disk}}
			err := m.prepare(t.Context())
			defer os.RemoveAll(m.Sockets)
			if !row.ok {
				assert.ErrorContains(t, err, row.want)
				return
			}
			require.NoError(t, err)
			content, err := os.ReadFile(m.Disks[0].File)
			require.NoError(t, err)
			assert.Contains(t, string(content), row.want)
			if name == "blank" {
				assert.Len(t, content, 3<<20)
			}
		})
	}
}

// Nothing is written into whatever folder a test runs in.
func TestLaunchWantsAFolder(t *testing.T) {
	fakevm.Use(t)
	_, err := Launch(t.Context(), Machine{}, Settings{})
	assert.ErrorContains(t, err, "set Machine.Folder")
	assert.NoFileExists(t, commandFile)
}
