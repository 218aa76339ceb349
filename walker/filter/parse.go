package filter

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits on what a set, and the merge files of one directory and its parents, may hold.
const (
	MaxPattern = 4096    // bytes of one pattern or merge-file name
	MaxMerges  = 256     // dir-merge rules among them
	MaxRules   = 10_000  // rules of a Set, and rules in force in a Scope
	MaxBytes   = 1 << 20 // bytes of an encoded Set, of the merge files read at once, and of the rules in force in a Scope
)

// ErrSyntax is wrapped by every error about the text of a rule, ErrLimit by every error about
// rules that are too many, too long or too deeply nested.
var (
	ErrSyntax = errors.New("bad filter rule")
	ErrLimit  = errors.New("filter rules exceed a limit")
)

// syntaxError says what is wrong without repeating the text, which may come from a file that the
// reader of the message is not meant to see. [Set.Rule] and its like add the text they were given.
func syntaxError(reason string) error { return fmt.Errorf("%w: %s", ErrSyntax, reason) }

// quote shortens a rule for an error message.
func quote(text string) string {
	const most = 200 // enough to recognise the rule
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strconv.Quote(text)
}

// template is what the text being read imposes on each of its rules.
type template struct {
	flags      flags // inherited flags, sides and read mode of the merge rule
	old        bool  // only "- ", "+ " and "!" are recognised as prefixes
	senderOnly bool  // a rule without sides becomes a sender rule
}

// parseRule parses one rule. A rule that only clears the list has flagClear, everything else has
// a pattern or file name, which is empty only for rules with flagCVS.
func (tm template) parseRule(text string) (flags, string, error) {
	f, rest, err := tm.parsePrefix(text)
	if err != nil {
		return 0, "", err
	}
	if sides := tm.flags & flagSides; sides != 0 {
		if f&flagSides != 0 {
			return 0, "", syntaxError("the merge rule has set the side for the whole file")
		}
		f |= sides
	}
	switch {
	case len(rest) > MaxPattern:
		return 0, "", fmt.Errorf("%w: pattern of %d bytes, at most %d", ErrLimit, len(rest), MaxPattern)
	case strings.IndexByte(rest, 0) >= 0:
		return 0, "", syntaxError("zero byte")
	case f&flagClear == 0 && rest == "" && f&flagCVS == 0:
		return 0, "", syntaxError("pattern or file name is missing")
	}
	if tm.senderOnly && f&(flagSides|flagMerge) == 0 {
		f |= flagSender
	}
	return f, rest, nil
}

// parsePrefix splits a rule into its kind with modifiers and the rest.
func (tm template) parsePrefix(text string) (flags, string, error) {
	f := tm.flags & flagInherited
	switch {
	case tm.flags&flagNoPrefix != 0:
		if text == "!" && tm.flags&flagCVS != 0 {
			return flagClear, "", nil
		}
		return f, text, nil
	case tm.old:
		switch {
		case text == "!":
			return flagClear, "", nil
		case strings.HasPrefix(text, "- "):
			return f &^ flagInclude, text[2:], nil
		case strings.HasPrefix(text, "+ "):
			return f | flagInclude, text[2:], nil
		}
		return f, text, nil
	}
	kind, rest := ruleKind(text)
	set, known := kindFlags(kind)
	if !known {
		return 0, "", syntaxError("unknown kind of rule")
	}
	f |= set
	if kind == '!' {
		if rest != "" && rest != "," {
			return 0, "", syntaxError("text after the clear rule")
		}
		return f, "", nil
	}
	rest = strings.TrimPrefix(rest, ",")
	n := strings.IndexAny(rest, " _")
	mods, pattern := rest, ""
	if n >= 0 {
		mods, pattern = rest[:n], rest[n+1:]
	}
	for i := range len(mods) {
		bit, ok := modifier(mods[i], f, set&flagSides != 0)
		if !ok {
			return 0, "", syntaxError(fmt.Sprintf("modifier number %d is unknown or does not go with what precedes it", i+1))
		}
		f |= bit
	}
	return f, pattern, nil
}

// ruleKind returns the one-letter name of a rule and what follows its name.
func ruleKind(text string) (byte, string) {
	if text == "" {
		return 0, ""
	}
	word, _, _ := strings.Cut(text, ",")
	if n := strings.IndexAny(word, " _"); n >= 0 {
		word = word[:n]
	}
	if kind := shortName(word); kind != 0 {
		return kind, text[len(word):]
	}
	return text[0], text[1:]
}

// shortName returns the one-letter name for a long one, 0 if there is none.
func shortName(long string) byte {
	switch long {
	case "exclude":
		return '-'
	case "include":
		return '+'
	case "merge":
		return '.'
	case "dir-merge":
		return ':'
	case "hide":
		return 'H'
	case "show":
		return 'S'
	case "protect":
		return 'P'
	case "risk":
		return 'R'
	case "clear":
		return '!'
	}
	return 0
}

// kindFlags returns what a one-letter rule name stands for.
func kindFlags(kind byte) (flags, bool) {
	switch kind {
	case '-':
		return 0, true
	case '+':
		return flagInclude, true
	case '.':
		return flagFileMerge, true
	case ':':
		return flagDirMerge, true
	case 'H':
		return flagSender, true
	case 'S':
		return flagSender | flagInclude, true
	case 'P':
		return flagReceiver, true
	case 'R':
		return flagReceiver | flagInclude, true
	case '!':
		return flagClear, true
	}
	return 0, false
}

// modifier returns the flags of a modifier letter and whether it may follow what is there already.
// sided is true for the kinds of rule whose name implies the side.
func modifier(c byte, f flags, sided bool) (flags, bool) {
	merge := f&flagMerge != 0
	switch c {
	case '/':
		return flagAbs, true
	case '!': // belongs to a pattern, so not to a merge rule
		return flagNegate, !merge
	case 'p':
		return flagPerishable, true
	case 'x':
		return flagXattr, true
	case 's':
		return flagSender, !sided
	case 'r':
		return flagReceiver, !sided
	case 'C':
		return flagNoPrefix | flagWordSplit | flagNoInherit | flagCVS, f&flagNoPrefix == 0 && !sided
	case '-':
		return flagNoPrefix, merge && f&flagNoPrefix == 0
	case '+':
		return flagNoPrefix | flagInclude, merge && f&flagNoPrefix == 0
	case 'e':
		return flagExcludeSelf, merge
	case 'n':
		return flagNoInherit, merge
	case 'w':
		return flagWordSplit, merge
	}
	return 0, false
}
