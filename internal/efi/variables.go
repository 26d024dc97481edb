package efi

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
)

// Keys are the variables that Secure Boot goes by.
type Keys struct {
	PK  List // whose the machine is
	KEK List // who may change DB and DBX
	DB  List // what may start
	DBX List // what may not, though DB would have it
	// SBAT are the oldest generations that may start; it is not the firmware's, but a
	// shim's, of what it starts.
	SBAT []Component
}

// List is what a variable has.
type List struct {
	Certificates []Certificate
	Hashes       [][32]byte // of programs, as [Program.Digest]
	// Issued are hashes of certificates (of their TBSCertificate).
	Issued [][32]byte
	// Others is how many entries are of other kinds.
	Others int
}

// Enabled says whether firmware with these keys refuses anything: without a PK it is
// in its setup mode.
func (k Keys) Enabled() bool { return len(k.PK.Certificates) > 0 }

// maxVariables is more than any store: OVMF's have 128 or 528 KiB.
const maxVariables = 4 << 20

// guid is one as it is written, in the order in which it is stored.
func guid(text string) (g [16]byte) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 16 {
		panic(text)
	}
	copy(g[:], raw)
	g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7] = g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6]
	return g
}

var (
	guidVolume   = guid("fff12b8d76964c8ba9852747075b4f50") // of a volume that holds variables
	guidStore    = guid("aaf32c78947b439aa1802e144ec37792") // of a store of authenticated ones
	guidGlobal   = guid("8be4df6193ca11d2aa0d00e098032b8c")
	guidSecurity = guid("d719b2cb3d3a4596a3bcdad00e67656f")

	guidX509     = guid("a5c059a194e44aa787b5ab155c2bf072")
	guidSHA256   = guid("c1c41626504c4092aca941f936934328")
	guidX509Hash = guid("3bd2a49296c04079b420fcf98ef103ed")
)

// ReadVariables reads the keys of a file of variables, such as OVMF_VARS_4M.ms.fd.
func ReadVariables(file io.ReaderAt, size int64) (Keys, error) {
	var k Keys
	raw := make([]byte, min(size, maxVariables))
	if _, err := file.ReadAt(raw, 0); err != nil && !errors.Is(err, io.EOF) {
		return k, fmt.Errorf("variables: %w", err)
	}
	store, err := findStore(raw)
	if err != nil {
		return k, err
	}
	lists := map[string]*List{"PK": &k.PK, "KEK": &k.KEK, "db": &k.DB, "dbx": &k.DBX}
	vendors := map[string][16]byte{"PK": guidGlobal, "KEK": guidGlobal, "db": guidSecurity, "dbx": guidSecurity}
	err = eachVariable(store, func(name string, vendor [16]byte, value []byte) error {
		list := lists[name]
		if list == nil || vendor != vendors[name] {
			return nil
		}
		read, err := readList(value)
		if err != nil {
			return fmt.Errorf("variable %s: %w", name, err)
		}
		*list = read
		return nil
	})
	return k, err
}

// findStore is the store of variables in the firmware volume that raw begins with.
func findStore(raw []byte) ([]byte, error) {
	const volume, header = 56, 28
	if len(raw) < volume || [16]byte(raw[16:]) != guidVolume || string(raw[40:44]) != "_FVH" {
		return nil, errors.New("it is no file of UEFI variables: want a raw firmware volume of them (…VARS….fd)")
	}
	at := int(binary.LittleEndian.Uint16(raw[48:]))
	if at < volume || at+header > len(raw) {
		return nil, fmt.Errorf("the volume's header has %d bytes, the file %d", at, len(raw))
	}
	store := raw[at:]
	if [16]byte(store) != guidStore {
		return nil, fmt.Errorf("the variables are of a format without signatures (% x)", store[:16])
	}
	n := int64(binary.LittleEndian.Uint32(store[16:]))
	if n < header || n > int64(len(store)) {
		return nil, fmt.Errorf("the store has %d bytes, and there are %d: it is cut short", n, len(store))
	}
	return store[header:n], nil
}

// eachVariable goes through the variables of a store that are not deleted.
func eachVariable(store []byte, each func(name string, vendor [16]byte, value []byte) error) error {
	const header = 60
	for len(store) >= header && binary.LittleEndian.Uint16(store) == 0x55aa {
		state := store[2]
		name, value := int64(binary.LittleEndian.Uint32(store[36:])), int64(binary.LittleEndian.Uint32(store[40:]))
		vendor := [16]byte(store[44:])
		end := header + name + value
		// Flash begins as ones, and every step of a variable's life clears a bit.
		const added, deleted = 0x40, 0x02
		if state == 0x7f && name+value >= 0xffffffff {
			return nil // begun and never written
		}
		if end > int64(len(store)) {
			return fmt.Errorf("a variable has %d bytes, and the store %d left", end, len(store))
		}
		if state&added == 0 && state&deleted != 0 {
			if err := each(text(store[header:header+name]), vendor, store[header+name:end]); err != nil {
				return err
			}
		}
		store = store[min(int64(len(store)), (end+3)&^3):]
	}
	return nil
}

// text is UCS-2, up to its zero.
func text(raw []byte) string {
	var units []uint16
	for ; len(raw) >= 2 && len(units) < most; raw = raw[2:] {
		u := binary.LittleEndian.Uint16(raw)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

// readList reads EFI signature lists, one behind the other: each is of one type, and
// has entries of one size, which begin with whose they are.
func readList(raw []byte) (list List, err error) {
	const header, owner = 28, 16
	for len(raw) > 0 {
		if len(raw) < header {
			return list, fmt.Errorf("%d bytes are left of it; a signature list has %d at least", len(raw), header)
		}
		kind := [16]byte(raw)
		all, extra, each := int64(binary.LittleEndian.Uint32(raw[16:])), int64(binary.LittleEndian.Uint32(raw[20:])), int64(binary.LittleEndian.Uint32(raw[24:]))
		if all > int64(len(raw)) || header+extra > all || each <= owner {
			return list, fmt.Errorf("a signature list has %d bytes, of which %d are its header's and %d an entry's, and there are %d", all, extra, each, len(raw))
		}
		for entries := raw[header+extra : all]; int64(len(entries)) >= each; entries = entries[each:] {
			list.add(kind, entries[owner:each])
		}
		raw = raw[all:]
	}
	return list, nil
}

func (l *List) add(kind [16]byte, value []byte) {
	switch kind {
	case guidX509:
		c, err := x509.ParseCertificate(bytes.TrimRight(value, "\x00"))
		if err != nil {
			c, err = x509.ParseCertificate(value)
		}
		if err == nil && reasonable(c) == nil {
			l.Certificates = append(l.Certificates, certificate(c))
			return
		}
	case guidSHA256:
		if len(value) == 32 {
			l.Hashes = append(l.Hashes, [32]byte(value))
			return
		}
	case guidX509Hash:
		if len(value) >= 32 { // and since when
			l.Issued = append(l.Issued, [32]byte(value))
			return
		}
	}
	l.Others++
}
