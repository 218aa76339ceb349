package filter

import "strings"

// parseClass parses a character class whose opening bracket stands before pat[i]. It returns the
// set and the index behind the closing bracket, or nil if the class is malformed. As everywhere
// in wildcard matching a "]" or "-" that comes first stands for itself.
func parseClass(pat string, i int) (*byteSet, int) {
	set := new(byteSet)
	negated := i < len(pat) && (pat[i] == '!' || pat[i] == '^')
	if negated {
		i++
	}
	low := -1 // the byte a following "-" would start a range from
	for first := true; ; first = false {
		if i >= len(pat) {
			return nil, 0
		}
		c := pat[i]
		switch {
		case c == ']' && !first:
			if negated {
				for w := range set {
					set[w] = ^set[w]
				}
			}
			set.remove('/')
			return set, i + 1
		case c == '-' && low >= 0 && i+1 < len(pat) && pat[i+1] != ']':
			high, next := classByte(pat, i+1)
			if next == 0 {
				return nil, 0
			}
			for b := low; b <= int(high); b++ {
				set.add(byte(b))
			}
			low, i = -1, next
			continue
		case c == '[' && strings.HasPrefix(pat[i:], "[:"):
			next, named, ok := namedClass(pat, i, set)
			if !ok {
				return nil, 0
			}
			if named {
				low, i = -1, next
				continue
			}
		}
		b, next := classByte(pat, i)
		if next == 0 {
			return nil, 0
		}
		set.add(b)
		low, i = int(b), next
	}
}

// classByte returns the possibly escaped byte at pat[i] and the index behind it, 0 if there is none.
func classByte(pat string, i int) (byte, int) {
	if pat[i] != '\\' {
		return pat[i], i + 1
	}
	if i+1 >= len(pat) {
		return 0, 0
	}
	return pat[i+1], i + 2
}

// namedClass adds a class such as [:alpha:] that starts at pat[i]. named is false if there is no
// ":]" before the next bracket: then the bracket stands for itself. An unknown name is malformed.
func namedClass(pat string, i int, set *byteSet) (next int, named, ok bool) {
	start := i + len("[:")
	n := strings.IndexByte(pat[start:], ']')
	if n < 0 {
		return 0, false, false
	}
	if n == 0 || pat[start+n-1] != ':' {
		return 0, false, true
	}
	in := classTest(pat[start : start+n-1])
	if in == nil {
		return 0, false, false
	}
	for b := range byte(0x80) {
		if in(b) {
			set.add(b)
		}
	}
	return start + n + 1, true, true
}

// classTest returns the membership test of a named class of ASCII, nil for an unknown name.
func classTest(name string) func(byte) bool {
	switch name {
	case "alnum":
		return func(b byte) bool { return isAlpha(b) || isDigit(b) }
	case "alpha":
		return isAlpha
	case "blank":
		return func(b byte) bool { return b == ' ' || b == '\t' }
	case "cntrl":
		return func(b byte) bool { return b < 0x20 || b == 0x7f }
	case "digit":
		return isDigit
	case "graph":
		return isGraph
	case "lower":
		return isLower
	case "print":
		return func(b byte) bool { return b == ' ' || isGraph(b) }
	case "punct":
		return func(b byte) bool { return isGraph(b) && !isAlpha(b) && !isDigit(b) }
	case "space":
		return isSpace
	case "upper":
		return isUpper
	case "xdigit":
		return func(b byte) bool { return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'f' }
	}
	return nil
}

func isLower(b byte) bool { return b >= 'a' && b <= 'z' }
func isUpper(b byte) bool { return b >= 'A' && b <= 'Z' }
func isAlpha(b byte) bool { return isLower(b) || isUpper(b) }
func isDigit(b byte) bool { return b >= '0' && b <= '9' }
func isGraph(b byte) bool { return b > ' ' && b < 0x7f }
func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }
