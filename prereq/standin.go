package prereq

import (
	"context"
	"strings"
	"time"

	"bootaudit/internal/config"
	"bootaudit/internal/mirror"
)

// release is the file that every mirror of the stand-in's packages has, below its
// address.
const release = "/dists/bookworm/Release"

func (a auditor) standInChecks() []Check {
	return a.only(config.StandIn, []Check{
		{
			ID: "stand-in-tools", Section: SectionHost, When: "for the stand-in, until it is built",
			Condition: "what builds the stand-in image is here, and this user may use it",
			How:       "look for the recipe's programs; read /etc/subuid and /etc/subgid for a user who is not root",
			Remedy:    "`make setup`; for the ids, what the evidence says",
			Probe:     a.standInTools,
		}, {
			ID: "stand-in-mirror", Section: SectionHost, When: "for the stand-in, until it is built",
			Condition: "a mirror of Debian is known, and answers",
			How:       "apt-get indextargets, or " + mirror.Variable + "; GET MIRROR" + release,
			Remedy:    "allow the host (or its proxy: http_proxy) to reach the mirror, name another one in " + mirror.Variable + ", or audit an image that is there: BOOT_IMAGE_ISO",
			Timeout:   6 * time.Second,
			Runs:      true,
			Probe:     a.standInMirror,
		},
	})
}

func (a auditor) standInTools(context.Context) Result {
	built, err := a.StandIn(a.cfg)
	switch {
	case built != "":
		return Skip("it is built already: " + built)
	case err != nil:
		first, rest, _ := strings.Cut(err.Error(), "\n")
		if rest != "" {
			first += " " + firstLine(rest)
		}
		r := Miss(first)
		r.Evidence = err.Error()
		return r
	}
	return Hold("every program is here")
}

func (a auditor) standInMirror(ctx context.Context) Result {
	if built, _ := a.StandIn(a.cfg); built != "" {
		return Skip("the stand-in is built already: " + built)
	}
	from, err := a.Mirror(ctx, a.cfg.Mirror)
	if err != nil {
		return Miss(err.Error())
	}
	if strings.HasPrefix(from.Debian, "file:") {
		return Hold(from.Debian + ", by " + from.From)
	}
	server := a.visit(ctx, from.Debian+release)
	r := Hold(server.String() + ", by " + from.From)
	switch {
	case server.err != nil:
		r = Miss(server.String())
	case server.answer.Status != 200 || !strings.Contains(server.answer.Body, "Codename:"):
		r = Break(server.String())
		r.Evidence = server.answer.Body
	}
	return r
}
