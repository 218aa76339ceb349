package scpfs_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/localfs"
	"gosync/transport/scpfs"
	"gosync/transport/scpfs/evilscp"
)

// script is a far side that says what it says, whatever it hears.
type script struct {
	io.Reader
	heard strings.Builder
}

func (s *script) Write(p []byte) (int, error) { return s.heard.Write(p) }
func (s *script) Close() error                { return nil }

func says(text string) *scpfs.Remote {
	return &scpfs.Remote{Start: func(context.Context, string) (io.ReadWriteCloser, error) {
		return &script{Reader: strings.NewReader(text)}, nil
	}}
}

// outcome is what a pull left: everything below the directory that holds the
// destination, with a file beside it that must stay.
func outcome(t *testing.T, source, text string, o engine.Options) (tree []string, rec *record, err error) {
	t.Helper()
	top := t.TempDir()
	write(t, filepath.Join(top, "canary"), "alive", 0o640)
	if err := os.Mkdir(filepath.Join(top, "dest"), 0o750); err != nil {
		t.Fatal(err)
	}
	_, rec, err = pull(t, says(text), engine.Job{Options: o, Sources: []string{source}, Dest: filepath.Join(top, "dest")})
	for _, l := range snapshot(t, top) {
		name := strings.Trim(strings.Fields(l)[0], `"`)
		if name != "." && name != "dest" && name != "canary" && !strings.HasPrefix(name, "dest/.gosync") {
			tree = append(tree, name)
		}
	}
	if b, rerr := os.ReadFile(filepath.Join(top, "canary")); rerr != nil || string(b) != "alive" {
		t.Errorf("the file beside the destination: %q %v", b, rerr)
	}
	if info, serr := os.Stat(filepath.Join(top, "dest")); serr != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("the destination: %v %v", info.Mode(), serr)
	}
	return tree, rec, err
}

// TestEvilServers plays the bad servers, each with its control.
func TestEvilServers(t *testing.T) {
	for _, c := range evilscp.Cases() {
		o := engine.Options{Recursive: c.Recursive, MaxDelete: -1}
		tree, _, err := outcome(t, c.Source, c.Evil, o)
		if code := engine.ExitCode(err); code != 12 {
			t.Errorf("%s: exit %d, %v", c.Name, code, err)
		}
		// What came before may be there or not.
		if slices.ContainsFunc(tree, func(n string) bool { return !slices.Contains(c.Written, n) }) {
			t.Errorf("%s: %q is there, may be %q", c.Name, tree, c.Written)
		}
		tree, rec, err := outcome(t, c.Source, c.Good, o)
		if code := engine.ExitCode(err); code != 0 && !c.Refused() || !slices.Equal(tree, c.Control) {
			t.Errorf("%s, control: %v %q: %q", c.Name, err, rec.errs, tree)
		}
	}
}

// TestDepth: directories in each other without an end.
func TestDepth(t *testing.T) {
	src, err := says(strings.Repeat("D0755 0 d\n", 3000)).Source(t.Context(), "d", engine.StreamHow{Recursive: true})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; err == nil; n++ {
		_, err = src.Next()
	}
	if n != 2049 || engine.ExitCode(err) != 12 {
		t.Errorf("%d directories, %v", n, err)
	}
}

// TestNoise: a login shell that talks is told from a far side that lies.
func TestNoise(t *testing.T) {
	_, _, err := outcome(t, "file", "Welcome!\nC0644 2 file\nhi\x00", engine.Options{MaxDelete: -1})
	if engine.ExitCode(err) != 2 || !strings.Contains(err.Error(), "Welcome") {
		t.Errorf("exit %d: %v", engine.ExitCode(err), err)
	}
	src := filepath.Join(t.TempDir(), "file")
	write(t, src, "x", 0o644)
	_, _, err = push(t, says("Welcome!\n\x00"), engine.Job{Sources: []string{src}, Dest: "x"})
	if engine.ExitCode(err) != 2 {
		t.Errorf("exit %d: %v", engine.ExitCode(err), err)
	}
}

// TestPerFileErrors: complaints of the far side are errors of one file each.
func TestPerFileErrors(t *testing.T) {
	text := "D0755 0 dir\n\x01scp: a: Permission denied\nC0644 2 b\n\x00\x00\x01scp: b: Input/output error\nC0644 2 c\nhi\x00E\n"
	tree, rec, err := outcome(t, "dir", text, engine.Options{Recursive: true, MaxDelete: -1})
	if engine.ExitCode(err) != 23 || len(rec.errs) != 2 || !slices.Equal(tree, []string{"dest/dir", "dest/dir/c"}) {
		t.Errorf("%v %q %q", err, rec.errs, tree)
	}
}

// TestFilterOnReceipt: what is excluded is read and dropped.
func TestFilterOnReceipt(t *testing.T) {
	text := "D0755 0 dir\nC0644 2 a.o\nhi\x00D0755 0 x.o\nC0644 2 y\nhi\x00D0755 0 z\nE\nE\nC0644 2 b\nhi\x00C0644 2 b\nho\x00C0644 1 .gosync.0123456789abcdef\nx\x00E\n"
	o := engine.Options{Recursive: true, MaxDelete: -1}
	o.Filter = newFilter(t, "*.o")
	tree, rec, err := outcome(t, "dir", text, o)
	if err != nil || !slices.Equal(tree, []string{"dest/dir", "dest/dir/b"}) {
		t.Errorf("%v %q: %q", err, rec.errs, tree)
	}
	if len(rec.skips) != 1 || !strings.Contains(rec.skips[0], "dir/b") {
		t.Errorf("a name that comes twice: %q", rec.skips)
	}
}

// TestRefusedContent: after a no to a file its content is not sent.
func TestRefusedContent(t *testing.T) {
	src := filepath.Join(t.TempDir(), "src")
	write(t, filepath.Join(src, "a"), "content of a", 0o644)
	write(t, filepath.Join(src, "b"), "content of b", 0o644)
	far := &script{Reader: strings.NewReader("\x00" + "\x00" + "\x01scp: a: Permission denied\n" + "\x00\x00" + "\x00")}
	r := &scpfs.Remote{Start: func(context.Context, string) (io.ReadWriteCloser, error) { return far, nil }}
	sum, rec, err := push(t, r, engine.Job{Options: engine.Options{Recursive: true, MaxDelete: -1}, Sources: []string{src + "/"}, Dest: "far"})
	if engine.ExitCode(err) != 23 || len(rec.errs) != 1 || sum.Transferred != 1 {
		t.Errorf("%v %q, %d sent", err, rec.errs, sum.Transferred)
	}
	if want := "D0755 0 far\nC0644 12 a\nC0644 12 b\ncontent of b\x00E\n"; far.heard.String() != want {
		t.Errorf("sent %q\nwant %q", far.heard.String(), want)
	}
}

// TestShrinks: a file that is shorter than it was is made up with zeros, and said.
func TestShrinks(t *testing.T) {
	far := &script{Reader: strings.NewReader("\x00\x00\x00")}
	r := &scpfs.Remote{Start: func(context.Context, string) (io.ReadWriteCloser, error) { return far, nil }}
	sink, err := r.Sink(t.Context(), "x", engine.StreamHow{})
	if err != nil {
		t.Fatal(err)
	}
	e := entry("name", 6)
	var said []error
	if err := sink.File(&e, false, strings.NewReader("abc"), func(err error) { said = append(said, err) }); err != nil {
		t.Fatal(err)
	}
	if err := sink.Finish(); err != nil || len(said) != 1 || said[0] != nil {
		t.Errorf("%v, %v", err, said)
	}
	if got := far.heard.String(); !strings.HasPrefix(got, "C0644 6 name\nabc\x00\x00\x00\x01scp: name: ") || !strings.HasSuffix(got, "\n") {
		t.Errorf("sent %q", got)
	}
}

// TestStalls: a far side that says nothing more is given up in time.
func TestStalls(t *testing.T) {
	for _, said := range []string{"C0644 2000000 file\n", "D0755 0 file\n"} {
		r, w := io.Pipe()
		s := &stalled{script: script{Reader: io.MultiReader(strings.NewReader(said), r)}, w: w}
		far := &scpfs.Remote{Start: func(context.Context, string) (io.ReadWriteCloser, error) { return s, nil }}
		o := engine.Options{Recursive: true, Timeout: 300 * time.Millisecond, MaxDelete: -1}
		begin := time.Now()
		_, _, err := pull(t, far, engine.Job{Options: o, Sources: []string{"file"}, Dest: t.TempDir()})
		if engine.ExitCode(err) != 30 || time.Since(begin) > 10*time.Second {
			t.Errorf("%q: exit %d after %v: %v", said, engine.ExitCode(err), time.Since(begin), err)
		}
	}
}

type stalled struct {
	script
	w *io.PipeWriter
}

func (s *stalled) Close() error { return s.w.CloseWithError(io.ErrClosedPipe) }

// TestCutMidFile: the far side is killed in the middle of a file that is there in
// an older state.
func TestCutMidFile(t *testing.T) {
	for _, size := range []int{3000, 3_000_000} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "far"), strings.Repeat("n", size), 0o644)
		old := filepath.Join(dir, "near")
		write(t, old, "old", 0o600)
		far := remote(t, dir)
		begin := far.Start
		far.Start = func(ctx context.Context, cmd string) (io.ReadWriteCloser, error) {
			s, err := begin(ctx, cmd)
			return &cut{command: s.(*command), left: size / 2}, err
		}
		_, _, err := pull(t, far, engine.Job{Options: recursive(), Sources: []string{"far"}, Dest: old})
		if code := engine.ExitCode(err); code != 12 {
			t.Errorf("exit %d: %v", code, err)
		}
		if b, err := os.ReadFile(old); err != nil || string(b) != "old" {
			t.Errorf("the file has %d bytes, %v", len(b), err)
		}
		entries, _ := os.ReadDir(dir)
		if len(entries) != 2 {
			t.Errorf("left behind: %v", entries)
		}
	}
}

// cut kills its command when so many bytes have come.
type cut struct {
	*command
	left int
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left <= 0 {
		_ = c.cmd.Process.Kill()
		_ = c.wait()
		return 0, io.EOF
	}
	n, err := c.command.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// TestCancel ends a push in the middle.
func TestCancel(t *testing.T) {
	dir := t.TempDir()
	for i := range 200 {
		write(t, filepath.Join(dir, "src", fmt.Sprint(i)), strings.Repeat("x", 10_000), 0o644)
	}
	ctx, cancel := context.WithCancel(t.Context())
	far := remote(t, dir)
	prog := &engine.Progress{}
	begin := far.Start
	far.Start = func(ctx context.Context, cmd string) (io.ReadWriteCloser, error) {
		s, err := begin(ctx, cmd)
		return &canceller{command: s.(*command), after: 30, cancel: cancel}, err
	}
	_, err := engine.SendStream(ctx, localfs.NewHost(), engine.Job{Options: recursive(), Sources: []string{filepath.Join(dir, "src")}, Dest: dir + "/dest/"}, far, engine.Report{Progress: prog})
	if engine.ExitCode(err) != 20 {
		t.Errorf("exit %d: %v", engine.ExitCode(err), err)
	}
}

type canceller struct {
	*command
	after  int
	cancel func()
}

func (c *canceller) Write(p []byte) (int, error) {
	if c.after--; c.after == 0 {
		c.cancel()
	}
	return c.command.Write(p)
}
