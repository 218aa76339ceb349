package glob

import "unicode/utf8"

// Match reports whether a name matches a pattern of a shell. It takes time
// proportional to the product of their lengths at most: after a failure only
// the last star is tried again, one character further.
func Match(pattern, name string) bool {
	star, retry := -1, 0
	p, n := 0, 0
	for n < len(name) {
		if p < len(pattern) && pattern[p] == '*' {
			star, retry = p, n
			p++
			continue
		}
		if used, got, ok := one(pattern[p:], name[n:]); ok {
			p, n = p+used, n+got
			continue
		}
		if star < 0 {
			return false
		}
		_, size := utf8.DecodeRuneInString(name[retry:])
		retry += size
		p, n = star+1, retry
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// one matches one character of name, and returns the lengths of what was
// matched. A byte that is not UTF-8 counts as a character.
func one(pattern, name string) (used, got int, ok bool) {
	if pattern == "" {
		return 0, 0, false
	}
	c, size := utf8.DecodeRuneInString(name)
	switch pattern[0] {
	case '?':
		return 1, size, true
	case '[':
		if used, ok, valid := class(pattern, c); valid {
			return used, size, ok
		}
	case '\\':
		if len(pattern) > 1 {
			return 2, 1, pattern[1] == name[0]
		}
	}
	return 1, 1, pattern[0] == name[0]
}

// class matches a character against the brackets that pattern begins with, and
// returns their length. It is not valid if they do not end: then the bracket
// stands for itself.
func class(pattern string, c rune) (used int, ok, valid bool) {
	i := 1
	negated := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negated {
		i++
	}
	for first := true; i < len(pattern); first = false {
		if pattern[i] == ']' && !first {
			return i + 1, ok != negated, true
		}
		low, n := member(pattern[i:])
		i += n
		high := low
		if i+1 < len(pattern) && pattern[i] == '-' && pattern[i+1] != ']' {
			high, n = member(pattern[i+1:])
			i += 1 + n
		}
		ok = ok || low <= c && c <= high
	}
	return 0, false, false
}

// member reads one character of a class.
func member(pattern string) (c rune, size int) {
	if pattern[0] == '\\' && len(pattern) > 1 {
		c, size = utf8.DecodeRuneInString(pattern[1:])
		return c, size + 1
	}
	return utf8.DecodeRuneInString(pattern)
}
