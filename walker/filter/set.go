package filter

import (
	"fmt"
	"slices"
)

// Side says for which end of a sync a name is judged.
type Side uint8

const (
	Sender   Side = iota // excluded: hidden from the transfer
	Receiver             // excluded: protected from deletion
)

// Set is the ordered list of rules of one run. The zero value has no rules. Building is for one
// goroutine; once built, a Set may be read by any number of them. After an error the rules that
// precede the bad one may have been added: give the set up.
type Set struct {
	rules      []rule
	size       int  // of the encoded form
	senderOnly bool // rules without sides become sender rules
	nul        bool // merge files are separated by zero bytes
	merges     int  // number of dir-merge rules
	git        bool // what git ignores is excluded, too
	keep       bool // what clears the list is an error
}

// Exclude adds the pattern of an --exclude option. As in rsync a leading "- " or "+ " decides the
// kind of rule, "!" alone clears the list, and an empty pattern does nothing.
func (s *Set) Exclude(pattern string) error { return s.oldStyle(pattern, 0) }

// Include adds the pattern of an --include option, see [Set.Exclude].
func (s *Set) Include(pattern string) error { return s.oldStyle(pattern, flagInclude) }

func (s *Set) oldStyle(pattern string, f flags) error {
	if pattern == "" {
		return nil
	}
	rd := reader{to: s}
	if err := rd.rule(template{flags: f, old: true, senderOnly: s.senderOnly}, pattern); err != nil {
		return fmt.Errorf("pattern %s: %w", quote(pattern), err)
	}
	return nil
}

// Rule adds the rule of a --filter option, in its short or long form. A "." rule has its file read
// with open at once, and files that file names in turn; the names are passed as they are written.
// The rule -C asks open for [CVSHome] and [CVSEnv]. A ":" rule is remembered under its file's
// base name. Errors wrap [ErrSyntax], [ErrLimit] or what open returned; open may be nil if no file
// can be read. An empty rule does nothing.
func (s *Set) Rule(rule string, open func(name string) ([]byte, error)) error {
	if rule == "" {
		return nil
	}
	rd := reader{to: s, open: open, nul: s.nul}
	err := rd.rule(template{senderOnly: s.senderOnly}, rule)
	if err == nil {
		err = rd.run()
	}
	if err != nil {
		return fmt.Errorf("rule %s: %w", quote(rule), err)
	}
	return nil
}

// Lines adds the patterns of an --exclude-from or, with include, --include-from file: one per
// line, or after [Set.From0] one per zero byte. Empty lines and those that start with "#" or ";"
// do not count; the prefixes of [Set.Exclude] do.
func (s *Set) Lines(data []byte, include bool) error {
	tm := template{old: true, senderOnly: s.senderOnly}
	if include {
		tm.flags = flagInclude
	}
	rd := reader{to: s}
	if err := rd.push(source{data: data, nul: s.nul, tm: tm}); err != nil {
		return err
	}
	return rd.run()
}

// From0 says whether the files of merge rules separate their rules with zero bytes (--from0): both
// those that later calls of [Set.Rule] and [Set.Lines] read and, as the last call has it, the per-directory ones.
// Files that are split into words are so at white space all the same.
func (s *Set) From0(on bool) { s.nul = on }

// Keep has a rule that would clear the list be an error from now on, which wraps [ErrSyntax], or no
// longer be one. Files of each directory, and what CVS reads, clear only what is their own.
func (s *Set) Keep(on bool) { s.keep = on }

// WithDeleteExcluded returns a copy for --delete-excluded: every rule that names no side, those
// of per-directory merge files included, becomes a sender rule and so protects nothing.
func (s *Set) WithDeleteExcluded() *Set {
	c := *s
	c.senderOnly = true
	c.rules = slices.Clone(s.rules)
	for i := range c.rules {
		if r := &c.rules[i]; r.flags&(flagSides|flagDirMerge) == 0 {
			r.flags |= flagSender
		}
	}
	return &c
}

// Empty reports whether no name can be excluded.
func (s *Set) Empty() bool { return len(s.rules) == 0 && !s.git }

// PerDirectory reports whether files in the directories of a tree have rules: those of dir-merge rules.
func (s *Set) PerDirectory() bool {
	return slices.ContainsFunc(s.rules, func(r rule) bool { return r.flags&flagDirMerge != 0 })
}

// SideSpecific reports whether the two ends could judge one name differently: rules for one side,
// per-directory merge files, or patterns for absolute paths. Such ends cannot compare digests of
// whole directories.
func (s *Set) SideSpecific() bool {
	return s.git || slices.ContainsFunc(s.rules, func(r rule) bool {
		return r.flags&(flagDirMerge|flagAbs) != 0 ||
			r.flags&flagSides != 0 && r.flags&flagSides != flagSides
	})
}

const (
	headerSize = 1 + 1 + 4 // version, options, number of rules
	ruleSize   = 2 + 2     // flags, length of the pattern
)

// add appends a rule as the parser gives it.
func (s *Set) add(f flags, pat string) error {
	size := max(s.size, headerSize) + ruleSize + len(pat)
	if len(s.rules) == MaxRules || size > MaxBytes {
		return fmt.Errorf("%w: at most %d rules and %d bytes", ErrLimit, MaxRules, MaxBytes)
	}
	if f&flagDirMerge != 0 {
		if s.merges == MaxMerges {
			return fmt.Errorf("%w: at most %d dir-merge rules", ErrLimit, MaxMerges)
		}
		s.merges++
	}
	s.size = size
	s.rules = append(s.rules, newRule(f, pat))
	return nil
}

func (s *Set) clear() error {
	if s.keep {
		return syntaxError("\"!\" would clear rules that are not its own")
	}
	s.rules, s.size, s.merges = nil, 0, 0
	return nil
}

// newRule compiles a rule.
func newRule(f flags, pat string) rule {
	r := rule{flags: f, pat: pat}
	if f&flagDirMerge != 0 {
		return r
	}
	if n := len(pat) - 1; n > 0 && pat[n] == '/' {
		r.flags |= flagDirOnly
		pat = pat[:n]
	}
	r.form = compile(f, pat)
	return r
}
