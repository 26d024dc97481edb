package contract

// Key is a key pair on disk, with which an image lets root log in over SSH. The
// zero value is none that is known.
type Key struct {
	Private     string // path of the OpenSSH private key; "" where only the public half is known
	Public      string // path of the public key, one authorized_keys line
	Authorized  string // that line, without its newline
	Fingerprint string // SHA256:..., as ssh-keygen -l prints it
}
