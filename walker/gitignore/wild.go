package gitignore

import "strings"

// The pattern language is that of git: "*" matches any run without a slash, "**" between slashes
// or at an end any run, "**/" there also nothing, "?" a byte but a slash, "[...]" a byte of a class
// but never a slash, and a backslash takes the next byte literally. It works on bytes; the named
// classes are git's own, which know ASCII alone.

type tokenKind uint8

const (
	tokByte  tokenKind = iota // this byte
	tokAny                    // any byte but a slash
	tokClass                  // a byte of the class
	tokStar                   // any run without a slash
	tokDeep                   // any run
	tokMaybe                  // "**/": the two tokens that follow, which are tokDeep and a slash, or nothing
	tokNever                  // nothing: a malformed class or a backslash at the end
)

// byteSet is a set of byte values.
type byteSet [4]uint64

func (s *byteSet) add(c byte)      { s[c>>6] |= 1 << (c & 63) }
func (s *byteSet) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

type token struct {
	kind tokenKind
	b    byte // of a tokByte
	set  int  // of a tokClass: its place in the program's sets
}

// program is a compiled pattern.
type program struct {
	toks []token
	sets []byteSet
}

func compile(pat string) *program {
	p := new(program)
	for i := 0; i < len(pat); {
		c := pat[i]
		switch c {
		case '*':
			i = p.stars(pat, i)
			continue
		case '?':
			p.toks = append(p.toks, token{kind: tokAny})
		case '[':
			set, next, ok := parseClass(pat, i+1)
			if !ok {
				p.toks = append(p.toks, token{kind: tokNever})
				return p
			}
			p.toks = append(p.toks, token{kind: tokClass, set: len(p.sets)})
			p.sets = append(p.sets, set)
			i = next
			continue
		case '\\':
			if i++; i == len(pat) {
				p.toks = append(p.toks, token{kind: tokNever})
				return p
			}
			p.toks = append(p.toks, token{kind: tokByte, b: pat[i]})
		default:
			p.toks = append(p.toks, token{kind: tokByte, b: c})
		}
		i++
	}
	return p
}

// stars compiles the run of stars at i and returns where it ends. Two and more span slashes where
// they stand alone between slashes, of which one that a backslash quotes counts, too.
func (p *program) stars(pat string, i int) int {
	from := i
	for i < len(pat) && pat[i] == '*' {
		i++
	}
	rest := pat[i:]
	deep := i-from > 1 && (from == 0 || pat[from-1] == '/') &&
		(rest == "" || rest[0] == '/' || strings.HasPrefix(rest, `\/`))
	switch {
	case !deep:
		p.toks = append(p.toks, token{kind: tokStar})
	case rest != "" && rest[0] == '/':
		p.toks = append(p.toks, token{kind: tokMaybe}, token{kind: tokDeep}, token{kind: tokByte, b: '/'})
		i++
	default:
		p.toks = append(p.toks, token{kind: tokDeep})
	}
	return i
}

// parseClass reads a class from behind its bracket on and returns where it ends; false where it
// is malformed, and the pattern matches nothing.
func parseClass(pat string, i int) (set byteSet, end int, ok bool) {
	negated := i < len(pat) && (pat[i] == '!' || pat[i] == '^')
	if negated {
		i++
	}
	prev := -1 // where a range may begin
	for first := true; ; first = false {
		if i >= len(pat) {
			return set, 0, false
		}
		c := pat[i]
		switch {
		case c == ']' && !first:
			if negated {
				for k := range set {
					set[k] = ^set[k]
				}
			}
			return set, i + 1, true
		case c == '\\':
			if i++; i == len(pat) {
				return set, 0, false
			}
			set.add(pat[i])
			prev = int(pat[i])
		case c == '-' && prev >= 0 && i+1 < len(pat) && pat[i+1] != ']':
			if i++; pat[i] == '\\' {
				if i++; i == len(pat) {
					return set, 0, false
				}
			}
			for b := prev; b <= int(pat[i]); b++ {
				set.add(byte(b))
			}
			prev = -1
		case c == '[' && i+1 < len(pat) && pat[i+1] == ':':
			n := strings.IndexByte(pat[i+2:], ']')
			if n < 0 {
				return set, 0, false
			}
			name := pat[i+2 : i+2+n]
			if !strings.HasSuffix(name, ":") {
				set.add('[') // it is one like others
				prev = '['
				break
			}
			if !set.addNamed(name[:n-1]) {
				return set, 0, false
			}
			i += 2 + n
			prev = -1
		default:
			set.add(c)
			prev = int(c)
		}
		i++
	}
}

// addNamed adds a class by its name; false where there is none.
func (s *byteSet) addNamed(name string) bool {
	var in func(c byte) bool
	lower := func(c byte) bool { return c >= 'a' && c <= 'z' }
	upper := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	switch name {
	case "alnum":
		in = func(c byte) bool { return lower(c) || upper(c) || digit(c) }
	case "alpha":
		in = func(c byte) bool { return lower(c) || upper(c) }
	case "blank":
		in = func(c byte) bool { return c == ' ' || c == '\t' }
	case "cntrl":
		in = func(c byte) bool { return c < ' ' || c == 0x7f }
	case "digit":
		in = digit
	case "graph":
		in = func(c byte) bool { return c > ' ' && c < 0x7f }
	case "lower":
		in = lower
	case "print":
		in = func(c byte) bool { return c >= ' ' && c < 0x7f }
	case "punct":
		in = func(c byte) bool { return c > ' ' && c < 0x7f && !lower(c) && !upper(c) && !digit(c) }
	case "space": // fewer than in C
		in = func(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
	case "upper":
		in = upper
	case "xdigit":
		in = func(c byte) bool { return digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
	default:
		return false
	}
	for c := range 128 {
		if in(byte(c)) {
			s.add(byte(c))
		}
	}
	return true
}

// takes reports whether a token that stands for one byte accepts c.
func (p *program) takes(t token, c byte) bool {
	switch t.kind {
	case tokByte:
		return c == t.b
	case tokAny:
		return c != '/'
	case tokClass:
		return c != '/' && p.sets[t.set].has(c)
	}
	return false
}

// match reports whether the program matches all of s.
func (p *program) match(s string) bool {
	ok, done := p.backtrack(s, 8*(len(s)+len(p.toks))+64)
	if !done {
		ok = p.simulate(s)
	}
	return ok
}

// retry is where matching goes on when it has failed: a run of bytes is made longer.
type retry struct {
	tok int // the token behind the run, negative for no run
	at  int // where the run ends
}

// backtrack matches with at most budget steps; done is false where they do not suffice. It is
// enough to come back to the last run of each kind: what comes before one that spans slashes is
// best matched as early as can be.
func (p *program) backtrack(s string, budget int) (ok, done bool) {
	star, deep := retry{tok: -1}, retry{tok: -1}
	dirs := false // deep may only end behind a slash
	for i, j := 0, 0; ; {
		if budget--; budget < 0 {
			return false, false
		}
		if i == len(p.toks) && j == len(s) {
			return true, true
		}
		if i < len(p.toks) {
			switch t := p.toks[i]; t.kind {
			case tokStar:
				i++
				star = retry{i, j}
				continue
			case tokDeep:
				i++
				deep, dirs, star.tok = retry{i, j}, false, -1
				continue
			case tokMaybe:
				i += 3
				deep, dirs, star.tok = retry{i, j}, true, -1
				continue
			default:
				if j < len(s) && p.takes(t, s[j]) {
					i, j = i+1, j+1
					continue
				}
			}
		}
		switch {
		case star.tok >= 0 && star.at < len(s) && s[star.at] != '/':
			star.at++
			i, j = star.tok, star.at
			continue
		case deep.tok < 0 || deep.at == len(s):
			return false, true
		case dirs:
			n := strings.IndexByte(s[deep.at:], '/')
			if n < 0 {
				return false, true
			}
			deep.at += n
		}
		deep.at++
		i, j, star.tok = deep.tok, deep.at, -1
	}
}

// simulate matches by following all ways at once.
func (p *program) simulate(s string) bool {
	now, next := make([]bool, len(p.toks)+1), make([]bool, len(p.toks)+1)
	now[0] = true
	p.spread(now)
	for j := range len(s) {
		clear(next)
		for i, t := range p.toks {
			switch {
			case !now[i]:
			case t.kind == tokDeep, t.kind == tokStar && s[j] != '/':
				next[i] = true
			case p.takes(t, s[j]):
				next[i+1] = true
			}
		}
		p.spread(next)
		now, next = next, now
	}
	return now[len(p.toks)]
}

// spread adds the places that are reached without a byte.
func (p *program) spread(at []bool) {
	for i, t := range p.toks {
		if !at[i] {
			continue
		}
		switch t.kind {
		case tokStar, tokDeep:
			at[i+1] = true
		case tokMaybe:
			at[i+1], at[i+3] = true, true
		}
	}
}
