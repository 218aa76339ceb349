package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// display makes text that came from elsewhere (names, link targets, errors of
// the far side) safe to print. Everything that goes to a terminal, a pipe or a
// log passes through it.
//
// Bytes that could move the cursor, hide text or change its direction are
// written as rsync writes them, \#ooo with three octal digits per byte: control
// characters (C0 except tab, DEL, C1 both raw and as U+0080..9F), bytes that are
// not UTF-8, bidirectional and zero-width characters and other invisible ones. A
// backslash before '#' and three digits is itself escaped, so that distinct
// texts stay distinct. A tab stays, as it does in rsync's output.
func display(s string) string {
	first := unsafeIndex(s)
	if first < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	b.WriteString(s[:first])
	for i := first; i < len(s); {
		n, ok := printable(s[i:])
		if ok {
			b.WriteString(s[i : i+n])
		} else {
			for _, c := range []byte(s[i : i+n]) {
				writeOctal(&b, c)
			}
		}
		i += n
	}
	return b.String()
}

// unsafeIndex returns where the first sequence to be escaped begins, or -1.
func unsafeIndex(s string) int {
	for i := 0; i < len(s); {
		n, ok := printable(s[i:])
		if !ok {
			return i
		}
		i += n
	}
	return -1
}

// printable returns the length of the character that s, not empty, begins with
// and whether it can be printed as it is.
func printable(s string) (n int, ok bool) {
	c := s[0]
	switch {
	case c == '\t':
		return 1, true
	case c < ' ' || c == 0x7f:
		return 1, false
	case c == '\\':
		return 1, !looksEscaped(s)
	case c < utf8.RuneSelf:
		return 1, true
	}
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 {
		return 1, false
	}
	return n, !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

// looksEscaped reports whether s begins with what writeOctal writes, or with
// what rsync would take for it.
func looksEscaped(s string) bool {
	return len(s) >= 5 && s[1] == '#' && isDigit(s[2]) && isDigit(s[3]) && isDigit(s[4])
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func writeOctal(b *strings.Builder, c byte) {
	b.WriteString(`\#`)
	b.WriteByte('0' + c>>6)
	b.WriteByte('0' + c>>3&7)
	b.WriteByte('0' + c&7)
}
