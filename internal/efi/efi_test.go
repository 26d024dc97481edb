package efi

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bootaudit/internal/config"
	"bootaudit/internal/tools"
)

const (
	shim        = "shimx64.efi.signed"
	signedGRUB  = "gcdx64.efi.signed"
	systemdBoot = "systemd-bootx64.efi"
)

// find is the path of a program or file of the test's packages.
func find(t *testing.T, name string) string {
	t.Helper()
	for _, tool := range tools.Test {
		if tool.Name() == name {
			found, err := tool.Find()
			if err != nil {
				config.Lacking(t, err)
			}
			return found
		}
	}
	t.Fatalf("%s is not in tools.Test", name)
	return ""
}

func content(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(find(t, name))
	require.NoError(t, err)
	return raw
}

func parse(t *testing.T, raw []byte) *Program {
	t.Helper()
	p, err := Read(bytes.NewReader(raw), int64(len(raw)))
	require.NoError(t, err)
	return p
}

// sold are the keys of firmware as PCs are sold with it.
func sold(t *testing.T) Keys {
	t.Helper()
	found, err := tools.FindOVMF(true, func(path string) error { _, err := os.Stat(path); return err })
	if err != nil {
		config.Lacking(t, err)
	}
	return keys(t, found.Vars)
}

func keys(t *testing.T, file string) Keys {
	t.Helper()
	raw, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		config.Lacking(t, err)
	}
	require.NoError(t, err)
	k, err := ReadVariables(bytes.NewReader(raw), int64(len(raw)))
	require.NoError(t, err)
	return k
}

func command(t *testing.T, argv ...string) string {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	require.NoError(t, err, "%s: %s", argv[0], said)
	return string(said)
}

// signer is a key with its certificate: openssl makes it, sbsign signs with it.
type signer struct{ key, cert string }

// issue makes a key that by vouches for, or its own where by is nil.
func issue(t *testing.T, name string, by *signer) signer {
	dir := t.TempDir()
	s := signer{filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")}
	argv := []string{find(t, "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout", s.key, "-out", s.cert}
	if by != nil {
		argv = append(argv, "-CA", by.cert, "-CAkey", by.key, "-addext", "basicConstraints=critical,CA:FALSE")
	}
	command(t, argv...)
	return s
}

func (s signer) certificate(t *testing.T) Certificate {
	raw, err := os.ReadFile(s.cert)
	require.NoError(t, err)
	block, _ := pem.Decode(raw)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return certificate(c)
}

func (s signer) sign(t *testing.T, raw []byte, more ...string) []byte {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.efi"), filepath.Join(dir, "out.efi")
	require.NoError(t, os.WriteFile(in, raw, 0o644))
	argv := append([]string{find(t, "sbsign"), "--key", s.key, "--cert", s.cert, "--output", out}, more...)
	command(t, append(argv, in)...)
	signed, err := os.ReadFile(out)
	require.NoError(t, err)
	return signed
}

func TestShim(t *testing.T) {
	p := parse(t, content(t, shim))
	assert.Equal(t, "x86_64", p.Machine)
	assert.Equal(t, "application", p.Subsystem)
	assert.False(t, p.Unified())
	require.NotEmpty(t, p.SBAT)
	assert.Equal(t, "sbat", p.SBAT[0].Name)
	assert.Equal(t, 1, p.SBAT[0].Generation)
	require.NotEmpty(t, p.Signatures)
	for _, s := range p.Signatures {
		assert.Empty(t, s.Problem)
		assert.True(t, s.Current)
		assert.Equal(t, p.Digest[:], s.Digest)
		assert.Equal(t, "SHA-256", s.Hash)
		assert.Contains(t, s.Signer.Subject, "Microsoft")
		assert.Contains(t, s.Signer.Issuer, "Microsoft")
		assert.NotEmpty(t, s.Signer.Serial)
	}
	v := Judge(p, sold(t))
	assert.Equal(t, Signed, v.Outcome, v.Why)
	assert.True(t, v.Starts)
	assert.Contains(t, v.Key.Subject, "Microsoft Corporation UEFI CA 2011")
	assert.Contains(t, v.Unknown, "SBAT")
}

// What Debian's shim starts is signed by Debian, which no PC's firmware knows.
func TestSignedForShim(t *testing.T) {
	v := Judge(parse(t, content(t, signedGRUB)), sold(t))
	assert.Equal(t, UnknownKey, v.Outcome, v.Why)
	assert.Contains(t, v.Why, "Debian Secure Boot Signer")
}

// What shim starts is signed by a key that is in shim.
func TestShimsOwnKeys(t *testing.T) {
	vendor, err := parse(t, content(t, shim)).Vendor()
	require.NoError(t, err)
	require.Len(t, vendor.DB.Certificates, 1)
	assert.Contains(t, vendor.DB.Certificates[0].Subject, "Debian Secure Boot CA")
	assert.NotEmpty(t, vendor.DBX.Hashes, "Debian revokes what it has signed before")
	assert.Equal(t, []string{"sbat", "shim", "grub"}, []string{vendor.SBAT[0].Name, vendor.SBAT[1].Name, vendor.SBAT[2].Name})
	assert.GreaterOrEqual(t, vendor.SBAT[2].Generation, 3)
	k := sold(t)
	v := Judge(parse(t, content(t, signedGRUB)), k.With(vendor))
	assert.Equal(t, Signed, v.Outcome, v.Why)
	assert.Equal(t, vendor.DB.Certificates[0].Subject, v.Key.Subject)
	assert.Equal(t, UnknownKey, Judge(parse(t, content(t, signedGRUB)), k).Outcome, "k is as it was")

	none, err := parse(t, content(t, systemdBoot)).Vendor()
	require.NoError(t, err)
	assert.Equal(t, Keys{}, none)
}

func TestChangedAfterItWasSigned(t *testing.T) {
	raw := content(t, shim)
	k := sold(t)
	before := parse(t, raw)
	for name, at := range map[string]int64{
		"in a section": before.Sections[0].Offset + 100, "in the headers": 0x42,
		"behind the sections": before.layout.signed.offset - 1,
	} {
		changed := bytes.Clone(raw)
		changed[at] ^= 1
		p := parse(t, changed)
		assert.NotEqual(t, before.Digest, p.Digest, name)
		v := Judge(p, k)
		assert.Equal(t, Changed, v.Outcome, name)
		assert.False(t, v.Starts, name)
	}
	// What signing changes is not in the digest.
	changed := bytes.Clone(raw)
	changed[before.layout.checksum] ^= 1
	assert.Equal(t, Signed, Judge(parse(t, changed), k).Outcome)
	// A signature that is changed does not hold, or cannot be read.
	for at := before.layout.signed.offset + 40; at < before.layout.size; at += 501 {
		changed := bytes.Clone(raw)
		changed[at] ^= 0x40
		v := Judge(parse(t, changed), k)
		if v.Starts {
			// Only what nobody signed may change: the time stamp, certificates that the chain does without.
			assert.Equal(t, Signed, v.Outcome)
			assert.Equal(t, before.Digest[:], parse(t, changed).Signatures[v.Signature].Digest)
		}
	}
}

func TestUnsigned(t *testing.T) {
	raw := content(t, systemdBoot)
	p := parse(t, raw)
	assert.Empty(t, p.Signatures)
	v := Judge(p, sold(t))
	assert.Equal(t, Unsigned, v.Outcome)
	assert.False(t, v.Starts)
	assert.Equal(t, -1, v.Signature)

	// Its digest may be listed, in either list.
	assert.Equal(t, Listed, Judge(p, Keys{DB: List{Hashes: [][32]byte{p.Digest}}}).Outcome)
	v = Judge(p, Keys{DB: List{Hashes: [][32]byte{p.Digest}}, DBX: List{Hashes: [][32]byte{p.Digest}}})
	assert.Equal(t, Revoked, v.Outcome)
	assert.False(t, v.Starts)
}

func TestSignedByUnknownKey(t *testing.T) {
	somebody := issue(t, "Somebody", nil)
	raw := somebody.sign(t, content(t, systemdBoot))
	p := parse(t, raw)
	require.Len(t, p.Signatures, 1)
	assert.Equal(t, "CN=Somebody", p.Signatures[0].Signer.Subject)
	v := Judge(p, sold(t))
	assert.Equal(t, UnknownKey, v.Outcome, v.Why)
	assert.False(t, v.Starts)

	own := Keys{DB: List{Certificates: []Certificate{somebody.certificate(t)}}}
	assert.Equal(t, Signed, Judge(p, own).Outcome)
	own.DBX = own.DB
	assert.Equal(t, Revoked, Judge(p, own).Outcome)
	tbs := sha256.Sum256(somebody.certificate(t).x509.RawTBSCertificate)
	own.DBX = List{Issued: [][32]byte{tbs}}
	assert.Equal(t, Revoked, Judge(p, own).Outcome)
	// One of the same name is another.
	own = Keys{DB: List{Certificates: []Certificate{issue(t, "Somebody", nil).certificate(t)}}}
	assert.Equal(t, UnknownKey, Judge(p, own).Outcome)
}

// A key that vouches for the signer's is as good as the signer's own.
func TestSignedByChain(t *testing.T) {
	root := issue(t, "Root", nil)
	leaf := issue(t, "Leaf", &root)
	p := parse(t, leaf.sign(t, content(t, systemdBoot)))
	k := Keys{DB: List{Certificates: []Certificate{root.certificate(t)}}}
	v := Judge(p, k)
	assert.Equal(t, Signed, v.Outcome, v.Why)
	assert.Equal(t, "CN=Root", v.Key.Subject)
	k.DBX = List{Certificates: []Certificate{leaf.certificate(t)}}
	assert.Equal(t, Revoked, Judge(p, k).Outcome)
	// A leaf vouches for nobody.
	third := issue(t, "Third", &leaf)
	p = parse(t, third.sign(t, content(t, systemdBoot), "--addcert", leaf.cert))
	assert.Equal(t, UnknownKey, Judge(p, Keys{DB: k.DB}).Outcome)
}

// A program that shim's maker signed is not started for ever.
func TestOutdated(t *testing.T) {
	somebody := issue(t, "Somebody", nil)
	k := Keys{DB: List{Certificates: []Certificate{somebody.certificate(t)}}}
	level := Keys{SBAT: []Component{{Name: "sbat", Generation: 1}, {Name: "grub", Generation: 5}}}
	for sbat, why := range map[string]string{
		"sbat,1\ngrub,4,F,GRUB,2.04\n": "its SBAT says grub 4, and shim starts 5 and later only",
		"sbat,1\ngrub,5,F,GRUB,2.06\n": "",
		"sbat,1\nother,1\n":            "",
		"":                             "it has no SBAT, and shim starts nothing without",
	} {
		p := parse(t, somebody.sign(t, made([][2]string{{".text", "code"}, {".sbat", sbat}}, nil)))
		v := Judge(p, k.With(level))
		if why == "" {
			assert.Equal(t, Signed, v.Outcome, sbat)
			assert.Contains(t, v.Unknown, "later SBAT")
			continue
		}
		assert.Equal(t, Outdated, v.Outcome, sbat)
		assert.False(t, v.Starts)
		assert.Contains(t, v.Why, why)
		assert.True(t, Judge(p, k).Starts, "firmware knows of no SBAT")
	}
}

// Of two signatures one is enough.
func TestTwoSignatures(t *testing.T) {
	first, second := issue(t, "First", nil), issue(t, "Second", nil)
	raw := second.sign(t, first.sign(t, content(t, systemdBoot)))
	p := parse(t, raw)
	require.Len(t, p.Signatures, 2)
	both := []Certificate{first.certificate(t), second.certificate(t)}
	for i := range both {
		v := Judge(p, Keys{DB: List{Certificates: both[i : i+1]}})
		assert.Equal(t, Signed, v.Outcome)
		assert.Equal(t, i, v.Signature)
		// One that is revoked is one too many.
		v = Judge(p, Keys{DB: List{Certificates: both}, DBX: List{Certificates: both[i : i+1]}})
		assert.Equal(t, Revoked, v.Outcome)
	}
}

// The digest is what sbsign, which is another's work, signs; the signature is what
// openssl makes. Debian's snakeoil keys are in a file of variables.
func TestSnakeoil(t *testing.T) {
	const folder = "/usr/share/ovmf/"
	key := filepath.Join(t.TempDir(), "key.pem")
	if _, err := os.Stat(folder + "PkKek-1-snakeoil.key"); err != nil {
		config.Lacking(t, err)
	}
	command(t, find(t, "openssl"), "pkey", "-in", folder+"PkKek-1-snakeoil.key", "-passin", "pass:snakeoil", "-out", key)
	p := parse(t, signer{key, folder + "PkKek-1-snakeoil.pem"}.sign(t, content(t, systemdBoot)))
	k := keys(t, "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd")
	assert.True(t, k.Enabled())
	require.NotEmpty(t, k.DB.Certificates)
	v := Judge(p, k)
	assert.Equal(t, Signed, v.Outcome, v.Why)
	assert.Contains(t, v.Why, "SnakeOil")
}

// sbverify and we agree on every program that the packages bring.
func TestDigestAsOthersTakeIt(t *testing.T) {
	for _, folder := range []string{filepath.Dir(find(t, shim)), filepath.Dir(find(t, signedGRUB))} {
		files, err := filepath.Glob(folder + "/*.signed")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			p := parse(t, raw)
			require.NotEmpty(t, p.Signatures, file)
			for _, s := range p.Signatures {
				assert.Empty(t, s.Problem, file)
				assert.True(t, s.Current, file)
			}
		}
	}
}

func TestKeysThatAreSold(t *testing.T) {
	k := sold(t)
	assert.True(t, k.Enabled())
	assert.NotEmpty(t, k.KEK.Certificates)
	var names []string
	for _, c := range k.DB.Certificates {
		names = append(names, c.Subject)
	}
	assert.Regexp(t, regexp.MustCompile("Microsoft Corporation UEFI CA 2011"), strings.Join(names, "\n"))
	assert.NotEmpty(t, k.DBX.Hashes)

	// Firmware as it comes has none, and refuses nothing.
	plain, err := tools.FindOVMF(false, func(path string) error { _, err := os.Stat(path); return err })
	require.NoError(t, err)
	k = keys(t, plain.Vars)
	assert.False(t, k.Enabled())
	assert.Empty(t, k.DB.Certificates)
}
