package squashfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/ulikunitz/xz/lzma"
)

var errXZ = errors.New("xz: malformed")

// unpackXZ unpacks a .xz file of one block (its format is xz-file-format.txt's,
// version 1.1). The library's own reader of that format makes a dictionary of
// as many bytes as a block claims, up to 4 GiB.
func unpackXZ(packed []byte, limit int) ([]byte, error) {
	// Stream header: magic, flags, their CRC32; then the block's header.
	const head = 12
	if len(packed) < head+8 || string(packed[:6]) != "\xfd7zXZ\x00" || packed[6] != 0 {
		return nil, errXZ
	}
	check := packed[7]
	body := packed[head:]
	size := (int(body[0]) + 1) * 4
	if body[0] == 0 || size > len(body) || crc32.ChecksumIEEE(body[:size-4]) != binary.LittleEndian.Uint32(body[size-4:]) {
		return nil, errXZ
	}
	dictionary, err := xzDictionary(body[1 : size-4])
	if err != nil {
		return nil, err
	}
	rest := bytes.NewReader(body[size:])
	// No block looks back further than to its own beginning.
	dictionary = max(min(dictionary, int64(limit)), lzma.MinDictCap)
	r, err := lzma.Reader2Config{DictCap: int(dictionary)}.NewReader2(rest)
	if err != nil {
		return nil, fmt.Errorf("xz: %w", err)
	}
	out, err := readAll(r, limit)
	if err != nil {
		return nil, fmt.Errorf("xz: %w", err)
	}
	// The block is padded to four bytes; Linux, too, knows no check but CRC32.
	end := (len(body) - rest.Len() + 3) / 4 * 4
	if check == 1 && (end+4 > len(body) || crc32.ChecksumIEEE(out) != binary.LittleEndian.Uint32(body[end:])) {
		return nil, errors.New("xz: its checksum is wrong")
	}
	return out, nil
}

// xzDictionary reads the rest of a block's header: its flags, the sizes that
// may stand there, and its filters.
func xzDictionary(header []byte) (int64, error) {
	flags := header[0]
	header = header[1:]
	for _, bit := range []byte{0x40, 0x80} {
		if flags&bit == 0 {
			continue
		}
		_, n := binary.Uvarint(header)
		if n <= 0 {
			return 0, errXZ
		}
		header = header[n:]
	}
	if flags&3 != 0 || len(header) > 0 && header[0] != 0x21 { // mksquashfs -Xbcj
		return 0, fmt.Errorf("xz: a filter beside LZMA2: %w", errors.ErrUnsupported)
	}
	if len(header) < 3 || header[1] != 1 {
		return 0, errXZ
	}
	return lzma.DecodeDictCap(header[2])
}
