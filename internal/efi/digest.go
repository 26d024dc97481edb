package efi

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
)

// digest is Authenticode's, in the order in which EDK II takes the file: the headers
// without the checksum and the entry of the signatures, the sections as they lie in
// the file, and what is behind them, without the signatures. Each hash reads the file
// once, however many signatures go by it.
func (p *Program) digest(hash crypto.Hash) ([]byte, error) {
	if known := p.digests[hash]; known != nil {
		return known, nil
	}
	h := hash.New()
	add := func(from, to int64) error {
		if _, err := io.Copy(h, io.NewSectionReader(p.file, from, to-from)); err != nil {
			return fmt.Errorf("digest: %w", err)
		}
		return nil
	}
	l := p.layout
	parts := []extent{{0, l.checksum}, {l.checksum + 4, l.headers - l.checksum - 4}}
	if l.directory > 0 {
		parts = []extent{{0, l.checksum}, {l.checksum + 4, l.directory - l.checksum - 4}, {l.directory + 8, l.headers - l.directory - 8}}
	}
	taken := l.headers
	sections := slices.Clone(p.Sections)
	slices.SortStableFunc(sections, func(a, b Section) int { return int(a.Offset - b.Offset) })
	for _, s := range sections {
		if s.stored > 0 {
			parts = append(parts, extent{s.Offset, s.stored})
			taken += s.stored
		}
	}
	switch rest := l.size - l.signed.size - taken; {
	case rest < 0:
		// Sections that overlap could have the file read again and again.
		return nil, errors.New("its headers, sections and signatures are larger than the file: firmware takes no digest of it")
	case rest > 0:
		parts = append(parts, extent{taken, rest})
	}
	for _, part := range parts {
		if err := add(part.offset, part.offset+part.size); err != nil {
			return nil, err
		}
	}
	if p.digests == nil {
		p.digests = map[crypto.Hash][]byte{}
	}
	p.digests[hash] = h.Sum(nil)
	return p.digests[hash], nil
}
