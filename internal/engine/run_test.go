package engine_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/localfs"
	"gosync/transport/wire"
)

// archive returns the options of -a.
func archive() engine.Options {
	var o engine.Options
	o.Recursive, o.Links, o.Perms, o.Times, o.Owner, o.Group, o.Devices, o.Specials = true, true, true, true, true, true, true, true
	o.MaxDelete = -1
	o.Durability = engine.SyncNone
	return o
}

func host() engine.Host { return localfs.NewHost() }

// way is a way to run a job: locally, by push or by pull through a pipe.
type way string

const (
	local way = "local"
	push  way = "push"
	pull  way = "pull"
	relay way = "relay" // both ends are servers, this process is between them
)

func ways() []way { return []way{local, push, pull, relay} }

// run carries out a job and returns its summary, its events and its error.
func run(t *testing.T, w way, job engine.Job) (engine.Summary, []engine.Event, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var events []engine.Event
	rep := engine.Report{Event: func(e engine.Event) {
		if bad, ok := e.(engine.ErrorEvent); ok {
			t.Log(bad.Err)
		}
		events = append(events, e)
	}, Progress: new(engine.Progress)}
	if w == local {
		sum, err := engine.Copy(ctx, host(), job, rep)
		return sum, events, err
	}
	served := make(chan error, 2)
	serve := func() io.ReadWriteCloser {
		a, b := wire.Pipe()
		go func() { served <- engine.Serve(ctx, host(), b, slog.New(slog.DiscardHandler)) }()
		return a
	}
	a := serve()
	var sum engine.Summary
	var err error
	servers := 1
	switch w {
	case push:
		sum, err = engine.Send(ctx, host(), a, job, rep)
	case pull:
		sum, err = engine.Receive(ctx, host(), a, job, rep)
	default:
		servers++
		sum, err = engine.Relay(ctx, host(), a, serve(), job, rep)
	}
	for range servers {
		select {
		case serr := <-served:
			if err == nil && serr != nil {
				t.Errorf("server: %v", serr)
			}
		case <-ctx.Done():
			t.Fatal("the server does not end")
		}
	}
	return sum, events, err
}

// tree makes files: names to contents; a name that ends in a slash is a
// directory, content that begins with "->" a symlink.
func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(p, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		if target, ok := strings.CutPrefix(content, "->"); ok {
			must(t, os.Symlink(target, p))
			continue
		}
		must(t, os.WriteFile(p, []byte(content), 0o644))
		old := time.Unix(1_600_000_000+int64(len(name)), 123456789)
		must(t, os.Chtimes(p, old, old))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fingerprint describes a tree: path to type, mode, time and content.
func fingerprint(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := os.Lstat(p)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		s := fmt.Sprintf("%v %d", st.Mode(), st.ModTime().UnixNano())
		switch {
		case st.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(p)
			s = "-> " + target
		case st.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			s += fmt.Sprintf(" %d %x", len(b), hash(b))
		}
		out[rel] = s
		return nil
	}))
	return out
}

func hash(b []byte) (h uint64) {
	h = 14695981039346656037
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

func equalTrees(t *testing.T, want, got string) {
	t.Helper()
	a, b := fingerprint(t, want), fingerprint(t, got)
	for p, s := range a {
		if b[p] != s {
			t.Errorf("%s: have %q, want %q", p, b[p], s)
		}
	}
	for p := range b {
		if _, ok := a[p]; !ok {
			t.Errorf("%s: should not be there", p)
		}
	}
}

func random(seed uint64, n int) string {
	b := make([]byte, n)
	c := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = c.Read(b)
	return string(b)
}

func TestCopyTree(t *testing.T) {
	for _, w := range ways() {
		t.Run(string(w), func(t *testing.T) {
			dir := t.TempDir()
			src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
			tree(t, src, map[string]string{
				"a": "hello", "b/c": random(1, 5000), "b/d/": "", "b-x/e": "", "l": "->a", "big": random(2, 3<<20+17), "b/big2": random(3, 700_000),
				"deep/er/and/deeper/f": "x",
			})
			job := engine.Job{Options: archive(), Sources: []string{src + "/"}, Dest: dst}
			job.Itemize = true
			sum, events, err := run(t, w, job)
			if err != nil {
				t.Fatal(err)
			}
			equalTrees(t, src, dst)
			if sum.Transferred != 6 || sum.CreatedRegular != 6 {
				t.Errorf("summary %+v", sum)
			}
			if len(events) == 0 {
				t.Error("no events")
			}

			// Again: nothing to do.
			sum, events, err = run(t, w, job)
			if err != nil || sum.Transferred != 0 || sum.Created != 0 {
				t.Errorf("second run: %+v, %v", sum, err)
			}
			for _, e := range events {
				if _, ok := e.(engine.ItemEvent); ok {
					t.Errorf("second run: %#v", e)
				}
			}

			// Changes: an edit in a large file, a new file, one gone, a type changed.
			b := []byte(random(2, 3<<20+17))
			copy(b[1<<20:], "edited")
			must(t, os.WriteFile(filepath.Join(src, "big"), b, 0o600))
			must(t, os.Remove(filepath.Join(src, "a")))
			must(t, os.RemoveAll(filepath.Join(src, "deep")))
			must(t, os.WriteFile(filepath.Join(src, "deep"), []byte("now a file"), 0o644))
			job.Delete, job.Recursive = true, true
			sum, _, err = run(t, w, job)
			if err != nil {
				t.Fatal(err)
			}
			equalTrees(t, src, dst)
			if w != local && (sum.Matched < 3<<20-100_000 || sum.Literal > 100_000) {
				t.Errorf("no delta: %+v", sum)
			}
		})
	}
}

// TestLimitUncompressed: what is compressed within this process does not pass a limit.
func TestLimitUncompressed(t *testing.T) {
	const size = 4 << 20
	src, dst := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(src, "zeros"), make([]byte, size), 0o644))
	job := jobFor(src, dst)
	job.BandwidthLimit, job.Compress = 1<<30, true
	sum := trial{way: local, job: job}.must(t).sum
	if sum.BytesSent < size {
		t.Errorf("%d bytes are sent, counted were %d", size, sum.BytesSent)
	}
}
