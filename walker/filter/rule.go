package filter

import "strings"

// flags says what a rule does and, for merge rules, how the file is read.
type flags uint16

const (
	flagInclude    flags = 1 << iota // a match takes part; without it a match is excluded
	flagNegate                       // takes effect where the pattern does not match
	flagAbs                          // matched against the absolute path
	flagSender                       // applies on the sending side
	flagReceiver                     // applies on the receiving side; neither of the two means both
	flagPerishable                   // does not count in directories that are being deleted
	flagXattr                        // matched against names of extended attributes only
	flagDirOnly                      // the pattern has a trailing slash
	flagDirMerge                     // not a pattern but the name of a per-directory merge file
	flagNoInherit                    // merge: rules stay in the directory of the file
	flagWordSplit                    // merge: one rule per word instead of per line
	flagNoPrefix                     // merge: every line is a pattern, all of one kind
	flagCVS                          // merge: NoPrefix file in which "!" still clears

	// The rest lives only between parsing a rule and acting on it.
	flagFileMerge   // a "." rule
	flagExcludeSelf // merge: exclude the file's own name
	flagClear       // a "!" rule

	flagSides    = flagSender | flagReceiver
	flagMerge    = flagDirMerge | flagFileMerge
	flagStored   = flagFileMerge - 1
	flagPlain    = flagDirMerge - 1 // what an include or exclude rule may carry
	flagReadMode = flagNoInherit | flagWordSplit | flagNoPrefix | flagCVS

	// flagInherited is what the rules in a file take over from the merge rule that names it,
	// apart from the sides. The x modifier is missing because rsync does not pass it on either.
	flagInherited = flagAbs | flagInclude | flagNegate | flagPerishable
)

// rule is one entry of an ordered list. It is immutable once compiled.
type rule struct {
	flags flags
	pat   string // the pattern as given, or the base name of a per-directory merge file
	form  form
}

// applies reports whether the rule counts on a side at all.
func (r *rule) applies(side Side) bool {
	if r.flags&flagSides == 0 {
		return true
	}
	if side == Sender {
		return r.flags&flagSender != 0
	}
	return r.flags&flagReceiver != 0
}

type formKind uint8

const (
	formName formKind = iota // one component, compared with the name
	formPath                 // fixed number of components, split at the slashes
	formFull                 // a program over the whole path
)

// form is a compiled pattern.
type form struct {
	kind     formKind
	anchored bool
	comps    []glob   // formName: one; formPath: all of them, the last is for the name
	prog     *program // formFull
	tail     int      // formFull: > 0 match the last tail components, < 0 match after any slash, 0 match all
	lead     bool     // formFull: the text is given a leading slash, so that "**/x" matches x at the top
	slash    bool     // formFull: a directory's text is given a trailing slash, so that "x/***" matches x
}

// maxComps is the number of components up to which patterns are split. Longer ones are rare and,
// split, many times the size of their text.
const maxComps = 16

// compile turns a checked pattern into a form.
func compile(f flags, pat string) form {
	wild := strings.ContainsAny(pat, "*[?")
	deep := strings.Index(pat, "**")
	slashes := strings.Count(pat, "/")
	anchored := pat[0] == '/'
	if slashes == 0 && deep < 0 {
		return form{kind: formName, comps: []glob{compileGlob(pat, wild)}}
	}
	body := pat
	if anchored {
		body = pat[1:]
	}
	// A class or an escape may hold a slash that does not separate components.
	if deep < 0 && f&flagAbs == 0 && slashes < maxComps && !(wild && strings.ContainsAny(pat, `[\`)) {
		parts := strings.Split(body, "/")
		fm := form{kind: formPath, anchored: anchored, comps: make([]glob, len(parts))}
		for i, p := range parts {
			fm.comps[i] = compileGlob(p, wild)
		}
		return fm
	}
	fm := form{kind: formFull, anchored: anchored, prog: compileProgram(body, wild)}
	fm.lead = deep == 0
	fm.slash = deep >= 0 && strings.HasSuffix(pat, "***")
	switch {
	case anchored || deep == 0:
	case deep < 0:
		fm.tail = slashes + 1
	default:
		fm.tail = -1
	}
	return fm
}
