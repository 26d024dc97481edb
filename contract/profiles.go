package contract

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"bootaudit/internal/near"
)

// The profiles: contracts that are chosen by their name, or by what an image
// holds.
//
//go:embed *.toml
var profiles embed.FS

// Default is the contract of an image that is no other profile's. It promises a
// login or a shell on the serial console, and nothing else.
func Default() Contract { return builtIn("default") }

// PreNixOS is the contract of the pre-nixos boot image.
func PreNixOS() Contract { return builtIn("pre-nixos") }

// DebianLive is the contract of an ordinary Debian live image.
func DebianLive() Contract { return builtIn("debian-live") }

// Names are the profiles' names, sorted.
func Names() []string {
	files, _ := fs.Glob(profiles, "*.toml")
	for i, file := range files {
		files[i] = strings.TrimSuffix(file, ".toml")
	}
	return files
}

// Named is the profile of that name.
func Named(name string) (c Contract, ok bool) {
	if !slices.Contains(Names(), name) {
		return Contract{}, false
	}
	return builtIn(name), true
}

func builtIn(name string) Contract {
	file := name + ".toml"
	text, err := profiles.ReadFile(file)
	if err != nil {
		panic(err)
	}
	c, err := Parse(file, text)
	if err != nil {
		panic(err)
	}
	return c
}

// Load is the profile that spec names, or else the contract in the file of that
// name. A file that is called like a profile is named with its folder: ./default.
func Load(spec string) (Contract, error) {
	if c, ok := Named(spec); ok {
		return c, nil
	}
	file, err := os.Open(spec)
	if errors.Is(err, fs.ErrNotExist) {
		return Contract{}, fmt.Errorf("contract: %q is neither a profile nor a file: the profiles are %s%w", spec, strings.Join(Names(), ", "), missing{spec})
	}
	if err != nil {
		return Contract{}, fmt.Errorf("contract: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return Contract{}, fmt.Errorf("contract: %s is a folder; name the TOML file in it", spec)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxText+1))
	if err != nil {
		return Contract{}, fmt.Errorf("contract: %w", err)
	}
	return Parse(spec, text)
}

// missing is the end of the error about a name that is nothing's: which profile
// was meant.
type missing struct{ spec string }

func (m missing) Error() string {
	if meant := near.Name(m.spec, Names()); meant != "" {
		return "; did you mean " + meant + "?"
	}
	return ""
}

func (m missing) Unwrap() error { return fs.ErrNotExist }
