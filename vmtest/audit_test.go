package vmtest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/fixtures"
	"bootaudit/internal/checktest"
	"bootaudit/internal/config"
	"bootaudit/internal/rootkey"
	"bootaudit/internal/target"
	"bootaudit/iso"
)

// TestVM boots the image that is audited, in each scenario, and checks what it
// does: go test ./vmtest -run TestVM/clean-disk
func TestVM(t *testing.T) {
	if testing.Short() {
		t.Skip("boots the image in QEMU; -short asks for no boot")
	}
	suite := NewSuite(subject(t), loadConfig(t), watcher(t))
	t.Cleanup(suite.Close)
	for _, scenario := range suite.Scenarios {
		t.Run(scenario.Name, func(t *testing.T) {
			if !scenario.Alone {
				t.Parallel()
			}
			checktest.RunInOrder(t, scenario.Checks)
			suite.End(scenario, t.Attr)
		})
	}
	// Those that run side by side begin when this function has returned: they
	// need the CPUs, also where -run left out some who share the first VM.
	suite.EndAlone()
}

func loadConfig(t testing.TB) config.Config {
	t.Helper()
	cfg, err := config.Load()
	require.NoError(t, err)
	return cfg
}

// subject is the image that the environment asks for.
func subject(t testing.TB) Subject {
	t.Helper()
	cfg := loadConfig(t)
	terms, err := contract.Load(string(cfg.Contract))
	require.NoError(t, err)
	s := Subject{
		Contract: terms,
		ISO:      func(ctx context.Context) (string, error) { return target.ISO(ctx, cfg, t.Output()) },
	}
	s.Target = cfg.Target()
	switch cfg.Target().Kind {
	case contract.KindFlake:
		flake, err := target.Flake(cfg, t.Output())
		require.NoError(t, err)
		s.ISO = func(ctx context.Context) (string, error) {
			built, err := flake.Build(ctx)
			if err != nil {
				return "", &iso.NoImage{Outcome: check.Unknown, Err: err}
			}
			return built.ISO, nil
		}
		s.Built = func() iso.Build {
			built, _ := flake.Build(context.Background()) // built once, by ISO
			return built
		}
	case contract.KindStandIn:
		s.KeyAtBoot, s.FaultAtBoot = fixtures.RootKeyFile, fixtures.FaultFile
	}
	s.RootKey, err = rootkey.InImage(cfg)
	require.NoError(t, err)
	return s
}
