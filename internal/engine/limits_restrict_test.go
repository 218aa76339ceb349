package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// client plays a client of a limited server by a script. It returns what the
// server ended with and all that it has said.
func (f script) client(t *testing.T, h engine.Host, limits engine.Limits, job *wire.Job) (said []wire.Msg, served error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	near, far := wire.Pipe()
	var server, ear sync.WaitGroup
	server.Go(func() { served = engine.ServeLimited(ctx, h, far, slog.New(slog.DiscardHandler), limits) })
	c, err := wire.New(near, wire.Config{})
	must(t, err)
	must(t, c.Greet(&wire.Hello{Version: wire.Version, MinVersion: wire.MinVersion}, job))
	_, _, err = c.Welcome(ctx)
	must(t, err)
	all := &peer{ctx: ctx, c: c, heard: make(chan wire.Msg, 1<<12)}
	p := &peer{ctx: ctx, c: c, heard: make(chan wire.Msg, 1<<12)}
	ear.Go(all.listen)
	ear.Go(func() {
		defer close(p.heard)
		for m := range all.heard {
			said = append(said, m)
			p.heard <- m
		}
	})
	c.Start()
	if f != nil {
		f(p)
	}
	ear.Wait() // the server has closed its end
	server.Wait()
	if ctx.Err() != nil {
		t.Error("the server does not come back by itself")
	}
	_ = c.Close() // it is over
	return said, served
}

// pushJob asks a server to be the destination.
func pushJob(dest string, options ...string) *wire.Job {
	options = append(options, "recursive=1", "links=1", "perms=1", "times=1", "devices=1", "specials=1", "max-delete=-1")
	return &wire.Job{Paths: []string{dest}, Options: options}
}

// untouched is a host that no job may get to.
type untouched struct {
	engine.Host
	t *testing.T
}

func (h untouched) Expand(context.Context, string) ([]string, error) {
	h.t.Error("a path was looked at")
	return nil, errors.ErrUnsupported
}

func (h untouched) Stat(context.Context, string) (manifest.Entry, error) {
	h.t.Error("a file was looked at")
	return manifest.Entry{}, errors.ErrUnsupported
}

// TestRefusedJobs: what a client must not do is refused by name before anything
// is looked at, and without the limit it is not.
func TestRefusedJobs(t *testing.T) {
	pull := func(options ...string) *wire.Job {
		return &wire.Job{Source: true, Paths: []string{"x"}, Options: options}
	}
	ro, wo := engine.Limits{ReadOnly: true}, engine.Limits{WriteOnly: true}
	nd, no := engine.Limits{NoDelete: true}, engine.Limits{NoOverwrite: true}
	for _, x := range []struct {
		limits engine.Limits
		job    *wire.Job
		want   []string
	}{
		{ro, pushJob("x"), []string{"--read-only", "written"}},
		{ro, pushJob("x", "dry-run=1"), []string{"--read-only"}},
		{ro, pull("delete=1"), []string{"--delete"}},
		{ro, pushJob("x", "clean=1"), []string{"--read-only"}},
		{wo, pull("recursive=1"), []string{"--write-only", "read"}},
		{wo, pushJob("x", "delete=1"), []string{"--write-only", "--delete"}},
		{wo, pushJob("x", "clean=1"), []string{"--write-only", "--clean"}},
		{wo, pushJob("x", "update=1"), []string{"--write-only", "--update"}},
		{wo, pushJob("x", "partial-dir=d"), []string{"--write-only", "--partial-dir"}},
		{nd, pushJob("x", "delete=1"), []string{"--no-delete", "--delete"}},
		{nd, pushJob("x", "clean=1"), []string{"--no-delete", "--clean"}},
		{nd, pushJob("x", "partial-dir=d"), []string{"--no-delete", "--partial-dir"}},
		{no, pushJob("x", "delete=1"), []string{"--no-overwrite", "--delete"}},
		{no, pushJob("x", "clean=1"), []string{"--no-overwrite", "--clean"}},
		{no, pushJob("x", "partial-dir=d"), []string{"--no-overwrite", "--partial-dir"}},
		{nd, pushJob("x", fmt.Sprintf("alternates=%d", engine.AltCompare), "alternate=y"), []string{"--no-delete", "--compare-dest"}},
		{engine.Limits{Confined: true}, pushJob("x", "partial-dir=/tmp/d"), []string{"--restrict-to", "--partial-dir"}},
		{engine.Limits{Confined: true}, pull("copy-links=1"), []string{"--restrict-to", "--copy-links"}},
		{engine.Limits{Deny: wire.Errorf(wire.CodeUnsupported, "not today")}, pull("recursive=1"), []string{"not today"}},
		{engine.Limits{}, pushJob("x", "log-file=/tmp/x"), []string{`"log-file"`}},
	} {
		name := fmt.Sprintf("%+v %v", x.limits, x.job)
		said, err := script(nil).client(t, untouched{host(), t}, x.limits, x.job)
		if got := engine.ExitCode(err); got != int(wire.CodeUnsupported) {
			t.Errorf("%s: exit %d (%v)", name, got, err)
		}
		if len(said) != 1 || said[0].Type() != wire.TypeFatal {
			t.Errorf("%s: the server said %v", name, said)
		}
		for _, w := range x.want {
			if !strings.Contains(fmt.Sprint(err), w) {
				t.Errorf("%s: %v does not name %s", name, err, w)
			}
		}
	}
}

// blindOptions have a destination look at what it has in every way there is.
func blindOptions() []string {
	return []string{
		"checksum=1", "append-verify=1", "partial=1", "itemize=1", "itemize-all=1", "hard-links=1", "inplace=1", "owner=1",
		"group=1", "fsync=2",
	}
}

// blindPush offers a large file, a directory with a file, and a small file. It
// returns all that the server says.
func blindPush(t *testing.T, dst string, limits engine.Limits, options ...string) []wire.Msg {
	t.Helper()
	large := random(5, 200<<10)
	said, err := script(func(p *peer) {
		top := directory("")
		p.say(&wire.Roots{Complete: true, HasRoot: true, Root: top, TopNames: []string{"d"}})
		p.hear(wire.TypeMode)
		p.list(root(file("a", len(large)), directory("d"), file("e", 3)),
			&wire.ListingRecord{Dir: 1, Parent: 0, Entry: 1, Entries: []manifest.Entry{file("f", 3)}})
		p.say(&wire.ListEnd{Dirs: 2, Complete: true})
		for asked := 0; asked < 3; {
			switch m := p.hearAny().(type) {
			case *wire.Want:
				asked += len(m.Entries)
			case nil:
				return
			case *wire.Check, *wire.Basis, *wire.Resume:
				_ = p.c.Close()
				return // it looks at what it has
			}
		}
		var m wire.Files
		for _, id := range []wire.ID{{Dir: 0, Entry: 2}, {Dir: 1, Entry: 0}} {
			m.Data = wire.AppendFile(m.Data, id, delta.Sum([]byte("new")), []byte("new"))
		}
		p.say(&m)
		p.say(chunks(large)...)
		p.say(fileEnd(large))
		p.leave()
	}).client(t, host(), limits, pushJob(dst, options...))
	if limits.WriteOnly {
		must(t, err)
	}
	return said
}

// hearAny returns the next message, nil when there is none any more.
func (p *peer) hearAny() wire.Msg { return <-p.heard }

// TestWriteOnlyTellsNothing: what the server says does not depend on what it has.
func TestWriteOnlyTellsNothing(t *testing.T) {
	large := random(5, 200<<10)
	var first string
	for i, have := range []map[string]string{
		{},
		{"a": large, "e": "new", "d/f": "new"},
		{"a": large[:128<<10], "e": "old and longer", "d/f": "", "d/other": "x", "secret": "s"},
		{"a": random(6, 200<<10), "z": "z"},
	} {
		_, dst := dirs(t, nil, have)
		if i == 2 {
			must(t, os.Chmod(filepath.Join(dst, "a"), 0o600))
			must(t, os.Chmod(dst, 0o700))
			must(t, os.Chtimes(filepath.Join(dst, "d"), time.Unix(1_600_000_000, 0), time.Unix(1_600_000_000, 0)))
		}
		var lines []string
		var items []wire.Item // how many go into a message is chance
		for _, m := range blindPush(t, dst, engine.Limits{WriteOnly: true}, blindOptions()...) {
			switch m := m.(type) {
			case *wire.Items:
				items = append(items, m.Items...)
				continue
			case *wire.Mode, *wire.Want, *wire.Planned, *wire.Done:
			default:
				t.Errorf("%v: the server says %T", have, m)
			}
			lines = append(lines, fmt.Sprintf("%T %+v", m, m))
		}
		slices.Sort(lines)
		lines = append(lines, fmt.Sprint(items))
		text := strings.Join(lines, "\n")
		if first == "" {
			first = text
		}
		if text != first {
			t.Errorf("what the server says depends on what it has:\n%s\nand\n%s", first, text)
		}
		if content(t, filepath.Join(dst, "a")) != large || content(t, filepath.Join(dst, "d/f")) != "new" {
			t.Error("the files are not as they were sent")
		}
	}
	// The control: without the limit the same client learns a lot.
	_, dst := dirs(t, nil, map[string]string{"a": large, "e": "new"})
	told := false
	for _, m := range blindPush(t, dst, engine.Limits{}, "checksum=1") {
		told = told || m.Type() == wire.TypeCheck
	}
	if !told {
		t.Error("a server without limits does not compare: this test shows nothing")
	}
}

// announce is a push of one file whose size is announced as given; send has the
// content, once it was asked for.
func announce(size int, send func(p *peer)) script {
	return func(p *peer) {
		p.say(&wire.Roots{Complete: true})
		p.hear(wire.TypeMode)
		p.list(root(file("a", size)))
		p.say(&wire.ListEnd{Dirs: 1, Complete: true})
		for {
			switch p.hearAny().(type) {
			case *wire.Want, *wire.Basis:
				send(p)
				p.leave()
				return
			case *wire.Done:
				p.say(new(wire.SourceDone))
				_ = p.c.Drain(p.ctx)
				return
			case nil:
				return
			}
		}
	}
}

// TestMaxSize: a file that is announced as too large is not asked for, and one
// that turns out to be is cut off.
func TestMaxSize(t *testing.T) {
	const limit = 150 << 10
	large := random(1, 300<<10)
	for name, x := range map[string]struct {
		size   int
		have   map[string]string
		send   func(p *peer)
		want   wire.Code // with the limit
		asked  bool
		honest bool // it succeeds without the limit
	}{
		"announced": {300 << 10, nil, func(p *peer) { p.say(append(chunks(large), fileEnd(large))...) }, wire.CodePartial, false, true},
		"chunks":    {140 << 10, nil, func(p *peer) { p.say(append(chunks(large), fileEnd(large))...) }, wire.CodeMemory, true, true},
		"zeros": {140 << 10, nil, func(p *peer) {
			for off := int64(0); off < 1<<40 && p.ctx.Err() == nil; off += delta.ChunkSize {
				if p.c.Send(p.ctx, &wire.Data{Offset: off, Zeros: delta.ChunkSize, Last: true, Digest: delta.Sum(make([]byte, delta.ChunkSize))}) != nil {
					return
				}
			}
		}, wire.CodeMemory, true, false},
		"a delta": {140 << 10, map[string]string{"a": large[:140<<10]}, func(p *peer) {
			p.say(new(wire.Segment))
			seg := new(wire.Segment)
			seg.Size = 1 << 40
			p.say(seg)
		}, wire.CodeMemory, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, limited := range []bool{true, false} {
				if !limited && !x.honest {
					continue
				}
				_, dst := dirs(t, nil, x.have)
				if x.have == nil {
					must(t, os.Mkdir(dst, 0o755))
				}
				limits, want := engine.Limits{}, wire.CodeOK
				if limited {
					limits.MaxSize, want = limit, x.want
				}
				said, err := announce(x.size, x.send).client(t, host(), limits, pushJob(dst, "ignore-times=1"))
				asked := slices.ContainsFunc(said, func(m wire.Msg) bool { return m.Type() == wire.TypeWant || m.Type() == wire.TypeBasis })
				trouble := slices.ContainsFunc(said, func(m wire.Msg) bool { return m.Type() == wire.TypeTrouble })
				switch got := wire.Code(engine.ExitCode(err)); {
				case want == wire.CodePartial && (got != wire.CodeOK || !trouble):
					t.Errorf("exit %d (%v), trouble %v", got, err, trouble)
				case want != wire.CodePartial && got != want:
					t.Errorf("limited %v: exit %d (%v), want %d", limited, got, err, want)
				case limited && asked != x.asked:
					t.Errorf("asked for: %v", asked)
				}
				if limited && x.want == wire.CodeMemory && !strings.Contains(fmt.Sprint(err), "--max-size") {
					t.Errorf("%v does not name the limit", err)
				}
				if limited && x.have == nil && exists(filepath.Join(dst, "a")) {
					t.Error("the file is there")
				}
				noTemporaries(t, dst)
			}
		})
	}
}

// TestMaxSizeSmall: a small file that is larger than announced fails alone.
func TestMaxSizeSmall(t *testing.T) {
	for limit, want := range map[int64]bool{10: false, 100: true} {
		_, dst := dirs(t, nil, map[string]string{})
		said, err := announce(5, func(p *peer) { p.say(files(strings.Repeat("x", 50))) }).
			client(t, host(), engine.Limits{MaxSize: limit}, pushJob(dst))
		must(t, err)
		trouble := slices.ContainsFunc(said, func(m wire.Msg) bool { return m.Type() == wire.TypeTrouble })
		if exists(filepath.Join(dst, "a")) != want || trouble == want {
			t.Errorf("limit %d: trouble %v", limit, trouble)
		}
		noTemporaries(t, dst)
	}
}

// TestMaxFilesNamed: names count while they come, not only when all have.
func TestMaxFilesNamed(t *testing.T) {
	src, _ := dirs(t, map[string]string{"a": "a"}, nil)
	for limit, want := range map[int64]wire.Code{3: wire.CodeMemory, 4: wire.CodeOK} {
		job := &wire.Job{Source: true, Paths: []string{src}, HasFiles: true, Options: []string{"relative=1", "max-delete=-1", "timeout=0", "fsync=0", "bwlimit=0"}}
		_, err := script(func(p *peer) {
			p.say(&wire.Names{Names: []string{"a", "./a"}}, &wire.Names{Names: []string{"a", "a"}})
			if want != wire.CodeOK {
				return // the rest never comes
			}
			p.say(&wire.Names{Last: true}, &wire.Mode{})
			p.hear(wire.TypeListEnd)
			p.say(new(wire.Done))
			p.hear(wire.TypeSourceDone)
		}).client(t, host(), engine.Limits{MaxFiles: limit}, job)
		if got := engine.ExitCode(err); got != int(want) {
			t.Errorf("limit %d: exit %d (%v), want %d", limit, got, err, want)
		}
	}
}

// TestMaxFiles: entries count when they are listed, not when they are wanted.
func TestMaxFiles(t *testing.T) {
	for limit, want := range map[int64]wire.Code{99: wire.CodeMemory, 100: wire.CodeOK} {
		_, dst := dirs(t, nil, map[string]string{})
		_, err := script(func(p *peer) {
			p.say(&wire.Roots{Complete: true})
			p.hear(wire.TypeMode)
			var links []manifest.Entry
			for i := range 100 {
				links = append(links, directory(fmt.Sprintf("%03d", i)))
			}
			p.list(root(links...))
			p.say(&wire.ListEnd{Dirs: 1, Complete: true})
			p.leave()
		}).client(t, host(), engine.Limits{MaxFiles: limit}, pushJob(dst))
		if got := engine.ExitCode(err); got != int(want) {
			t.Errorf("limit %d: exit %d (%v), want %d", limit, got, err, want)
		}
	}
}

// TestNoOverwriteLate: what appears between the look at a name and the file's own
// appearance is not replaced either.
func TestNoOverwriteLate(t *testing.T) {
	large := random(1, 300<<10)
	for _, limited := range []bool{true, false} {
		for _, size := range []int{3, len(large)} {
			_, dst := dirs(t, nil, map[string]string{})
			path := filepath.Join(dst, "a")
			said, err := announce(size, func(p *peer) {
				fine(t, os.WriteFile(path, []byte("mine"), 0o600))
				if size == 3 {
					p.say(files("new"))
				} else {
					p.say(append(chunks(large), fileEnd(large))...)
				}
			}).client(t, host(), engine.Limits{NoOverwrite: limited}, pushJob(dst))
			must(t, err)
			trouble := slices.ContainsFunc(said, func(m wire.Msg) bool { return m.Type() == wire.TypeTrouble })
			if (content(t, path) == "mine") != limited || trouble != limited {
				t.Errorf("limited %v, %d bytes: trouble %v", limited, size, trouble)
			}
			noTemporaries(t, dst)
		}
	}
}

// TestNoOverwriteKinds: no kind of entry takes the place of another, and nothing
// that exists gets other attributes; what is equal is no error.
func TestNoOverwriteKinds(t *testing.T) {
	link := manifest.Entry{Name: "l", Type: manifest.Symlink, Mode: 0o777, Size: 5, Sec: 1_600_000_000, Ext: &manifest.Ext{Link: "where"}}
	fifo := manifest.Entry{Name: "file", Type: manifest.Fifo, Mode: 0o600, Sec: 1_600_000_000}
	same := file("file", 4)
	other := same
	other.Mode = 0o777
	for name, x := range map[string]struct {
		entry manifest.Entry
		bad   bool
	}{
		"equal": {same, false}, "mode": {other, true}, "link over link": {link, true}, "fifo over file": {fifo, true},
		"dir over file": {directory("file"), true}, "file over dir": {file("dir", 3), true}, "file over link": {file("l", 3), true},
		"dir over dir": {directory("dir"), false},
	} {
		_, dst := dirs(t, nil, map[string]string{"file": "same", "dir/x": "x"})
		must(t, os.Chmod(filepath.Join(dst, "file"), 0o644))
		must(t, os.Chmod(filepath.Join(dst, "dir"), 0o700))
		must(t, os.Chtimes(filepath.Join(dst, "file"), time.Unix(1_600_000_000, 0), time.Unix(1_600_000_000, 0)))
		must(t, os.Symlink("old", filepath.Join(dst, "l")))
		before := fingerprint(t, dst)
		said, err := script(func(p *peer) {
			p.say(&wire.Roots{Complete: true})
			p.hear(wire.TypeMode)
			p.list(root(x.entry))
			p.say(&wire.ListEnd{Dirs: 1, Complete: true})
			p.leave()
		}).client(t, host(), engine.Limits{NoOverwrite: true}, pushJob(dst, "itemize-all=1"))
		must(t, err)
		trouble := slices.ContainsFunc(said, func(m wire.Msg) bool { return m.Type() == wire.TypeTrouble })
		if trouble != x.bad {
			t.Errorf("%s: trouble %v", name, trouble)
		}
		after := fingerprint(t, dst)
		for p := range before {
			if before[p] != after[p] && name != "dir over dir" {
				t.Errorf("%s: %s is %v, was %v", name, p, after[p], before[p])
			}
		}
		if st, err := os.Stat(filepath.Join(dst, "dir")); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: the directory has changed", name)
		}
	}
}

// TestHurry: a client that does not say what it wants is not waited for.
func TestHurry(t *testing.T) {
	for _, greet := range []bool{false, true} {
		near, far := wire.Pipe()
		c, err := wire.New(near, wire.Config{})
		must(t, err)
		if greet {
			must(t, c.Greet(&wire.Hello{Version: wire.Version, MinVersion: wire.MinVersion}))
		}
		err = engine.ServeLimited(t.Context(), host(), far, slog.New(slog.DiscardHandler), engine.Limits{MaxTimeout: 20 * time.Millisecond})
		if code := wire.Code(engine.ExitCode(err)); code != wire.CodeTimeout && code != wire.CodeProtocol {
			t.Errorf("greeted %v: the server ends with %v", greet, err)
		}
		_ = c.Close() // it is over
	}
}
