// Package efi reads EFI programs, which are PE/COFF files, and the variables of UEFI
// firmware, and says whether the one would start under the Secure Boot of the other.
//
// What it reads may be hostile: nothing is believed about a size that the file does
// not have, and what a file can make it do is bounded by the file's own size.
package efi

import "strings"

// most bounds what is kept of a text of a file's.
const most = 200

// plain is text without what a terminal would obey.
func plain(text string) string {
	text = strings.ToValidUTF8(text, "?")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
