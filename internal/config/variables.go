package config

import (
	"os"
	"reflect"
	"slices"
	"strings"

	"bootaudit/internal/quote"
)

// Variable is one row of the table in docs/environment.md.
type Variable struct {
	Name, Default, Doc string
}

// Variables lists what [Load] reads, in the order of [Config]'s fields.
func Variables() []Variable {
	var all []Variable
	for field := range reflect.TypeFor[Config]().Fields() {
		all = append(all, Variable{
			Name:    field.Tag.Get("env"),
			Default: field.Tag.Get("envDefault"),
			Doc:     field.Tag.Get("doc"),
		})
	}
	return all
}

// ofTheRun are the variables that say where a run leaves its files, and nothing of
// what is audited.
var ofTheRun = []string{
	"BOOT_IMAGE_ARTIFACTS", "BOOT_IMAGE_VM_LOG_ROOT", "BOOT_IMAGE_VM_LEDGER_PATH", "BOOT_IMAGE_VM_DISABLE_LEDGER", "BOOT_IMAGE_NEW_KEY",
}

// Assignments are the variables that are set and of which the findings depend, as
// words of a shell that go before a command.
func Assignments() string {
	var words []string
	for _, v := range Variables() {
		if value := os.Getenv(v.Name); value != "" && !slices.Contains(ofTheRun, v.Name) {
			words = append(words, v.Name+"="+quote.Word(value))
		}
	}
	return strings.Join(words, " ")
}
