package vmtest

import (
	"bootaudit/fixtures"
	"bootaudit/internal/config"
	"bootaudit/internal/rootkey"
	"bootaudit/serial"
	"context"
	"fmt"
	"github.com/stretchr/testify/require"
	"testing"
	"time"
)

func TestTmpBoot(t *testing.T) {
	iso, err := fixtures.StandIn(t.Context(), t.Output())
	require.NoError(t, err)
	cfg, _ := config.Load()
	k, err := rootkey.For(cfg)
	require.NoError(t, err)
	key := k.Authorized
	m := Machine{ISO: iso, Folder: t.TempDir(), Disks: []Disk{{}}, Network: true, FWCfg: map[string]string{fixtures.RootKeyFile: key}}
	ctx, c := context.WithTimeout(t.Context(), 3*time.Minute)
	defer c()
	start := time.Now()
	vm, err := Launch(ctx, m, Settings{OnStage: func(r serial.Reached) { fmt.Printf("%.1f %s %s\n", time.Since(start).Seconds(), r.Stage, r.Line) }, OnTrip: func(tr serial.Trip) { fmt.Println(tr) }})
	require.NoError(t, err)
	defer vm.Kill()
	err = vm.Boot(ctx, serial.Account{User: "nixos"})
	fmt.Printf("%.1f booted %v\n", time.Since(start).Seconds(), err)
	if err != nil {
		fmt.Println(vm.Console.Screen())
		t.Fatal(err)
	}
	out, err := vm.Output(ctx, "id; systemctl list-jobs; while [ ! -e /run/pre-nixos/storage-status ]; do sleep 0.2; done; sleep 2; cat /run/pre-nixos/storage-status; vgs; ip a")
	fmt.Printf("%.1f %s %v\n", time.Since(start).Seconds(), out, err)
}
