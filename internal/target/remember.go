package target

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"bootaudit/contract"
)

// profilesFile, in the cache folder, has the profile that each target was of when
// its image was audited last.
const profilesFile = "profiles.json"

// maxRemembered bounds the file: the targets audited longest ago are forgotten.
const maxRemembered = 500

type remembered struct {
	Profile string    `json:"profile"`
	At      time.Time `json:"at"`
}

// remember notes the profile of a target, and returns the one that was noted
// before; "" is none. A file that cannot be read or written is one that says
// nothing: it holds a hint, and no verdict.
func remember(cache string, t contract.Target, name string) (before string) {
	if os.MkdirAll(cache, 0o700) != nil {
		return ""
	}
	file := filepath.Join(cache, profilesFile)
	lock := flock.New(file + ".lock")
	if lock.Lock() != nil {
		return ""
	}
	defer lock.Unlock()
	all := map[string]remembered{}
	text, err := os.ReadFile(file)
	if err == nil && json.Unmarshal(text, &all) != nil {
		all = map[string]remembered{}
	}
	key := t.String()
	before = all[key].Profile
	all[key] = remembered{name, time.Now().UTC().Truncate(time.Second)}
	for len(all) > maxRemembered {
		oldest := key
		for k, r := range all {
			if r.At.Before(all[oldest].At) {
				oldest = k
			}
		}
		delete(all, oldest)
	}
	if text, err = json.MarshalIndent(all, "", "  "); err == nil {
		_ = renameio.WriteFile(file, append(text, '\n'), 0o600)
	}
	return before
}
