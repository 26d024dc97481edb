package target

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bootaudit/contract"
	"bootaudit/internal/config"
	"bootaudit/iso"
	"bootaudit/serial/watch"
	"bootaudit/vmtest"
	"bootaudit/vmtest/scenario"
)

// profile is what an image is held against.
type profile struct {
	contract.Choice
	detected bool  // by what the image holds, and not named
	unknown  error // that nobody can tell; Contract is the default then
}

// Profile is the contract that cfg's image is held against, and which it is and
// why, in a sentence. Its error is about the contract that cfg names, or says that
// the profile of the image cannot be told.
func Profile(ctx context.Context, cfg config.Config, log io.Writer) (terms contract.Contract, why string, err error) {
	p, err := profileOf(ctx, cfg, log)
	return p.Contract, p.Why, errors.Join(err, p.unknown)
}

// profileOf is that; the error is about the contract that cfg names.
func profileOf(ctx context.Context, cfg config.Config, log io.Writer) (profile, error) {
	if spec := string(cfg.Contract); spec != "" {
		terms, err := contract.Load(spec)
		if err == nil {
			err = terms.Faults(allowed(terms))
		}
		why := fmt.Sprintf("%s: BOOT_IMAGE_CONTRACT is %s", terms.Name, spec)
		return profile{Choice: contract.Choice{Contract: terms, Why: why}}, err
	}
	var closed error
	choice, err := contract.Detect(cfg.Target(), look(ctx, cfg, log, &closed))
	if err != nil {
		if closed != nil {
			err = fmt.Errorf("what the image promises is unknown: %w", closed)
		}
		return profile{Choice: contract.Choice{Contract: contract.Default()}, detected: true, unknown: err}, nil
	}
	return profile{Choice: choice, detected: true}, nil
}

// look looks for marks in cfg's image, which is opened when it is first asked: for
// some targets nobody asks. closed gets what keeps it from being opened.
func look(ctx context.Context, cfg config.Config, log io.Writer, closed *error) func(contract.Mark) (bool, error) {
	var img *iso.Image
	return func(m contract.Mark) (bool, error) {
		if img == nil && *closed == nil {
			name, err := ISO(ctx, cfg, log)
			if err == nil {
				of := cfg.Target()
				of.File = name
				img, err = iso.OpenTarget(of)
			}
			*closed = err
		}
		if *closed != nil {
			return false, *closed
		}
		return img.Has(m)
	}
}

// allowed are the names of the checks that a contract's waivers may name, and of
// the tripwires.
func allowed(terms contract.Contract) (checks, tripwires []string) {
	terms.Checks, terms.Allow = nil, nil
	for _, c := range iso.Checks(iso.Subject{Contract: terms}) {
		checks = append(checks, c.ID)
	}
	for _, s := range scenario.NewSuite(scenario.Subject{Contract: terms}, &vmtest.Harness{}).Scenarios {
		for _, c := range s.Checks {
			checks = append(checks, s.Name+"/"+c.ID)
		}
	}
	for _, t := range watch.Tripwires() {
		tripwires = append(tripwires, t.ID)
	}
	return checks, tripwires
}
