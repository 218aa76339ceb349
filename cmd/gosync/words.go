package main

import (
	"fmt"
	"strings"
)

// word is one of the things that --info or --debug switches on and off.
type word struct {
	name string // in capitals
	doc  string
}

// The words of --info, by their place in infoWords.
const (
	infoBackup = iota
	infoCopy
	infoDel
	infoFlist
	infoMisc
	infoMount
	infoName
	infoNonreg
	infoProgress
	infoRemove
	infoSkip
	infoStats
	infoSymsafe
	infoCount
)

func infoWords() []word {
	return []word{
		infoBackup:   {"BACKUP", "files that were kept as backups"},
		infoCopy:     {"COPY", "files that were copied at the destination itself"},
		infoDel:      {"DEL", "what is removed from the destination"},
		infoFlist:    {"FLIST", "that the files are listed"},
		infoMisc:     {"MISC", "remarks of other kinds (levels 1-2)"},
		infoMount:    {"MOUNT", "mount points that were found or left out"},
		infoName:     {"NAME", "1) names of what changes, 2) of what does not as well"},
		infoNonreg:   {"NONREG", "special files that are left out (on by default; 0 silences)"},
		infoProgress: {"PROGRESS", "how far the run is: 1) and 2) show all of it in one line"},
		infoRemove:   {"REMOVE", "files that are removed from the source"},
		infoSkip:     {"SKIP", "files that options leave alone (levels 1-2)"},
		infoStats:    {"STATS", "totals at the end: 1) two lines, 2) and 3) the block of --stats"},
		infoSymsafe:  {"SYMSAFE", "symlinks that are not safe"},
	}
}

func debugWords() []word {
	var words []word
	for _, name := range strings.Fields("ACL BACKUP BIND CHDIR CONNECT CMD DEL DELTASUM DUP EXIT FILTER FLIST FUZZY " +
		"GENR HASH HLINK ICONV IO NSTR OWN PROTO RECV SEND TIME") {
		words = append(words, word{name: name})
	}
	return words
}

// maxLevel is the highest level of a word.
const maxLevel = 4

// levels are what the user has said of words: the level and one, 0 where nothing was said.
type levels []uint8

// parse reads the value of --info or --debug, such as "name2,stats0". Later words win over earlier ones. help says
// that the list of words is asked for.
func (l levels) parse(option string, words []word, text string) (help bool, err error) {
	for item := range strings.SplitSeq(text, ",") {
		name := strings.TrimRight(item, "0123456789")
		level := levelOf(item[len(name):])
		switch name = strings.ToUpper(name); name {
		case "":
			if item != "" {
				return false, usageErrorf("%q is none of its words; --%s=help lists them", item, option)
			}
		case "HELP":
			help = true
		case "NONE":
			l.all(0)
		case "ALL":
			l.all(level)
		default:
			i := wordIndex(words, name)
			if i < 0 {
				return false, usageErrorf("%q is none of its words; --%s=help lists them", item, option)
			}
			l[i] = level + 1
		}
	}
	return help, nil
}

func (l levels) all(level uint8) {
	for i := range l {
		l[i] = level + 1
	}
}

// levelOf reads the number behind a word; however great it is, it is a level.
func levelOf(digits string) uint8 {
	if digits == "" {
		return 1
	}
	digits = strings.TrimLeft(digits, "0")
	switch {
	case digits == "":
		return 0
	case len(digits) > 1:
		return maxLevel
	}
	return min(digits[0]-'0', maxLevel)
}

func wordIndex(words []word, name string) int {
	for i := range words {
		if words[i].name == name {
			return i
		}
	}
	return -1
}

// infoHelp is what --info=help prints.
func infoHelp() string {
	var b strings.Builder
	b.WriteString("Use WORD or WORD1 for level 1, WORD2 for level 2, and so on; WORD0 silences.\n\n")
	for _, w := range infoWords() {
		fmt.Fprintf(&b, "%-10s %s\n", w.name, w.doc)
	}
	b.WriteString("\nALL        all of them (all2: at level 2)\nNONE       none of them (the same as all0)\nHELP       this list\n\n" +
		"On without --info: NONREG. Added by -v: COPY, DEL, FLIST, MISC, NAME, STATS, SYMSAFE;\n" +
		"by -vv: BACKUP, MISC2, MOUNT, NAME2, REMOVE, SKIP.\n")
	return b.String()
}

// debugHelp is what --debug=help prints.
func debugHelp() string {
	var b strings.Builder
	b.WriteString("gosync has one log for those who look for a fault. It is on with -vvv and with any of\n" +
		"rsync's words, at any level but 0 (WORD0); which word it is makes no difference.\n\n")
	line := ""
	for _, w := range debugWords() {
		if len(line)+len(w.name) > 76 {
			b.WriteString(line + "\n")
			line = ""
		}
		line += w.name + " "
	}
	b.WriteString(line + "\n\nALL        all of them\nNONE       none of them (the same as all0)\nHELP       this list\n")
	return b.String()
}

// info returns the level of a word of --info: what was said of it, or else what other options imply.
func (s *settings) info(w int) int {
	switch said := s.infoSaid[w]; {
	case s.quiet:
		return 0
	case said > 0:
		return int(said) - 1
	case w == infoStats && s.stats:
		return max(2, s.infoByVerbosity(w))
	case w == infoProgress && s.progress:
		return 1
	}
	return s.infoByVerbosity(w)
}

func (s *settings) infoByVerbosity(w int) int {
	switch w {
	case infoNonreg:
		return 1
	case infoMisc, infoName:
		return min(s.verbose, 2)
	case infoCopy, infoDel, infoFlist, infoStats, infoSymsafe:
		return min(s.verbose, 1)
	case infoBackup, infoMount, infoRemove, infoSkip:
		return min(max(s.verbose-1, 0), 1)
	}
	return 0
}

// debug returns the level of a word of --debug: what was said of it, or else 1 with -vv.
func (s *settings) debug(name string) int {
	if said := s.debugSaid[wordIndex(debugWords(), name)]; said > 0 {
		return int(said) - 1
	}
	return min(max(s.verbose-1, 0), 1)
}

// tellsFuzzy reports whether the bases that --fuzzy finds are named: with that word, or -vvv.
func (s *settings) tellsFuzzy() bool {
	return s.debug("FUZZY") > 0 && (s.verbose > 2 || s.debugSaid[wordIndex(debugWords(), "FUZZY")] > 0)
}

// debugging reports whether the log is on.
func (s *settings) debugging() bool {
	for _, said := range s.debugSaid {
		if said > 1 {
			return true
		}
	}
	return s.verbose > 2
}
