package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"bootaudit/contract/check"
)

var (
	//go:embed report.html.tmpl
	htmlText string
	//go:embed report.css
	reportCSS string
	//go:embed page.js
	pageJS string
	//go:embed player.js
	playerJS string
	//go:embed player.css
	playerCSS string
)

var htmlTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"seconds": seconds,
	"fold": func(row *Row) bool {
		return !bad(row.Outcome)
	},
	"class": func(o check.Outcome) string {
		if o == check.NotNeeded {
			return "needless"
		}
		return string(o)
	},
	"plural": func(o check.Outcome) string { return strings.Replace(string(o), "holds", "hold", 1) },
	"short":  func(s string) string { return cleanLine(s, 120) },
	"ids":    ids,
	"others": func(n int) string { return plural(n, "other cause") },
}).Parse(htmlText))

// HTML writes report.html: one file that asks the network for nothing. Its
// content security policy lets only the scripts run that stand here, so that
// an escape gone wrong could not run what a guest printed.
func (a *Audit) HTML(w io.Writer) error {
	page := struct {
		*Audit
		Sections  []htmlSection
		Timeline  *timeline
		CSS       template.CSS
		Scripts   []template.JS
		Good      bool
		Policy    string
		Recording bool
	}{Audit: a, Timeline: newTimeline(a.VMs), CSS: template.CSS(reportCSS)}
	page.Sections = []htmlSection{{1, a.Host}, {2, a.Image}, {3, a.Runtime}}
	for _, vm := range a.VMs {
		page.Recording = page.Recording || vm.Recording != nil && vm.Recording.Packed != ""
	}
	page.Good = a.Status() == StatusGood
	page.Scripts = []template.JS{template.JS(pageJS)}
	page.Policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
	if page.Recording {
		page.CSS += template.CSS(playerCSS)
		page.Scripts = append(page.Scripts, template.JS(playerJS))
	}
	page.Policy += "; script-src"
	for _, script := range page.Scripts {
		sum := sha256.Sum256([]byte(script))
		page.Policy += fmt.Sprintf(" 'sha256-%s'", base64.StdEncoding.EncodeToString(sum[:]))
	}
	return htmlTemplate.Execute(w, page)
}

type htmlSection struct {
	Number int
	Section
}
