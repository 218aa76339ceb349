package manifest

import (
	"errors"
	"strings"
)

// ModeChanges is what --chmod asks for: changes of permission bits, one after the
// other. The zero value changes nothing.
type ModeChanges []modeChange

// modeChange is one item of a list such as Dg+s,F644,o=g.
type modeChange struct {
	dirs, files bool   // it is for these only
	and, or     uint16 // the mode is masked with and, then gets the bits of or
	keepX       bool   // X: files get execute bits only where they had one

	from  int // how far the class that is copied stands left in the mode; negative for none
	op    byte
	where uint16 // the lowest bit of each class that the copy is for
	mask  uint16 // what of the copy counts
}

// ErrModes is about a text that says nothing about modes.
var ErrModes = errors.New("it is no list of modes such as D755,F644 or u+w,go=rX")

// maxModes is the greatest length of a text that [ParseModes] reads.
const maxModes = 4096

// ParseModes reads the items of text, which commas separate: octal modes, and
// those of chmod(1), each of which may begin with D (for directories) or F (for
// the rest). Items that name nobody change only what umask lets pass.
func ParseModes(text string, umask uint16) (ModeChanges, error) {
	if len(text) > maxModes {
		return nil, ErrModes
	}
	var changes ModeChanges
	for item := range strings.SplitSeq(text, ",") {
		c, ok := parseMode(item, umask&0o777)
		if !ok {
			return nil, ErrModes
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// parseMode reads one item.
func parseMode(item string, umask uint16) (c modeChange, ok bool) {
	c.from = -1
	var top uint16 // setuid and setgid, as far as their classes are named
	i := 0
	for ; i < len(item); i++ {
		switch item[i] {
		case 'D':
			c.dirs = true
		case 'F':
			c.files = true
		case 'u':
			c.where, top = c.where|0o100, top|0o4000
		case 'g':
			c.where, top = c.where|0o010, top|0o2000
		case 'o':
			c.where |= 0o001
		case 'a':
			c.where, top = 0o111, 0o6000
		case '+', '-', '=':
			c.op = item[i]
			return c, !(c.dirs && c.files) && c.symbols(item[i+1:], top, umask)
		default:
			return c, !(c.dirs && c.files) && c.where == 0 && c.octal(item[i:])
		}
	}
	return c, false
}

// octal reads a mode that takes the place of the one that is there.
func (c *modeChange) octal(digits string) bool {
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '7' || c.or >= 0o1000 {
			return false
		}
		c.or = c.or*8 + uint16(digits[i]-'0')
	}
	return digits != ""
}

// symbols reads what follows the operator: a class to copy from, or permissions.
func (c *modeChange) symbols(text string, top, umask uint16) bool {
	all := c.where == 0
	if c.mask = 0o777; all {
		c.where, c.mask = 0o111, 0o777&^umask
	}
	if len(text) == 1 && strings.Contains("ugo", text) {
		c.from = map[string]int{"u": 6, "g": 3, "o": 0}[text]
		return true
	}
	var what, special uint16
	for i := range len(text) {
		switch text[i] {
		case 'r':
			what |= 4
		case 'w':
			what |= 2
		case 'x':
			what |= 1
		case 'X':
			what, c.keepX = what|1, true
		case 's':
			if special |= top; top == 0 {
				special |= 0o4000
			}
		case 't':
			special |= 0o1000
		default:
			return false
		}
	}
	bits := c.where*what&c.mask | special
	switch c.and = 0o7777; c.op {
	case '-':
		c.and &^= bits
		return true
	case '=':
		c.and &^= c.where * 7
		if special != 0 {
			c.and &^= top
		}
	}
	c.or = bits
	return true
}

// Apply returns the mode that an entry of a type gets from mode. That of a symlink
// stays.
func (m ModeChanges) Apply(t Type, mode uint16) uint16 {
	if t == Symlink {
		return mode
	}
	hadX := mode&0o111 != 0
	for i := range m {
		c := &m[i]
		switch {
		case c.dirs && t != Directory || c.files && t == Directory:
		case c.from >= 0:
			mode = c.copied(mode)
		case c.keepX && !hadX && t != Directory:
			mode = mode&c.and | c.or&^0o111
		default:
			mode = mode&c.and | c.or
		}
	}
	return mode
}

// copied gives the classes that are named what another one has. As with chmod(1) =
// takes their special bits away.
func (c *modeChange) copied(mode uint16) uint16 {
	bits := c.where * (mode >> c.from & 7) & c.mask
	switch c.op {
	case '-':
		return mode &^ bits
	case '=':
		special := c.where&0o100<<5 | c.where&0o010<<7 | c.where&0o001<<9
		return mode&^(c.where*7|special) | bits
	}
	return mode | bits
}
