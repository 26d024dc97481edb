package prereq

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"bootaudit/contract/check"
	"bootaudit/internal/nix"
)

// isCache says whether a server answers as a binary cache of nix does.
func isCache(s server) bool {
	return s.err == nil && s.answer.Status == 200 && strings.Contains(s.answer.Body, "StoreDir:")
}

// askSubstituters asks those that are reached by HTTP, side by side.
func (a auditor) askSubstituters(ctx context.Context) (asked []server, others []string, bad *check.Result) {
	out, bad := a.answer(ctx, a.nixCommand("show-config", "--json"))
	if bad != nil && ctx.Err() == nil { // its name in later versions
		out, bad = a.answer(ctx, a.nixCommand("config", "show", "--json"))
	}
	if bad != nil {
		return nil, nil, bad
	}
	var settings struct {
		Substituters struct{ Value []string }
	}
	if err := json.Unmarshal([]byte(out.Stdout), &settings); err != nil {
		r := check.Doubt(fmt.Sprintf("nix show-config: %v", err))
		r.Evidence = out.Stdout
		return nil, nil, &r
	}
	for _, s := range settings.Substituters.Value {
		if u, err := url.Parse(s); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
			u.RawQuery = ""
			asked = append(asked, server{url: strings.TrimSuffix(u.String(), "/") + "/nix-cache-info"})
		} else {
			others = append(others, s)
		}
	}
	var all sync.WaitGroup
	for i := range asked {
		all.Go(func() { asked[i] = a.visit(ctx, asked[i].url) })
	}
	all.Wait()
	return asked, others, nil
}

func (a auditor) hasInputs(ctx context.Context) string {
	if own, err := a.flakeHasNoInputs(ctx); err == nil && own {
		return "the flake has no inputs, so that nothing of it comes from a substituter"
	}
	return ""
}

func (a auditor) substituters(ctx context.Context) check.Result {
	asked, others, bad := a.askSubstituters(ctx)
	if bad != nil {
		return *bad
	}
	var lines, silent, wrong []string
	for _, s := range asked {
		lines = append(lines, s.String())
		switch {
		case isCache(s):
		case s.err != nil:
			silent = append(silent, s.String())
		case s.answer.Status == 200:
			wrong = append(wrong, fmt.Sprintf("%s, and it is no binary cache: %.40q", s, firstLine(s.answer.Body)))
		default:
			wrong = append(wrong, s.String())
		}
	}
	for _, s := range others {
		lines = append(lines, s+": not asked, for it is not reached by HTTP")
	}
	var r check.Result
	switch {
	case wrong != nil:
		r = check.Break(strings.Join(append(wrong, silent...), "; "))
	case silent != nil:
		r = check.Miss(strings.Join(silent, "; "))
	case asked == nil && others != nil:
		r = check.Doubt(strings.Join(lines, "; "))
	case asked == nil:
		r = check.Warn("no substituter is configured: everything is built here", "a first build of a NixOS image takes hours",
			"name one in nix.conf (substituters = ADDRESS, with its key in trusted-public-keys)")
	default:
		r = check.Hold(strings.Join(lines, "; "))
	}
	r.Evidence = strings.Join(lines, "\n")
	return r
}

// flakeHasNoInputs says whether nothing but the flake itself is built from.
func (a auditor) flakeHasNoInputs(ctx context.Context) (bool, error) {
	out, bad := a.answer(ctx, a.nixCommand("flake", "metadata", "--json", "--no-write-lock-file", a.subject.Target.Flake))
	if bad != nil {
		return false, errors.New(bad.Detail)
	}
	var metadata struct {
		Locks struct{ Nodes map[string]json.RawMessage }
	}
	if err := json.Unmarshal([]byte(out.Stdout), &metadata); err != nil {
		return false, err
	}
	return len(metadata.Locks.Nodes) == 1, nil
}

// nixFetch has nix fetch what we fetched ourselves, so that its content is
// known: nix's daemon has its own proxy, certificates and network.
func (a auditor) nixFetch(ctx context.Context) check.Result {
	asked, _, bad := a.askSubstituters(ctx)
	if bad != nil {
		return *bad
	}
	for _, s := range asked {
		if !isCache(s) {
			continue
		}
		sum := sha256.Sum256([]byte(s.answer.Body))
		return a.realise(ctx, fmt.Sprintf(`derivation {
  name = "nix-cache-info";
  system = "builtin";
  builder = "builtin:fetchurl";
  url = %s;
  outputHashMode = "flat";
  outputHashAlgo = "sha256";
  outputHash = "%s";
  preferLocalBuild = true;
}`, nix.Quote(s.url), hex.EncodeToString(sum[:])))
	}
	return check.Doubt("no substituter answered")
}
