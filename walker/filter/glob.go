package filter

import "strings"

type globKind uint8

const (
	globProgram  globKind = iota
	globEqual             // name == a
	globAll               // every name
	globAffix             // a + any + b
	globContains          // any + a + any
	globNever             // no name
)

// glob matches one path component, a non-empty name without a slash. The usual patterns are
// string comparisons; the others run a program.
type glob struct {
	kind globKind
	a, b string
	prog *program
}

// compileGlob compiles a pattern that holds no "**" and, unless inside a class or an escape,
// no slash.
func compileGlob(pat string, wild bool) glob {
	if !wild || !strings.ContainsAny(pat, `*?[\`) {
		if pat == "" {
			return glob{kind: globNever}
		}
		return glob{kind: globEqual, a: pat}
	}
	if strings.ContainsAny(pat, `?[\`) {
		return glob{kind: globProgram, prog: compileProgram(pat, true)}
	}
	a, rest, _ := strings.Cut(pat, "*")
	switch n := strings.Count(rest, "*"); {
	case pat == "*":
		return glob{kind: globAll}
	case n == 0:
		return glob{kind: globAffix, a: a, b: rest}
	case n == 1 && a == "" && rest[len(rest)-1] == '*':
		return glob{kind: globContains, a: rest[:len(rest)-1]}
	}
	return glob{kind: globProgram, prog: compileProgram(pat, true)}
}

func (g *glob) match(name string) bool {
	switch g.kind {
	case globEqual:
		return name == g.a
	case globAll:
		return true
	case globAffix:
		return len(name) >= len(g.a)+len(g.b) && strings.HasPrefix(name, g.a) && strings.HasSuffix(name, g.b)
	case globContains:
		return strings.Contains(name, g.a)
	case globNever:
		return false
	}
	return g.prog.match(name, false)
}
