package shell

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// candidate is a name that may stand where the cursor is.
type candidate struct {
	name string
	dir  bool
	link bool // a symlink, which may lead to a directory
}

// completion is what a press of the tab key changes.
type completion struct {
	line string
	pos  int      // of the cursor, in bytes
	show []string // names to choose from, safe to print
}

// shownNames bounds how many names are listed.
const shownNames = 200

// lookup looks names up.
type lookup interface {
	// names returns what could stand at a place: entries of a directory, which is a
	// path as it was typed; for commands dir means nothing.
	names(k kind, dir string, tilde bool) []candidate
	// isDir reports whether a symlink leads to a directory.
	isDir(k kind, name string, tilde bool) bool
}

// complete finishes the word before the cursor as far as it is certain. Names that a
// terminal would not show as they are, are offered escaped by display but never
// inserted.
func complete(line string, pos int, from lookup, display func(string) string) (completion, bool) {
	before, after := line[:pos], line[pos:]
	done, start := wordsBefore(before)
	k := kindAt(done)
	if k == noName {
		return completion{}, false
	}
	w, _, open := lexWord(before[start:])
	if open == '\\' {
		return completion{}, false
	}
	style := open
	if style == 0 && start < len(before) && (before[start] == '\'' || before[start] == '"') {
		style = before[start]
	}
	dir, part := "", w.text
	if i := strings.LastIndexByte(w.text, '/'); i >= 0 && k != commandName {
		dir, part = w.text[:i+1], w.text[i+1:]
	}
	found := matching(from.names(k, dir, w.tilde), part, k)
	if len(found) == 0 {
		return completion{}, false
	}
	safe := slices.DeleteFunc(slices.Clone(found), func(c candidate) bool { return !harmless(c.name) })
	common := part
	if len(safe) == len(found) {
		common = commonPrefix(safe)
	}
	c := completion{line: line, pos: pos}
	unique := len(found) == 1 && len(safe) == 1
	if unique || len(common) > len(part) {
		into := found[0].dir || unique && found[0].link && from.isDir(k, dir+common, w.tilde)
		text := insertion(dir, common, w.tilde, style, k, unique, into)
		c.line, c.pos = before[:start]+text+after, start+len(text)
	}
	if !unique && len(common) == len(part) {
		c.show = offered(found, display)
	}
	return c, true
}

// insertion writes what replaces the word: the whole path, quoted.
func insertion(dir, name string, tilde bool, style byte, k kind, unique, isDir bool) string {
	text, head := dir+name, ""
	switch {
	case tilde && strings.HasPrefix(text, "~"): // a quoted ~ would mean a name
		style, head, text = 0, "~", text[1:]
	case strings.HasPrefix(text, "-") && k != commandName:
		text = "./" + text
	}
	if isDir && unique {
		text += "/"
	}
	last := unique && !isDir
	out := head + quote(text, style, last)
	if last {
		out += " "
	}
	return out
}

// wordsBefore splits what is before the cursor into the words that are complete and
// where the last one begins.
func wordsBefore(before string) (done []word, start int) {
	for i := 0; ; {
		for i < len(before) && isBlank(before[i]) {
			i++
		}
		w, n, open := lexWord(before[i:])
		if i+n >= len(before) || open != 0 {
			return done, i
		}
		done = append(done, w)
		i += n
	}
}

// kindAt says what comes behind the words that are complete.
func kindAt(done []word) kind {
	if len(done) == 0 {
		return commandName
	}
	c := findCommand(strings.TrimLeft(done[0].text, "-@"))
	if c == nil || len(c.args) == 0 {
		return noName
	}
	n := 0
	for _, w := range done[1:] {
		if !strings.HasPrefix(w.text, "-") || w.text == "-" {
			n++
		}
	}
	k := c.args[min(n, len(c.args)-1)]
	if k == syncName && n > 0 {
		get := done[1].text == "get"
		if get == (n == 1) {
			return remoteName
		}
		return localName
	}
	return k
}

// matching returns the candidates that begin with part. Names with a dot in front
// have to be asked for.
func matching(all []candidate, part string, k kind) []candidate {
	return slices.DeleteFunc(all, func(c candidate) bool {
		hidden := strings.HasPrefix(c.name, ".") && !strings.HasPrefix(part, ".") && k != commandName
		return hidden || c.name == "" || !strings.HasPrefix(c.name, part)
	})
}

// commonPrefix returns what all names begin with, in whole characters.
func commonPrefix(all []candidate) string {
	if len(all) == 0 {
		return ""
	}
	p := all[0].name
	for _, c := range all[1:] {
		n := 0
		for n < len(p) && n < len(c.name) && p[n] == c.name[n] {
			n++
		}
		p = p[:n]
	}
	for p != "" && !utf8.ValidString(p) {
		p = p[:len(p)-1]
	}
	return p
}

// offered writes names for the list below the line.
func offered(found []candidate, display func(string) string) []string {
	var out []string
	for _, c := range found[:min(len(found), shownNames)] {
		name := display(c.name)
		if c.dir {
			name += "/"
		}
		out = append(out, name)
	}
	if more := len(found) - len(out); more > 0 {
		out = append(out, "...")
	}
	return out
}

// completeWithin bounds how long the far side may think about names.
const completeWithin = 5 * time.Second

// candidates looks names up for the completion of one line.
func (s *Session) candidates(ctx context.Context, k kind, dir string, tilde bool) []candidate {
	var g *globber
	switch k {
	case commandName:
		return commandNames()
	case syncName:
		return []candidate{{name: "get"}, {name: "put"}}
	case localName:
		g = s.localGlob()
	default:
		g = s.remote()
	}
	if tilde {
		dir = join(g.home, strings.TrimPrefix(dir[min(1, len(dir)):], "/"))
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	full := absolute(g.base, dir)
	entries, _ := g.fsys.ReadDir(ctx, full, false) // no names: nothing is completed
	out := make([]candidate, 0, len(entries))
	for _, e := range entries {
		out = append(out, candidate{name: e.Name, dir: e.Mode.IsDir(), link: e.Mode.Type() == fs.ModeSymlink})
	}
	return out
}

// leadsToDir reports whether a symlink is one to a directory.
func (s *Session) leadsToDir(ctx context.Context, k kind, p string, tilde bool) bool {
	g := s.remote()
	if k == localName {
		g = s.localGlob()
	}
	if tilde {
		p = join(g.home, strings.TrimPrefix(p[min(1, len(p)):], "/"))
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	e, err := g.fsys.Stat(ctx, absolute(g.base, p))
	return err == nil && e.Mode.IsDir()
}

// commandNames returns the names of all commands.
func commandNames() []candidate {
	var out []candidate
	for _, c := range commands() {
		for _, n := range c.names {
			out = append(out, candidate{name: n})
		}
	}
	slices.SortFunc(out, func(a, b candidate) int { return strings.Compare(a.name, b.name) })
	return out
}

// sides is the lookup of a session, for one press of the tab key.
type sides struct {
	s   *Session
	ctx context.Context
}

func (l *sides) names(k kind, dir string, tilde bool) []candidate {
	return l.s.candidates(l.ctx, k, dir, tilde)
}

func (l *sides) isDir(k kind, name string, tilde bool) bool {
	return l.s.leadsToDir(l.ctx, k, name, tilde)
}

// Complete finishes the word before the cursor; it is for an Editor. show is what
// to print below the line, "" for nothing.
func (s *Session) Complete(ctx context.Context, line string, pos, width int) (newLine string, newPos int, show string, ok bool) {
	c, ok := complete(line, pos, &sides{s, ctx}, s.cfg.Display)
	if !ok {
		return line, pos, "", false
	}
	if len(c.show) > 0 {
		show = columns(c.show, width)
	}
	return c.line, c.pos, show, true
}
