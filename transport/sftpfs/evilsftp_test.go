//go:build unix

package sftpfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"gosync/internal/engine"
	"gosync/transport/localfs"
	"gosync/transport/sftpfs/evilsftp"
)

func newEvil(t testing.TB, change evilsftp.Change) io.ReadWriteCloser {
	t.Helper()
	e := evilsftp.Wrap(inProcess(t), change)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// wanted is what the error of a run must wrap.
func wanted(w evilsftp.Want) error {
	switch w {
	case evilsftp.Breaks:
		return ErrProtocol
	case evilsftp.Partial:
		return engine.ErrPartial
	case evilsftp.Lost:
		return io.ErrUnexpectedEOF
	}
	return nil
}

// TestEvilSource copies from servers that break a rule: the run ends, with an error
// that says so, nothing is anywhere but in the destination, and what the directory
// may hold is not deleted.
func TestEvilSource(t *testing.T) {
	for _, tt := range evilsftp.Cases() {
		want := wanted(tt.Want)
		t.Run(tt.Name, func(t *testing.T) {
			box := t.TempDir()
			src, dst := filepath.Join(box, "src"), filepath.Join(box, "deep", "dst")
			must(t, os.MkdirAll(filepath.Join(src, "sub"), 0o755))
			must(t, os.MkdirAll(dst, 0o755))
			for _, n := range []string{"one", "sub/two", "three"} {
				must(t, os.WriteFile(filepath.Join(src, n), []byte(strings.Repeat(n, 10_000)), 0o644))
				must(t, os.Chtimes(filepath.Join(src, n), mtime(1), mtime(1)))
			}
			must(t, os.Symlink("one", filepath.Join(src, "link")))
			must(t, os.WriteFile(filepath.Join(dst, "extra"), []byte("extra"), 0o644))
			h, err := New(t.Context(), newEvil(t, tt.Change), Options{})
			must(t, err)
			defer h.Close()
			job := archive(src, dst)
			job.Delete, job.ForceDelete = true, true
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err = engine.Between(ctx, h, localfs.NewHost(), job, engine.Report{})
			if !errors.Is(err, want) && !(want == ErrProtocol && errors.Is(err, engine.ErrPartial) && errors.Is(h.Err(), ErrProtocol)) &&
				!(want == io.ErrUnexpectedEOF && errors.Is(h.Err(), io.ErrUnexpectedEOF)) {
				t.Errorf("error %v, and the session's is %v; want %v", err, h.Err(), want)
			}
			if want == nil {
				must(t, err)
			}
			if tt.Want == evilsftp.Succeeds {
				wantSame(t, src, dst, true)
			} else if _, err := os.Lstat(filepath.Join(dst, "extra")); err != nil && tt.Listing {
				t.Errorf("something was deleted: %v", err)
			}
			wantOnly(t, box, "deep", "src")
			wantOnly(t, filepath.Join(box, "deep"), "dst")
		})
	}
}

// wantOnly fails if a directory holds anything else.
func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q", dir, got)
	}
}

// TestEvilDest copies to such servers.
func TestEvilDest(t *testing.T) {
	src := t.TempDir()
	must(t, os.WriteFile(filepath.Join(src, "one"), bytes.Repeat([]byte("one"), 100_000), 0o644))
	must(t, os.Mkdir(filepath.Join(src, "sub"), 0o755))
	must(t, os.WriteFile(filepath.Join(src, "sub", "two"), []byte("two"), 0o644))
	for _, tt := range evilsftp.Cases() {
		t.Run(tt.Name, func(t *testing.T) {
			box := t.TempDir()
			dst := filepath.Join(box, "dst")
			must(t, os.MkdirAll(filepath.Join(dst, "sub"), 0o755))
			must(t, os.WriteFile(filepath.Join(dst, "extra"), []byte("extra"), 0o644))
			h, err := New(t.Context(), newEvil(t, tt.Change), Options{})
			must(t, err)
			defer h.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err = engine.Between(ctx, localfs.NewHost(), h, archive(src, dst), engine.Report{})
			if tt.Name == evilsftp.Behaves().Name {
				must(t, err)
			}
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it takes too long: %v", err)
			}
			if err == nil { // what was broken was not needed
				if got, err := os.ReadFile(filepath.Join(dst, "one")); err != nil || len(got) != 300_000 {
					t.Errorf("success, but %d bytes, %v", len(got), err)
				}
			}
			wantOnly(t, box, "dst")
		})
	}
}

// TestSilent has a server not answer: the call ends with its context, and with
// Timeout the session does.
func TestSilent(t *testing.T) {
	root := t.TempDir()
	must(t, os.WriteFile(filepath.Join(root, "file"), []byte("x"), 0o644))
	silent := evilsftp.On(fxpOpen, func(byte, []byte, []byte) []byte { return nil })
	h, err := New(t.Context(), newEvil(t, silent), Options{})
	must(t, err)
	defer h.Close()
	tree, err := h.Source(t.Context(), root)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := tree.Open(ctx, "file"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	slow, err := New(t.Context(), newEvil(t, silent), Options{Timeout: 50 * time.Millisecond})
	must(t, err)
	defer slow.Close()
	time.Sleep(200 * time.Millisecond) // nothing is asked: nothing is late
	tree, err = slow.Source(t.Context(), root)
	must(t, err)
	if _, err := tree.Open(t.Context(), "file"); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the error is %v", err)
	}
}

// TestSilentFromTheStart has a server not say its version, and not answer what goes through package sftp.
func TestSilentFromTheStart(t *testing.T) {
	mute := func(_, kind byte, body []byte) []byte {
		if kind == fxpVersion {
			return nil
		}
		return evilsftp.Frame(kind, body)
	}
	const (
		limit    = 300 * time.Millisecond
		realpath = 16 // of package sftp alone
	)
	for _, o := range []Options{{Timeout: limit}, {Timeout: time.Hour, FirstAnswer: limit}, {FirstAnswer: limit}} {
		start := time.Now()
		_, err := New(t.Context(), newEvil(t, mute), o)
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took < limit || took > limit+20*time.Second {
			t.Errorf("%+v: %v after %v", o, err, took)
		}
	}
	// Any time is any time.
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	defer cancel()
	if _, err := New(ctx, newEvil(t, mute), Options{Timeout: limit / 4, FirstAnswer: -1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	h, err := New(t.Context(), newEvil(t, evilsftp.On(realpath, func(byte, []byte, []byte) []byte { return nil })), Options{Timeout: limit})
	must(t, err)
	defer h.Close()
	if err := h.s.do(t.Context(), func(c *sftp.Client) error {
		_, err := c.RealPath(".")
		return err
	}); !errors.Is(h.Err(), os.ErrDeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}

// TestEndlessDirectory bounds what a listing takes.
func TestEndlessDirectory(t *testing.T) {
	for form, want := range map[string]int{"%d": 100_000, "../%d": 0, "..": 0} {
		var n atomic.Int64
		endless := evilsftp.On(fxpReaddir, func(_ byte, id, _ []byte) []byte {
			if n.Load() > 1_000_000 {
				return evilsftp.Frame(fxpStatus, id, evilsftp.U32(1), evilsftp.U32(0), evilsftp.U32(0))
			}
			var names []byte
			for range 500 {
				names = append(names, evilsftp.Listed(strings.Replace(form, "%d", strconv.FormatInt(n.Add(1), 10), 1))...)
			}
			return evilsftp.Frame(fxpName, id, evilsftp.U32(500), names)
		})
		h, err := New(t.Context(), newEvil(t, endless), Options{})
		must(t, err)
		defer h.Close()
		tree, err := h.Source(t.Context(), t.TempDir())
		must(t, err)
		tree.(*Tree).maxEntries = 100_000
		entries, err := tree.List(t.Context(), "")
		if !errors.Is(err, ErrListing) || len(entries) != want || n.Load() > 1_000_000 {
			t.Errorf("names like %q: %d entries of %d, %v", form, len(entries), n.Load(), err)
		}
	}
}

// TestNoServer starts sessions with what is no SFTP server, or another version.
func TestNoServer(t *testing.T) {
	for name, says := range map[string][]byte{
		"banner": []byte("Welcome to this machine, please behave\n"), "nothing": {}, "version": evilsftp.Frame(fxpVersion, evilsftp.U32(6)),
		"extensions": evilsftp.Frame(fxpVersion, evilsftp.U32(3), evilsftp.U32(1<<30)), "status": evilsftp.Frame(fxpStatus, evilsftp.U32(1), evilsftp.U32(0)),
	} {
		t.Run(name, func(t *testing.T) {
			near, far := io.Pipe()
			go func() { _, _ = far.Write(says); _ = far.Close() }()
			h, err := New(t.Context(), struct {
				io.Reader
				io.Writer
				io.Closer
			}{near, io.Discard, near}, Options{})
			if err == nil {
				_ = h.Close()
			}
			if !errors.Is(err, ErrProtocol) && !(name == "nothing" && errors.Is(err, io.ErrUnexpectedEOF)) || name == "version" && !strings.Contains(err.Error(), "version 6") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestMemory: what a server announces is not believed before it comes.
func TestMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, b := range map[byte][]byte{
		fxpName: evilsftp.U32(1<<32 - 1), fxpAttrs: append(evilsftp.U32(attrExtended), evilsftp.U32(1<<32-1)...), fxpHandle: evilsftp.U32(1 << 31), fxpData: evilsftp.U32(1<<32 - 1), fxpStatus: append(evilsftp.U32(4), evilsftp.U32(1<<30)...),
	} {
		if err := checkReply(name, b); !errors.Is(err, ErrProtocol) {
			t.Errorf("%d: %v", name, err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
}

// FuzzReply feeds replies to what takes them apart.
func FuzzReply(f *testing.F) {
	f.Add(byte(fxpName), append(evilsftp.U32(2), append(evilsftp.Listed("a"), evilsftp.Listed("..")...)...))
	f.Add(byte(fxpAttrs), append(evilsftp.U32(attrExtended|attrPerm), 0, 0, 0, 1))
	f.Add(byte(fxpStatus), evilsftp.U32(4))
	f.Add(byte(fxpData), evilsftp.Str("data"))
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		good := checkReply(kind, body) == nil
		l := lister{max: 100}
		d := decoder{b: body}
		err := d.names(l.add)
		if good && kind == fxpName && err != nil && !errors.Is(err, ErrListing) {
			t.Errorf("a packet that was checked is %v", err)
		}
		l.unique()
		seen := map[string]bool{}
		for _, e := range l.found {
			if strings.ContainsAny(e.Name, "/\x00") || e.Name == "" || e.Name == "." || e.Name == ".." || len(e.Name) > 255 || seen[e.Name] {
				t.Errorf("name %q", e.Name)
			}
			if seen[e.Name] = true; e.Size < 0 || e.Size > maxSize || e.Mode > 0o7777 || e.Type == 0 {
				t.Errorf("%+v", e)
			}
		}
		a := decoder{b: body}
		st := a.attrs()
		if a.err == nil && st.flags&attrExtended == 0 && !bytes.HasPrefix(body, st.append(nil)) {
			t.Errorf("%+v is not what it was made from", st)
		}
		_, _ = onlyName(body, maxLink)
		_ = decodeStatus(body)
	})
}
