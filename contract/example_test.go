package contract_test

import (
	"errors"
	"fmt"
	"time"

	"bootaudit/contract"
	"bootaudit/contract/check"
)

// All that is wrong is said at once, by what decodes a contract and by what knows
// the checks that there are.
func ExampleParse() {
	c, err := contract.Parse("my.toml", []byte(`name = "mine"
[login]
uid = "many"

[[allow]]
check = "clean-disk/qemu"
reason = "it is slow"
until = 2026-12-31
`))
	fmt.Println(errors.Join(err, c.Faults([]string{"image-sudo", "clean-disk/qemu"}, nil)))
	// Output:
	// my.toml:3: login.uid: wanted a whole number, found the string "many"
	// my.toml:6: allow.1.check: clean-disk/qemu cannot be allowed: without QEMU nothing was looked at
}

// An image that has one mark of a profile, and no other.
func ExampleDetect() {
	look := func(m contract.Mark) (bool, error) { return m.Root != nil && m.Root[0] == "/usr/lib/pre-nixos", nil }
	choice, err := contract.Detect(contract.Target{Kind: contract.KindFile, File: "my.iso"}, look)
	fmt.Println(choice.Why, err)
	for _, mark := range choice.Missing {
		fmt.Println("broken: the image has not", mark)
	}
	// Output:
	// pre-nixos: the image has the path /usr/lib/pre-nixos or /nix/store/*-pre-nixos-[0-9]*, and lacks the unit pre-nixos.service <nil>
	// broken: the image has not the unit pre-nixos.service
}

// What a waiver covers is a risk, and what nothing needed is another.
func ExampleContract_Waivers() {
	c := contract.Contract{Name: "mine", Allow: []contract.Allow{
		{Check: "image-sudo", Reason: "the user knows the password", Until: "2026-12-31"},
		{Check: "image-boot-menu", Reason: "there is a keyboard", Until: "2026-12-31"},
	}}
	w := c.Waivers(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	fmt.Println(w.Finding("image-sudo", check.Finding{Condition: "sudo asks for nothing", Outcome: check.Broken, Detail: "it asks"}).Words())
	w.Finding("image-boot-menu", check.Finding{Outcome: check.Holds})
	for _, f := range w.Left(false) {
		fmt.Println(f.ID, f.Outcome, f.Detail)
	}
	// Output:
	// risk: sudo asks for nothing: it asks
	// risk: known, and allowed until 2026-12-31: the user knows the password
	// waiver-2 risk image-boot-menu is not broken, but: holds
}
