package main

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// lineFormat is the value of --out-format or --log-file-format.
type lineFormat struct {
	text string
	set  bool // there is one, even if it is empty
}

// has reports whether the format holds one of the escapes.
func (f lineFormat) has(escapes string) bool {
	for rest := f.text; ; {
		_, after, ok := strings.Cut(rest, "%")
		if !ok || after == "" {
			return false
		}
		e, n := parseEscape(after)
		if e.what != 0 && strings.IndexByte(escapes, e.what) >= 0 {
			return true
		}
		rest = after[n:]
	}
}

// escape is one of a format: %n, %-20n, %'l.
type escape struct {
	human numbers // how many quotes: 1 groups digits, 2 and 3 give units
	width int     // negative: to the left
	what  byte    // 0 where nothing stands behind the modifiers
}

// maxColumn is the greatest width of a field.
const maxColumn = 4096

// parseEscape reads what stands behind a percent sign, and returns how long it is.
func parseEscape(s string) (e escape, n int) {
	for n < len(s) && s[n] == '\'' {
		n++
	}
	e.human = numbers(min(n, 3))
	sign := 1
	if n < len(s) && s[n] == '-' {
		sign, n = -1, n+1
	}
	for ; n < len(s) && isDigit(s[n]); n++ {
		e.width = min(e.width*10+int(s[n]-'0'), maxColumn)
	}
	e.width *= sign
	if n < len(s) {
		e.what = s[n]
		n++
	}
	return e, n
}

// pad brings a field to its width, in bytes as rsync counts them.
func (e escape) pad(field string) string {
	switch fill := max(e.width, -e.width) - len(field); {
	case fill <= 0:
		return field
	case e.width < 0:
		return field + strings.Repeat(" ", fill)
	default:
		return strings.Repeat(" ", fill) + field
	}
}

// lineFields is what the escapes of a format stand for.
type lineFields struct {
	name    string // in the transfer, "" for the root
	entry   manifest.Entry
	change  string // the eleven characters
	op      string // send, recv or del.
	moves   int64  // bytes of the file, if its content is transferred; what is saved of it is not known yet
	link    string // behind a symlink or hard link: " -> target"
	file    string // with the source's path
	display func(string) string
	now     time.Time

	noOwner, noGroup bool // the run does not keep them
}

// expand writes a line. What is no escape stays as it is.
func (f lineFormat) expand(l *lineFields) string {
	var b strings.Builder
	for rest := f.text; ; {
		before, after, ok := strings.Cut(rest, "%")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		e, n := parseEscape(after)
		field, known := l.field(e)
		if known {
			b.WriteString(e.pad(field))
		} else {
			b.WriteString("%" + after[:n])
		}
		rest = after[n:]
	}
}

// digestBlank stands for the digest of a file that is not known.
const digestBlank = "                                "

// timeLayout is how rsync writes times.
const timeLayout = "2006/01/02 15:04:05"

func (l *lineFields) field(e escape) (text string, known bool) {
	switch e.what {
	case '%':
		return "%", true
	case 'n':
		if l.entry.IsDir() {
			return dirName(l.display(l.name)), true
		}
		return l.display(l.name), true
	case 'f':
		return l.display(l.file), true
	case 'L':
		return l.link, true
	case 'i':
		return l.change, true
	case 'o':
		return l.op, true
	case 'M':
		return strings.Replace(l.mtime(), " ", "-", 1), true
	case 'B':
		return modeText(&l.entry)[1:], true
	}
	return l.number(e)
}

// number is field for what is a number or a time.
func (l *lineFields) number(e escape) (text string, known bool) {
	switch e.what {
	case 'l':
		return e.human.size(l.entry.Size), true
	case 'b':
		return e.human.size(l.moves), true
	case 'c':
		return e.human.size(0), true
	case 'U':
		if l.noOwner {
			return "0", true
		}
		return strconv.FormatUint(uint64(l.entry.UID), 10), true
	case 'G':
		if l.noGroup {
			return "DEFAULT", true
		}
		return strconv.FormatUint(uint64(l.entry.GID), 10), true
	case 'C':
		return digestBlank, true
	case 'm':
		return "", true // the module of a daemon
	case 'p':
		return strconv.Itoa(os.Getpid()), true
	case 't':
		return l.now.Format(timeLayout), true
	}
	return "", false
}

func (l *lineFields) mtime() string {
	return time.Unix(l.entry.Sec, 0).Format(timeLayout)
}

// modeText writes type and permissions as ls does: -rw-r--r--.
func modeText(e *manifest.Entry) string {
	const rwx = "rwxrwxrwx"
	b := []byte("?" + rwx)
	b[0] = map[manifest.Type]byte{
		manifest.Regular: '-', manifest.Directory: 'd', manifest.Symlink: 'l', manifest.Fifo: 'p', manifest.Socket: 's',
		manifest.CharDevice: 'c', manifest.BlockDevice: 'b', manifest.Unknown: '?',
	}[e.Type]
	for i := range rwx {
		if e.Mode>>(8-i)&1 == 0 {
			b[i+1] = '-'
		}
	}
	for _, special := range []struct {
		bit   uint16
		at    int
		x, no byte
	}{{0o4000, 3, 's', 'S'}, {0o2000, 6, 's', 'S'}, {0o1000, 9, 't', 'T'}} {
		if e.Mode&special.bit == 0 {
			continue
		}
		if b[special.at] == 'x' {
			b[special.at] = special.x
		} else {
			b[special.at] = special.no
		}
	}
	return string(b)
}

// itemLine returns what formats tell of an entry.
func (p *printer) itemLine(ev *engine.ItemEvent) *lineFields {
	l := &lineFields{name: ev.Path, entry: ev.Entry, change: itemized(ev), op: "send", file: ev.Path, display: p.name, now: time.Now(), noOwner: !p.s.Owner, noGroup: !p.s.Group}
	if ev.Change&manifest.ChangeTransfer != 0 {
		l.moves = ev.Entry.Size
	}
	switch {
	case ev.Change&manifest.ChangeHardLink != 0 && ev.Link != "":
		l.link = " => " + p.name(ev.Link)
	case ev.Entry.Type == manifest.Symlink:
		l.link = " -> " + p.name(ev.Entry.Link())
	}
	if p.route != nil && p.route.pull() {
		l.op = "recv"
	} else if p.route != nil {
		l.file = p.route.sourcePath(ev.Path, p.s.Options.Relative)
		if p.s.Options.Relative && p.route.rooted(ev.Path) {
			l.name = "/" + ev.Path
		}
	}
	if l.file == "" {
		l.file = "."
	}
	return l
}

// deletedLine returns what formats tell of a removal. Of what is removed only the name is known.
func deletedLine(ev *engine.DeleteEvent, display func(string) string) *lineFields {
	l := &lineFields{name: ev.Path, file: ev.Path, change: "*deleting  ", op: "del.", display: display, now: time.Now()}
	if ev.Dir {
		l.entry.Type = manifest.Directory
	}
	return l
}

// rooted reports whether a path of the transfer is the whole path of a source, begins
// with it, or is a parent of it: rsync shows it with its slash then.
func (r *route) rooted(name string) bool {
	for _, t := range r.sources {
		if !strings.HasPrefix(t.Path, "/") || strings.Contains(t.Path, "/./") {
			continue
		}
		whole := strings.Trim(path.Clean(t.Path), "/")
		if name != "" && (name == whole || strings.HasPrefix(name, whole+"/") || strings.HasPrefix(whole, name+"/")) {
			return true
		}
	}
	return false
}

// sourcePath returns a path of the transfer with that of its source in front, without the slash that it may begin with.
func (r *route) sourcePath(name string, relative bool) string {
	if relative {
		return r.relativePath(name)
	}
	content := name
	for _, t := range r.sources {
		clean := path.Clean(t.Path)
		if base := path.Base(clean); !isContent(t.Path) {
			if name == base || strings.HasPrefix(name, base+"/") {
				return strings.TrimPrefix(path.Join(path.Dir(clean), name), "/")
			}
			continue
		}
		if content == name {
			content = path.Join(clean, name)
			if name == "" && clean != "." {
				content = clean + "/." // rsync's name for it
			}
		}
	}
	return strings.TrimPrefix(content, "/")
}

// relativePath is sourcePath with -R, where only what stands in front of a /./ is missing.
func (r *route) relativePath(name string) string {
	for _, t := range r.sources {
		front, kept, ok := strings.Cut(t.Path, "/./")
		if top, _, _ := strings.Cut(path.Clean(kept), "/"); ok && (name == top || strings.HasPrefix(name, top+"/")) {
			return strings.TrimPrefix(path.Join(front, name), "/")
		}
	}
	return strings.TrimPrefix(name, "/")
}

// isContent reports whether a source stands for what is in the directory.
func isContent(p string) bool {
	return strings.HasSuffix(p, "/") || p == "." || p == ".." || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")
}

// listed is the line of an entry in a listing, as ls -l has them.
func listed(e *manifest.Entry, name string, h numbers, display func(string) string, links bool) string {
	width := 14
	if h < 1 {
		width = 11
	}
	if name == "" {
		name = "."
	}
	text := fmt.Sprintf("%s %*s %s %s", modeText(e), width, h.size(e.Size), time.Unix(e.Sec, 0).Format(timeLayout), display(name))
	if e.Type == manifest.Symlink && links {
		text += " -> " + display(e.Link())
	}
	return text + "\n"
}
