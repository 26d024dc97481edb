package config

import "reflect"

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
