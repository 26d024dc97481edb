// Package scenario tests in booted VMs what a contract promises. A scenario is a
// VM with certain disks, firmware and keys, and checks to make in it.
//
// [Run] makes each check a subtest <scenario>/<check>:
//
//	func TestVM(t *testing.T) {
//		terms, err := contract.Load("my.toml")
//		if err != nil {
//			t.Fatal(err)
//		}
//		scenario.Run(t, scenario.Subject{
//			Contract: terms,
//			Target:   contract.Target{Kind: contract.KindFile, File: "my.iso"},
//		})
//	}
package scenario
