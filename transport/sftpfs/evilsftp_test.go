package sftpfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"gosync/internal/engine"
	"gosync/transport/localfs"
)

// evil is a server that behaves, but for what change makes of its replies: asked is
// the kind of the request, kind that of the reply, and body follows that, the number
// of the request in front. It returns what is sent in its place.
type evil struct {
	io.ReadWriteCloser
	out    *io.PipeReader
	change func(asked, kind byte, body []byte) []byte

	mu    sync.Mutex
	asked map[uint32]byte
	sent  []byte
}

func newEvil(t testing.TB, change func(asked, kind byte, body []byte) []byte) io.ReadWriteCloser {
	t.Helper()
	out, in := io.Pipe()
	e := &evil{ReadWriteCloser: inProcess(t), out: out, change: change, asked: map[uint32]byte{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = in.CloseWithError(e.serve(in)) // never fails
	}()
	t.Cleanup(func() { _ = e.Close(); <-done })
	return e
}

func (e *evil) serve(to io.Writer) error {
	for {
		var head [4]byte
		if _, err := io.ReadFull(e.ReadWriteCloser, head[:]); err != nil {
			return io.EOF
		}
		p := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(e.ReadWriteCloser, p); err != nil {
			return io.EOF
		}
		asked := byte(0)
		if p[0] != fxpVersion {
			e.mu.Lock()
			asked = e.asked[binary.BigEndian.Uint32(p[1:])]
			e.mu.Unlock()
		}
		b := e.change(asked, p[0], p[1:])
		if bytes.Equal(b, hangUp) {
			return io.EOF
		}
		if _, err := to.Write(b); err != nil {
			return err
		}
	}
}

// hangUp is what change returns for the connection to end.
var hangUp = []byte("hang up")

func (e *evil) Read(p []byte) (int, error) { return e.out.Read(p) }

func (e *evil) Close() error {
	_ = e.out.Close()
	return e.ReadWriteCloser.Close()
}

// Write notes what is asked.
func (e *evil) Write(p []byte) (int, error) {
	e.mu.Lock()
	e.sent = append(e.sent, p...)
	for len(e.sent) >= 9 {
		n := 4 + int(binary.BigEndian.Uint32(e.sent))
		if len(e.sent) < n {
			break
		}
		e.asked[binary.BigEndian.Uint32(e.sent[5:])] = e.sent[4]
		e.sent = append([]byte(nil), e.sent[n:]...)
	}
	e.mu.Unlock()
	return e.ReadWriteCloser.Write(p)
}

// frame packs a reply.
func frame(kind byte, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	b := binary.BigEndian.AppendUint32(nil, uint32(len(all)+1))
	return append(append(b, kind), all...)
}

func u32(n uint32) []byte    { return binary.BigEndian.AppendUint32(nil, n) }
func str(s string) []byte    { return appendString(nil, s) }
func longOf(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// listed packs a name of a regular file of ten bytes.
func listed(name string) []byte {
	a := attrs{flags: attrSize | attrPerm | attrTimes | attrOwner, size: 10, perm: 0o100644, mtime: 1}
	return a.append(append(str(name), str("-rw")...))
}

// on changes replies to one kind of request only.
func on(asked byte, change func(kind byte, id, rest []byte) []byte) func(byte, byte, []byte) []byte {
	return func(a, kind byte, body []byte) []byte {
		if a != asked {
			return frame(kind, body)
		}
		return change(kind, body[:4:4], body[4:])
	}
}

// addName has each listing hold one more name.
func addName(name string) func(byte, byte, []byte) []byte {
	return on(fxpReaddir, func(kind byte, id, rest []byte) []byte {
		if kind != fxpName {
			return frame(kind, id, rest)
		}
		return frame(kind, id, u32(binary.BigEndian.Uint32(rest)+1), rest[4:], listed(name))
	})
}

// evils are servers that break one rule, and what the error of a run must wrap, nil
// if the run has to succeed.
func evils() map[string]struct {
	change func(asked, kind byte, body []byte) []byte
	want   error
} {
	type e = struct {
		change func(asked, kind byte, body []byte) []byte
		want   error
	}
	all := map[string]e{
		"behaves": {func(_, kind byte, body []byte) []byte { return frame(kind, body) }, nil},
		"short reads": {on(fxpRead, func(kind byte, id, rest []byte) []byte {
			if kind == fxpData {
				n := min(len(rest)-4, 3000)
				return frame(kind, id, u32(uint32(n)), rest[4:4+n])
			}
			return frame(kind, id, rest)
		}), nil},
		"empty reads":       {on(fxpRead, func(_ byte, id, _ []byte) []byte { return frame(fxpData, id, u32(0)) }), ErrProtocol},
		"endless file":      {on(fxpRead, func(_ byte, id, _ []byte) []byte { return frame(fxpData, id, str(strings.Repeat("x", 200_000))) }), ErrProtocol},
		"wrong numbers":     {on(fxpOpen, func(kind byte, id, rest []byte) []byte { return frame(kind, u32(binary.BigEndian.Uint32(id)+7), rest) }), ErrProtocol},
		"numbers of others": {on(fxpOpen, func(kind byte, _, rest []byte) []byte { return frame(kind, u32(77), rest) }), ErrProtocol},
		"answers twice": {on(fxpClose, func(kind byte, id, rest []byte) []byte {
			return append(frame(kind, id, rest), frame(kind, id, rest)...)
		}), ErrProtocol},
		"count of names":     {on(fxpReaddir, func(_ byte, id, _ []byte) []byte { return frame(fxpName, id, u32(1<<32-1)) }), ErrProtocol},
		"long name":          {on(fxpReaddir, func(_ byte, id, _ []byte) []byte { return frame(fxpName, id, u32(1), str("x"), u32(1<<31), u32(0)) }), ErrProtocol},
		"long packet":        {on(fxpReaddir, func(_ byte, _, _ []byte) []byte { return u32(1<<32 - 1) }), ErrProtocol},
		"empty packet":       {on(fxpReaddir, func(_ byte, _, _ []byte) []byte { return u32(0) }), ErrProtocol},
		"short packet":       {on(fxpReaddir, func(_ byte, id, _ []byte) []byte { return frame(fxpName, id, []byte{0}) }), ErrProtocol},
		"further attributes": {on(fxpLstat, func(_ byte, id, _ []byte) []byte { return frame(fxpAttrs, id, u32(attrExtended), u32(1<<31)) }), ErrProtocol},
		"odd attributes":     {on(fxpLstat, func(_ byte, id, _ []byte) []byte { return frame(fxpAttrs, id, u32(0x7ffffff0)) }), ErrProtocol},
		"other kind":         {on(fxpOpen, func(_ byte, id, _ []byte) []byte { return frame(fxpAttrs, id, u32(0)) }), ErrProtocol},
		"unknown kind":       {on(fxpOpen, func(_ byte, id, _ []byte) []byte { return frame(250, id, u32(0)) }), ErrProtocol},
		"success only":       {on(fxpOpen, func(_ byte, id, _ []byte) []byte { return frame(fxpStatus, id, u32(0), str(""), str("")) }), ErrProtocol},
		"empty handle":       {on(fxpOpen, func(_ byte, id, _ []byte) []byte { return frame(fxpHandle, id, str("")) }), ErrProtocol},
		"long handle":        {on(fxpOpen, func(_ byte, id, _ []byte) []byte { return frame(fxpHandle, id, str(strings.Repeat("h", 257))) }), ErrProtocol},
		"hangs up":           {on(fxpOpen, func(byte, []byte, []byte) []byte { return hangUp }), io.ErrUnexpectedEOF},
		"hangs up early":     {on(fxpOpendir, func(byte, []byte, []byte) []byte { return hangUp }), io.ErrUnexpectedEOF},
		"long link": {on(fxpReadlink, func(_ byte, id, _ []byte) []byte {
			return frame(fxpName, id, u32(1), str(strings.Repeat("l", 5000)), str(""), u32(0))
		}), engine.ErrPartial},
		"NUL in link": {on(fxpReadlink, func(_ byte, id, _ []byte) []byte { return frame(fxpName, id, u32(1), str("a\x00b"), str(""), u32(0)) }), engine.ErrPartial},
		"two links":   {on(fxpReadlink, func(_ byte, id, _ []byte) []byte { return frame(fxpName, id, u32(2), listed("a"), listed("b")) }), engine.ErrPartial},
		"huge size": {on(fxpFstat, func(_ byte, id, _ []byte) []byte {
			return frame(fxpAttrs, id, u32(attrSize|attrPerm), longOf(1<<63), u32(0o100644))
		}), engine.ErrPartial},
		"no type":             {on(fxpFstat, func(_ byte, id, _ []byte) []byte { return frame(fxpAttrs, id, u32(attrPerm), u32(0o644)) }), engine.ErrPartial},
		"changes into a FIFO": {on(fxpFstat, func(_ byte, id, _ []byte) []byte { return frame(fxpAttrs, id, u32(attrPerm), u32(0o010644)) }), engine.ErrPartial},
	}
	for _, name := range []string{"../evil", "/evil", "sub/evil", "", "nul\x00", strings.Repeat("n", 256), "one", "sub/../../evil"} {
		all["lists "+fmt.Sprintf("%.10q", name)] = e{addName(name), engine.ErrPartial}
	}
	all["lists itself"] = e{addName("."), nil} // as many servers do
	all["lists its parent"] = e{addName(".."), nil}
	return all
}

// TestEvilSource copies from servers that break a rule: the run ends, with an error
// that says so, nothing is anywhere but in the destination, and what the directory
// may hold is not deleted.
func TestEvilSource(t *testing.T) {
	for name, tt := range evils() {
		t.Run(name, func(t *testing.T) {
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
			h, err := New(t.Context(), newEvil(t, tt.change), Options{})
			must(t, err)
			defer h.Close()
			job := archive(src, dst)
			job.Delete, job.ForceDelete = true, true
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err = engine.Between(ctx, h, localfs.NewHost(), job, engine.Report{})
			if !errors.Is(err, tt.want) && !(tt.want == ErrProtocol && errors.Is(err, engine.ErrPartial) && errors.Is(h.Err(), ErrProtocol)) &&
				!(tt.want == io.ErrUnexpectedEOF && errors.Is(h.Err(), io.ErrUnexpectedEOF)) {
				t.Errorf("error %v, and the session's is %v; want %v", err, h.Err(), tt.want)
			}
			if tt.want == nil {
				must(t, err)
				wantSame(t, src, dst, true)
			} else if _, err := os.Lstat(filepath.Join(dst, "extra")); err != nil && isListing(name) {
				t.Errorf("something was deleted: %v", err)
			}
			wantOnly(t, box, "deep", "src")
			wantOnly(t, filepath.Join(box, "deep"), "dst")
		})
	}
}

// isListing reports whether it is a listing that is broken, so that what the source
// has is not known and nothing may be deleted.
func isListing(name string) bool {
	for _, part := range []string{"lists ", "name", "packet", "link", "early"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
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
	for name, tt := range evils() {
		t.Run(name, func(t *testing.T) {
			box := t.TempDir()
			dst := filepath.Join(box, "dst")
			must(t, os.MkdirAll(filepath.Join(dst, "sub"), 0o755))
			must(t, os.WriteFile(filepath.Join(dst, "extra"), []byte("extra"), 0o644))
			h, err := New(t.Context(), newEvil(t, tt.change), Options{})
			must(t, err)
			defer h.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err = engine.Between(ctx, localfs.NewHost(), h, archive(src, dst), engine.Report{})
			if name == "behaves" {
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
	silent := on(fxpOpen, func(byte, []byte, []byte) []byte { return nil })
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
		return frame(kind, body)
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
	h, err := New(t.Context(), newEvil(t, on(realpath, func(byte, []byte, []byte) []byte { return nil })), Options{Timeout: limit})
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
	n := 0
	endless := on(fxpReaddir, func(_ byte, id, _ []byte) []byte {
		var names []byte
		for range 500 {
			n++
			names = append(names, listed(fmt.Sprintf("%d", n))...)
		}
		return frame(fxpName, id, u32(500), names)
	})
	h, err := New(t.Context(), newEvil(t, endless), Options{})
	must(t, err)
	defer h.Close()
	tree, err := h.Source(t.Context(), t.TempDir())
	must(t, err)
	tree.(*Tree).maxEntries = 100_000
	entries, err := tree.List(t.Context(), "")
	if !errors.Is(err, ErrListing) || len(entries) != 100_000 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

// TestNoServer starts sessions with what is no SFTP server, or another version.
func TestNoServer(t *testing.T) {
	for name, says := range map[string][]byte{
		"banner": []byte("Welcome to this machine, please behave\n"), "nothing": {}, "version": frame(fxpVersion, u32(6)),
		"extensions": frame(fxpVersion, u32(3), u32(1<<30)), "status": frame(fxpStatus, u32(1), u32(0)),
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
			if !errors.Is(err, ErrProtocol) && !(name == "nothing" && errors.Is(err, io.ErrUnexpectedEOF)) {
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
		fxpName: u32(1<<32 - 1), fxpAttrs: append(u32(attrExtended), u32(1<<32-1)...), fxpHandle: u32(1 << 31), fxpData: u32(1<<32 - 1), fxpStatus: append(u32(4), u32(1<<30)...),
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
	f.Add(byte(fxpName), append(u32(2), append(listed("a"), listed("..")...)...))
	f.Add(byte(fxpAttrs), append(u32(attrExtended|attrPerm), 0, 0, 0, 1))
	f.Add(byte(fxpStatus), u32(4))
	f.Add(byte(fxpData), str("data"))
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
