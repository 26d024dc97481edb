package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/contract"
	"bootaudit/fixtures"
	"bootaudit/internal/config"
	"bootaudit/internal/rootkey"
)

// The key of the ssh line that run prints is one that the image has.
func TestRunsMachine(t *testing.T) {
	mine, err := rootkey.Load(t.TempDir(), false)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		cfg     config.Config
		keyless bool
		known   bool // a key lets root in
		handed  bool // at the boot
	}{
		"stand-in":           {config.Config{}, false, true, true},
		"keyless stand-in":   {config.Config{}, true, false, false},
		"ISO":                {config.Config{File: "/x.iso"}, false, false, false},
		"ISO and its key":    {config.Config{File: "/x.iso", RootKey: config.Path(mine.Public)}, false, true, false},
		"flake":              {config.Config{Flake: "/x"}, false, true, false},
		"flake with its key": {config.Config{Flake: "/x", RootKey: config.Path(mine.Public)}, false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			test.cfg.CacheDir = config.Path(cache)
			m, key, err := machine(test.cfg, test.keyless, "panic")
			require.NoError(t, err)
			assert.Equal(t, test.known, key.Private != "")
			_, handed := m.FWCfg[fixtures.RootKeyFile]
			assert.Equal(t, test.handed, handed)
			_, faulty := m.FWCfg[fixtures.FaultFile]
			assert.Equal(t, test.cfg.Target().Kind == contract.KindStandIn, faulty)
			_, err = os.Stat(filepath.Join(cache, "root-key"))
			assert.Equal(t, test.known && test.cfg.RootKey == "", err == nil, "a key that nobody needs is not made")
		})
	}
}

func TestRunIsAsPatientAsTheAudit(t *testing.T) {
	cfg := config.Config{LoginTimeout: config.Seconds(10 * time.Minute)}
	assert.Equal(t, 2.0, watched(cfg, contract.Contract{}, nil).Patience)
}
