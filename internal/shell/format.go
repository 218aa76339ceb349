package shell

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// long writes entries as ls -l does.
func (l *Lister) long(entries []Entry) string {
	rows := make([][]string, len(entries))
	widths := make([]int, 5)
	for i, e := range entries {
		rows[i] = []string{links(e.Links), l.owner(e.Owner, e.UID), l.owner(e.Group, e.GID), size(e.Size, l.Human), e.ModTime.Format("2006-01-02 15:04")}
		for j, cell := range rows[i] {
			widths[j] = max(widths[j], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for i, e := range entries {
		r := rows[i]
		fmt.Fprintf(&b, "%s %*s %-*s %-*s %*s %-*s %s", modeText(e.Mode), widths[0], r[0], widths[1], r[1], widths[2], r[2], widths[3], r[3], widths[4], r[4], l.Display(e.Name))
		if e.Mode.Type() == fs.ModeSymlink {
			b.WriteString(" -> " + l.Display(e.Target))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// links writes a number of hard links, which SFTP does not tell.
func links(n uint64) string {
	if n == 0 {
		return "?"
	}
	return strconv.FormatUint(n, 10)
}

func (l *Lister) owner(name string, id uint32) string {
	if name == "" {
		return strconv.FormatUint(uint64(id), 10)
	}
	return l.Display(name)
}

// modeText writes a mode in ls's ten characters.
func modeText(m fs.FileMode) string {
	b := []byte("?rwxrwxrwx")
	b[0] = typeLetter(m)
	for i := range 9 {
		if m&(1<<(8-i)) == 0 {
			b[1+i] = '-'
		}
	}
	for _, s := range []struct {
		bit    fs.FileMode
		at     int
		letter byte
	}{{fs.ModeSetuid, 3, 's'}, {fs.ModeSetgid, 6, 's'}, {fs.ModeSticky, 9, 't'}} {
		if m&s.bit == 0 {
			continue
		}
		if b[s.at] == '-' {
			s.letter -= 'a' - 'A'
		}
		b[s.at] = s.letter
	}
	return string(b)
}

func typeLetter(m fs.FileMode) byte {
	switch m.Type() {
	case 0:
		return '-'
	case fs.ModeDir:
		return 'd'
	case fs.ModeSymlink:
		return 'l'
	case fs.ModeNamedPipe:
		return 'p'
	case fs.ModeSocket:
		return 's'
	case fs.ModeDevice | fs.ModeCharDevice:
		return 'c'
	case fs.ModeDevice:
		return 'b'
	}
	return '?'
}

// typeName is the type in JSON and in stat.
func typeName(m fs.FileMode) string {
	names := map[byte]string{
		'-': "file", 'd': "dir", 'l': "symlink", 'p': "fifo", 's': "socket", 'c': "chardev", 'b': "blockdev",
	}
	if n, ok := names[typeLetter(m)]; ok {
		return n
	}
	return "unknown"
}

// octal writes permissions with setuid, setgid and sticky, as chmod takes them.
func octal(m fs.FileMode) string { return fmt.Sprintf("%04o", unixMode(m)) }

// unixMode is the mode in the operating system's numbers.
func unixMode(m fs.FileMode) uint32 {
	n := uint32(m.Perm())
	for bit, value := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 {
			n |= value
		}
	}
	return n
}

// fileMode is the reverse of unixMode.
func fileMode(n uint32) fs.FileMode {
	m := fs.FileMode(n & 0o777)
	for bit, value := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if n&value != 0 {
			m |= bit
		}
	}
	return m
}

// size writes a number of bytes, for people with a unit of 1024.
func size(n int64, human bool) string {
	if !human || n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	v, unit := float64(n), -1
	for v >= 1023.95 && unit < 5 {
		v /= 1024
		unit++
	}
	if v < 9.95 {
		return fmt.Sprintf("%.1f%c", v, "KMGTPE"[unit])
	}
	return fmt.Sprintf("%.0f%c", v, "KMGTPE"[unit])
}

// jsonEntry is one line of --json. Names that are not UTF-8 are in the fields that
// end in _b64.
type jsonEntry struct {
	V       int     `json:"v"`
	Path    *string `json:"path,omitempty"`
	PathB64 string  `json:"path_b64,omitempty"`
	Type    string  `json:"type"`
	Size    int64   `json:"size"`
	Mode    string  `json:"mode"`
	Mtime   string  `json:"mtime"`
	UID     uint32  `json:"uid"`
	GID     uint32  `json:"gid"`
	Link    *string `json:"link,omitempty"`
	LinkB64 string  `json:"link_b64,omitempty"`
}

// jsonLines writes entries of a directory, one object per line.
func jsonLines(dir string, entries []Entry) string {
	var b strings.Builder
	for _, e := range entries {
		j := jsonEntry{
			V: 1, Type: typeName(e.Mode), Size: e.Size, Mode: octal(e.Mode), Mtime: JSONTime(e.ModTime), UID: e.UID, GID: e.GID,
		}
		j.Path, j.PathB64 = JSONText(join(dir, e.Name))
		if e.Mode.Type() == fs.ModeSymlink {
			j.Link, j.LinkB64 = JSONText(e.Target)
		}
		b.WriteString(JSONLine(&j))
	}
	return b.String()
}

// unseen reports whether a character moves the cursor, changes the direction of
// text, or shows nothing.
func unseen(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

// harmless reports whether a name can be put on a terminal as it is.
func harmless(name string) bool {
	return utf8.ValidString(name) && strings.IndexFunc(name, unseen) < 0
}
