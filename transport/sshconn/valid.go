package sshconn

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ValidHost reports why s cannot be a host name, or nil. The rule is that of OpenSSH: no leading dash, which a program
// could take for an option, no white space or control characters, and none of the characters that mean something to a
// shell. IPv6 addresses with a zone pass.
func ValidHost(s string) error {
	if s == "" {
		return fmt.Errorf("empty host name")
	}
	if s[0] == '-' {
		return fmt.Errorf("host name %q starts with a dash", s)
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c == 0x7f || strings.IndexByte("'`\"$\\;&<>|(){}", c) >= 0 {
			return fmt.Errorf("host name %q has the forbidden character %q", s, c)
		}
	}
	return nil
}

// ValidUser reports why s cannot be a remote user name, or nil. The rule is that of OpenSSH: spaces, $ and \ occur in
// names of Windows domains and pass, but not where a shell or an option parser would misread them.
func ValidUser(s string) error {
	if s == "" {
		return fmt.Errorf("empty user name")
	}
	if s[0] == '-' {
		return fmt.Errorf("user name %q starts with a dash", s)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c == 0x7f || strings.IndexByte("'`\";&<>|(){}", c) >= 0 {
			return fmt.Errorf("user name %q has the forbidden character %q", s, c)
		}
		if c == ' ' && i+1 < len(s) && s[i+1] == '-' {
			return fmt.Errorf("user name %q has a dash after a space", s)
		}
	}
	if s[len(s)-1] == '\\' {
		return fmt.Errorf("user name %q ends with a backslash", s)
	}
	return nil
}

// safeText makes text of a server fit for a terminal: everything that is not printable becomes a question mark.
func safeText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
