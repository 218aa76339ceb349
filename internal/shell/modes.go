package shell

import (
	"strconv"
	"strings"
)

// parseID reads a numeric user or group: names are known to the far side only.
func parseID(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, usagef("%q is not a number; SFTP knows owners by number only", text)
	}
	return uint32(n), nil
}

// parseMode reads a mode as chmod(1) does: octal, or clauses such as u+x,go-w=r
// that change old. X is x for directories and for what has an x already.
func parseMode(text string, old uint32, dir bool) (uint32, error) {
	if text != "" && strings.Trim(text, "01234567") == "" {
		n, err := strconv.ParseUint(text, 8, 32)
		if err != nil || n > 0o7777 {
			return 0, usagef("%q is not a mode", text)
		}
		return uint32(n), nil
	}
	mode := old
	for clause := range strings.SplitSeq(text, ",") {
		who, rest := cutLetters(clause, "ugoa")
		if rest == "" {
			return 0, usagef("%q is not a mode such as 640 or u+x,go-w", text)
		}
		for rest != "" {
			op := rest[0]
			var perms string
			perms, after := cutLetters(rest[1:], "rwxXst")
			if strings.IndexByte("+-=", op) < 0 || after != "" && strings.IndexByte("+-=", after[0]) < 0 {
				return 0, usagef("%q is not a mode such as 640 or u+x,go-w", text)
			}
			mode = applyClause(mode, who, op, perms, dir)
			rest = after
		}
	}
	return mode, nil
}

// cutLetters splits s where the first byte is none of letters.
func cutLetters(s, letters string) (head, tail string) {
	tail = strings.TrimLeft(s, letters)
	return s[:len(s)-len(tail)], tail
}

// applyClause changes mode as one operator of a clause says.
func applyClause(mode uint32, who string, op byte, perms string, dir bool) uint32 {
	if who == "" || strings.Contains(who, "a") {
		who = "ugo"
	}
	var bits, mask uint32
	for _, w := range []struct {
		letter  string
		shift   uint
		special uint32
	}{{"u", 6, 0o4000}, {"g", 3, 0o2000}, {"o", 0, 0}} {
		if !strings.Contains(who, w.letter) {
			continue
		}
		mask |= 7<<w.shift | w.special
		bits |= classBits(perms, mode, dir) << w.shift
		if strings.Contains(perms, "s") {
			bits |= w.special
		}
	}
	if strings.Contains(perms, "t") {
		bits |= 0o1000
	}
	switch op {
	case '+':
		return mode | bits
	case '-':
		return mode &^ bits
	}
	return mode&^mask | bits
}

// classBits are the bits of one class of users.
func classBits(perms string, mode uint32, dir bool) uint32 {
	var n uint32
	if strings.Contains(perms, "r") {
		n |= 4
	}
	if strings.Contains(perms, "w") {
		n |= 2
	}
	if strings.Contains(perms, "x") || strings.Contains(perms, "X") && (dir || mode&0o111 != 0) {
		n |= 1
	}
	return n
}
