package setup

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/tools"
)

var wanted = []tools.Tool{
	{Command: "bootaudit-test-qemu", Package: "qemu-system-x86", Why: "boots the image"},
	{Command: "bootaudit-test-xorriso", Package: "xorriso", Why: "writes the ISO"},
	{Files: []string{"/no/such/isolinux.bin"}, Package: "isolinux", Why: "is the boot loader"},
}

// machine is a System whose programs and failures are data.
type machine struct {
	root    bool
	on      string // programs on the PATH
	fail    string // apt-get sub-command that fails
	useless bool   // whether installing brings nothing
	ran     []string
	has     map[string]bool
}

func (m *machine) system() System {
	return System{
		Root: m.root,
		LookPath: func(name string) (string, error) {
			if strings.Contains(m.on, name) {
				return "/bin/" + name, nil
			}
			return "", exec.ErrNotFound
		},
		Missing: func(all []tools.Tool) (missing []tools.Tool) {
			for _, t := range all {
				if !m.has[t.Package] {
					missing = append(missing, t)
				}
			}
			return missing
		},
		Run: func(_ context.Context, argv []string) error {
			line := strings.Join(argv, " ")
			m.ran = append(m.ran, line)
			if m.fail != "" && strings.Contains(line, m.fail) {
				return errors.New("exit status 100")
			}
			if strings.Contains(line, " install ") && !m.useless {
				for _, name := range argv {
					m.has[name] = true
				}
			}
			return nil
		},
	}
}

func TestRun(t *testing.T) {
	const (
		update  = "env DEBIAN_FRONTEND=noninteractive /bin/apt-get update -q"
		install = "env DEBIAN_FRONTEND=noninteractive /bin/apt-get install -qy --no-install-recommends isolinux qemu-system-x86 xorriso"
	)
	for name, c := range map[string]struct {
		machine machine
		ran     []string
		err     string
		says    string
	}{
		"root":              {machine: machine{root: true, on: "apt-get sudo"}, ran: []string{update, install}, says: "boots the image"},
		"user with sudo":    {machine: machine{on: "apt-get sudo"}, ran: []string{"/bin/sudo " + update, "/bin/sudo " + install}, says: "package isolinux"},
		"user without sudo": {machine: machine{on: "apt-get"}, err: "run as root: apt-get install --no-install-recommends isolinux qemu-system-x86 xorriso"},
		"no apt":            {machine: machine{root: true, on: "dnf"}, err: "this system has no apt-get; install what Debian calls isolinux qemu-system-x86 xorriso"},
		"update fails":      {machine: machine{root: true, on: "apt-get", fail: "update"}, ran: []string{update, install}, says: "trying with the lists at hand"},
		"install fails":     {machine: machine{root: true, on: "apt-get", fail: "install"}, ran: []string{update, install}, err: "could not install isolinux qemu-system-x86 xorriso: exit status 100"},
		"brings nothing":    {machine: machine{root: true, on: "apt-get", useless: true}, ran: []string{update, install}, err: "bootaudit-test-qemu is not on the PATH"},
	} {
		t.Run(name, func(t *testing.T) {
			m := c.machine
			m.has = map[string]bool{}
			var out bytes.Buffer
			err := Run(t.Context(), m.system(), wanted, &out)
			if c.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.err)
			}
			assert.Equal(t, c.ran, m.ran)
			assert.Contains(t, out.String(), c.says)

			if err == nil {
				m.ran = nil
				out.Reset()
				require.NoError(t, Run(t.Context(), m.system(), wanted, &out))
				assert.Empty(t, m.ran, "a second run does nothing")
				assert.Equal(t, "setup: nothing is missing\n", out.String())
			}
		})
	}
}
