package password

import (
	_ "embed"
	"strings"
)

// common holds 17,950 of the passwords most often found in leaks, each on a line of its own, sorted: those of eight
// characters or more, as no policy may ask for fewer. They come from @zxcvbn-ts/language-common 4.1.3 (MIT, see
// common.LICENSE), in its package folder, by
//
//	jq -r '.[]' src/passwords.json | tr A-Z a-z | LC_ALL=C grep -E '^[ -~]{8,}$' | LC_ALL=C sort -u
//
// All are ASCII, so lower case is their canonical form.
//
//go:embed common.txt
var common string

// isCommon reports whether a password in canonical form is in the list. It searches the text in place: the list is
// never unpacked, so that it costs a starting server nothing.
func isCommon(key string) bool {
	low, high := 0, len(common)
	for low < high {
		middle := low + (high-low)/2
		start := low + strings.LastIndexByte(common[low:middle], '\n') + 1
		line, _, _ := strings.Cut(common[start:high], "\n")
		switch strings.Compare(line, key) {
		case 0:
			return true
		case -1:
			low = start + len(line) + 1
		default:
			high = start
		}
	}
	return false
}
