package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHunt gives random command lines (all options of the tiers T1 and T2) on random trees to rsync and to gosync: first
// with -n, then in earnest, then once more. Each time it wants the same exit status, the same set of lines, and the same
// of all that lies in the directory afterwards: source, destination, backups, alternate directories. The order of lines
// is what TestLikeRsync compares.
//
//	go test ./cmd/gosync -run TestHunt                                    40 cases, always the same; 12 with -short
//	GOSYNC_LONG=1 go test ./cmd/gosync -run TestHunt -v -timeout 3h       2000 cases from a random seed
//	GOSYNC_LONG=1 GOSYNC_HUNT=500 ...                                     500 cases from a random seed
//	GOSYNC_LONG=1 GOSYNC_HUNT=500 GOSYNC_FROM=1000 ...                    500 cases from that seed
//	GOSYNC_SEED=17,18 ...                                                 these again
//	GOSYNC_WITH="-H -u" ...                                               with these options in each case
//
// It ends with how many cases there were, how many of them each of the deliberate differences has touched, and a table
// of the others by kind, with seeds. GOSYNC_SHOW is how many of them are made small and shown (3).
func TestHunt(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	needRoot(t)
	h := &hunt{gosync: program(t), dir: huntDir(t), show: fromEnv("GOSYNC_SHOW", 3), shown: map[string]bool{}, kinds: map[string][]uint64{}, accepted: map[string]int{}}
	count := 40
	if testing.Short() {
		count = 12
	}
	seeds := peerSeeds(t, count, fromEnv("GOSYNC_HUNT", 2000))
	const workers = 2
	t.Run("workers", func(t *testing.T) {
		for w := range workers {
			t.Run(strconv.Itoa(w), func(t *testing.T) {
				t.Parallel()
				b := h.bench(t, w)
				for i := w; i < len(seeds); i += workers {
					b.one(t, seeds[i])
				}
			})
		}
	})
	t.Log(h.summary(len(seeds)))
}

func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// huntDir is a directory in memory where that is one with extended attributes and access control lists.
func huntDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "gosync-hunt-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // best effort: it is the memory's
	acl := "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x04\x00\xff\xff\xff\xff\x20\x00\x04\x00\xff\xff\xff\xff"
	for name, value := range map[string]string{"user.x": "1", "trusted.x": "1", "system.posix_acl_access": acl} {
		if unix.Lsetxattr(dir, name, []byte(value), 0) != nil {
			return t.TempDir()
		}
	}
	for _, name := range []string{"user.x", "trusted.x", "system.posix_acl_access"} {
		_ = unix.Lremovexattr(dir, name) // it was there just now
	}
	return dir
}

// A hunt is what the workers share.
type hunt struct {
	gosync, dir string

	mu       sync.Mutex
	show     int
	shown    map[string]bool
	kinds    map[string][]uint64
	accepted map[string]int
	usage    int // cases that both refuse
}

func (h *hunt) summary(cases int) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d cases (%d of them refused by both)\n", cases, h.usage)
	for _, name := range slices.Sorted(maps.Keys(h.accepted)) {
		fmt.Fprintf(&b, "  deliberate: %4d %s\n", h.accepted[name], name)
	}
	kinds := slices.SortedFunc(maps.Keys(h.kinds), func(a, b string) int { return len(h.kinds[b]) - len(h.kinds[a]) })
	for _, kind := range kinds {
		seeds := h.kinds[kind]
		fmt.Fprintf(&b, "  different:  %4d %s, seeds %v\n", len(seeds), kind, seeds[:min(len(seeds), 12)])
	}
	return b.String()
}

// A huntBench is where one worker runs its cases.
type huntBench struct {
	*hunt
	dir, rsh string
}

func (h *hunt) bench(t *testing.T, n int) *huntBench {
	b := &huntBench{hunt: h, dir: filepath.Join(h.dir, strconv.Itoa(n))}
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b.rsh = loopShell(t, b.dir)
	return b
}

// one runs the case of a seed and reports.
func (b *huntBench) one(t *testing.T, seed uint64) {
	c := newHuntCase(seed)
	c.opts = append(strings.Fields(os.Getenv("GOSYNC_WITH")), c.opts...)
	diffs := b.compare(t, c, true)
	if len(diffs) == 0 {
		return
	}
	kind := diffKinds(diffs)[0]
	b.mu.Lock()
	b.kinds[kind] = append(b.kinds[kind], seed)
	show := b.show > 0 && !b.shown[kind]
	if show {
		b.show--
		b.shown[kind] = true
	}
	b.mu.Unlock()
	if !show {
		t.Errorf("GOSYNC_SEED=%d: %s", seed, kind)
		return
	}
	c, diffs = b.shrink(t, c, diffs)
	t.Errorf("GOSYNC_SEED=%d\n%s", seed, shorter(fmt.Sprintf("%s  rsync %q\n  gosync %q\n  %s", c, b.argv(c, "rsync"), b.argv(c, "gosync"), strings.Join(diffs, "\n  "))))
}

// shrink looks for a smaller case with a difference of the same kind.
func (b *huntBench) shrink(t *testing.T, c *huntCase, diffs []string) (*huntCase, []string) {
	kind := diffKinds(diffs)[0]
	budget := fromEnv("GOSYNC_SHRINK", 250)
	for size := (c.parts() + 2) / 3; size > 0 && budget > 0; {
		changed := false
		for i := 0; i < c.parts() && budget > 0; i += size {
			smaller := c.withoutRange(i, i+size)
			if smaller == nil {
				continue
			}
			budget--
			if d := b.compare(t, smaller, false); slices.Contains(diffKinds(d), kind) {
				c, diffs, changed = smaller, d, true
				i -= size
			}
		}
		if size > 1 || !changed {
			size /= 2
		}
	}
	return c, diffs
}

// withoutRange takes several parts away; nil where there are none.
func (c *huntCase) withoutRange(from, to int) (smaller *huntCase) {
	for i := min(to, c.parts()) - 1; i >= from; i-- {
		if d := c.smaller(i); d != nil {
			c, smaller = d, d
		}
	}
	return smaller
}

// argv builds the command line of a program.
func (b *huntBench) argv(c *huntCase, program string) []string {
	args := []string{"-i"}
	if program == "gosync" {
		args = append(args, "--fsync=none")
		if c.deletes() {
			args = append(args, "--force-delete", "--delete-empty-source") // rsync has no guard
		}
	}
	for _, o := range c.opts {
		args = append(args, strings.ReplaceAll(o, "{base}", b.dir+"/work"))
	}
	if c.way == "local" {
		return slices.Concat(args, c.sources, []string{c.dest})
	}
	args = append(args, "-e", b.rsh)
	if program == "gosync" {
		args = append(args, "--gosync-path="+b.gosync)
	}
	if c.way == "push" {
		return slices.Concat(args, c.sources, []string{"host:" + c.dest})
	}
	for _, s := range c.sources {
		args = append(args, "host:"+s)
	}
	return append(args, c.dest)
}

// A huntRun is what came of one run.
type huntRun struct {
	status int
	lines  []string
	stderr string
	look   huntLook
}

// A huntOutcome is what came of a case: of a dry run, of the run, and of a second one.
type huntOutcome struct {
	before          huntLook
	dry, run, again huntRun
}

func (o *huntOutcome) each() []*huntRun { return []*huntRun{&o.dry, &o.run, &o.again} }

// outcome gives the case to a program.
func (b *huntBench) outcome(t *testing.T, c *huntCase, program string) *huntOutcome {
	base := filepath.Join(b.dir, "work")
	if err := os.RemoveAll(base); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix() - 1 // the clock of files is behind by some milliseconds
	b.prepare(t, c, base)
	see := func() huntLook { return huntLookAt(t, base, now, c.has("-U")) }
	o := &huntOutcome{before: see()}
	o.dry = b.start(t, c, base, program, "-n")
	o.dry.look = see()
	o.run = b.start(t, c, base, program)
	o.run.look = see()
	o.again = b.start(t, c, base, program)
	o.again.look = see()
	return o
}

// prepare makes all that the case has.
func (b *huntBench) prepare(t *testing.T, c *huntCase, base string) {
	if err := os.Mkdir(base, 0o755); err != nil {
		t.Fatal(err)
	}
	c.src.make(t, base+"/src", 1_222_222_222)
	if !c.missing {
		c.dst.make(t, base+"/dst", 1_111_111_111)
	}
	for name, s := range c.others {
		s.make(t, base+"/"+name, 1_333_333_333)
	}
	between := "\n"
	if c.has("--from0") {
		between = "\x00"
	}
	texts := maps.Clone(c.texts)
	texts["list"] = strings.Join(c.files, between)
	for name, text := range texts {
		if err := os.WriteFile(base+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *huntBench) start(t *testing.T, c *huntCase, base, program string, more ...string) huntRun {
	name := program
	if program == "gosync" {
		name = b.gosync
	}
	argv := slices.Concat([]string{name}, more, b.argv(c, program))
	status, lines, stderr := runUmask(t, base, c.umask, []string{"TZ=UTC", "HOME=" + b.dir}, argv)
	return huntRun{status: status, lines: lines, stderr: stderr}
}

// A huntLook is what a directory holds: for each path what there is to say, by kind.
type huntLook map[string][]string

// lookFields are what is said of a path, in this order.
func lookFields() []string {
	return []string{"type", "mode", "owner", "time", "content", "target", "xattrs", "acl", "links", "read"}
}

func huntLookAt(t *testing.T, root string, now int64, reads bool) huntLook {
	t.Helper()
	look, groups, inode := huntLook{}, map[uint64][]string{}, map[string]uint64{}
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := "." + strings.TrimPrefix(name, root)
		var st syscall.Stat_t
		if err := syscall.Lstat(name, &st); err != nil {
			return err
		}
		if !e.IsDir() && st.Nlink > 1 {
			inode[rel] = st.Ino
			groups[st.Ino] = append(groups[st.Ino], rel)
		}
		look[rel], err = huntDescribe(name, &st, now, reads)
		return err
	})
	if err != nil {
		t.Fatalf("reading a tree: %v", err)
	}
	for rel, ino := range inode {
		slices.Sort(groups[ino])
		if len(groups[ino]) > 1 {
			look[rel][8] = fmt.Sprintf("%q", groups[ino])
		}
	}
	return look
}

func huntDescribe(name string, st *syscall.Stat_t, now int64, reads bool) (said []string, err error) {
	said = make([]string, len(lookFields()))
	said[0] = map[uint32]string{syscall.S_IFREG: "f", syscall.S_IFDIR: "d", syscall.S_IFLNK: "l", syscall.S_IFIFO: "p", syscall.S_IFSOCK: "s", syscall.S_IFCHR: "c", syscall.S_IFBLK: "b"}[st.Mode&syscall.S_IFMT]
	said[1] = fmt.Sprintf("%04o", st.Mode&0o7777)
	said[2] = fmt.Sprintf("%d:%d", st.Uid, st.Gid)
	said[3] = fmt.Sprintf("%d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
	if st.Mtim.Sec >= now && st.Mtim.Sec < now+3600 {
		said[3] = "now"
	}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		if reads {
			if said[9] = fmt.Sprint(st.Atim.Sec); st.Atim.Sec >= now && st.Atim.Sec < now+3600 {
				said[9] = "now"
			}
		}
		var data []byte
		data, err = readUnnoticed(name)
		said[4] = fmt.Sprintf("%d %.4x", len(data), sha256.Sum256(data))
	case syscall.S_IFLNK:
		said[5], err = os.Readlink(name)
	case syscall.S_IFCHR, syscall.S_IFBLK:
		said[4] = fmt.Sprintf("%x", st.Rdev)
	}
	said[6], said[7] = huntXattrs(name)
	return said, err
}

// readUnnoticed reads a file and leaves its access time.
func readUnnoticed(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOATIME, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(f)
	return b.Bytes(), err
}

func huntXattrs(name string) (xattrs, acl string) {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(name, buf)
	if err != nil || n == 0 {
		return "", ""
	}
	var all []string
	for key := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(name, key, value)
		switch {
		case err != nil:
		case strings.HasPrefix(key, "system.posix_acl_"):
			acl += fmt.Sprintf("%s %x", key, value[:n])
		default:
			all = append(all, fmt.Sprintf("%s=%.20q", key, value[:n]))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " "), acl
}

// differ says how two directories differ: each difference begins with its kind and a colon.
func (l huntLook) differ(when, a, b string, other huntLook) (diffs []string) {
	names := maps.Clone(l)
	maps.Copy(names, other)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		one, two := l[name], other[name]
		place, _, _ := strings.Cut(strings.TrimPrefix(name, "./"), "/")
		switch {
		case one == nil:
			diffs = append(diffs, fmt.Sprintf("%s, only %s in %s: %q %q", when, b, place, name, two))
		case two == nil:
			diffs = append(diffs, fmt.Sprintf("%s, only %s in %s: %q %q", when, a, place, name, one))
		default:
			for i, field := range lookFields() {
				if one[i] != two[i] && two[i] != forgiven && !(field == "read" && (place != "dst" || when == "dry run")) {
					kind := field
					if field != "type" {
						kind += " of " + one[0]
					}
					diffs = append(diffs, fmt.Sprintf("%s, %s in %s: %q\n      %-7s %q\n      %-7s %q", when, kind, place, name, a, one[i], b, two[i]))
				}
			}
		}
	}
	return diffs
}

// compare runs both programs and says how they differ.
func (b *huntBench) compare(t *testing.T, c *huntCase, count bool) (diffs []string) {
	t.Helper()
	now := regexp.MustCompile(time.Now().UTC().Format("2006/01/02") + `-\d\d:\d\d:\d\d`) // what %M says of what was just made
	theirs, ours := b.outcome(t, c, "rsync"), b.outcome(t, c, "gosync")
	for _, o := range []*huntOutcome{theirs, ours} {
		for _, run := range o.each() {
			run.lines = c.comparable(run.lines)
			for i, line := range run.lines {
				run.lines[i] = now.ReplaceAllLiteralString(line, "now")
			}
		}
	}
	for _, d := range slices.Concat(deliberateDifferences(), linkDifferences(), accidents()) {
		if d.touches(c, theirs, ours) {
			if count {
				b.mu.Lock()
				b.accepted[d.name]++
				b.mu.Unlock()
			}
			if d.whole {
				return nil
			}
		}
	}
	if count && theirs.run.status == exitUsage && ours.run.status == exitUsage {
		b.mu.Lock()
		b.usage++
		b.mu.Unlock()
	}
	for _, o := range ours.each() {
		if strings.Contains(o.stderr, "goroutine ") {
			diffs = append(diffs, "panic: "+o.stderr)
		}
	}
	diffs = append(diffs, ours.before.differ("dry run", "before", "after", ours.dry.look)...)
	for i, when := range []string{"dry run", "run", "again"} {
		theirs, ours := theirs.each()[i], ours.each()[i]
		if ours.status != theirs.status {
			diffs = append(diffs, fmt.Sprintf("%s, exit %d not %d: of gosync\n    rsync: %s\n    gosync: %s", when, ours.status, theirs.status, theirs.stderr, ours.stderr))
		}
		if i > 0 {
			diffs = append(diffs, theirs.look.differ(when, "rsync", "gosync", ours.look)...)
		}
		diffs = append(diffs, differentLines(when, theirs, ours)...)
	}
	return diffs
}

func differentLines(when string, theirs, ours *huntRun) (diffs []string) {
	for _, side := range []struct {
		only string
		a, b []string
	}{{"only rsync", theirs.lines, ours.lines}, {"only gosync", ours.lines, theirs.lines}} {
		rest := slices.Clone(side.b)
		for _, line := range side.a {
			if i := slices.Index(rest, line); i >= 0 {
				rest = slices.Delete(rest, i, i+1)
				continue
			}
			diffs = append(diffs, fmt.Sprintf("%s, %s says %s: %s", when, side.only, firstDifference([]string{line}, nil)[len("without "):], line))
		}
	}
	if len(diffs) > 0 {
		diffs = append(diffs, fmt.Sprintf("%s, all lines:\n    rsync:\n%s\n    %s\n    gosync:\n%s\n    %s", when, indentLines(theirs.lines), theirs.stderr, indentLines(ours.lines), ours.stderr))
	}
	return diffs
}
