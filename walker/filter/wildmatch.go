package filter

import (
	"math/bits"
	"strings"
)

// The pattern language is that of rsync's filter rules: "*" matches any bytes but a slash, "**"
// any bytes, "?" one byte but a slash, "[...]" one byte of a class but never a slash, a backslash
// takes the next byte literally. It works on bytes; the named classes are those of ASCII.

type tokenKind uint8

const (
	tokByte  tokenKind = iota // this byte
	tokAny                    // any byte but a slash
	tokClass                  // a byte of the class
	tokStar                   // any run without a slash
	tokDeep                   // any run
	tokNever                  // nothing: a malformed class or a trailing backslash
)

// byteSet is a set of byte values.
type byteSet [4]uint64

func (s *byteSet) add(c byte)      { s[c>>6] |= 1 << (c & 63) }
func (s *byteSet) remove(c byte)   { s[c>>6] &^= 1 << (c & 63) }
func (s *byteSet) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

// token is small because hostile patterns may have many.
type token struct {
	kind tokenKind
	b    byte   // of a tokByte
	set  uint16 // of a tokClass: its place in the program's sets
}

// program is a compiled wildcard pattern of at most MaxPattern tokens.
type program struct {
	toks []token
	sets []byteSet
	tail string // the literal bytes that every match ends with
}

// takes reports whether a token that stands for one byte accepts c.
func (p *program) takes(t token, c byte) bool {
	switch t.kind {
	case tokByte:
		return c == t.b
	case tokAny:
		return c != '/'
	case tokClass:
		return p.sets[t.set].has(c)
	}
	return false
}

// compileProgram compiles a pattern. Without wild every byte, the backslash included, stands for
// itself.
func compileProgram(pat string, wild bool) *program {
	p := new(program)
	p.tokenize(pat, wild)
	at := len(p.toks)
	for at > 0 && p.toks[at-1].kind == tokByte {
		at--
	}
	tail := make([]byte, 0, len(p.toks)-at)
	for _, t := range p.toks[at:] {
		tail = append(tail, t.b)
	}
	p.tail = string(tail)
	return p
}

func (p *program) tokenize(pat string, wild bool) {
	p.toks = make([]token, 0, len(pat))
	for i := 0; i < len(pat); {
		c := pat[i]
		i++
		switch {
		case !wild:
			p.toks = append(p.toks, token{kind: tokByte, b: c})
		case c == '?':
			p.toks = append(p.toks, token{kind: tokAny})
		case c == '*':
			kind := tokStar
			for ; i < len(pat) && pat[i] == '*'; i++ {
				kind = tokDeep
			}
			p.toks = append(p.toks, token{kind: kind})
		case c == '[':
			set, next := parseClass(pat, i)
			if set == nil {
				p.toks = append(p.toks, token{kind: tokNever})
				return
			}
			p.toks = append(p.toks, token{kind: tokClass, set: uint16(len(p.sets))})
			p.sets = append(p.sets, *set)
			i = next
		case c == '\\':
			if i == len(pat) {
				p.toks = append(p.toks, token{kind: tokNever})
				return
			}
			p.toks = append(p.toks, token{kind: tokByte, b: pat[i]})
			i++
		default:
			p.toks = append(p.toks, token{kind: tokByte, b: c})
		}
	}
}

// Match reports whether the whole of s matches a pattern as names in rules do: * stands for
// anything but slashes. It takes time proportional to the product of their lengths at most.
func Match(pattern, s string) bool {
	return compileProgram(pattern, true).match(s, false)
}

// match reports whether the program matches all of s or, with anySlash, all of s or of what
// follows any slash in it. The cost is at most O(len(s) * len(pattern)).
func (p *program) match(s string, anySlash bool) bool {
	if !strings.HasSuffix(s, p.tail) {
		return false
	}
	budget := 8*(len(s)+len(p.toks)) + 64
	for rest := s; ; {
		ok, done := p.backtrack(rest, &budget)
		if !done {
			return p.simulate(s, anySlash)
		}
		if ok || !anySlash {
			return ok
		}
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return false
		}
		rest = rest[i+1:]
	}
}

// backtrack matches with two points of return, the last "*" and the last "**". Older ones need
// not be kept: a star that is reached early can take over whatever an earlier star would have
// taken by giving way later. done is false if the budget ran out first.
func (p *program) backtrack(s string, budget *int) (ok, done bool) {
	const none = -1
	pi, si := 0, 0
	starP, starS, deepP, deepS := none, 0, none, 0
	for ; *budget > 0; *budget-- {
		if pi < len(p.toks) {
			t := p.toks[pi]
			switch {
			case t.kind == tokStar:
				starP, starS = pi, si
				pi++
				continue
			case t.kind == tokDeep:
				deepP, deepS, starP = pi, si, none
				pi++
				continue
			case si == len(s):
				// More pattern than text; giving a star more leaves even less.
				return false, true
			case p.takes(t, s[si]):
				pi++
				si++
				continue
			}
		} else if si == len(s) {
			return true, true
		}
		switch {
		case starP != none && starS < len(s) && s[starS] != '/':
			starS++
			pi, si = starP+1, starS
		case deepP != none && deepS < len(s):
			deepS++
			pi, si, starP = deepP+1, deepS, none
		default:
			return false, true
		}
	}
	return false, false
}

// stateSet is a set of positions in a program.
type stateSet [(MaxPattern + 64) / 64]uint64

// enter adds a position and those that are reached from it without taking a byte.
func (p *program) enter(set *stateSet, i int) {
	for {
		set[i>>6] |= 1 << (i & 63)
		if i == len(p.toks) || p.toks[i].kind != tokStar && p.toks[i].kind != tokDeep {
			return
		}
		i++
	}
}

// simulate runs all ways through the program at once, byte by byte.
func (p *program) simulate(s string, anySlash bool) bool {
	var cur stateSet
	words := len(p.toks)>>6 + 1
	p.enter(&cur, 0)
	for si := 0; si < len(s); si++ {
		c := s[si]
		var next stateSet
		for w := range words {
			for left := cur[w]; left != 0; left &= left - 1 {
				i := w<<6 + bits.TrailingZeros64(left)
				if i == len(p.toks) {
					continue
				}
				switch t := p.toks[i]; {
				case t.kind == tokDeep, t.kind == tokStar && c != '/':
					p.enter(&next, i)
				case p.takes(t, c):
					p.enter(&next, i+1)
				}
			}
		}
		if anySlash && c == '/' {
			p.enter(&next, 0)
		}
		cur = next
	}
	end := len(p.toks)
	return cur[end>>6]&(1<<(end&63)) != 0
}
