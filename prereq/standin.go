package prereq

import (
	"context"
	"strings"
	"time"

	"bootaudit/contract"
	"bootaudit/contract/check"
	"bootaudit/internal/mirror"
)

// release is the file that every mirror of the stand-in's packages has, below its
// address.
const release = "/dists/bookworm/Release"

func (a auditor) standInChecks() []check.Check {
	return onlyFor(contract.KindStandIn, a.subject, []check.Check{
		{
			ID: "stand-in-tools", Section: check.SectionHost,
			Condition: "what builds the stand-in image is here, and this user may use it",
			How:       "look for the recipe's programs; read /etc/subuid and /etc/subgid for a user who is not root",
			Remedy:    "`make setup`; for the ids, what the evidence says",
			Applies:   a.standInApplies,
			Probe:     a.standInTools,
		}, {
			ID: "stand-in-mirror", Section: check.SectionHost,
			Condition: "a mirror of Debian is known, and answers",
			How:       "apt-get indextargets, or " + mirror.Variable + "; GET MIRROR" + release,
			Remedy:    "allow the host (or its proxy: http_proxy) to reach the mirror, name another one in " + mirror.Variable + ", or audit an image that is there: BOOT_IMAGE_ISO",
			Timeout:   6 * time.Second,
			Runs:      true,
			Applies:   a.standInApplies,
			Probe:     a.standInMirror,
		},
	})
}

// standInApplies: what an image is built with is not needed once it is there.
func (a auditor) standInApplies(context.Context) string {
	if built, _ := a.StandIn(a.subject); built != "" {
		return "the stand-in is built already: " + built
	}
	return ""
}

func (a auditor) standInTools(context.Context) check.Result {
	if _, err := a.StandIn(a.subject); err != nil {
		first, rest, _ := strings.Cut(err.Error(), "\n")
		if rest != "" {
			first += " " + firstLine(rest)
		}
		r := check.Miss(first)
		r.Evidence = err.Error()
		return r
	}
	return check.Hold("every program is here")
}

func (a auditor) standInMirror(ctx context.Context) check.Result {
	from, err := a.Mirror(ctx, a.subject.Mirror)
	if err != nil {
		return check.Miss(err.Error())
	}
	if strings.HasPrefix(from.Debian, "file:") {
		return check.Hold(from.Debian + ", by " + from.From)
	}
	server := a.visit(ctx, from.Debian+release)
	r := check.Hold(server.String() + ", by " + from.From)
	switch {
	case server.err != nil:
		r = check.Miss(server.String())
	case server.answer.Status != 200 || !strings.Contains(server.answer.Body, "Codename:"):
		r = check.Break(server.String())
		r.Evidence = server.answer.Body
	}
	return r
}
