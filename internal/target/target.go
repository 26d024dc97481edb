// Package target finds the image that an audit is about: built from a flake,
// given as a file, or the stand-in.
package target

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bootaudit/fixtures"
	"bootaudit/internal/config"
	"bootaudit/internal/contract"
	"bootaudit/iso"
	"bootaudit/prereq"
)

// ISO is the path of the image that cfg asks for, which is built first where
// need be; log gets what the build has to say. Where there is no image because
// the host lacks what makes it, the error is an [iso.NoImage].
func ISO(ctx context.Context, cfg config.Config, log io.Writer) (string, error) {
	switch cfg.Target() {
	case config.ISO:
		return string(cfg.ISO), nil
	case config.Flake:
		return "", errors.New("not yet")
	default:
		name, err := fixtures.StandIn(ctx, log)
		if err == nil {
			return name, nil
		}
		outcome := prereq.Unknown
		if fixtures.CanBuild() != nil {
			outcome = prereq.Absent
		}
		return "", &iso.NoImage{Outcome: outcome, Err: fmt.Errorf("the stand-in: %w", err)}
	}
}

// Subject is what the image checks look at.
func Subject(cfg config.Config, log io.Writer) (iso.Subject, error) {
	terms, err := contract.Load(string(cfg.Contract))
	if err != nil {
		return iso.Subject{}, err
	}
	s := iso.Subject{
		Contract:    terms,
		ISO:         func(ctx context.Context) (string, error) { return ISO(ctx, cfg, log) },
		Accelerator: prereq.Accelerator,
	}
	if cfg.Target() == config.StandIn {
		s.KeyAtBoot = "fw_cfg file " + fixtures.RootKeyFile
	}
	return s, nil
}
