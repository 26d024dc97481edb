package efi

import (
	"crypto/x509"
	"encoding/binary"
	"fmt"
)

// maxVendor is more than any shim's: they have one certificate, or a list of some.
const maxVendor = 256 << 10

// Vendor is what a shim lets start beside what the firmware does: its maker's keys,
// and what its maker has revoked. It is empty of a program that is no shim.
func (p *Program) Vendor() (Keys, error) {
	var k Keys
	raw, err := p.bytes(".vendor_cert", maxVendor)
	if err != nil || raw == nil {
		return k, err
	}
	if k.SBAT, err = p.level(); err != nil {
		return k, err
	}
	const header = 16 // the sizes of both lists, then where they are
	if len(raw) < header {
		return k, fmt.Errorf("section .vendor_cert has %d bytes; want %d at least", len(raw), header)
	}
	for i, list := range []*List{&k.DB, &k.DBX} {
		size, at := int64(binary.LittleEndian.Uint32(raw[4*i:])), int64(binary.LittleEndian.Uint32(raw[8+4*i:]))
		if size == 0 {
			continue
		}
		if at < header || at+size > int64(len(raw)) {
			return k, fmt.Errorf("section .vendor_cert: a list of %d bytes is at byte %d of %d", size, at, len(raw))
		}
		value := raw[at : at+size]
		if c, err := x509.ParseCertificate(value); err == nil {
			if err := reasonable(c); err != nil {
				return k, fmt.Errorf("section .vendor_cert: %w", err)
			}
			list.Certificates = append(list.Certificates, certificate(c))
			continue
		}
		if *list, err = readList(value); err != nil {
			return k, fmt.Errorf("section .vendor_cert: %w", err)
		}
	}
	return k, nil
}

// With is k and what else a list lets start, or keeps from it.
func (k Keys) With(other Keys) Keys {
	join := func(a, b List) List {
		return List{
			Certificates: append(append([]Certificate(nil), a.Certificates...), b.Certificates...),
			Hashes:       append(append([][32]byte(nil), a.Hashes...), b.Hashes...),
			Issued:       append(append([][32]byte(nil), a.Issued...), b.Issued...),
			Others:       a.Others + b.Others,
		}
	}
	k.DB, k.DBX = join(k.DB, other.DB), join(k.DBX, other.DBX)
	k.SBAT = append(append([]Component(nil), k.SBAT...), other.SBAT...)
	return k
}
