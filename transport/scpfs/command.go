package scpfs

import (
	"strings"

	"gosync/internal/engine"
	"gosync/transport/wire"
)

// SinkCommand returns the command that takes files into path on the far side: a
// line for its login shell, whichever that is. A leading ~ or ~user is left for that
// to expand, everything else is quoted. The error has [wire.CodeUnsupported].
func SinkCommand(path string, how engine.StreamHow) (string, error) {
	cmd := "scp"
	if how.Recursive {
		cmd += " -r"
	}
	if how.Perms {
		cmd += " -p"
	}
	if how.Directory {
		cmd += " -d"
	}
	return withPath(cmd+" -t", path, false)
}

// SourceCommand returns the command that gives what is at path, in which the
// wildcards * ? and [] are left for the shell to expand.
func SourceCommand(path string, how engine.StreamHow) (string, error) {
	cmd := "scp"
	if how.Recursive {
		cmd += " -r"
	}
	if how.Perms || how.Times {
		cmd += " -p"
	}
	return withPath(cmd+" -f", path, true)
}

// withPath adds the path to a command. As in scp itself "--" is there only where
// it is needed: boxes that know nothing but SCP may not know it.
func withPath(cmd, path string, glob bool) (string, error) {
	if path == "" {
		path = "."
	}
	if strings.ContainsAny(path, "\n\r\x00") {
		return "", wire.Errorf(wire.CodeUnsupported, "%q holds a line break or a zero byte, which SCP cannot carry safely: use --via=sftp", path)
	}
	if path[0] == '-' {
		cmd += " --"
	}
	return cmd + " " + quote(path, glob), nil
}

// quote writes a path as one word for sh, bash, dash, zsh, fish and tcsh. They
// agree on little: inside single quotes fish takes backslashes for escapes and tcsh
// an exclamation mark for history, so these stand outside, escaped. What means
// nothing to any of them is not quoted, since boxes without a shell may not know
// quotes.
func quote(path string, glob bool) string {
	var b strings.Builder
	n := tilde(path)
	b.WriteString(path[:n])
	quoted := false
	mode := func(on bool) {
		if quoted != on {
			b.WriteByte('\'')
			quoted = on
		}
	}
	open := false // a bracket is
	for i := n; i < len(path); i++ {
		c := path[i]
		switch {
		case glob && (c == '*' || c == '?' || c == ']' && open):
			mode(false)
			b.WriteByte(c)
			open = open && c != ']'
		case glob && c == '[' && strings.IndexByte(path[i:], ']') > 0:
			mode(false)
			b.WriteByte(c)
			open = true
			if path[i+1] == '!' { // not "^", which is a pipe to very old shells, and unknown to dash
				b.WriteByte('!')
				i++
			}
		case c == '\'' || c == '\\' || c == '!':
			mode(false)
			b.WriteByte('\\')
			b.WriteByte(c)
		case plain(c) && !quoted:
			b.WriteByte(c)
		case plain(c) && glob:
			mode(false) // a range in brackets must not be quoted
			b.WriteByte(c)
		default:
			mode(true)
			b.WriteByte(c)
		}
	}
	mode(false)
	return b.String()
}

// plain reports whether a character means nothing to any shell, wherever it stands.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-./,:+@", c) >= 0
}

// tilde returns the length of a leading ~ or ~user, 0 where the path has none.
func tilde(path string) int {
	if path == "" || path[0] != '~' {
		return 0
	}
	user, _, _ := strings.Cut(path[1:], "/")
	for i := range len(user) {
		c := user[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '.')) {
			return 0
		}
	}
	return 1 + len(user)
}

// isPattern reports whether a shell may find several things for a path.
func isPattern(path string) bool {
	return strings.ContainsAny(path, "*?") || strings.Contains(path, "[") && strings.Contains(path, "]")
}
