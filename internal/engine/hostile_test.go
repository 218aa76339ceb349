package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// jail is a host of which only the directory top can be reached, whatever the
// peer names, and whose randomness is known.
type jail struct {
	engine.Host
	top string
}

func (j jail) path(p string) string {
	if len(p) > 200 {
		p = p[:200]
	}
	return filepath.Join(j.top, filepath.Join("/", string(bytes.ReplaceAll([]byte(p), []byte{0}, []byte("0")))))
}

func (j jail) Source(ctx context.Context, path string) (engine.Source, error) {
	return j.Host.Source(ctx, j.path(path))
}

func (j jail) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	how.Durability = engine.SyncNone
	return j.Host.Dest(ctx, j.path(path), how)
}

func (j jail) Lstat(ctx context.Context, path string) (manifest.Entry, error) {
	return j.Host.Lstat(ctx, j.path(path))
}

func (j jail) Stat(ctx context.Context, path string) (manifest.Entry, error) {
	return j.Host.Stat(ctx, j.path(path))
}

func (j jail) Mkdir(ctx context.Context, path string) error { return j.Host.Mkdir(ctx, j.path(path)) }

func (j jail) Expand(_ context.Context, path string) ([]string, error) { return []string{path}, nil }

func (j jail) Seed() uint64 { return 7 }

// canned is a stream whose peer has said everything already and listens to nothing.
type canned struct {
	*bytes.Reader
	mu     sync.Mutex
	closed bool
}

func (c *canned) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, io.ErrClosedPipe
	}
	return c.Reader.Read(p)
}

func (c *canned) Write(p []byte) (int, error) { return len(p), nil }

func (c *canned) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

// recorder keeps what is read from a stream.
type recorder struct {
	io.ReadWriteCloser
	mu  sync.Mutex
	got []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.ReadWriteCloser.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, p[:n]...)
	return n, err
}

// hostileTree makes the trees that hostile peers get to see, in a jail. The
// source is /src, the destination /dst.
func hostileTree(tb testing.TB) jail {
	tb.Helper()
	top, err := os.MkdirTemp(tb.TempDir(), "jail")
	if err != nil {
		tb.Fatal(err)
	}
	write := func(name, content string) {
		p := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			tb.Fatal(err)
		}
		then := time.Unix(1_600_000_000+int64(len(content)), 0)
		if err := os.Chtimes(p, then, then); err != nil {
			tb.Fatal(err)
		}
	}
	basis := random(1, 6000)
	write("src/a", "a")
	write("src/d/e", basis[:3000]+"edit"+basis[3000:])
	write("src/d/large", "")
	if err := os.Truncate(filepath.Join(top, "src/d/large"), 300<<10); err != nil { // all hole: the streams stay short
		tb.Fatal(err)
	}
	write("dst/d/e", basis)
	write("dst/gone", "gone")
	for _, dir := range []string{"src/d", "src", "dst/d", "dst", ""} {
		then := time.Unix(1_600_000_000, 0)
		if err := os.Chtimes(filepath.Join(top, dir), then, then); err != nil {
			tb.Fatal(err)
		}
	}
	return jail{host(), top}
}

// hostileJob is the job of the recorded runs.
func hostileJob(delete, checksum bool) engine.Job {
	job := engine.Job{Options: archive(), Sources: []string{"src/"}, Dest: "dst"}
	job.Delete, job.ForceDelete, job.Checksum, job.HardLinks, job.Itemize = delete, delete, checksum, true, true
	return job
}

// preamble is the magic and the greeting, which come before what is fuzzed.
func preamble(tb testing.TB, stream []byte) (hello, rest []byte) {
	tb.Helper()
	const header = 6
	n := len(wire.Magic) + header
	if len(stream) < n {
		tb.Fatalf("a stream of %d bytes", len(stream))
	}
	n += int(binary.BigEndian.Uint32(stream[len(wire.Magic):]))
	return stream[:n], stream[n:]
}

// record carries out a job and returns what each of the two ends has read.
func record(tb testing.TB, w way, job engine.Job) (client, server []byte) {
	tb.Helper()
	h := hostileTree(tb)
	near, far := wire.Pipe()
	c, s := &recorder{ReadWriteCloser: near}, &recorder{ReadWriteCloser: far}
	var wg sync.WaitGroup
	wg.Go(func() { _ = engine.Serve(tb.Context(), h, s, slog.New(slog.DiscardHandler)) })
	var err error
	if w == push {
		_, err = engine.Send(tb.Context(), h, c, job, engine.Report{})
	} else {
		_, err = engine.Receive(tb.Context(), h, c, job, engine.Report{})
	}
	wg.Wait()
	if err != nil {
		tb.Fatal(err)
	}
	return c.got, s.got
}

// survives runs an end whose peer says what is in stream, and fails the test
// if it panics or does not come back, or touches anything outside the jail.
func survives(t *testing.T, w way, stream []byte) {
	t.Helper()
	h := hostileTree(t)
	defer os.RemoveAll(h.top)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		defer close(done)
		rw := &canned{Reader: bytes.NewReader(stream)}
		switch w {
		case local: // stands for the server here
			_ = engine.Serve(ctx, h, rw, slog.New(slog.DiscardHandler))
		case push:
			_, _ = engine.Send(ctx, h, rw, hostileJob(true, false), engine.Report{})
		case pull:
			_, _ = engine.Receive(ctx, h, rw, hostileJob(true, false), engine.Report{})
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("hangs\n%s", buf[:runtime.Stack(buf, true)])
	}
	if w == push {
		if b, err := os.ReadFile(filepath.Join(h.top, "src/a")); err != nil || string(b) != "a" {
			t.Errorf("the source was touched: %q, %v", b, err)
		}
	}
}

// sessions are recorded streams from the client's and the server's side.
func sessions(tb testing.TB, w way) (clients, servers [][]byte) {
	tb.Helper()
	listed := hostileJob(false, false)
	listed.Files, listed.Relative = []string{"a", "d/e", "d/large"}, true
	for _, job := range []engine.Job{hostileJob(false, false), hostileJob(true, false), hostileJob(true, true), listed} {
		c, s := record(tb, w, job)
		clients, servers = append(clients, c), append(servers, s)
	}
	return clients, servers
}

// mutate damages a stream: bytes change, ranges vanish or come twice.
func mutate(rnd *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + rnd.IntN(4) {
		if len(b) < 2 {
			break
		}
		i := rnd.IntN(len(b))
		if rnd.IntN(2) == 0 {
			i = rnd.IntN(min(len(b), 400)) // where the messages are, not the content
		}
		n := min(1+rnd.IntN(40), len(b)-i)
		switch rnd.IntN(5) {
		case 0:
			b[i] ^= 1 << rnd.IntN(8)
		case 1:
			b[i] = byte(rnd.IntN(256))
		case 2:
			b = append(b[:i], b[i+n:]...)
		case 3:
			b = append(b[:i+n], b[i:]...)
		default:
			b = b[:i]
		}
	}
	return b
}

// hostileRounds is how many damaged streams of a kind are tried. A longer
// search is asked for by the environment.
func hostileRounds() int {
	if n, err := strconv.Atoi(os.Getenv("GOSYNC_HOSTILE")); err == nil {
		return n
	}
	return 60
}

// TestHostile lets peers say damaged versions of what peers say.
func TestHostile(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	before := runtime.NumGoroutine()
	for _, w := range []way{push, pull} {
		clients, servers := sessions(t, w)
		for i := range hostileRounds() {
			damage := mutate
			if i%2 == 0 {
				damage = shuffle
			}
			hello, rest := preamble(t, clients[i/2%len(clients)])
			survives(t, w, append(bytes.Clone(hello), damage(rnd, rest)...))
			hello, rest = preamble(t, servers[i/2%len(servers)])
			survives(t, local, append(bytes.Clone(hello), damage(rnd, rest)...))
		}
	}
	settles(t, before)
}

// shuffle damages a stream by whole frames: they vanish, come twice, change
// places, are cut or filled, or say something else of the right length.
func shuffle(rnd *rand.Rand, b []byte) []byte {
	const header = 6
	var frames [][]byte
	for len(b) >= header {
		n := header + int(binary.BigEndian.Uint32(b))
		frames, b = append(frames, bytes.Clone(b[:min(n, len(b))])), b[min(n, len(b)):]
	}
	for range 1 + rnd.IntN(3) {
		i, k := rnd.IntN(len(frames)), rnd.IntN(len(frames))
		f := frames[i]
		switch rnd.IntN(6) {
		case 0:
			if len(frames) > 1 {
				frames = append(frames[:i], frames[i+1:]...)
			}
		case 1:
			frames = append(frames, bytes.Clone(f))
		case 2:
			frames[i], frames[k] = frames[k], frames[i]
		case 3:
			f = f[:header+rnd.IntN(len(f)-header+1)]
			frames[i] = f
		case 4:
			f = append(f, make([]byte, rnd.IntN(20))...)
			frames[i] = f
		default:
			for range 1 + rnd.IntN(3) {
				if len(f) > header {
					f[header+rnd.IntN(min(60, len(f)-header))] = byte(rnd.IntN(256) >> rnd.IntN(8))
				}
			}
		}
		binary.BigEndian.PutUint32(f, uint32(len(f)-header))
	}
	return bytes.Join(frames, nil)
}

func fuzzPeer(f *testing.F, w way, streams [][]byte) {
	f.Helper()
	var greeting []byte
	for _, s := range streams {
		hello, rest := preamble(f, s)
		greeting = bytes.Clone(hello)
		f.Add(rest)
		f.Add(rest[:len(rest)/2])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		survives(t, w, append(bytes.Clone(greeting), b[:min(len(b), 1<<20)]...))
	})
}

// FuzzServe gives a server what a client says behind its greeting.
func FuzzServe(f *testing.F) {
	_, one := sessions(f, push)
	_, two := sessions(f, pull)
	fuzzPeer(f, local, append(one, two...))
}

// FuzzSendPeer gives a client that sends what a server says.
func FuzzSendPeer(f *testing.F) {
	streams, _ := sessions(f, push)
	fuzzPeer(f, push, streams)
}

// FuzzReceivePeer gives a client that receives what a server says.
func FuzzReceivePeer(f *testing.F) {
	streams, _ := sessions(f, pull)
	fuzzPeer(f, pull, streams)
}
