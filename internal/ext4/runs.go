package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
)

// maxRuns bounds the pieces of one file.
const maxRuns = 1 << 16

// run is blocks of a file that lie one after the other in the image. What no run
// holds is zero.
type run struct{ logical, count, physical uint64 }

// runs is the file's map, in order.
func (n *node) runs() ([]run, error) {
	m := &mapping{f: n.f}
	if n.flags&flagExtents != 0 {
		err := m.extents(n.raw[0x28:0x28+60], -1)
		return m.runs, err
	}
	m.seen = map[uint64]bool{}
	want := uint64((n.size + n.f.block - 1) / n.f.block)
	for i := range 15 {
		if m.next >= want {
			break
		}
		block := uint64(binary.LittleEndian.Uint32(n.raw[0x28+4*i:]))
		if err := m.blocks(block, max(0, i-11), want); err != nil {
			return nil, err
		}
	}
	return m.runs, nil
}

type mapping struct {
	f    *FS
	runs []run
	next uint64 // the logical block that comes next
	seen map[uint64]bool
}

func (m *mapping) add(r run) error {
	if r.physical > m.f.blocks || r.count > m.f.blocks-r.physical {
		return fmt.Errorf("leads to block %d of %d", r.physical+r.count-1, m.f.blocks)
	}
	m.next = r.logical + r.count
	if k := len(m.runs) - 1; k >= 0 && m.runs[k].logical+m.runs[k].count == r.logical && m.runs[k].physical+m.runs[k].count == r.physical {
		m.runs[k].count += r.count
		return nil
	}
	if len(m.runs) == maxRuns {
		return fmt.Errorf("is in more than %d pieces", maxRuns)
	}
	m.runs = append(m.runs, r)
	return nil
}

// extents reads a node of the tree. As their logical blocks have to grow, and no
// node below the root is empty, none is read twice.
func (m *mapping) extents(b []byte, depth int) error {
	le := binary.LittleEndian
	if le.Uint16(b) != 0xf30a {
		return fmt.Errorf("a node of the extent tree starts with % x", b[:2])
	}
	count, level := int(le.Uint16(b[2:])), int(le.Uint16(b[6:]))
	switch {
	case depth < 0 && level > 5, depth >= 0 && level != depth:
		return fmt.Errorf("a node of the extent tree is of level %d", level)
	case count > len(b)/12-1, count == 0 && depth >= 0:
		return fmt.Errorf("a node of the extent tree has %d entries", count)
	}
	for i := range count {
		e := b[12*(i+1):]
		logical := uint64(le.Uint32(e))
		if logical < m.next {
			return fmt.Errorf("the extent tree comes back to block %d", logical)
		}
		if level > 0 {
			block := uint64(le.Uint32(e[4:])) | uint64(le.Uint16(e[8:]))<<32
			child, err := m.f.at(block, 0, m.f.block)
			if err != nil {
				return err
			}
			if err := m.extents(child, level-1); err != nil {
				return err
			}
			continue
		}
		length, physical := uint64(le.Uint16(e[4:])), uint64(le.Uint32(e[8:]))|uint64(le.Uint16(e[6:]))<<32
		if length == 0 {
			return errors.New("an extent of no blocks")
		}
		if length > 1<<15 { // has room, and was not written
			m.next = logical + length - 1<<15
			continue
		}
		if err := m.add(run{logical, length, physical}); err != nil {
			return err
		}
	}
	return nil
}

// blocks reads what a pointer leads to: a block of the file, or one of pointers.
func (m *mapping) blocks(block uint64, level int, want uint64) error {
	if level == 0 {
		if block == 0 {
			m.next++
			return nil
		}
		return m.add(run{m.next, 1, block})
	}
	per := uint64(m.f.block / 4)
	if block == 0 {
		span := uint64(1)
		for range level {
			span *= per
		}
		m.next += span
		return nil
	}
	if m.seen[block] {
		return fmt.Errorf("its map comes back to block %d", block)
	}
	m.seen[block] = true
	b, err := m.f.at(block, 0, m.f.block)
	if err != nil {
		return err
	}
	for i := uint64(0); i < per && m.next < want; i++ {
		if err := m.blocks(uint64(binary.LittleEndian.Uint32(b[4*i:])), level-1, want); err != nil {
			return err
		}
	}
	return nil
}

// content is what the runs hold.
type content struct {
	f    *FS
	runs []run
	size int64
}

func (c *content) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 {
		return 0, errors.New("ext4: a negative offset")
	}
	if at >= c.size {
		return 0, io.EOF
	}
	done := 0
	for done < len(b) && at < c.size {
		n := min(int64(len(b)-done), c.size-at)
		block := uint64(at / c.f.block)
		i := sort.Search(len(c.runs), func(i int) bool { return c.runs[i].logical > block })
		if i > 0 && block < c.runs[i-1].logical+c.runs[i-1].count {
			r := c.runs[i-1]
			skip := at - int64(r.logical)*c.f.block
			n = min(n, int64(r.count)*c.f.block-skip)
			if got, err := c.f.r.ReadAt(b[done:done+int(n)], int64(r.physical)*c.f.block+skip); int64(got) < n {
				return done + got, fmt.Errorf("ext4: %w", err)
			}
		} else { // a hole, up to the next run
			if i < len(c.runs) {
				n = min(n, int64(c.runs[i].logical)*c.f.block-at)
			}
			clear(b[done : done+int(n)])
		}
		done += int(n)
		at += n
	}
	if done < len(b) {
		return done, io.EOF
	}
	return done, nil
}
