//go:build unix

package sftpfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/localfs"
	"gosync/walker/manifest"
)

// slowLine is a pipe on which everything that the server says comes a while later.
// It counts how many requests of each kind wait for their answers.
type slowLine struct {
	io.ReadWriteCloser
	out *io.PipeReader

	mu       sync.Mutex
	asked    packets
	answered packets
	waiting  map[uint32]byte // kinds, by id
	now      map[byte]int
	most     map[byte]int // at a time, by kind
}

// packets takes a stream of packets apart.
type packets struct{ rest []byte }

func (s *packets) take(p []byte, each func(kind byte, id uint32)) {
	s.rest = append(s.rest, p...)
	for len(s.rest) >= 9 {
		n := int(binary.BigEndian.Uint32(s.rest)) + 4
		if len(s.rest) < n {
			return
		}
		each(s.rest[4], binary.BigEndian.Uint32(s.rest[5:]))
		s.rest = s.rest[n:]
	}
}

func (l *slowLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	l.asked.take(p, func(kind byte, id uint32) {
		l.waiting[id] = kind
		l.now[kind]++
		l.most[kind] = max(l.most[kind], l.now[kind])
	})
	l.mu.Unlock()
	return l.ReadWriteCloser.Write(p)
}

func (l *slowLine) Read(p []byte) (int, error) {
	n, err := l.out.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered.take(p[:n], func(_ byte, id uint32) {
		if kind, ok := l.waiting[id]; ok {
			delete(l.waiting, id)
			l.now[kind]--
		}
	})
	return n, err
}

func (l *slowLine) Close() error {
	_ = l.out.Close()
	return l.ReadWriteCloser.Close()
}

func newSlowLine(t testing.TB, delay time.Duration) *slowLine {
	t.Helper()
	type part struct {
		at time.Time
		b  []byte
	}
	out, in := io.Pipe()
	l := &slowLine{ReadWriteCloser: openSSH(t), out: out, waiting: map[uint32]byte{}, now: map[byte]int{}, most: map[byte]int{}}
	parts := make(chan part, 1<<16)
	var both sync.WaitGroup
	both.Go(func() {
		defer close(parts)
		for {
			b := make([]byte, 64<<10)
			n, err := l.ReadWriteCloser.Read(b)
			if err != nil {
				return
			}
			parts <- part{time.Now().Add(delay), b[:n]}
		}
	})
	both.Go(func() {
		for p := range parts {
			time.Sleep(time.Until(p.at))
			_, _ = in.Write(p.b) // nobody reads any more when the session is over
		}
		_ = in.Close()
	})
	t.Cleanup(func() { _ = l.Close(); both.Wait() })
	return l
}

// TestManyAtATime makes and deletes many directories and symlinks over a line with a
// long round trip: what does not depend on each other goes at the same time.
func TestManyAtATime(t *testing.T) {
	const delay, dirs = 50 * time.Millisecond, 60
	const fxpRmdir, fxpSymlink = 15, 20 // package sftp sends these
	src, dst := t.TempDir(), t.TempDir()
	for i := range dirs {
		dir := filepath.Join(src, fmt.Sprintf("d%d", i%6), fmt.Sprintf("e%d", i))
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "file"), []byte(dir), 0o644))
		must(t, os.Symlink("file", filepath.Join(dir, "link")))
		must(t, os.Chtimes(dir, mtime(1), mtime(1)))
	}
	var lines []*slowLine
	near, far := localfs.NewHost(), newHost(t, func(t testing.TB) io.ReadWriteCloser {
		l := newSlowLine(t, delay)
		lines = append(lines, l)
		return l
	}, Options{})
	copied := func(what string, from, to engine.Host, job engine.Job, kinds ...byte) {
		t.Helper()
		for _, l := range lines {
			l.mu.Lock()
			clear(l.most)
			l.mu.Unlock()
		}
		_, events, err := run(t, from, to, job)
		must(t, err)
		for _, e := range events {
			if e, ok := e.(engine.ErrorEvent); ok {
				t.Error(e.Err)
			}
		}
		for _, kind := range kinds {
			most := 0
			for _, l := range lines {
				l.mu.Lock()
				most = max(most, l.most[kind])
				l.mu.Unlock()
			}
			if most < 8 {
				t.Errorf("%s has only %d requests of kind %d under way at a time", what, most, kind)
			}
		}
	}
	copied("a push", near, far, archive(src, dst), fxpMkdir, fxpSymlink, fxpOpen)
	wantSame(t, src, dst, true)
	back := t.TempDir()
	copied("a pull", far, near, archive(dst, back), fxpOpendir, fxpOpen, fxpReadlink)
	wantSame(t, src, back, true)
	must(t, os.RemoveAll(filepath.Join(src, "d1")))
	job := archive(src, dst)
	job.Delete, job.ForceDelete = true, true
	copied("a deletion", near, far, job, fxpRemove, fxpRmdir)
	wantSame(t, src, dst, true)
}

// changedRequests is a session whose requests are changed on their way.
type changedRequests struct {
	io.ReadWriteCloser
	asked  packets
	change func(packet []byte)
}

func (c *changedRequests) Write(p []byte) (int, error) {
	for rest := append(c.asked.rest, p...); ; {
		if len(rest) < 4 || len(rest) < int(binary.BigEndian.Uint32(rest))+4 {
			c.asked.rest = bytes.Clone(rest)
			return len(p), nil
		}
		n := int(binary.BigEndian.Uint32(rest)) + 4
		c.change(rest[:n])
		if _, err := c.ReadWriteCloser.Write(rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
}

// TestUnmadeDirectory has the server refuse to make a directory: that is said once,
// nothing of what is in it is made elsewhere, and everything else arrives.
func TestUnmadeDirectory(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	for _, path := range []string{"bad/sub/deep/file", "bad/file", "good/sub/file"} {
		must(t, os.MkdirAll(filepath.Join(src, filepath.Dir(path)), 0o755))
		must(t, os.WriteFile(filepath.Join(src, path), []byte(path), 0o644))
	}
	must(t, os.Symlink("x", filepath.Join(src, "bad/sub/link")))
	far := newHost(t, func(t testing.TB) io.ReadWriteCloser {
		return &changedRequests{ReadWriteCloser: openSSH(t), change: func(p []byte) {
			if at := bytes.Index(p, []byte("/bad")); p[4] == fxpMkdir && at >= 0 && p[at+4] == 0 {
				p[at-1] ^= 'x' // there is no such directory
			}
		}}
	}, Options{Parallel: 1})
	_, events, err := run(t, localfs.NewHost(), far, archive(src, dst))
	var failed []string
	for _, e := range events {
		if e, ok := e.(engine.ErrorEvent); ok {
			failed = append(failed, e.Err.Error())
		}
	}
	if len(failed) != 1 || !strings.Contains(failed[0], "bad") || err == nil {
		t.Errorf("the errors are %q and %v", failed, err)
	}
	if _, err := os.Lstat(filepath.Join(dst, "bad")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("bad is there: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dst, "good/sub/file")); string(b) != "good/sub/file" {
		t.Errorf("good/sub/file: %q, %v", b, err)
	}
}

// TestOpenListed changes a file after it was listed: whoever compares what the file
// was with what it is after it was read notices, and a symlink is not followed.
func TestOpenListed(t *testing.T) {
	root, secret := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("secret, and long"), 0o600))
	path := filepath.Join(root, "file")
	tree, err := newHost(t, openSSH, Options{}).Source(t.Context(), root)
	must(t, err)
	defer tree.Close()
	for name, change := range map[string]func() error{
		"nothing":   func() error { return nil },
		"its time":  func() error { return os.Chtimes(path, mtime(1), mtime(1)) },
		"it grows":  func() error { return os.WriteFile(path, []byte("longer than it was"), 0o644) },
		"a symlink": func() error { return errors.Join(os.Remove(path), os.Symlink(secret, path)) },
	} {
		for _, wary := range []bool{false, true} {
			_ = os.Remove(path)
			must(t, os.WriteFile(path, []byte("as it was"), 0o644))
			must(t, os.Chtimes(path, mtime(0), mtime(0)))
			entries, err := tree.List(t.Context(), "")
			must(t, err)
			if wary {
				tree.(*Tree).lists[""] = time.Now().Add(-listTrust / 2)
			}
			must(t, change())
			same, err := rereadListed(tree.(engine.Lister), t, &entries[0])
			switch {
			case name == "a symlink" && !errors.Is(err, syscall.EINVAL):
				t.Errorf("%s, %v: the error is %v", name, wary, err)
			case name != "a symlink" && (err != nil || same != (name == "nothing")):
				t.Errorf("%s, %v: same %v, %v", name, wary, same, err)
			}
		}
	}
}

// rereadListed reads a file and reports whether it has stayed what it was.
func rereadListed(tree engine.Lister, t *testing.T, e *manifest.Entry) (same bool, err error) {
	f, err := tree.OpenListed(t.Context(), e.Name, e)
	if err != nil {
		return false, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return false, err
	}
	b := make([]byte, before.Size)
	if n, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	} else if bytes.Contains(b[:n], []byte("longer than it was")) {
		return false, errors.New("more was read than there was")
	}
	after, err := f.Stat()
	return err == nil && before.Size == after.Size && before.Sec == after.Sec, err
}

// TestLinksReplaceContent makes files one that were two with content of their own.
func TestLinksReplaceContent(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(src, "a"), []byte("new"), 0o644))
	must(t, os.Link(filepath.Join(src, "a"), filepath.Join(src, "b")))
	for _, name := range []string{"a", "b"} {
		must(t, os.WriteFile(filepath.Join(dst, name), []byte("old "+name), 0o644))
	}
	job := archive(src, dst)
	job.HardLinks = true
	_, _, err := run(t, localfs.NewHost(), newHost(t, openSSH, Options{}), job)
	must(t, err)
	wantSame(t, src, dst, true)
}
