package report

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// looked is what a browser says of a page in a frame.
type looked struct {
	Width, Scroll  int
	Errors         []string
	Evidence       string // the row that the player points at
	Start, Playing string // the player's screen
	End            string
	Alerts         int
}

// look asks each frame, which has the page with its policy as it is.
const look = `
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
async function ask(frame) {
  const page = frame.contentDocument, said = { Width: frame.width * 1, Errors: errors.get(frame), Alerts: alerts };
  for (let i = 0; i < 100 && page.querySelector(".player") && !page.querySelector(".player .toggle"); i++) await sleep(100);
  said.Scroll = page.documentElement.scrollWidth;
  const player = page.querySelector(".player:has(.toggle)");
  if (player) {
    const shown = () => [...player.querySelectorAll(".screen div")].map((row) => row.textContent).join("\n").trim();
    said.Evidence = (player.querySelector(".seen") || {}).textContent || "";
    const key = (name) => player.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
    key("Home");
    said.Start = shown();
    key("k");
    for (let i = 0; i < 100 && shown() === said.Start; i++) await sleep(100);
    said.Playing = shown();
    key("End");
    said.End = shown();
  }
  return said;
}
let alerts = 0;
const errors = new Map();
const frames = [...document.querySelectorAll("iframe")];
for (const frame of frames) errors.set(frame, []);
addEventListener("load", async () => {
  for (const frame of frames) {
    frame.contentWindow.alert = () => alerts++;
    frame.contentWindow.addEventListener("error", (e) => errors.get(frame).push(e.message));
    frame.contentWindow.addEventListener("unhandledrejection", (e) => errors.get(frame).push(String(e.reason)));
    frame.contentDocument.addEventListener("securitypolicyviolation", (e) => errors.get(frame).push(e.violatedDirective));
  }
  const all = [];
  for (const frame of frames) all.push(await ask(frame));
  document.body.replaceChildren(JSON.stringify(all));
  document.title = "done";
});
`

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	t.Skip("there is no Chromium here: apt-get install chromium")
	return ""
}

// lookAt opens a page at the widths of a telephone, a tablet and a screen.
func lookAt(t *testing.T, page string) []looked {
	t.Helper()
	browser := chromium(t)
	var frames strings.Builder
	for _, width := range []int{360, 800, 1280} {
		fmt.Fprintf(&frames, "<iframe width=%d height=800 srcdoc=\"%s\"></iframe>\n", width, html.EscapeString(page))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "look.html")
	require.NoError(t, os.WriteFile(file, []byte("<!doctype html><meta charset=utf-8><body>"+frames.String()+"<script>"+look+"</script>"), 0o644))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--virtual-time-budget=120000", "--dump-dom", "file://"+file)
	out, err := cmd.Output()
	require.NoError(t, err)
	body := regexp.MustCompile(`(?s)<body>(.*)</body>`).FindStringSubmatch(string(out))
	require.NotNil(t, body, "%s", out)
	var all []looked
	require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(body[1])), &all), "%.2000s", out)
	return all
}

// TestInABrowser: under the page's own policy the player plays, nothing is wider
// than the page, and a hostile guest stays text.
func TestInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser; -short asks for none")
	}
	for _, name := range []string{"silent", "hostile"} {
		t.Run(name, func(t *testing.T) {
			for _, is := range lookAt(t, written(t, audit(t, streams[name]...).HTML)) {
				assert.LessOrEqual(t, is.Scroll, is.Width, "nothing is wider than the page")
				assert.Empty(t, is.Errors)
				assert.Zero(t, is.Alerts)
				assert.NotEqual(t, is.Start, is.Playing, "the player plays")
				if name == "silent" {
					assert.Equal(t, "Loading /boot/initrd...ok", strings.TrimSpace(is.Evidence))
				} else {
					assert.Contains(t, is.End, "</script><script>alert(3)</script>")
				}
			}
		})
	}
}
