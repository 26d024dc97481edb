package iso

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"bootaudit/contract"
	"bootaudit/internal/command"
	"bootaudit/internal/nix"
	"bootaudit/internal/once"
)

// Flake is where an image is built from.
type Flake struct {
	Ref    string // of the flake, without an attribute
	Attr   string // of the image
	Config string // nixosConfigurations.<Config> is what the image is made of
	Key    contract.Key
	// CacheDir remembers how long builds took, and holds their lock.
	CacheDir string
	LogDir   string    // gets nix-build.log
	Log      io.Writer // gets a line every Beat while nix builds
	Beat     time.Duration

	// run calls nix; a test replaces it.
	run runNix

	built     once.Value[Build]
	evaluated once.Value[evaluation]
}

// runNix runs nix with arguments, its stderr going to w.
type runNix func(ctx context.Context, args []string, env []string, w io.Writer) (stdout []byte, err error)

// nix calls nix. The root key reaches the flake by its environment, for which
// evaluation must be impure.
func (f *Flake) nix(ctx context.Context, w io.Writer, args ...string) ([]byte, error) {
	run := f.run
	if run == nil {
		run = execNix
	}
	env := append(os.Environ(), "LC_ALL=C", "NO_COLOR=1")
	if f.Key.Public != "" {
		env = append(env, "PRE_NIXOS_ROOT_KEY="+f.Key.Public)
	}
	return run(ctx, args, env, w)
}

func execNix(ctx context.Context, args, env []string, w io.Writer) ([]byte, error) {
	tool, err := exec.LookPath("nix")
	if err != nil {
		return nil, err
	}
	flags := nix.Flags(os.DirFS("/"), os.Getuid())
	if args[0] == "eval" {
		// An input that cannot be fetched is to be said at once; a build's many
		// downloads are worth nix's own patience.
		flags = append(flags, nix.FailFast...)
	}
	out, err := command.Command{
		Args: slices.Concat([]string{tool}, flags, args), Env: env, Stderr: w, MaxOutput: maxAnswer,
		// nix ends its builders when it is asked to; killed, it cannot.
		Grace: 5 * time.Second,
	}.Run(ctx)
	if err == nil && out.Cut {
		err = fmt.Errorf("nix %s printed more than %d MiB", args[0], maxAnswer>>20)
	}
	return []byte(out.Stdout), err
}

// maxAnswer bounds what nix prints, in bytes.
const maxAnswer = 16 << 20

// installable is a part of the flake, for nix's command line.
func (f *Flake) installable(attr string) string { return f.Ref + "#" + attr }

// configAttr is where the NixOS configuration is.
func (f *Flake) configAttr() string {
	name := f.Config
	if strings.ContainsAny(name, ".\" ") {
		name = `"` + strings.ReplaceAll(name, `"`, `\"`) + `"`
	}
	return "nixosConfigurations." + name + ".config"
}

// nixError makes one sentence of how a call of nix failed.
func nixError(err error, stderr string) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: install nix, or put it on the PATH", err)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	if words := nix.ErrorIn(stderr); words != "" {
		return errors.New(words)
	}
	return err
}
