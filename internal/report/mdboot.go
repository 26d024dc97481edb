package report

import (
	"fmt"
	"html"
	"strings"
)

// boot writes what is known of a VM, its cause first.
func (m *mdWriter) boot(vm Boot) {
	m.line("### Boot of %s", mdText(vm.Name))
	m.line("")
	m.line("%s", mdText(vm.Words()))
	m.line("")
	if vm.Cause != nil {
		m.line("**Cause:** [%s](#%s): %s", mdText(vm.Cause.Title), vm.Cause.Anchor, mdText(vm.Why()))
		if root := vm.Because(); root != nil {
			m.line("by [%s](#%s): %s", mdText(root.Title), root.Anchor, mdText(sentence(root)))
		}
		m.line("")
	}
	if len(vm.Stages) > 0 {
		m.line("| Stage | Reached after | Lasted |")
		m.line("|---|--:|--:|")
		for _, s := range vm.Stages {
			m.line("| %s | %s | %s |", mdText(s.Name), seconds(s.Seconds), seconds(s.Lasting))
		}
		m.line("")
	}
	for _, text := range vm.Errors {
		m.fenced("text", text)
	}
	for _, trip := range vm.Trips {
		went := ""
		if vm.Went(trip) {
			went = ", and the boot went on"
		}
		m.line("- after %s the console showed **%s**%s: %s", seconds(trip.Seconds), mdText(trip.ID), went, mdCode(trip.Line))
	}
	if len(vm.Trips) > 0 {
		m.line("")
	}
	for _, note := range vm.Notes {
		m.line("%s", mdText(note))
		m.line("")
	}
	for _, screen := range vm.LastScreens() {
		if !vm.Failed() {
			break
		}
		if screen.Open {
			m.line("%s:", screen.Title)
			m.line("")
			m.fenced("text", screen.Text)
			continue
		}
		m.line("<details><summary>%s</summary>", screen.Title)
		m.line("")
		m.fenced("text", screen.Text)
		m.line("</details>")
		m.line("")
	}
	for _, d := range vm.Diagnostics {
		m.line("<details><summary>%s</summary>", html.EscapeString(d.Title))
		m.line("")
		m.fenced("text", d.Text)
		m.line("</details>")
		m.line("")
	}
	var links []string
	for _, file := range vm.Artifacts {
		links = append(links, fmt.Sprintf("[%s](%s)", mdText(file.Name), mdLink(file.Href)))
	}
	switch {
	case len(links) > 0:
		m.line("Artifacts: %s", strings.Join(links, ", "))
		m.line("")
	case vm.Folder != "":
		m.line("Artifacts: %s", mdCode(cleanLine(vm.Folder, 300)))
		m.line("")
	}
	if vm.Command != "" {
		m.line("<details><summary>QEMU's command line</summary>")
		m.line("")
		m.fenced("sh", vm.Command)
		m.line("</details>")
		m.line("")
	}
}
