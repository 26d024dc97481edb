package serial

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"bootaudit/internal/quote"
)

// place puts the file that was sent in blocks where it belongs.
// It is root's alone until it has its mode.
const place = `n=%[1]s; t=$n.part$$; f=$d/%[2]d
umask 077
cat "$f".p* >"$t" || exit
rm -f "$f".p*
if [ "$(sha256sum <"$t")" != '%[3]x  -' ]; then rm -f -- "$t"; echo '%[4]s' >&2; exit 125; fi
chmod -- %[5]o "$t" && mv -f -- "$t" "$n"
`

const notWhole = "bootaudit: what was sent did not arrive whole"

// write brings data into the job's files in the guest (ID.p000000, ...), a
// block at a time, each acknowledged.
func (s *session) write(ctx context.Context, j *job, data []byte) error {
	select {
	case s.sending <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.gone:
		return s.dead
	}
	// Nothing else may be sent between the line and the block's acknowledgement:
	// the guest's head(1) might take it for part of the block.
	defer func() { <-s.sending }()
	for at := 0; at == 0 || at < len(data); at += s.block {
		block := data[at:min(at+s.block, len(data))]
		text := base64.StdEncoding.EncodeToString(block)
		name := fmt.Sprintf("%09d", at)
		body := append(request(s.key, fmt.Sprintf("w %d %s %d", j.id, name, len(text))), text...)
		// Should the guest have lost some of the block, it waits for the rest:
		// blank lines make it up, and hurt nothing otherwise.
		question := func() error {
			if err := s.send(ctx, []byte(strings.Repeat("\n", len(text)))); err != nil {
				return err
			}
			return s.send(ctx, body)
		}
		s.expect(j, name)
		if err := s.send(ctx, body); err != nil {
			return err
		}
		err := s.await(ctx, j, s.patience, question, func() bool { return j.acked })
		if err != nil {
			return err
		}
	}
	return nil
}

// fileName is path as a word for the guest's shell.
func fileName(path string) (string, error) {
	if path == "" || strings.Contains(path, "\x00") {
		return "", errors.New("no file can have that name")
	}
	return quote.Word(path), nil
}

func (s *session) put(ctx context.Context, path string, data []byte, mode fs.FileMode) error {
	name, err := fileName(path)
	if err != nil {
		return fmt.Errorf("put %q in the guest: %w", path, err)
	}
	ctx, cancel := withLimit(ctx)
	defer cancel()
	j := s.newJob()
	defer s.forget(j)
	if err := s.write(ctx, j, data); err != nil {
		return fmt.Errorf("put %s in the guest: %w", name, err)
	}
	r, err := s.run(ctx, fmt.Sprintf(place, name, j.id, sha256.Sum256(data), notWhole, mode.Perm()))
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		return fmt.Errorf("put %s in the guest: %w", name, err)
	}
	return nil
}

func (s *session) get(ctx context.Context, path string) ([]byte, error) {
	name, err := fileName(path)
	if err != nil {
		return nil, fmt.Errorf("get %q from the guest: %w", path, err)
	}
	// The digest is of what was read: the file may grow meanwhile. What is too
	// large is read so far that this can be seen.
	r, err := s.run(ctx, fmt.Sprintf(`f=$(mktemp) && head -c %d -- %s >"$f" && sha256sum <"$f" >&2 && cat "$f"; s=$?; rm -f "$f"; exit $s`, s.limit+1, name))
	if err == nil {
		err = r.Err()
	}
	if err == nil && !strings.HasPrefix(strings.TrimSpace(string(r.Stderr)), fmt.Sprintf("%x", sha256.Sum256(r.Stdout))) {
		err = errCut
	}
	if err != nil {
		return nil, fmt.Errorf("get %s from the guest: %w", name, err)
	}
	return r.Stdout, nil
}
