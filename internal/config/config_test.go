package config

import (
	"path/filepath"
	"testing"
	"time"

	"bootaudit/contract"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefaults(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	cfg, err := decode(nil)
	require.NoError(t, err)
	assert.Equal(t, contract.Target{}, cfg.Target())
	assert.Equal(t, "bootImage", cfg.Attr)
	assert.Equal(t, "pre-installer", cfg.NixosConfig)
	assert.Equal(t, 900*time.Second, cfg.SpawnTimeout.Duration())
	assert.Equal(t, 300*time.Second, cfg.LoginTimeout.Duration())
	assert.Equal(t, "bootaudit", filepath.Base(string(cfg.CacheDir)))
	assert.False(t, cfg.Require)
}

func TestUnknownVariables(t *testing.T) {
	require.NoError(t, unknown([]string{"PATH=/bin", "BOOT_IMAGE_ISO=x", "BOOT_IMAGE_IOS=", "BOOT=1", "PRE_NIXOS_OTHER=1"}))
	err := unknown([]string{"BOOT_IMAGE_IOS=x.iso", "BOOT_IMAGE_REQUIRED=1", "BOOT_IMAGE_SOMETHING_ELSE_ENTIRELY=1"})
	assert.ErrorContains(t, err, "environment: there is no variable BOOT_IMAGE_IOS; did you mean BOOT_IMAGE_ISO?\n"+
		"environment: there is no variable BOOT_IMAGE_REQUIRED; did you mean BOOT_IMAGE_REQUIRE?\n"+
		"environment: there is no variable BOOT_IMAGE_SOMETHING_ELSE_ENTIRELY; known are BOOT_IMAGE_FLAKE, BOOT_IMAGE_ATTR, ")
}

func TestMirror(t *testing.T) {
	cfg, err := decode(map[string]string{"BOOT_IMAGE_MIRROR": "http://mirror.example/debian file:///srv/debian-security"})
	require.NoError(t, err)
	assert.Equal(t, "http://mirror.example/debian file:///srv/debian-security", cfg.Mirror)
	_, err = decode(map[string]string{"BOOT_IMAGE_MIRROR": "ftp://x"})
	assert.EqualError(t, err, `environment: BOOT_IMAGE_MIRROR: "ftp://x" is no address: want http://, https:// or file://`)
}

func TestTarget(t *testing.T) {
	root, err := moduleRoot()
	require.NoError(t, err)
	for name, c := range map[string]struct {
		environ map[string]string
		kind    contract.Kind
		file    Path
	}{
		"iso":            {map[string]string{"BOOT_IMAGE_ISO": "/x/a, b.iso"}, contract.KindFile, "/x/a, b.iso"},
		"file":           {map[string]string{"BOOT_IMAGE_FILE": "/x/a.qcow2"}, contract.KindFile, "/x/a.qcow2"},
		"the same twice": {map[string]string{"BOOT_IMAGE_FILE": "/x/a.iso", "BOOT_IMAGE_ISO": "/x/a.iso"}, contract.KindFile, "/x/a.iso"},
		"kernel":         {map[string]string{"BOOT_IMAGE_KERNEL": "/k"}, contract.KindKernel, ""},
		"relative iso":   {map[string]string{"BOOT_IMAGE_ISO": "a.iso"}, contract.KindFile, Path(filepath.Join(root, "a.iso"))},
		"flake":          {map[string]string{"BOOT_IMAGE_FLAKE": "github:x/y"}, contract.KindFlake, ""},
		"empty is unset": {map[string]string{"BOOT_IMAGE_ISO": "", "BOOT_IMAGE_FLAKE": ""}, contract.KindStandIn, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := decode(c.environ)
			require.NoError(t, err)
			assert.Equal(t, c.kind, cfg.Target().Kind)
			assert.Equal(t, c.file, cfg.File)
			assert.Empty(t, cfg.ISO)
		})
	}
}

func TestMachine(t *testing.T) {
	cfg, err := decode(map[string]string{"BOOT_IMAGE_VM_MEMORY": "3072", "BOOT_IMAGE_VM_CPUS": "4", "BOOT_IMAGE_VM_DISK": "512",
		"BOOT_IMAGE_VM_QEMU_ARGS": `-device 'usb-tablet,id=a b' -snapshot`, "BOOT_IMAGE_ISO": "/x.iso"})
	require.NoError(t, err)
	assert.Equal(t, contract.Target{Kind: contract.KindFile, File: "/x.iso", MemoryMiB: 3072, CPUs: 4, DiskMiB: 512,
		Args: []string{"-device", "usb-tablet,id=a b", "-snapshot"}}, cfg.Target())
	_, err = decode(map[string]string{"BOOT_IMAGE_VM_MEMORY": "2G", "BOOT_IMAGE_VM_CPUS": "0", "BOOT_IMAGE_VM_DISK": "-1", "BOOT_IMAGE_VM_QEMU_ARGS": `-name "$HOME"`})
	for _, says := range []string{`BOOT_IMAGE_VM_MEMORY: "2G" is not a positive whole number`, `BOOT_IMAGE_VM_CPUS: "0" is`, `BOOT_IMAGE_VM_DISK: "-1" is`,
		`BOOT_IMAGE_VM_QEMU_ARGS: "-name \"$HOME\"": $HOME is put in place by no shell here`} {
		assert.ErrorContains(t, err, says)
	}
	for _, odd := range []string{`-name "x`, "-name $(id)", "-name `id`"} {
		_, err = decode(map[string]string{"BOOT_IMAGE_VM_QEMU_ARGS": odd})
		assert.ErrorContains(t, err, "BOOT_IMAGE_VM_QEMU_ARGS: ", odd)
	}
}

func TestFlakeInAFolder(t *testing.T) {
	root, err := moduleRoot()
	require.NoError(t, err)
	for ref, want := range map[string]struct{ flake, dir string }{
		"":                           {"", ""},
		"github:x/y":                 {"github:x/y", ""},
		"nixpkgs":                    {"nixpkgs", ""},
		"prereq":                     {root + "/prereq", root + "/prereq"}, // such a folder is there
		".":                          {root, root},
		"./x?dir=a#b":                {root + "/x?dir=a#b", root + "/x"},
		"path:x":                     {"path:" + root + "/x", root + "/x"},
		"/a/b":                       {"/a/b", "/a/b"},
		"path:/a b":                  {"path:/a b", "/a b"},
		"git+file:///a/b?ref=main#c": {"git+file:///a/b?ref=main#c", "/a/b"},
		"git+https://x.org/a":        {"git+https://x.org/a", ""},
	} {
		cfg, err := decode(map[string]string{"BOOT_IMAGE_FLAKE": ref})
		require.NoError(t, err)
		assert.Equal(t, want.flake, cfg.Flake, ref)
		assert.Equal(t, want.dir, cfg.Target().FlakeDir(), ref)
	}
}

func TestEveryBadVariableIsNamed(t *testing.T) {
	_, err := decode(map[string]string{
		"BOOT_IMAGE_VM_SPAWN_TIMEOUT": "-5",
		"BOOT_IMAGE_VM_LOGIN_TIMEOUT": "soon",
		"BOOT_IMAGE_REQUIRE":          "perhaps",
	})
	require.Error(t, err)
	for _, want := range []string{
		"BOOT_IMAGE_VM_SPAWN_TIMEOUT", `"-5" is not a positive whole number of seconds`,
		"BOOT_IMAGE_VM_LOGIN_TIMEOUT", `"soon"`,
		"BOOT_IMAGE_REQUIRE", `"perhaps" is neither yes nor no`,
	} {
		assert.ErrorContains(t, err, want)
	}
}

func TestSwitches(t *testing.T) {
	for text, want := range map[string]bool{
		"1": true, "true": true, "yes": true, "YES": true, "on": true,
		"0": false, "false": false, "no": false, "off": false,
	} {
		cfg, err := decode(map[string]string{"BOOT_IMAGE_VM_DISABLE_LEDGER": text})
		require.NoError(t, err, text)
		assert.Equal(t, want, cfg.DisableLedger, text)
	}
}

func TestTwoTargets(t *testing.T) {
	for _, row := range []struct {
		environ map[string]string
		says    string
	}{
		{map[string]string{"BOOT_IMAGE_ISO": "/a.iso", "BOOT_IMAGE_FLAKE": "."}, "BOOT_IMAGE_FLAKE and BOOT_IMAGE_ISO are both set; unset one"},
		{map[string]string{"BOOT_IMAGE_ISO": "/a.iso", "BOOT_IMAGE_FILE": "/b.iso"}, "BOOT_IMAGE_FILE and BOOT_IMAGE_ISO are both set; unset one"},
		{map[string]string{"BOOT_IMAGE_KERNEL": "/k", "BOOT_IMAGE_FILE": "/b"}, "BOOT_IMAGE_FILE and BOOT_IMAGE_KERNEL are both set; unset one"},
		{map[string]string{"BOOT_IMAGE_INITRD": "/i"}, "BOOT_IMAGE_INITRD is set, and BOOT_IMAGE_KERNEL is not"},
		{map[string]string{"BOOT_IMAGE_CMDLINE": "quiet", "BOOT_IMAGE_FILE": "/b"}, "BOOT_IMAGE_CMDLINE is set, and BOOT_IMAGE_KERNEL is not"},
		{map[string]string{"BOOT_IMAGE_KERNEL": "/k", "BOOT_IMAGE_BUS": "usb"}, "a kernel is on no drive"},
		{map[string]string{"BOOT_IMAGE_BUS": "ide"}, `BOOT_IMAGE_BUS: "ide" is none of cdrom, usb and disk`},
	} {
		_, err := decode(row.environ)
		assert.ErrorContains(t, err, row.says)
	}
	cfg, err := decode(map[string]string{"BOOT_IMAGE_KERNEL": "/k", "BOOT_IMAGE_INITRD": "/i", "BOOT_IMAGE_CMDLINE": "console=ttyS0 quiet"})
	require.NoError(t, err)
	assert.Equal(t, contract.Target{Kind: contract.KindKernel, Kernel: "/k", Initrd: "/i", Cmdline: "console=ttyS0 quiet"}, cfg.Target())
}

func TestVariablesAreDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range Variables() {
		assert.NotEmpty(t, v.Name)
		assert.NotEmpty(t, v.Doc, v.Name)
		assert.False(t, seen[v.Name], "%s stands twice", v.Name)
		seen[v.Name] = true
	}
}

func TestPatience(t *testing.T) {
	for text, want := range map[string]float64{"": 1, "60": 1, "300": 1, "900": 3} {
		cfg, err := decode(map[string]string{"BOOT_IMAGE_VM_LOGIN_TIMEOUT": text})
		require.NoError(t, err)
		assert.Equal(t, want, cfg.Patience(), "%q", text)
	}
}

func TestFirmware(t *testing.T) {
	for _, text := range []string{"bios", "uefi", "uefi-secure-boot"} {
		cfg, err := decode(map[string]string{"BOOT_IMAGE_VM_FIRMWARE": text})
		require.NoError(t, err)
		assert.Equal(t, text, cfg.Target().Firmware)
	}
	_, err := decode(map[string]string{"BOOT_IMAGE_VM_FIRMWARE": "secure"})
	assert.ErrorContains(t, err, `BOOT_IMAGE_VM_FIRMWARE: "secure" is none of bios, uefi, uefi-secure-boot`)
}
