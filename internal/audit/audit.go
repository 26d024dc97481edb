package audit

import (
	"cmp"

	"bootaudit/contract/check"
	"bootaudit/internal/about"
	"bootaudit/internal/config"
	"bootaudit/internal/target"
	"bootaudit/iso"
	"bootaudit/prereq"
	"bootaudit/vmtest"
	"bootaudit/vmtest/scenario"
)

// Door is what an audit is asked for by. The zero value is go test.
type Door struct {
	// Command is the command, up to what selects tests, and Environ what stands
	// before it for a shell.
	Command, Environ string
	// Version is bootaudit's, where the go command does not know it.
	Version string
}

// Part is a part of an audit: one test of one package.
type Part struct {
	Package, Test string
	Run           func(check.Test)
}

// Parts are the parts of an audit, the cheapest first.
func (d Door) Parts() []Part {
	return []Part{
		{"bootaudit/prereq", "TestHost", d.Host},
		{"bootaudit/iso", "TestImage", d.Image},
		{"bootaudit/vmtest", "TestVM", d.VM},
	}
}

// settings are what the environment asks for, which t has for its attribute.
func (d Door) settings(t check.Test) config.Config {
	t.Helper()
	cfg, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	a := about.Of(cfg.Target())
	a.Command, a.Environ, a.Version = d.Command, d.Environ, cmp.Or(d.Version, a.Version)
	if d.Command == "" {
		a.Environ = config.Assignments()
	}
	a.Attach(t)
	return cfg
}

// Host checks this machine.
func (d Door) Host(t check.Test) {
	t.Helper()
	cfg := d.settings(t)
	subject := target.Host(cfg)
	subject.NoGo = d.Command != ""
	check.Run(t, prereq.Checks(subject), cfg.Require)
}

// Image checks the image, which may be built for that.
func (d Door) Image(t check.Test) {
	t.Helper()
	cfg := d.settings(t)
	subject, err := target.Image(t.Context(), cfg, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	subject.Deadline, _ = t.Deadline()
	check.Run(t, iso.Checks(subject), cfg.Require)
}

// VM boots the image in each scenario, and checks what it does.
func (d Door) VM(t check.Test) {
	t.Helper()
	cfg := d.settings(t)
	subject, err := target.Boot(t.Context(), cfg, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	scenario.NewSuite(subject, vmtest.NewHarness(t)).Run(t)
}
