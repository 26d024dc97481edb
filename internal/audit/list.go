package audit

import (
	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/iso"
	"bootaudit/prereq"
	"bootaudit/vmtest"
	"bootaudit/vmtest/scenario"
)

// Row is a check by the name of its test.
type Row struct{ Test, Condition string }

// List are the checks of an audit, with the scenarios for an image of terms.
func List(terms contract.Contract) []Row {
	var all []Row
	list := func(test string, checks []check.Check) {
		for _, c := range checks {
			all = append(all, Row{test + "/" + c.ID, c.Condition})
		}
	}
	list("TestHost", prereq.Checks(prereq.Subject{}))
	list("TestImage", iso.Checks(iso.Subject{Contract: terms}))
	for _, s := range scenario.NewSuite(scenario.Subject{Contract: terms}, &vmtest.Harness{}).Scenarios {
		list("TestVM/"+s.Name, s.Checks)
	}
	return all
}
