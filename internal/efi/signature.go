package efi

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha512" // a signature's digest may be
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/smallstep/pkcs7"
	"golang.org/x/crypto/cryptobyte"
)

// Signature is one of a program's.
type Signature struct {
	// Problem is why it cannot be read or does not hold by itself; "" is that the
	// signer signed Digest.
	Problem string
	Hash    string // SHA-256 and so on
	Digest  []byte
	// Current says that the digest is still the file's.
	Current bool
	Signer  Certificate

	chain []*x509.Certificate // the signer first, then what came with it
}

// Certificate tells of a key whose it is.
type Certificate struct {
	Subject, Issuer, Serial string
	NotAfter                time.Time

	x509 *x509.Certificate
}

// Name is the subject's short name.
func (c Certificate) Name() string {
	if c.x509 == nil || c.x509.Subject.CommonName == "" {
		return c.Subject
	}
	return plain(c.x509.Subject.CommonName)
}

func certificate(c *x509.Certificate) Certificate {
	return Certificate{plain(c.Subject.String()), plain(c.Issuer.String()), plain(fmt.Sprintf("%x", c.SerialNumber)), c.NotAfter, c}
}

// What a program may have of signatures. Real ones have one or two of some 10 KiB.
const (
	maxTable        = 1 << 20
	maxSignatures   = 8
	maxSignature    = 256 << 10
	maxDepth        = 32   // of the structures in one
	maxCertificates = 16   // in one
	maxKey          = 8192 // bits of RSA: more take minutes to compute with
)

// readSignatures reads the table of signatures, each of which begins with its length,
// revision and type at a multiple of 8 bytes.
func (p *Program) readSignatures() (all []Signature, err error) {
	if p.layout.signed.size > maxTable {
		return nil, fmt.Errorf("its signatures have %d bytes; none have more than %d", p.layout.signed.size, maxTable)
	}
	table := make([]byte, p.layout.signed.size)
	if err := p.fill(table, p.layout.signed.offset, p.layout.size); err != nil {
		return nil, fmt.Errorf("signatures: %w", err)
	}
	for len(table) >= 8 {
		n := int(binary.LittleEndian.Uint32(table))
		if n < 8 || n > len(table) {
			return nil, fmt.Errorf("a signature has %d bytes, and there are %d", n, len(table))
		}
		if len(all) == maxSignatures {
			return nil, fmt.Errorf("it has more than %d signatures", maxSignatures)
		}
		s := Signature{Problem: fmt.Sprintf("it is of a type that is not known here (%d)", binary.LittleEndian.Uint16(table[6:]))}
		if binary.LittleEndian.Uint16(table[6:]) == 2 { // PKCS#7
			s = p.readSignature(table[8:n])
		}
		all = append(all, s)
		table = table[min(len(table), (n+7)&^7):]
	}
	return all, nil
}

func (p *Program) readSignature(raw []byte) (s Signature) {
	fail := func(format string, args ...any) Signature {
		s.Problem = plain(fmt.Sprintf(format, args...))
		return s
	}
	der, err := one(raw)
	if err != nil {
		return fail("it cannot be read: %v", err)
	}
	message, err := pkcs7.Parse(der)
	if err != nil {
		return fail("it cannot be read: %v", err)
	}
	if len(message.Certificates) > maxCertificates {
		return fail("it has %d certificates; none has more than %d", len(message.Certificates), maxCertificates)
	}
	hash, digest, err := signedDigest(message.Content)
	if err != nil {
		return fail("it cannot be read: %v", err)
	}
	s.Hash, s.Digest = hash.String(), digest
	signer := message.GetOnlySigner()
	if signer == nil {
		return fail("it names no signer whose certificate is with it")
	}
	s.Signer, s.chain = certificate(signer), []*x509.Certificate{signer}
	for i, c := range message.Certificates {
		if c != signer {
			s.chain = append(s.chain, c)
		}
		if err := reasonable(c); err != nil {
			return fail("%v", err)
		}
		// Firmware has no clock that it trusts, and starts what was signed by a key
		// that has expired; the library would not say whether the rest holds.
		always := *c
		always.NotBefore, always.NotAfter = time.Time{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		message.Certificates[i] = &always
	}
	if err := message.Verify(); err != nil {
		return fail("it does not hold: %v", err)
	}
	own, err := p.digest(hash)
	if err != nil {
		return fail("%v", err)
	}
	s.Current = bytes.Equal(own, digest)
	return s
}

// one is the DER structure at the beginning of raw, which zeros may follow. Its depth
// is bounded here, because the library's reading is quadratic in it.
func one(raw []byte) ([]byte, error) {
	if len(raw) > maxSignature {
		return nil, fmt.Errorf("it has %d bytes; none has more than %d", len(raw), maxSignature)
	}
	in := cryptobyte.String(raw)
	var element cryptobyte.String
	if !in.ReadAnyASN1Element(&element, nil) {
		return nil, errors.New("it is no DER")
	}
	if len(bytes.Trim(in, "\x00")) > 0 {
		return nil, fmt.Errorf("%d bytes follow it", len(in))
	}
	return element, shallow(element, maxDepth)
}

func shallow(in cryptobyte.String, depth int) error {
	if depth == 0 {
		return fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	for len(in) > 0 {
		constructed := in[0]&0x20 != 0
		var content cryptobyte.String
		if !in.ReadAnyASN1(&content, nil) {
			return errors.New("it is no DER")
		}
		if constructed {
			if err := shallow(content, depth-1); err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	oidImage = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 15} // SPC_PE_IMAGE_DATA
	hashes   = map[string]crypto.Hash{
		pkcs7.OIDDigestAlgorithmSHA256.String(): crypto.SHA256,
		pkcs7.OIDDigestAlgorithmSHA384.String(): crypto.SHA384,
		pkcs7.OIDDigestAlgorithmSHA512.String(): crypto.SHA512,
	}
)

// signedDigest is the digest that a signature is about: what is signed is no data, but
// a structure that has it (SPC_INDIRECT_DATA).
func signedDigest(content []byte) (crypto.Hash, []byte, error) {
	var what struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue `asn1:"optional"`
	}
	var digest struct {
		Algorithm struct {
			Algorithm  asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Digest []byte
	}
	rest, err := asn1.Unmarshal(content, &what)
	if err != nil || !what.Type.Equal(oidImage) {
		return 0, nil, errors.New("what it signs is no program")
	}
	if _, err := asn1.Unmarshal(rest, &digest); err != nil {
		return 0, nil, fmt.Errorf("what it signs: %w", err)
	}
	hash := hashes[digest.Algorithm.Algorithm.String()]
	if hash == 0 {
		return 0, nil, fmt.Errorf("it signs a digest of a kind that is not known here (%v)", digest.Algorithm.Algorithm)
	}
	if len(digest.Digest) != hash.Size() {
		return 0, nil, fmt.Errorf("it signs a digest of %d bytes; %v has %d", len(digest.Digest), hash, hash.Size())
	}
	return hash, digest.Digest, nil
}

// reasonable says why nothing is computed with a certificate's key.
func reasonable(c *x509.Certificate) error {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() > maxKey {
			return fmt.Errorf("a key has %d bits; none has more than %d", key.N.BitLen(), maxKey)
		}
	case *ecdsa.PublicKey:
	default:
		return fmt.Errorf("a key is neither RSA nor ECDSA, but %T", key)
	}
	return nil
}
