package sshconn

import (
	"bytes"
	"fmt"
	"strings"
)

// A directive is one line of ssh_config: the keyword in lower case, and the rest as written, because only the keywords
// that are known may be split (ProxyCommand and its like hold unbalanced quotes).
type directive struct {
	key  string
	rest string
	line int
}

// parseLines splits ssh_config text into directives. Empty lines and comments vanish.
func parseLines(data []byte) []directive {
	var out []directive
	for n := 1; len(data) > 0; n++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		s := strings.Trim(string(line), " \t\r\f")
		if s == "" || s[0] == '#' {
			continue
		}
		key, rest := cutKeyword(s)
		out = append(out, directive{key: strings.ToLower(key), rest: rest, line: n})
	}
	return out
}

// cutKeyword separates the keyword from its arguments: white space, an equals sign, or both.
func cutKeyword(s string) (key, rest string) {
	i := strings.IndexAny(s, " \t=")
	if i < 0 {
		return s, ""
	}
	key, rest = s[:i], strings.TrimLeft(s[i:], " \t")
	if strings.HasPrefix(rest, "=") {
		rest = strings.TrimLeft(rest[1:], " \t")
	}
	return key, rest
}

// splitArgs splits the arguments of a directive at white space. Single and double quotes group, a backslash escapes a
// quote, a backslash, or (outside quotes) a space, and a word that starts with # ends the line.
func splitArgs(s string) ([]string, error) {
	var args []string
	for i := 0; i < len(s); {
		if s[i] == ' ' || s[i] == '\t' {
			i++
			continue
		}
		if s[i] == '#' {
			break
		}
		word, n, err := scanWord(s[i:])
		if err != nil {
			return nil, err
		}
		args = append(args, word)
		i += n
	}
	return args, nil
}

// scanWord reads one word from the start of s and reports how many bytes it took.
func scanWord(s string) (word string, n int, err error) {
	var b strings.Builder
	quote := byte(0)
	for n < len(s) {
		c := s[n]
		switch {
		case c == '\\' && n+1 < len(s) && escapable(s[n+1], quote):
			n++
			b.WriteByte(s[n])
		case quote == 0 && (c == ' ' || c == '\t'):
			return b.String(), n, nil
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			b.WriteByte(c)
		}
		n++
	}
	if quote != 0 {
		return "", n, fmt.Errorf("missing closing %c", quote)
	}
	return b.String(), n, nil
}

func escapable(c, quote byte) bool {
	return c == '"' || c == '\'' || c == '\\' || (quote == 0 && c == ' ')
}

// matchPattern reports whether s matches a pattern of ssh_config: * is any run of characters, ? any one. It takes time
// in proportion to len(s)*len(pattern) at worst: after a mismatch only the last star is retried.
func matchPattern(s, pattern string) bool {
	i, p, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			i, p = mark, star+1
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchList reports whether s matches a list of patterns: one that matches is needed, and one with a leading ! that
// matches decides against it whatever else matches.
func matchList(s string, patterns []string) bool {
	found := false
	for _, p := range patterns {
		neg := strings.HasPrefix(p, "!")
		if !matchPattern(s, strings.TrimPrefix(p, "!")) {
			continue
		}
		if neg {
			return false
		}
		found = true
	}
	return found
}
