package fat

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
)

const (
	page     = 4 << 10
	maxPages = 1 << 10
	// maxRuns bounds the pieces of one file, and with them how often pages of the
	// table are read again.
	maxRuns = 1 << 16
)

// run is clusters that follow each other.
type run struct {
	first, count uint32
	before       int64 // clusters of the chain
}

// chain is the first want clusters from first on, or all, of no more than limit.
func (f *FS) chain(first uint32, want, limit int64) ([]run, error) {
	var runs []run
	n := int64(0)
	for c := first; ; {
		if c < 2 || c-2 >= f.clusters {
			return nil, fmt.Errorf("a chain leads to cluster %d of %d", c, f.clusters)
		}
		if k := len(runs) - 1; k >= 0 && runs[k].first+runs[k].count == c {
			runs[k].count++
		} else if len(runs) == maxRuns {
			return nil, fmt.Errorf("a chain of more than %d pieces", maxRuns)
		} else {
			runs = append(runs, run{first: c, count: 1, before: n})
		}
		if n++; n == want {
			break
		}
		if n > limit {
			break
		}
		next, err := f.next(c)
		if err != nil {
			return nil, err
		}
		if next == 0 {
			break
		}
		c = next
	}
	sorted := slices.Clone(runs)
	slices.SortFunc(sorted, func(a, b run) int { return cmp.Compare(a.first, b.first) })
	for i := 1; i < len(sorted); i++ {
		if sorted[i-1].first+sorted[i-1].count > sorted[i].first {
			return nil, fmt.Errorf("a chain comes back to cluster %d", sorted[i].first)
		}
	}
	switch {
	case n < want:
		return nil, fmt.Errorf("a chain of %d clusters, not %d", n, want)
	case n > limit:
		return nil, fmt.Errorf("a chain of more than %d clusters", limit)
	}
	return runs, nil
}

// next is the cluster that follows; 0 is the chain's end.
func (f *FS) next(c uint32) (uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b [4]byte
	at := int64(c) * int64(f.Bits) / 8
	for i := range (f.Bits + 7) / 8 {
		p, err := f.page((at + int64(i)) / page)
		if err != nil {
			return 0, fmt.Errorf("allocation table: %w", err)
		}
		b[i] = p[(at+int64(i))%page]
	}
	v := binary.LittleEndian.Uint32(b[:])
	end := uint32(1)<<f.Bits - 8
	switch f.Bits {
	case 12:
		if c%2 == 1 {
			v >>= 4
		}
		v &= 0xfff
	case 32:
		v &= 0x0fffffff
		end = 0x0ffffff8
	}
	switch {
	case v >= end:
		return 0, nil
	case v == 0:
		return 0, fmt.Errorf("a chain leads from cluster %d to a free one", c)
	case v == end-1:
		return 0, fmt.Errorf("a chain leads from cluster %d to a bad one", c)
	}
	return v, nil
}

// page is one of the table's.
func (f *FS) page(i int64) ([]byte, error) {
	if p, ok := f.pages[i]; ok {
		return p, nil
	}
	p := make([]byte, page)
	at := f.table + i*page
	if err := f.readAt(p[:max(0, min(page, f.size-at))], at); err != nil {
		return nil, err
	}
	if len(f.pages) >= maxPages {
		clear(f.pages)
	}
	f.pages[i] = p
	return p, nil
}

// content is what a chain holds.
type content struct {
	f    *FS
	runs []run
	size int64
}

func (c *content) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 {
		return 0, errors.New("fat: a negative offset")
	}
	if at >= c.size {
		return 0, io.EOF
	}
	done := 0
	for done < len(b) && at < c.size {
		index := at / c.f.cluster
		r := c.runs[sort.Search(len(c.runs), func(i int) bool { return c.runs[i].before > index })-1]
		skip := at - r.before*c.f.cluster
		n := min(int64(len(b)-done), int64(r.count)*c.f.cluster-skip, c.size-at)
		if err := c.f.readAt(b[done:done+int(n)], c.f.data+int64(r.first-2)*c.f.cluster+skip); err != nil {
			return done, fmt.Errorf("fat: %w", err)
		}
		done += int(n)
		at += n
	}
	if done < len(b) {
		return done, io.EOF
	}
	return done, nil
}
