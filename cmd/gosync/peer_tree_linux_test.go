package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A peerNode is one name of a tree that a test makes. Kinds are f, d, l (symlink), p (FIFO), s (socket), c and b
// (devices) and h (a further name of the file that target names).
type peerNode struct {
	path   string // relative to the root of the tree; bytes
	kind   byte
	mode   uint32 // permission bits with setuid, setgid and sticky
	uid    int
	gid    int
	sec    int64 // of the time; nanoseconds says the rest
	data   []byte
	target string
	xattrs []string // name=value
}

// A peerTree is a tree: parents before what is below them, and a file before its further names.
type peerTree []peerNode

// find returns the node with that path.
func (s peerTree) find(name string) *peerNode {
	for i := range s {
		if s[i].path == name {
			return &s[i]
		}
	}
	return nil
}

// without leaves out a path, what is below it, and further names of files that are then missing.
func (s peerTree) without(name string) peerTree {
	var kept peerTree
	for _, n := range s {
		gone := n.path == name || strings.HasPrefix(n.path, name+"/")
		if !gone && (n.kind != 'h' || kept.find(n.target) != nil) {
			kept = append(kept, n)
		}
	}
	return kept
}

// below returns the tree under a directory, or the one node that is no directory, with paths beginning at to.
func (s peerTree) below(dir, to string) peerTree {
	var out peerTree
	for _, n := range s {
		rest, ok := strings.CutPrefix(n.path, dir)
		if !ok || rest != "" && rest[0] != '/' && dir != "" {
			continue
		}
		n.path = strings.Trim(path.Join(to, rest), "/")
		if n.kind == 'h' {
			tail, ok := strings.CutPrefix(n.target, dir)
			n.target = strings.Trim(path.Join(to, tail), "/")
			if first := out.find(n.target); !ok || first == nil {
				n.kind = 'f'
			}
		}
		out = out.with(n)
	}
	return out
}

// with adds a node and the directories above it that are missing, if there is room for it.
func (s peerTree) with(n peerNode) peerTree {
	if n.path == "" || n.path == "." || s.find(n.path) != nil {
		return s
	}
	added := s
	for i, c := range n.path {
		if c != '/' {
			continue
		}
		switch up := added.find(n.path[:i]); {
		case up == nil:
			added = append(added, peerNode{path: n.path[:i], kind: 'd', mode: 0o755, sec: 1_234_567_890})
		case up.kind != 'd':
			return s
		}
	}
	return append(added, n)
}

// longName is a component as long as file systems allow.
func longName() string { return strings.Repeat("n", 255) }

// shorter abbreviates it for people.
func shorter(text string) string { return strings.ReplaceAll(text, longName(), "n...n") }

// String lists the tree for a report.
func (s peerTree) String() string {
	var b strings.Builder
	for _, n := range s {
		fmt.Fprintf(&b, "    %c %04o %d:%d %d.%09d %6d %q", n.kind, n.mode, n.uid, n.gid, n.sec, nanoseconds(n.sec), len(n.data), n.path)
		if n.target != "" {
			fmt.Fprintf(&b, " -> %q", n.target)
		}
		for _, x := range n.xattrs {
			fmt.Fprintf(&b, " %q", x)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// make makes the tree below root, which is made too and gets a time.
func (s peerTree) make(t testing.TB, root string, sec int64) {
	t.Helper()
	err := os.Mkdir(root, 0o755)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	for i := 0; err == nil && i < len(s); i++ {
		err = s[i].create(root)
	}
	for i := len(s) - 1; err == nil && i >= 0; i-- {
		err = s[i].finish(root)
	}
	if err == nil {
		err = setTime(root, sec)
	}
	if err != nil {
		t.Fatalf("making a tree: %v", err)
	}
}

func (n *peerNode) create(root string) error {
	name := root + "/" + n.path
	switch n.kind {
	case 'd':
		return os.Mkdir(name, 0o700)
	case 'f':
		return os.WriteFile(name, n.data, 0o600)
	case 'l':
		return os.Symlink(n.target, name)
	case 'h':
		return os.Link(root+"/"+n.target, name)
	case 'p':
		return unix.Mknod(name, unix.S_IFIFO|0o600, 0)
	case 's':
		return unix.Mknod(name, unix.S_IFSOCK|0o600, 0)
	case 'b':
		return unix.Mknod(name, unix.S_IFBLK|0o600, int(unix.Mkdev(7, 300)))
	default:
		return unix.Mknod(name, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
	}
}

// finish sets owner, mode and time, in this order: each undoes what comes later.
func (n *peerNode) finish(root string) error {
	name := root + "/" + n.path
	if n.kind == 'h' {
		return nil
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(name, n.uid, n.gid); err != nil {
			return err
		}
	}
	if n.kind != 'l' {
		if err := unix.Chmod(name, n.mode); err != nil {
			return err
		}
	}
	for _, x := range n.xattrs {
		key, value, _ := strings.Cut(x, "=")
		if err := unix.Lsetxattr(name, key, []byte(value), 0); err != nil {
			return fmt.Errorf("%s of %q: %w", key, n.path, err)
		}
	}
	return setTime(name, n.sec)
}

// nanoseconds are those of all times with that second. Times that differ in nothing else are what the programs treat
// differently: gosync compares the content of such files.
func nanoseconds(sec int64) int64 {
	if sec%3 == 0 {
		return 0
	}
	return []int64{1, 500_000_000, 999_999_999, 123_456_789}[uint64(sec)%4]
}

func setTime(name string, sec int64) error {
	nsec := nanoseconds(sec)
	ts := []unix.Timespec{{Sec: sec, Nsec: nsec}, {Sec: sec, Nsec: nsec}}
	return unix.UtimesNanoAt(unix.AT_FDCWD, name, ts, unix.AT_SYMLINK_NOFOLLOW)
}

// A peerLook is what a tree on disk holds: one line for each path.
type peerLook map[string]string

// lookAt reads a tree. Times of now (in seconds) and later, which both programs leave to the clock, are all the same.
func lookAt(t testing.TB, root string, now int64) peerLook {
	t.Helper()
	got, groups := peerLook{}, map[uint64][]string{}
	inode := map[string]uint64{}
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := "." + strings.TrimPrefix(name, root)
		var st syscall.Stat_t
		if err := syscall.Lstat(name, &st); err != nil {
			return err
		}
		line, err := describe(name, &st, now)
		if !e.IsDir() && st.Nlink > 1 {
			inode[rel] = st.Ino
			groups[st.Ino] = append(groups[st.Ino], rel)
		}
		got[rel] = line
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("reading a tree: %v", err)
	}
	for rel, ino := range inode {
		slices.Sort(groups[ino])
		if len(groups[ino]) > 1 {
			got[rel] += fmt.Sprintf(" linked %q", groups[ino])
		}
	}
	return got
}

func describe(name string, st *syscall.Stat_t, now int64) (string, error) {
	when := fmt.Sprintf("%d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
	if st.Mtim.Sec >= now && st.Mtim.Sec < now+3600 {
		when = "now"
	}
	line := fmt.Sprintf("%07o %d:%d %s", st.Mode, st.Uid, st.Gid, when)
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		data, err := os.ReadFile(name)
		return fmt.Sprintf("%s %d %.8x", line, len(data), sha256.Sum256(data)), err
	case syscall.S_IFLNK:
		target, err := os.Readlink(name)
		return fmt.Sprintf("%s -> %q", line, target), err
	case syscall.S_IFCHR:
		return fmt.Sprintf("%s %x", line, st.Rdev), nil
	}
	return line, nil
}

// differ says how two trees differ; nothing where they do not.
func (l peerLook) differ(a, b string, other peerLook) []string {
	var out []string
	for name, line := range l {
		if other[name] != line {
			out = append(out, fmt.Sprintf("%q\n      %-7s %s\n      %-7s %s", name, a, line, b, other[name]))
		}
	}
	for name, line := range other {
		if _, ok := l[name]; !ok {
			out = append(out, fmt.Sprintf("%q\n      %-7s\n      %-7s %s", name, a, b, line))
		}
	}
	slices.Sort(out)
	return out
}

// peerNames are the components that trees are made of.
func peerNames() []string {
	return []string{
		"a", "b", "c.txt", "d.o", "dir", "sub", "x.tmp", "README", "sp ace", "new\nline", "\xff\xfe", "-dash", "ünï", ".hidden", "*star", "[x]", "A", "B.txt",
		`back\slash`, "it's", "~tilde", "$HOME", "#hash", ";semi", "trail ", "tab\t", "ctl\x01", `\#012`, "%n", "--", "z", "name.d", "name-d", "name", longName(),
	}
}

func pickOne[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// inHundred is true in p of a hundred cases.
func inHundred(r *rand.Rand, p int) bool { return r.IntN(100) < p }

// randomTree makes a tree of up to n names.
func randomTree(r *rand.Rand, n int) peerTree {
	var s peerTree
	dirs := []string{""}
	for range n {
		p := path.Join(pickOne(r, dirs), pickOne(r, peerNames()))
		if s.find(p) != nil || len(p) > 900 {
			continue
		}
		nd := peerNode{path: p}
		nd.randomize(r, s)
		if nd.kind == 'd' {
			dirs = append(dirs, p)
		}
		s = append(s, nd)
	}
	return s
}

// randomize chooses kind, content and attributes.
func (n *peerNode) randomize(r *rand.Rand, s peerTree) {
	n.attributes(r)
	var files []string
	for _, other := range s {
		if other.kind == 'f' {
			files = append(files, other.path)
		}
	}
	switch k := r.IntN(100); {
	case k < 28:
		n.kind = 'd'
	case k < 37:
		n.kind, n.target = 'l', pickOne(r, []string{"a", "../b", "/nowhere", "dir", "x y", "\xff", ".", strings.Repeat("long/", 12)})
	case k < 87 || len(files) == 0 && k < 95:
		n.kind, n.data = 'f', randomData(r)
	case k < 95:
		n.kind, n.target = 'h', pickOne(r, files)
	case k < 97:
		n.kind = 'p'
	case k < 98:
		n.kind = 's'
	default:
		n.kind = 'c'
		if os.Geteuid() != 0 {
			n.kind = 'p'
		}
	}
}

func (n *peerNode) attributes(r *rand.Rand) {
	n.mode = pickOne(r, []uint32{0o644, 0o644, 0o755, 0o600, 0o444, 0o4755, 0o2755, 0o1777, 0o777, 0o6711, 0o640})
	if os.Geteuid() == 0 {
		n.mode = pickOne(r, []uint32{n.mode, n.mode, n.mode, 0, 0o111})
		n.uid, n.gid = pickOne(r, []int{0, 0, 0, 1, 33, 12345}), pickOne(r, []int{0, 0, 0, 2, 33, 54321})
	}
	n.sec = pickOne(r, []int64{1_000_000_000, 1_000_000_000, 1_700_000_000, 1_700_000_001, 1, 0, -1, 4_000_000_000, r.Int64N(1_600_000_000)})
}

// randomData is a file's content: often short, sometimes long, with runs and repetitions.
func randomData(r *rand.Rand) []byte {
	size := pickOne(r, []int{0, 1, r.IntN(100), r.IntN(3000), 700, r.IntN(40_000), r.IntN(300_000)})
	data := make([]byte, size)
	switch r.IntN(4) {
	case 0: // zeros
	case 1:
		for i := range data {
			data[i] = "the same line again and again\n"[i%30]
		}
	default:
		for i := range data {
			data[i] = byte(r.Uint32())
		}
	}
	return data
}
