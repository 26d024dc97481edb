package efi

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
)

// Outcome is what Secure Boot makes of a program.
type Outcome string

const (
	Signed     Outcome = "signed"      // by a key in db, or by one that such a key vouches for
	Listed     Outcome = "listed"      // its own digest is in db
	Unsigned   Outcome = "unsigned"    // it has no signature
	UnknownKey Outcome = "unknown key" // no key in db vouches for who signed it
	Changed    Outcome = "changed"     // after it was signed
	Revoked    Outcome = "revoked"     // dbx has its digest, or a key that vouches for it
	Outdated   Outcome = "outdated"    // shim starts nothing of its SBAT's generation, or that has none
	Unreadable Outcome = "unreadable"  // its signatures cannot be read, or do not hold
)

// Verdict is whether firmware starts a program.
type Verdict struct {
	Outcome Outcome
	Starts  bool
	// Signature is which of the program's it is about, -1 for none; Key is the one in
	// db that vouches for it.
	Signature int
	Key       Certificate
	// Why is a sentence for a person.
	Why string
	// Unknown is what could still keep it from starting.
	Unknown string
}

// Judge says whether firmware with these keys starts the program under Secure Boot.
// Like firmware it takes no notice of when a certificate expires.
func Judge(p *Program, k Keys) Verdict {
	v := judge(p, k)
	v.Starts = v.Outcome == Signed || v.Outcome == Listed
	switch why := p.outdated(k.SBAT); {
	case !v.Starts:
	case why != "":
		v.Outcome, v.Starts, v.Why = Outdated, false, v.Why+"; but "+why
	case k.SBAT != nil:
		v.Unknown = "whether the machine has been told to start later SBAT generations only than its shim"
	case p.SBAT == nil:
		v.Unknown = "it has no SBAT: firmware starts it, shim does not"
	default:
		v.Unknown = "whether its SBAT generation is revoked: the machine's shim keeps that list"
	}
	return v
}

func judge(p *Program, k Keys) Verdict {
	if slices.Contains(k.DBX.Hashes, p.Digest) {
		return Verdict{Outcome: Revoked, Signature: -1, Why: "its digest is in dbx"}
	}
	// A signature of a revoked key counts against the program, whoever else signed it.
	best := Verdict{Outcome: Unsigned, Signature: -1, Why: "it has no signature"}
	for i, s := range p.Signatures {
		v := s.judge(k)
		v.Signature = i
		switch {
		case v.Outcome == Revoked:
			return v
		case i == 0, v.Outcome == Signed && best.Outcome != Signed:
			best = v
		}
	}
	if best.Outcome != Signed && slices.Contains(k.DB.Hashes, p.Digest) {
		return Verdict{Outcome: Listed, Signature: -1, Why: "its digest is in db"}
	}
	return best
}

func (s *Signature) judge(k Keys) Verdict {
	switch {
	case s.Problem != "":
		return Verdict{Outcome: Unreadable, Why: "its signature is of no use: " + s.Problem}
	case !s.Current:
		return Verdict{Outcome: Changed, Why: fmt.Sprintf("it was changed after %s signed it: the digest is not the one that was signed", s.Signer.Name())}
	}
	if key, ok := s.vouched(k.DBX); ok {
		return Verdict{Outcome: Revoked, Why: fmt.Sprintf("dbx has a key that vouches for it: %s", key.Name())}
	}
	if key, ok := s.vouched(List{Certificates: k.DB.Certificates}); ok {
		return Verdict{Outcome: Signed, Key: key, Why: fmt.Sprintf("signed by %s, by the key %s in db", s.Signer.Name(), key.Name())}
	}
	return Verdict{Outcome: UnknownKey, Why: fmt.Sprintf("signed by %s, whom no key in db vouches for", s.Signer.Name())}
}

// vouched is the certificate of a list that is in the signer's chain, or has issued
// one that is. The chain is what came with the signature, of which each vouches for
// the one before; its end need not be a root.
func (s *Signature) vouched(list List) (Certificate, bool) {
	link := s.chain[0]
	rest := slices.Clone(s.chain[1:])
	for {
		for _, key := range list.Certificates {
			if bytes.Equal(key.x509.Raw, link.Raw) || issued(key.x509, link) {
				return key, true
			}
		}
		if slices.Contains(list.Issued, sha256.Sum256(link.RawTBSCertificate)) {
			return certificate(link), true
		}
		at := slices.IndexFunc(rest, func(c *x509.Certificate) bool { return issued(c, link) })
		if at < 0 {
			return Certificate{}, false
		}
		link = rest[at]
		rest = slices.Delete(rest, at, at+1) // each once: the chain ends
	}
}

// issued says whether the one certificate vouches for the other.
func issued(by, c *x509.Certificate) bool {
	return bytes.Equal(by.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(by) == nil
}
