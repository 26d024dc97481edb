// Package config decodes the environment variables that steer an audit, once
// and in one place, so that every package of a `go test ./...` run agrees.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/caarlos0/env/v11"

	"bootaudit/contract"
	"bootaudit/internal/mirror"
	"bootaudit/internal/near"
)

// Config is the decoded environment. Paths are absolute.
type Config struct {
	Flake       string `env:"BOOT_IMAGE_FLAKE" doc:"flake that builds the image"`
	Attr        string `env:"BOOT_IMAGE_ATTR" envDefault:"bootImage" doc:"the flake's attribute that is the image"`
	NixosConfig string `env:"BOOT_IMAGE_CONFIG" envDefault:"pre-installer" doc:"the flake's NixOS configuration that the image is made of"`
	File        Path   `env:"BOOT_IMAGE_FILE" doc:"image to audit, instead of the stand-in"`
	ISO         Path   `env:"BOOT_IMAGE_ISO" doc:"another name of BOOT_IMAGE_FILE"`
	Kernel      Path   `env:"BOOT_IMAGE_KERNEL" doc:"kernel to audit, loaded without a boot loader, instead of an image"`
	Initrd      Path   `env:"BOOT_IMAGE_INITRD" doc:"the initrd for it"`
	Cmdline     string `env:"BOOT_IMAGE_CMDLINE" doc:"the command line for it"`
	Bus         Bus    `env:"BOOT_IMAGE_BUS" doc:"cdrom, usb or disk: what the machine boots the image from; unset, a CD drive for an ISO and a disk for the image of one"`
	Contract    Terms  `env:"BOOT_IMAGE_CONTRACT" doc:"what the image promises: a profile's name, or a TOML file; unset, what the image holds decides"`
	RootKey     Path   `env:"PRE_NIXOS_ROOT_KEY" doc:"public key file to embed for root, instead of the key kept in the cache folder"`
	NewKey      bool   `env:"BOOT_IMAGE_NEW_KEY" doc:"make a new root key; the image's hash changes with it"`

	Require bool `env:"BOOT_IMAGE_REQUIRE" doc:"fail, instead of skip, where something needed is missing or cannot be told"`
	Debug   bool `env:"BOOT_IMAGE_DEBUG" doc:"keep the VM of a failed check and say how to attach to it"`

	Memory   Count    `env:"BOOT_IMAGE_VM_MEMORY" doc:"MiB of RAM of each guest; by itself the stand-in gets 1024, another image 2048"`
	CPUs     Count    `env:"BOOT_IMAGE_VM_CPUS" doc:"CPUs of each guest; by itself the one of clean-disk gets 2, the others 1"`
	Disk     Count    `env:"BOOT_IMAGE_VM_DISK" doc:"MiB of a blank disk of clean-disk and residue, instead of 4096"`
	Firmware Firmware `env:"BOOT_IMAGE_VM_FIRMWARE" doc:"bios, uefi or uefi-secure-boot; unset, what the image has a boot entry for, and BIOS where it has both"`
	QEMUArgs Words    `env:"BOOT_IMAGE_VM_QEMU_ARGS" doc:"further arguments for QEMU, quoted as for a shell"`

	SpawnTimeout Seconds `env:"BOOT_IMAGE_VM_SPAWN_TIMEOUT" envDefault:"900" doc:"whole seconds for one VM, from start to end"`
	LoginTimeout Seconds `env:"BOOT_IMAGE_VM_LOGIN_TIMEOUT" envDefault:"300" doc:"whole seconds from start to the first shell prompt; more than 300 lengthen the silence limits in proportion"`

	Mirror string `env:"BOOT_IMAGE_MIRROR" doc:"address of a mirror of Debian's packages, and after a blank of its security updates, to build the stand-in from, instead of the mirror of the host's apt"`

	CacheDir      Path `env:"BOOT_IMAGE_CACHE" doc:"folder for built images and keys, instead of bootaudit in the user's cache folder"`
	Artifacts     Path `env:"BOOT_IMAGE_ARTIFACTS" doc:"folder for this run's files; make audit sets it"`
	LogRoot       Path `env:"BOOT_IMAGE_VM_LOG_ROOT" doc:"folder below which each VM run makes a folder of its own, when BOOT_IMAGE_ARTIFACTS is not set"`
	LedgerPath    Path `env:"BOOT_IMAGE_VM_LEDGER_PATH" doc:"JSONL file to which each VM adds a line; default vm-run-ledger.jsonl in the artifacts' folder"`
	DisableLedger bool `env:"BOOT_IMAGE_VM_DISABLE_LEDGER" doc:"write no ledger"`
}

// Load decodes the process's environment, once. Its error names every bad
// variable, and each that begins as ours do and is not known.
var Load = sync.OnceValues(func() (Config, error) {
	cfg, err := decode(environ())
	return cfg, errors.Join(unknown(os.Environ()), err)
})

// prefix begins the name of a variable that is ours.
const prefix = "BOOT_IMAGE_"

// unknown is about the variables that have our prefix and are none of ours: a
// word misspelt would else be obeyed by not being heard.
func unknown(environ []string) error {
	var names []string
	for _, v := range Variables() {
		names = append(names, v.Name)
	}
	var all []error
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, prefix) && value != "" && !slices.Contains(names, name) {
			all = append(all, fmt.Errorf("environment: there is no variable %s%s", name, near.Hint(name, names)))
		}
	}
	return errors.Join(all...)
}

// environ reads each of our variables by name: go test sees which ones a test
// asks for, and does not serve it from its cache when one has changed. It does
// not see os.Environ.
func environ() map[string]string {
	set := map[string]string{}
	for _, v := range Variables() {
		set[v.Name] = os.Getenv(v.Name)
	}
	return set
}

func decode(environ map[string]string) (Config, error) {
	cfg, err := env.ParseAsWithOptions[Config](env.Options{
		Environment: blanksOut(environ),
		FuncMap:     map[reflect.Type]env.ParserFunc{reflect.TypeFor[bool](): yesOrNo},
	})
	if err != nil {
		return Config{}, fmt.Errorf("environment: %w", byVariable(err))
	}
	if err := cfg.oneTarget(); err != nil {
		return Config{}, fmt.Errorf("environment: %w", err)
	}
	cfg.File, cfg.ISO = cmp.Or(cfg.File, cfg.ISO), ""
	if cfg.Mirror != "" { // also where nothing is to be built from it
		if _, err := mirror.Parse(cfg.Mirror); err != nil {
			return Config{}, fmt.Errorf("environment: %w", err)
		}
	}
	if cfg.Flake, err = absoluteFlake(cfg.Flake); err != nil {
		return Config{}, fmt.Errorf("environment: BOOT_IMAGE_FLAKE: %w", err)
	}
	if cfg.CacheDir == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return Config{}, fmt.Errorf("environment: no folder to cache images in: %w; set BOOT_IMAGE_CACHE", err)
		}
		cfg.CacheDir = Path(filepath.Join(dir, "bootaudit"))
	}
	return cfg, nil
}

// oneTarget says why it is not one target that is asked for.
func (c Config) oneTarget() error {
	var set []string
	for _, v := range []struct {
		name string
		set  bool
	}{
		{"BOOT_IMAGE_FLAKE", c.Flake != ""}, {"BOOT_IMAGE_FILE", c.File != ""},
		{"BOOT_IMAGE_ISO", c.ISO != "" && c.ISO != c.File}, {"BOOT_IMAGE_KERNEL", c.Kernel != ""},
	} {
		if v.set {
			set = append(set, v.name)
		}
	}
	switch {
	case len(set) > 1:
		return fmt.Errorf("%s are both set; unset one", strings.Join(set, " and "))
	case c.Kernel == "" && c.Initrd != "":
		return errors.New("BOOT_IMAGE_INITRD is set, and BOOT_IMAGE_KERNEL is not: an image brings its own initrd")
	case c.Kernel == "" && c.Cmdline != "":
		return errors.New("BOOT_IMAGE_CMDLINE is set, and BOOT_IMAGE_KERNEL is not: an image brings its own command line")
	case c.Kernel != "" && c.Bus != "":
		return errors.New("BOOT_IMAGE_BUS and BOOT_IMAGE_KERNEL are both set; a kernel is on no drive")
	}
	return nil
}

// byVariable says the variable's name where env says the field's.
func byVariable(err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return err
	}
	for i, one := range all.Errors {
		var bad env.ParseError
		if errors.As(one, &bad) {
			if field, ok := reflect.TypeFor[Config]().FieldByName(bad.Name); ok {
				all.Errors[i] = fmt.Errorf("%s: %w", field.Tag.Get("env"), bad.Err)
			}
		}
	}
	return errors.Join(all.Errors...)
}

// yesOrNo also takes the words that people use, beside those of strconv.
func yesOrNo(text string) (any, error) {
	switch strings.ToLower(text) {
	case "1", "true", "yes", "on":
		return true, nil
	case "0", "false", "no", "off":
		return false, nil
	}
	return nil, fmt.Errorf("%q is neither yes nor no", text)
}

// blanksOut drops empty variables: `make audit ISO=` sets BOOT_IMAGE_ISO to
// nothing, which means unset.
func blanksOut(environ map[string]string) map[string]string {
	set := make(map[string]string, len(environ))
	for name, value := range environ {
		if value != "" {
			set[name] = value
		}
	}
	return set
}

// Target is what the configuration asks to audit.
func (c Config) Target() contract.Target {
	t := contract.Target{MemoryMiB: int(c.Memory), CPUs: int(c.CPUs), DiskMiB: int(c.Disk), Firmware: string(c.Firmware), Args: c.QEMUArgs, Bus: string(c.Bus)}
	switch {
	case c.Flake != "":
		t.Kind, t.Flake, t.Attr, t.Config = contract.KindFlake, c.Flake, c.Attr, c.NixosConfig
	case c.File != "":
		t.Kind, t.File = contract.KindFile, string(c.File)
	case c.Kernel != "":
		t.Kind, t.Kernel, t.Initrd, t.Cmdline = contract.KindKernel, string(c.Kernel), string(c.Initrd), c.Cmdline
	}
	return t
}

// Patience is what the limits of a console's silences are multiplied by: more
// than 1 where a login may take longer than it does by default.
func (c Config) Patience() float64 { return max(1, c.LoginTimeout.Duration().Seconds()/300) }

// absoluteFlake makes a flake reference that names a folder absolute, as [Path]
// does. What names no folder of ours is left for nix to understand.
func absoluteFlake(ref string) (string, error) {
	end := len(ref)
	if i := strings.IndexAny(ref, "?#"); i >= 0 {
		end = i
	}
	scheme, name := "", ref[:end]
	if rest, ok := strings.CutPrefix(name, "path:"); ok {
		scheme, name = "path:", rest
	}
	if name == "" || filepath.IsAbs(name) {
		return ref, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, name)
	if info, err := os.Stat(dir); scheme == "" && name[0] != '.' && (err != nil || !info.IsDir()) {
		return ref, nil // a registry's name, or a URL
	}
	return scheme + dir + ref[end:], nil
}

func moduleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return start, nil
		}
	}
}
