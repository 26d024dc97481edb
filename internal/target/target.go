// Package target finds the image that an audit is about: built from a flake,
// given as a file, or the stand-in.
package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures"
	"bootaudit/internal/config"
	"bootaudit/internal/rootkey"
	"bootaudit/internal/tools"
	"bootaudit/iso"
	"bootaudit/prereq"
	"bootaudit/vmtest"
	"bootaudit/vmtest/scenario"
)

// ISO is the path of the image that cfg asks for, which is built first where
// need be; log gets what the build has to say. Where there is no image because
// the host lacks what makes it, the error is an [check.Lack].
func ISO(ctx context.Context, cfg config.Config, log io.Writer) (string, error) {
	switch cfg.Target().Kind {
	case contract.KindFile:
		return string(cfg.File), nil
	case contract.KindKernel:
		return string(cfg.Kernel), nil
	case contract.KindFlake:
		f, err := Flake(cfg, log)
		if err != nil {
			return "", err
		}
		return build(ctx, f)
	default:
		name, err := fixtures.StandIn(ctx, log)
		if err == nil {
			return name, nil
		}
		outcome := check.Unknown
		if fixtures.CanBuild() != nil {
			outcome = check.Absent
		}
		return "", &check.Lack{Outcome: outcome, Err: fmt.Errorf("the stand-in: %w", err)}
	}
}

// Medium is cfg's target with its image, which is built first where need be, and what
// that is booted from.
func Medium(ctx context.Context, cfg config.Config, log io.Writer) (contract.Target, error) {
	t := cfg.Target()
	var err error
	if t.File, err = ISO(ctx, cfg, log); err != nil {
		return t, err
	}
	image, err := iso.OpenTarget(t)
	if err != nil {
		return t, err
	}
	defer image.Close()
	return image.On(t), nil
}

// Flake is the flake that cfg names, with the root key that its image embeds.
func Flake(cfg config.Config, log io.Writer) (*iso.Flake, error) {
	key, err := rootkey.For(cfg)
	if err != nil {
		return nil, err
	}
	ref, _, _ := strings.Cut(cfg.Flake, "#")
	logs := string(cfg.Artifacts)
	if logs == "" {
		logs = string(cfg.CacheDir)
	}
	return &iso.Flake{
		Ref: ref, Attr: cfg.Attr, Config: cfg.NixosConfig, Key: key,
		CacheDir: string(cfg.CacheDir), LogDir: logs, Log: log,
	}, nil
}

func build(ctx context.Context, f *iso.Flake) (string, error) {
	b, err := f.Build(ctx)
	if err != nil {
		outcome := check.Unknown
		if errors.Is(err, exec.ErrNotFound) {
			outcome = check.Absent
		}
		return "", &check.Lack{Outcome: outcome, Err: fmt.Errorf("no image was built: %w", err)}
	}
	return b.ISO, nil
}

// Host is what the host's checks look for.
func Host(cfg config.Config) prereq.Subject {
	return prereq.Subject{
		Target: cfg.Target(), Cache: string(cfg.CacheDir), Mirror: cfg.Mirror,
		Artifacts: cmp.Or(string(cfg.Artifacts), string(cfg.LogRoot)),
	}
}

// Image is what the image checks look at. What it is held against, cfg names or
// the image holds; for that it may have to be built.
func Image(ctx context.Context, cfg config.Config, log io.Writer) (iso.Subject, error) {
	p, err := profileOf(ctx, cfg, log)
	if err != nil {
		return iso.Subject{}, err
	}
	s := iso.Subject{
		Target: cfg.Target(), Contract: p.Contract, Why: p.Why, Detected: p.detected, Unknown: p.unknown,
		ISO: func(ctx context.Context) (string, error) { return ISO(ctx, cfg, log) },
	}
	s.SecureBoot = cfg.Target().Firmware == contract.SecureBoot
	if firmware, err := tools.FindOVMF(true, func(path string) error { _, err := os.Stat(path); return err }); err == nil {
		s.Variables = firmware.Vars
	}
	if p.detected {
		s.ProfileBefore = remember(string(cfg.CacheDir), cfg.Target(), p.Contract.Name)
	}
	switch cfg.Target().Kind {
	case contract.KindStandIn:
		s.KeyAtBoot = "fw_cfg file " + fixtures.RootKeyFile
	case contract.KindFlake:
		if s.Flake, err = Flake(cfg, log); err != nil {
			return iso.Subject{}, err
		}
		s.ISO = func(ctx context.Context) (string, error) { return build(ctx, s.Flake) }
	}
	return s, nil
}

// Boot is what the scenarios boot.
func Boot(ctx context.Context, cfg config.Config, log io.Writer) (scenario.Subject, error) {
	p, err := profileOf(ctx, cfg, log)
	if err != nil {
		return scenario.Subject{}, err
	}
	if p.unknown == nil {
		fmt.Fprintf(log, "held against %s\n", p.Why)
	}
	s := scenario.Subject{
		Contract: p.Contract, Unknown: p.unknown, Target: cfg.Target(),
		ISO: func(ctx context.Context) (string, error) { return ISO(ctx, cfg, log) },
	}
	switch s.Target.Kind {
	case contract.KindStandIn:
		s.KeyAtBoot, s.FaultAtBoot = fixtures.RootKeyFile, fixtures.FaultFile
	case contract.KindFlake:
		flake, err := Flake(cfg, log)
		if err != nil {
			return scenario.Subject{}, err
		}
		s.ISO = func(ctx context.Context) (string, error) { return build(ctx, flake) }
		s.Provenance = func() vmtest.Provenance {
			b, _ := flake.Build(context.Background()) // built once, by ISO
			return vmtest.Provenance{StorePath: b.StorePath, Deriver: b.Deriver, NARHash: b.NARHash, Took: b.Took}
		}
	}
	s.RootKey, err = rootkey.InImage(cfg)
	return s, err
}
