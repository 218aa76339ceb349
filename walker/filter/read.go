package filter

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Bounds on what one reading may pull in through "." rules.
const (
	maxNesting = 32  // merge files inside merge files
	maxFiles   = 256 // merge files of one reading
)

// list is what parsed rules go into.
type list interface {
	add(flags, string) error // an include, exclude or dir-merge rule
	clear() error
}

// source is text that is being read rule by rule.
type source struct {
	name string // for errors, empty for lines given directly
	line int
	data []byte
	nul  bool // rules end at zero bytes
	tm   template
}

// next returns the next rule's text, skipping blank lines and, in line mode, comments.
func (src *source) next() (string, bool) {
	for len(src.data) > 0 {
		src.line++
		n := bytes.IndexFunc(src.data, src.ends)
		text := src.data
		if n < 0 {
			src.data = nil
		} else {
			text, src.data = src.data[:n], src.data[n+1:]
		}
		comment := src.tm.flags&flagWordSplit == 0 && len(text) > 0 && (text[0] == '#' || text[0] == ';')
		if len(text) > 0 && !comment {
			return string(text), true
		}
	}
	return "", false
}

func (src *source) ends(r rune) bool {
	if src.tm.flags&flagWordSplit != 0 && r < 0x80 && isSpace(byte(r)) {
		return true
	}
	if src.nul {
		return r == 0
	}
	return r == '\n' || r == '\r'
}

func (src *source) wrap(err error) error {
	switch src.name {
	case "":
		return fmt.Errorf("entry %d: %w", src.line, err)
	case hidden:
		return fmt.Errorf("a merge file named there, entry %d: %w", src.line, err)
	}
	return fmt.Errorf("merge file %q, entry %d: %w", src.name, src.line, err)
}

// hidden stands for the names of merge files that per-directory files mention: like the rest of
// what these files hold, they are kept out of messages.
const hidden = "?"

// reader feeds the rules of nested sources to a list. The stack of sources is explicit because
// merge files may name each other.
type reader struct {
	to    list
	open  func(name string) ([]byte, error)
	plain bool // a per-directory file is read: "." rules name files of its directory
	nul   bool // merge files are separated by zero bytes
	stack []source
	files int
	size  int
}

// push adds text to be read next.
func (rd *reader) push(src source) error {
	rd.size += len(src.data)
	switch {
	case len(rd.stack) == maxNesting:
		return fmt.Errorf("%w: merge-file include depth limit (%d) exceeded", ErrLimit, maxNesting)
	case rd.size > MaxBytes:
		return fmt.Errorf("%w: more than %d bytes of rules", ErrLimit, MaxBytes)
	}
	rd.stack = append(rd.stack, src)
	return nil
}

// run reads everything that has been pushed.
func (rd *reader) run() error {
	for len(rd.stack) > 0 {
		top := &rd.stack[len(rd.stack)-1]
		text, ok := top.next()
		if !ok {
			rd.stack = rd.stack[:len(rd.stack)-1]
			continue
		}
		if err := rd.rule(top.tm, text); err != nil {
			return top.wrap(err)
		}
	}
	return nil
}

// rule acts on one rule.
func (rd *reader) rule(tm template, text string) error {
	f, pat, err := tm.parseRule(text)
	if err != nil {
		return err
	}
	switch {
	case f&flagClear != 0:
		return rd.to.clear()
	case f&flagMerge != 0:
		return rd.merge(tm, f, pat)
	case tm.flags&flagNoPrefix == 0 && f&flagCVS != 0:
		return rd.cvs(tm, f)
	}
	return rd.to.add(f&flagPlain, pat)
}

// merge acts on a "." or ":" rule.
func (rd *reader) merge(tm template, f flags, name string) error {
	if name == "" {
		name = ".cvsignore"
	}
	base := name[strings.LastIndexByte(name, '/')+1:]
	if base == "" || base == "." || base == ".." {
		return syntaxError("not the name of a merge file")
	}
	if f&flagExcludeSelf != 0 {
		var self flags
		if tm.senderOnly && !rd.plain { // in a per-directory file rsync protects it all the same
			self = flagSender
		}
		if err := rd.to.add(self, base); err != nil {
			return err
		}
	}
	if f&flagDirMerge != 0 {
		return rd.to.add(f&flagStored, base)
	}
	if rd.plain && base != name {
		return syntaxError("a merge file in a per-directory merge file must be in the same directory")
	}
	data, err := rd.read(lexical(name))
	if rd.plain {
		name = hidden
	}
	if err != nil {
		return fmt.Errorf("reading merge file %q: %w", name, err)
	}
	return rd.push(source{name: name, data: data, nul: rd.nul, tm: template{flags: f, senderOnly: tm.senderOnly}})
}

// lexical returns the name to open for that of a merge file. As in rsync ".." takes the component before it away, whatever
// that is and whether it is there. What would become "-", which is not a file, stays as it is.
func lexical(name string) string {
	if clean := path.Clean(name); clean != "-" {
		return clean
	}
	return name
}

// read calls open under the bounds of one reading.
func (rd *reader) read(name string) ([]byte, error) {
	if rd.files++; rd.files > maxFiles {
		return nil, fmt.Errorf("%w: more than %d merge files", ErrLimit, maxFiles)
	}
	if rd.open == nil {
		return nil, fs.ErrNotExist
	}
	data, err := rd.open(name)
	if err == nil && len(data) > MaxBytes {
		err = fmt.Errorf("%w: %d bytes, at most %d", ErrLimit, len(data), MaxBytes)
	}
	return data, err
}

// Names under which a "-C" rule asks its open function for the user's own CVS patterns. Either
// may be answered with fs.ErrNotExist.
const (
	CVSHome = "~/.cvsignore" // the file in the home directory
	CVSEnv  = "$CVSIGNORE"   // the content of the environment variable
)

// cvsDefaults are the patterns that CVS ignores.
const cvsDefaults = "RCS SCCS CVS CVS.adm RCSLOG cvslog.* tags TAGS .make.state .nse_depinfo " +
	"*~ #* .#* ,* _$* *$ *.old *.bak *.BAK *.orig *.rej .del-* *.a *.olb *.o *.obj *.so *.exe " +
	"*.Z *.elc *.ln core .svn/ .git/ .hg/ .bzr/"

// cvs acts on a "-C" rule: the default patterns and the user's own stand in its place. They are
// collected apart first, because a "!" among the user's own clears only them.
func (rd *reader) cvs(tm template, f flags) error {
	var got collected
	sub := reader{to: &got, open: rd.open}
	ctm := template{
		flags:      f&(flagInherited|flagSides) | flagPerishable | flagNoPrefix | flagWordSplit | flagCVS,
		senderOnly: tm.senderOnly,
	}
	texts := []source{{data: []byte(cvsDefaults), tm: ctm}}
	for _, name := range []string{CVSHome, CVSEnv} {
		data, err := sub.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		texts = append(texts, source{name: name, data: data, tm: ctm})
	}
	for _, src := range texts {
		if err := sub.push(src); err != nil {
			return err
		}
		if err := sub.run(); err != nil {
			return err
		}
	}
	for _, r := range got {
		if err := rd.to.add(r.flags, r.pat); err != nil {
			return err
		}
	}
	return nil
}

// collected is a list that only remembers.
type collected []rule

func (c *collected) clear() error {
	*c = nil
	return nil
}

func (c *collected) add(f flags, pat string) error {
	if len(*c) == MaxRules {
		return fmt.Errorf("%w: more than %d rules", ErrLimit, MaxRules)
	}
	*c = append(*c, rule{flags: f, pat: pat})
	return nil
}
