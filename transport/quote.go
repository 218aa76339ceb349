package transport

import "strings"

// Quote writes a word so that the shells of far sides, sh, csh and fish alike, take it
// as it is. It must not hold a newline: no quoting of csh can carry one.
func Quote(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
