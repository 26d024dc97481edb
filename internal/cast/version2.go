package cast

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Version2 writes a recording as version 2, for players that know no other:
// asciinema 2, which Debian 12 has. What version 2 has no event for is left out.
func Version2(w io.Writer, r io.Reader) error {
	out := bufio.NewWriter(w)
	in := bufio.NewReaderSize(r, 64<<10)
	first, _, err := nextLine(in, 0)
	if err != nil {
		return fmt.Errorf("read the recording's header: %w", err)
	}
	var h header
	if err := json.Unmarshal(first, &h); err != nil {
		return fmt.Errorf("read the recording's header: %w", err)
	}
	if h.Term != nil {
		h.Width, h.Height = h.Term.Cols, h.Term.Rows
	}
	line, err := json.Marshal(header{Version: 2, Width: h.Width, Height: h.Height, Timestamp: h.Timestamp, Title: h.Title, Command: h.Command})
	if err != nil {
		return err
	}
	_, _ = out.Write(append(line, '\n')) // Flush tells
	_, err = Read(io.MultiReader(bytes.NewReader(append(first, '\n')), in), func(e Event) error {
		if e.Code == 'x' {
			return nil
		}
		line, err := json.Marshal([]any{json.Number(fmt.Sprintf("%.6f", e.At.Seconds())), string(e.Code), e.Data})
		if err != nil {
			return err
		}
		_, err = out.Write(append(line, '\n'))
		return err
	})
	return errors.Join(err, out.Flush())
}
