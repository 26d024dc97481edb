package replay

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
)

// Bounds of what a page gets of a recording, in characters of base64. The first
// holds unless the screens at the moments alone are more.
const (
	MaxPacked  = 64 << 10
	mostPacked = 256 << 10
)

// film is what is packed: JSON, deflated, in the base64 of URLs: it needs no escaping in a page.
type film struct {
	Cols    int               `json:"cols"`
	Rows    int               `json:"rows"`
	Length  int               `json:"length"` // ms
	Styles  []look            `json:"styles"`
	Lines   []json.RawMessage `json:"lines"`
	Moments []place           `json:"moments"`
	// Frames are each the milliseconds since the one before, by how many rows the
	// screen scrolled up, and then pairs: a row, and the line that it shows now.
	Frames [][]int `json:"frames"`
}

type place struct {
	At    int    `json:"at"`
	Kind  string `json:"kind"`
	Label string `json:"label"`
	Row   int    `json:"row"`
}

// pack packs the frames, fewer of them until they are within bounds.
func (d *drawer) pack() string {
	frames, every, all := d.frames, d.every, len(d.frames)
	packed := d.film(frames)
	for len(packed) > MaxPacked && d.more(frames) {
		every *= 2
		frames = thinned(frames, every)
		packed = d.film(frames)
	}
	switch {
	case len(packed) > mostPacked:
		d.note("The recording cannot be played here: its screens at the moments that matter are too large by themselves.")
		return ""
	case d.thin || len(frames) < all:
		d.note("The recording changes its screen more often than is played here: it is shown at most every %s s, and at each stage and each line of evidence.",
			strconv.FormatFloat(every, 'f', -1, 64))
	}
	return packed
}

// more tells whether there are frames that may be left out.
func (d *drawer) more(frames []frame) bool {
	for i, f := range frames {
		if !f.key && i < len(frames)-1 {
			return true
		}
	}
	return false
}

func (d *drawer) film(frames []frame) string {
	kept := make([]frame, len(frames))
	for i, f := range frames {
		kept[i] = frame{f.at, f.key, append([]int(nil), f.rows...)}
	}
	book := d.rows // its own rows: forget numbers them anew
	book.numbers = map[string]int{}
	book.forget(kept)
	f := film{Cols: d.Cols, Rows: d.Rows, Length: ms(d.Seconds), Styles: book.looks}
	for _, r := range book.rows {
		f.Lines = append(f.Lines, r.packed)
	}
	for _, m := range d.Moments {
		f.Moments = append(f.Moments, place{ms(m.At), m.Kind, m.Label, m.Row})
	}
	before, at := make([]int, d.Rows), 0
	for _, k := range kept {
		f.Frames = append(f.Frames, changes(before, k.rows, ms(k.at)-at))
		before, at = k.rows, ms(k.at)
	}
	text, err := json.Marshal(f)
	if err != nil {
		return ""
	}
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestCompression)
	_, _ = w.Write(text)
	_ = w.Close()
	return base64.RawURLEncoding.EncodeToString(out.Bytes())
}

// Unpack is the JSON that the page's script gets.
func Unpack(packed string) (string, error) {
	text, err := io.ReadAll(flate.NewReader(base64.NewDecoder(base64.RawURLEncoding, strings.NewReader(packed))))
	return string(text), err
}

// changes is a frame after another, scrolled by as many rows as leave least to
// be said.
func changes(before, after []int, wait int) []int {
	best, scroll := len(after)+1, 0
	for k := range after {
		n := 0
		for y, id := range after {
			if id != shifted(before, y+k) {
				n++
			}
		}
		if n < best {
			best, scroll = n, k
		}
	}
	list := []int{wait, scroll}
	for y, id := range after {
		if id != shifted(before, y+scroll) {
			list = append(list, y, id)
		}
	}
	return list
}

func shifted(rows []int, y int) int {
	if y < len(rows) {
		return rows[y]
	}
	return 0
}

func ms(seconds float64) int { return int(math.Round(seconds * 1000)) }
