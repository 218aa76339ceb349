package snapshot

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Sum is the BLAKE3 digest of a file's content, as b3sum prints it.
type Sum [32]byte

// Line is one line of a manifest.
type Line struct {
	Sum  Sum
	Path string // below the tree, without ./ at its beginning
}

// Manifest is a list of digests, sorted by path, each path once.
type Manifest []Line

// Find returns the digest of a file.
func (m Manifest) Find(path string) (Sum, bool) {
	i, ok := slices.BinarySearchFunc(m, path, func(l Line, p string) int { return strings.Compare(l.Path, p) })
	if !ok {
		return Sum{}, false
	}
	return m[i].Sum, true
}

// sort brings lines into the order of a manifest.
func (m Manifest) sort() {
	slices.SortFunc(m, func(a, b Line) int { return strings.Compare(a.Path, b.Path) })
}

// WriteTo writes the manifest as b3sum does: a name with a backslash, a newline or a
// carriage return has these escaped, and its line begins with a backslash. Bytes that are
// not UTF-8, for which b3sum has no way, are written as they are.
func (m Manifest) WriteTo(w io.Writer) (int64, error) {
	b := bufio.NewWriterSize(w, 64<<10)
	var n int64
	for _, l := range m {
		k, err := b.WriteString(l.text())
		if n += int64(k); err != nil {
			return n, err
		}
	}
	return n, b.Flush()
}

// text is the line with its end.
func (l *Line) text() string {
	digest := hex.EncodeToString(l.Sum[:])
	if strings.ContainsAny(l.Path, "\\\n\r") {
		return `\` + digest + "  " + strings.NewReplacer("\\", `\\`, "\n", `\n`, "\r", `\r`).Replace(l.Path) + "\n"
	}
	return digest + "  " + l.Path + "\n"
}

// ErrManifest is wrapped by errors about lines that are not b3sum's.
var ErrManifest = errors.New("not a line of a manifest")

// maxLine bounds a line: a path of PATH_MAX bytes that are all escaped, and more.
const maxLine = 64 << 10

// Read reads a manifest. Lines may come in any order; a path that comes twice, or that
// leads out of the tree, is an error.
func Read(r io.Reader) (Manifest, error) {
	var m Manifest
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4<<10), maxLine)
	s.Split(splitLines)
	for n := 1; s.Scan(); n++ {
		l, err := parseLine(s.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		m = append(m, l)
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	m.sort()
	for i := 1; i < len(m); i++ {
		if m[i].Path == m[i-1].Path {
			return nil, fmt.Errorf("%w: %q is there twice", ErrManifest, m[i].Path)
		}
	}
	return m, nil
}

// splitLines is bufio.ScanLines, but an end of the file within a line is told: it may be
// that of a file that was not written to its end.
func splitLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, fmt.Errorf("%w: the last line has no end", ErrManifest)
	}
	return 0, nil, nil
}

// digestChars is the length of a digest in a line.
const digestChars = 2 * len(Sum{})

func parseLine(text []byte) (l Line, err error) {
	escaped := len(text) > 0 && text[0] == '\\'
	if escaped {
		text = text[1:]
	}
	if !escaped {
		text = bytes.TrimSuffix(text, []byte("\r")) // of a file that a Windows editor has had
	}
	if len(text) < digestChars+3 || string(text[digestChars:digestChars+2]) != "  " {
		return l, fmt.Errorf("%w: a digest of %d digits, two spaces and a name are expected", ErrManifest, digestChars)
	}
	if _, err := hex.Decode(l.Sum[:], text[:digestChars]); err != nil {
		return l, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	path := string(text[digestChars+2:])
	if escaped {
		if path, err = unescape(path); err != nil {
			return l, err
		}
	}
	l.Path, err = cleanPath(path)
	return l, err
}

// unescape undoes the escapes of a name.
func unescape(s string) (string, error) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		if i+1 == len(s) {
			return "", fmt.Errorf("%w: a backslash at the end", ErrManifest)
		}
		b.WriteString(s[:i])
		switch s[i+1] {
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case '\\':
			b.WriteByte('\\')
		default:
			return "", fmt.Errorf("%w: the escape \\%c is not known", ErrManifest, s[i+1])
		}
		s = s[i+2:]
	}
}

// cleanPath returns a path of a manifest as one below the tree.
func cleanPath(path string) (string, error) {
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		switch part {
		case "", ".":
			continue
		case "..":
			return "", fmt.Errorf("%w: %q leads out of the tree", ErrManifest, path)
		}
		parts = append(parts, part)
	}
	if strings.HasPrefix(path, "/") || len(parts) == 0 || strings.HasSuffix(path, "/") || strings.IndexByte(path, 0) >= 0 {
		return "", fmt.Errorf("%w: %q is no path of a file below the tree", ErrManifest, path)
	}
	return strings.Join(parts, "/"), nil
}

// Difference is what two manifests, or a manifest and a tree, say differently about a file.
type Difference struct {
	Kind DifferenceKind
	Path string
}

// DifferenceKind says how.
type DifferenceKind uint8

// The kinds of differences.
const (
	Missing DifferenceKind = iota // only the first has it
	Extra                         // only the second has it
	Changed                       // its content differs
)

// Compare returns what differs between two manifests, in the order of paths.
func Compare(a, b Manifest) []Difference {
	var ds []Difference
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Path < b[0].Path:
			ds = append(ds, Difference{Missing, a[0].Path})
			a = a[1:]
		case len(a) == 0 || b[0].Path < a[0].Path:
			ds = append(ds, Difference{Extra, b[0].Path})
			b = b[1:]
		default:
			if a[0].Sum != b[0].Sum {
				ds = append(ds, Difference{Changed, a[0].Path})
			}
			a, b = a[1:], b[1:]
		}
	}
	return ds
}
