package outside

import (
	"os"
	"testing"

	"bootaudit/contract"
	"bootaudit/vmtest"
	"bootaudit/vmtest/scenario"
)

// A boot test of one's own.
func TestMyImage(t *testing.T) {
	vm := vmtest.Start(t, vmtest.Machine{Name: "mine", ISO: os.Getenv("MY_ISO"), CPUs: 1})
	if got := vm.Run("id -un"); got != "root\n" {
		t.Errorf("the shell is %q's, want root's", got)
	}
}

// What a contract promises.
func TestVM(t *testing.T) {
	terms, err := contract.Load("my.toml")
	if err != nil {
		t.Fatal(err)
	}
	scenario.Run(t, scenario.Subject{
		Contract: terms,
		Target:   contract.Target{Kind: contract.KindFile, File: os.Getenv("MY_ISO")},
	})
}
