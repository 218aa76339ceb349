package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// fakeFar is a far side in memory: it keeps what it was told, in order.
type fakeFar struct {
	sessions int
	refuse   func(path string) bool // of files and directories
	missing  bool                   // the destination is not there
	fail     int                    // sessions from this one on cannot be started; 0 for never
	slow     time.Duration          // that takes so long to find out

	mu      sync.Mutex
	started int
	log     []string
	files   map[string]string
	dirs    map[string]manifest.Entry
}

func (f *fakeFar) Sessions() int                   { return f.sessions }
func (f *fakeFar) Traffic() (sent, received int64) { return 0, 0 }

func (f *fakeFar) Sink(_ context.Context, path string, how engine.StreamHow) (engine.StreamSink, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.started++; f.fail > 0 && f.started >= f.fail {
		f.mu.Unlock()
		time.Sleep(f.slow)
		f.mu.Lock()
		return nil, errors.New("no more sessions")
	}
	if f.missing && how.Directory && path == "dest" {
		return nil, &engine.StreamRefusal{Text: "No such file or directory"}
	}
	if f.files == nil {
		f.files, f.dirs = map[string]string{}, map[string]manifest.Entry{}
	}
	if path == "." || f.missing && !how.Directory {
		path = "" // the names that follow are those of the destination
	}
	return &fakeSink{far: f, at: path}, nil
}

type fakeSink struct {
	far     *fakeFar
	at      string
	pending []func()
	stack   []string
}

func (s *fakeSink) do(line string) {
	s.far.mu.Lock()
	defer s.far.mu.Unlock()
	s.far.log = append(s.far.log, line)
}

func (s *fakeSink) Dir(e *manifest.Entry, times bool) error {
	path := manifest.Join(s.at, e.Name)
	if s.far.refuse != nil && s.far.refuse(path) {
		return &engine.StreamRefusal{Text: "refused"}
	}
	s.far.mu.Lock()
	s.far.dirs[path] = *e
	s.far.mu.Unlock()
	s.do(fmt.Sprintf("D %s %o %v", path, e.Mode, times))
	s.stack = append(s.stack, s.at)
	s.at = path
	return nil
}

func (s *fakeSink) File(e *manifest.Entry, _ bool, content io.Reader, done func(error)) error {
	path := manifest.Join(s.at, e.Name)
	if s.far.refuse != nil && s.far.refuse(path) {
		done(&engine.StreamRefusal{Text: "refused"})
		return nil
	}
	b, _ := io.ReadAll(content)
	s.far.mu.Lock()
	_, there := s.far.dirs[s.at]
	s.far.files[path] = string(b)
	s.far.mu.Unlock()
	if !there && len(s.stack) > 0 {
		return fmt.Errorf("%s comes before its directory", path)
	}
	s.pending = append(s.pending, func() { done(nil) })
	return nil
}

func (s *fakeSink) EndDir() error {
	if len(s.stack) == 0 {
		return errors.New("an end too many")
	}
	s.at, s.stack = s.stack[len(s.stack)-1], s.stack[:len(s.stack)-1]
	return nil
}

func (s *fakeSink) Settle() error {
	for _, p := range s.pending {
		p()
	}
	s.pending = nil
	return nil
}

func (s *fakeSink) Finish() error {
	if len(s.stack) > 0 {
		return fmt.Errorf("%q was not left", s.at)
	}
	return s.Settle()
}

func (s *fakeSink) Close() error { return nil }

func streamJob(src string) engine.Job {
	o := engine.Options{Recursive: true, Itemize: true, MaxDelete: -1}
	o.Times, o.Perms = true, true
	return engine.Job{Options: o, Sources: []string{src}, Dest: "dest"}
}

// send runs a job and returns the errors and remarks with it.
func send(t *testing.T, h engine.Host, job engine.Job, to engine.StreamTo) (sum engine.Summary, said []string, err error) {
	t.Helper()
	sum, err = engine.SendStream(t.Context(), h, job, to, engine.Report{Event: func(ev engine.Event) {
		switch ev := ev.(type) {
		case engine.ErrorEvent:
			said = append(said, ev.Err.Error())
		case engine.SkipEvent:
			said = append(said, ev.Path+": "+ev.Reason)
		}
	}})
	return sum, said, err
}

func streamTree(t *testing.T, files int) string {
	t.Helper()
	src := t.TempDir()
	for i := range files {
		p := filepath.Join(src, fmt.Sprintf("d%d/e%d/f%d", i%7, i%3, i))
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		must(t, os.WriteFile(p, []byte(fmt.Sprint("content ", i)), 0o600))
	}
	must(t, os.Chmod(filepath.Join(src, "d1"), 0o555))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(src, "d1"), 0o755) })
	old := time.Now().Add(-time.Hour)
	must(t, filepath.WalkDir(src, func(p string, _ os.DirEntry, _ error) error { return os.Chtimes(p, old, old) }))
	return src
}

// TestSendStream: whatever the number of sessions, and of those that can be had, each
// file comes into a directory that is there, and directories get their attributes last.
func TestSendStream(t *testing.T) {
	const files = 400
	src := streamTree(t, files)
	for _, far := range []*fakeFar{{sessions: 1}, {sessions: 4}, {sessions: 4, fail: 3}, {sessions: 4, fail: 2}, {sessions: 4, missing: true}} {
		for _, content := range []string{"", "/"} {
			far := &fakeFar{sessions: far.sessions, fail: far.fail, missing: far.missing}
			sum, said, err := send(t, host(), streamJob(src+content), far)
			if err != nil || len(said) > 0 {
				t.Fatalf("%+v: %v %q", far, err, said)
			}
			base := "dest"
			if content == "" {
				base = "dest/" + filepath.Base(src)
			}
			if len(far.files) != files || sum.Transferred != files || far.files[base+"/d3/e1/f10"] != "content 10" {
				t.Errorf("%d sessions: %d files, %d transferred", far.sessions, len(far.files), sum.Transferred)
			}
			if e := far.dirs[base+"/d1"]; e.Mode != 0o555 {
				t.Errorf("a closed directory ends as %o", e.Mode)
			}
			last := far.log[len(far.log)-1]
			if last != "D "+base+"/d1 555 true" {
				t.Errorf("the last is %q", last)
			}
			for _, l := range far.log[:len(far.log)-1] {
				if l == last {
					t.Errorf("%q comes too early", l)
				}
			}
		}
	}
}

// TestSendStreamOmitDirTimes: directories get no times where they are to get none.
func TestSendStreamOmitDirTimes(t *testing.T) {
	for _, perms := range []bool{true, false} {
		far := &fakeFar{sessions: 2}
		job := streamJob(streamTree(t, 10) + "/")
		job.OmitDirTimes, job.Perms = true, perms
		if _, said, err := send(t, host(), job, far); err != nil || len(said) > 0 || len(far.files) != 10 {
			t.Fatalf("%v %q, %d files", err, said, len(far.files))
		}
		for _, line := range far.log {
			if strings.HasPrefix(line, "D ") && strings.HasSuffix(line, " true") {
				t.Errorf("with permissions %t: %s", perms, line)
			}
		}
	}
}

// TestSendStreamFewSessions: a far side that takes longer to refuse another session than
// nothing may move is no line on which nothing moves.
func TestSendStreamFewSessions(t *testing.T) {
	t.Parallel()
	far := &fakeFar{sessions: 4, fail: 2, slow: 2 * time.Second}
	job := streamJob(streamTree(t, 100) + "/")
	job.Timeout = far.slow / 2
	if sum, said, err := send(t, host(), job, far); err != nil || len(said) > 0 || sum.Transferred != 100 {
		t.Errorf("%d transferred, %v %q", sum.Transferred, err, said)
	}
}

// TestSendStreamRefusals: what the far side refuses is reported, and what lies below
// it is not sent.
func TestSendStreamRefusals(t *testing.T) {
	src := streamTree(t, 100)
	far := &fakeFar{sessions: 3, refuse: func(p string) bool { return p == "dest/d2" || strings.HasSuffix(p, "/f4") }}
	sum, said, err := send(t, host(), streamJob(src+"/"), far)
	if engine.ExitCode(err) != 23 || len(said) != 2 {
		t.Errorf("%v %q", err, said)
	}
	for p := range far.files {
		if strings.HasPrefix(p, "dest/d2/") {
			t.Errorf("%s was sent", p)
		}
	}
	if want := int64(100 - 14 - 1); sum.Transferred != want {
		t.Errorf("%d transferred, want %d", sum.Transferred, want)
	}
}

// TestSendStreamChanges: files that change, shrink or vanish meanwhile.
func TestSendStreamChanges(t *testing.T) {
	src := t.TempDir()
	p := filepath.Join(src, "f")
	for _, c := range []struct {
		name   string
		change func() error
		code   int
		sent   string
	}{
		{"grows", func() error { return os.WriteFile(p, []byte("0123456789+"), 0o600) }, 23, "0123456789"},
		{"shrinks", func() error { return os.Truncate(p, 3) }, 23, "012"},
		{"changes", func() error { return os.WriteFile(p, []byte("9876543210"), 0o600) }, 23, "9876543210"},
		{"gets another mode", func() error { return os.Chmod(p, 0o644) }, 0, "0123456789"},
		{"stays", func() error { return nil }, 0, "0123456789"},
	} {
		must(t, os.WriteFile(p, []byte("0123456789"), 0o600))
		must(t, os.Chmod(p, 0o600))
		must(t, os.Chtimes(p, time.Unix(1e9, 0), time.Unix(1e9, 0)))
		var once sync.Once
		h := &hookHost{host(), &hooks{fail: func(op, _ string) (err error) {
			if op == "src read" {
				once.Do(func() { err = c.change() })
			}
			return err
		}}}
		far := &fakeFar{sessions: 1}
		_, said, err := send(t, h, streamJob(src+"/"), far)
		if engine.ExitCode(err) != c.code || far.files["dest/f"] != c.sent {
			t.Errorf("%s: %v %q, %q sent", c.name, err, said, far.files["dest/f"])
		}
	}
	h := &hookHost{host(), &hooks{fail: func(op, _ string) error {
		if op == "src open" {
			return os.Remove(p)
		}
		return nil
	}}}
	if _, said, err := send(t, h, streamJob(src+"/"), &fakeFar{sessions: 1}); engine.ExitCode(err) != 24 {
		t.Errorf("vanishes: %v %q", err, said)
	}
}

// TestSendStreamSkips: what cannot be carried is left out with a word.
func TestSendStreamSkips(t *testing.T) {
	src := t.TempDir()
	must(t, os.WriteFile(filepath.Join(src, "f"), nil, 0o600))
	must(t, os.Symlink("f", filepath.Join(src, "link")))
	job := streamJob(src + "/")
	job.Links = true
	far := &fakeFar{sessions: 1}
	_, said, err := send(t, host(), job, far)
	if err != nil || len(said) != 1 || !strings.Contains(said[0], "link: skipping symbolic link") || len(far.files) != 1 {
		t.Errorf("%v %q %v", err, said, far.files)
	}
}

func TestStreamRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*engine.Job)
		push bool // refused for a push, too
	}{
		{"--delete", func(j *engine.Job) { j.Delete = true }, true},
		{"--update", func(j *engine.Job) { j.Update = true }, true},
		{"--checksum", func(j *engine.Job) { j.Checksum = true }, true},
		{"--append", func(j *engine.Job) { j.Append = true }, true},
		{"--append-verify", func(j *engine.Job) { j.AppendVerify = true }, true},
		{"--partial", func(j *engine.Job) { j.Partial = true }, true},
		{"--partial-dir", func(j *engine.Job) { j.PartialDir = "x" }, true},
		{"--hard-links", func(j *engine.Job) { j.HardLinks = true }, true},
		{"--dry-run", func(j *engine.Job) { j.DryRun = true }, true},
		{"--clean", func(j *engine.Job) { j.Clean = true }, true},
		{"--relative", func(j *engine.Job) { j.Relative = true }, false},
		{"--files-from", func(j *engine.Job) { j.Files = []string{} }, false},
	} {
		job := engine.Job{Sources: []string{"x"}}
		if got := append(engine.StreamRefuses(&job, true), engine.StreamRefuses(&job, false)...); len(got) > 0 {
			t.Fatalf("a plain job: %q", got)
		}
		c.set(&job)
		if got := engine.StreamRefuses(&job, true); !slices.Equal(got, []string{c.name}) {
			t.Errorf("%s: %q", c.name, got)
		}
		if got := engine.StreamRefuses(&job, false); (len(got) == 1) != c.push {
			t.Errorf("%s to push: %q", c.name, got)
		}
		if _, err := engine.ReceiveStream(t.Context(), host(), job, nil, engine.Report{}); engine.ExitCode(err) != 4 || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestStreamLoses: what is lost is named, and nothing else is.
func TestStreamLoses(t *testing.T) {
	for _, c := range []struct {
		set        func(*engine.Job)
		push, pull string
	}{
		{func(*engine.Job) {}, "", ""},
		{func(j *engine.Job) { j.Recursive, j.Perms, j.Times = true, true, true }, "", ""},
		{func(j *engine.Job) { j.Links = true }, "symbolic links are left out", "symbolic links come as what they lead to"},
		{func(j *engine.Job) { j.Links, j.CopyLinks = true, true }, "", ""},
		{func(j *engine.Job) { j.Owner = true }, "owners and groups are not kept", "owners and groups are not kept"},
		{func(j *engine.Job) { j.Specials = true }, "devices and special files are left out", "devices and special files are left out"},
		{func(j *engine.Job) { j.Compress = true }, "nothing is compressed", "nothing is compressed"},
		{func(j *engine.Job) { j.SizeOnly = true }, "files of equal size are sent again", "files of equal size are sent again"},
		{func(j *engine.Job) { j.Sparse = true }, "no holes are made", ""},
		{func(j *engine.Job) { j.InPlace = true }, "a file with hard links is changed under all its names", ""},
		{func(j *engine.Job) { j.Durability = engine.SyncEach }, "nothing waits until data is durable", ""},
	} {
		job := engine.Job{Sources: []string{"x"}}
		c.set(&job)
		if got := strings.Join(engine.StreamLoses(&job, false), "; "); got != c.push {
			t.Errorf("push: %q, want %q", got, c.push)
		}
		if got := strings.Join(engine.StreamLoses(&job, true), "; "); got != c.pull {
			t.Errorf("pull: %q, want %q", got, c.pull)
		}
	}
}

// TestReceiveStreamFaults: errors of the destination.
func TestReceiveStreamFaults(t *testing.T) {
	for _, c := range []struct {
		op, path string
		err      error
		code     int
		there    int
	}{
		{"dst create", "dir/a", os.ErrPermission, 23, 1},
		{"dst mkdir", "dir", os.ErrPermission, 23, 0},
		{"dst write", "dir/a", os.ErrPermission, 23, 1},
	} {
		dest := t.TempDir()
		var src engine.StreamFrom = &fakeFrom{records: []engine.StreamRecord{
			{Kind: engine.StreamDir, Entry: manifest.Entry{Name: "dir", Type: manifest.Directory, Mode: 0o755}},
			{Kind: engine.StreamFile, Entry: manifest.Entry{Name: "a", Size: 200_000, Mode: 0o644}},
			{Kind: engine.StreamFile, Entry: manifest.Entry{Name: "b", Size: 10, Mode: 0o644}},
			{Kind: engine.StreamEnd},
		}}
		_, err := engine.ReceiveStream(t.Context(), failing(c.op, c.path, c.err), engine.Job{Options: engine.Options{Recursive: true, MaxDelete: -1}, Sources: []string{"dir"}, Dest: dest}, src, engine.Report{})
		files, _ := filepath.Glob(filepath.Join(dest, "dir", "*"))
		if engine.ExitCode(err) != c.code || len(files) != c.there {
			t.Errorf("%s %s: %v, %q", c.op, c.path, err, files)
		}
		noTemporaries(t, dest)
	}
}

// fakeFrom gives records whose content is zeros.
type fakeFrom struct {
	records []engine.StreamRecord
	left    int64
}

func (f *fakeFrom) Source(context.Context, string, engine.StreamHow) (engine.StreamSource, error) {
	return f, nil
}
func (f *fakeFrom) Pattern(string) bool             { return false }
func (f *fakeFrom) Traffic() (sent, received int64) { return 0, 0 }
func (f *fakeFrom) Close() error                    { return nil }

func (f *fakeFrom) Next() (rec engine.StreamRecord, err error) {
	if len(f.records) == 0 {
		return rec, io.EOF
	}
	rec, f.records = f.records[0], f.records[1:]
	f.left = rec.Entry.Size
	return rec, nil
}

func (f *fakeFrom) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), f.left)
	clear(p[:n])
	f.left -= n
	return int(n), nil
}
