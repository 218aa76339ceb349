package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/wire"
)

// busyTree is a pair of trees between which all kinds of transfers go on.
func busyTree(t *testing.T) (src, dst string) {
	s := map[string]string{"whole": random(1, 700<<10), "delta": random(2, 1200<<10)}
	d := map[string]string{"delta": random(2, 1200<<10-99)}
	for i := range 40 {
		s[fmt.Sprintf("d%d/f%d", i%7, i)] = random(uint64(i), 3000)
		d[fmt.Sprintf("d%d/gone%d", i%7, i)] = ""
	}
	for i := range 10 {
		s[fmt.Sprintf("deltas/%d", i)] = random(uint64(i), 20<<10)
		d[fmt.Sprintf("deltas/%d", i)] = random(uint64(i), 19<<10)
	}
	return dirs(t, s, d)
}

// wantWhole fails the test unless each file of dst is the new or the old one.
func wantWhole(t *testing.T, src string, old map[string]string, dst string) {
	t.Helper()
	wanted := contents(t, src)
	for p, got := range contents(t, dst) {
		before, was := old[p]
		now, is := wanted[p]
		if (!was || got != before) && (!is || got != now) {
			t.Errorf("%s holds %d bytes that it never had", p, len(got))
		}
	}
	noTemporaries(t, dst)
}

// TestCancel cancels runs at many points.
func TestCancel(t *testing.T) {
	points := []string{"src list", "src open", "src read", "dst list", "dst open", "dst create", "dst write", "dst commit", "dst remove", "dst attrs", "dst sync"}
	rnd := rand.New(rand.NewPCG(1, 2))
	each(t, func(t *testing.T, w way) {
		for i, op := range points {
			if w == push && i%3 != 0 || w == pull && i%3 != 1 {
				continue // they take half a second each, because the far side is told
			}
			n := 1 + rnd.Int64N(4)
			if op == "dst sync" {
				n = 1
			}
			t.Run(fmt.Sprintf("%s %d", op, n), func(t *testing.T) {
				src, dst := busyTree(t)
				old := contents(t, dst)
				before := runtime.NumGoroutine()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var seen atomic.Int64
				var at atomic.Pointer[time.Time]
				h := &hookHost{host(), &hooks{fail: func(got, _ string) error {
					if got == op && seen.Add(1) == n {
						now := time.Now()
						at.Store(&now)
						cancel()
					}
					return nil
				}}}
				c := trial{way: w, job: jobFor(src, dst), host: h}
				c.job.Delete, c.job.ForceDelete = true, true
				out := c.do(ctx)
				if at.Load() == nil {
					t.Fatal("the run has no such point")
				}
				if took := time.Since(*at.Load()); took > 2*time.Second {
					t.Errorf("it took %v to end", took)
				}
				if out.err != nil {
					out.wantExit(t, wire.CodeSignal)
				}
				wantWhole(t, src, old, dst)
				settles(t, before)
			})
		}
	})
}

// TestCancelBefore runs with a context that is cancelled already.
func TestCancelBefore(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := busyTree(t)
		old := fingerprint(t, dst)
		before := runtime.NumGoroutine()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		out := trial{way: w, job: jobFor(src, dst)}.do(ctx)
		if out.err == nil {
			t.Error("no error")
		}
		settles(t, before)
		if now := fingerprint(t, dst); len(now) != len(old) {
			t.Errorf("%d names, before %d", len(now), len(old))
		}
	})
}

// cutStream ends a stream, both directions, when so many bytes were read.
type cutStream struct {
	io.ReadWriteCloser
	left  atomic.Int64
	close sync.Once
}

func (c *cutStream) Read(p []byte) (int, error) {
	left := c.left.Load()
	if left <= 0 {
		c.close.Do(func() { _ = c.ReadWriteCloser.Close() })
		return 0, io.EOF
	}
	n, err := c.ReadWriteCloser.Read(p[:min(int64(len(p)), left)])
	c.left.Add(-int64(n))
	return n, err
}

// TestCut cuts the connection at many points.
func TestCut(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, w := range []way{push, pull} {
		for _, end := range []string{"source", "dest"} {
			t.Run(string(w)+" "+end, func(t *testing.T) {
				// How much this end reads in a whole run.
				measure := &cutStream{}
				measure.left.Store(1 << 40)
				with := func(c *cutStream) trial {
					wrap := func(s io.ReadWriteCloser) io.ReadWriteCloser {
						c.ReadWriteCloser = s
						return c
					}
					if end == "source" {
						return trial{way: w, source: wrap}
					}
					return trial{way: w, dest: wrap}
				}
				src, dst := busyTree(t)
				whole := with(measure)
				whole.job = jobFor(src, dst)
				whole.must(t)
				total := 1<<40 - measure.left.Load()
				for range 3 {
					testCut(t, with, rnd.Int64N(total))
				}
				testCut(t, with, 5)
			})
		}
	}
}

func testCut(t *testing.T, with func(*cutStream) trial, at int64) {
	t.Helper()
	src, dst := busyTree(t)
	old := contents(t, dst)
	before := runtime.NumGoroutine()
	cut := &cutStream{}
	cut.left.Store(at)
	c := with(cut)
	c.job = jobFor(src, dst)
	start := time.Now()
	out := c.do(t.Context())
	if out.hung {
		t.Fatalf("cut at %d: hangs", at)
	}
	if out.err == nil && out.served == nil {
		t.Errorf("cut at %d: no error", at)
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("cut at %d: it took %v", at, took)
	}
	if out.err != nil {
		if !errors.Is(out.err, wire.ErrClosed) && !errors.Is(out.err, io.ErrUnexpectedEOF) && !errors.Is(out.err, wire.ErrVersion) {
			t.Errorf("cut at %d: error %v", at, out.err)
		}
		want := int(wire.CodeStream)
		if errors.Is(out.err, wire.ErrVersion) && at < 100 {
			want = int(wire.CodeProtocol) // the greeting did not come
		}
		if got := engine.ExitCode(out.err); got != want {
			t.Errorf("cut at %d: exit %d (%v)", at, got, out.err)
		}
	}
	wantWhole(t, src, old, dst)
	settles(t, before)
	// The next run puts everything right.
	trial{way: c.way, job: c.job}.must(t)
	for p, want := range contents(t, src) {
		if got := content(t, filepath.Join(dst, p)); got != want {
			t.Errorf("%s is wrong after the next run", p)
		}
	}
}

// muteStream stays open and says nothing more when so many bytes were read, not even that the far side has gone: that one
// gives up as well, and a line that is cut says so to neither. So whoever has it ends by its own timeout, whichever of the
// two comes first.
type muteStream struct {
	io.ReadWriteCloser
	left   atomic.Int64
	closed chan struct{}
	once   sync.Once
}

func (m *muteStream) Read(p []byte) (int, error) {
	if left := m.left.Load(); left > 0 {
		n, err := m.ReadWriteCloser.Read(p[:min(int64(len(p)), left)])
		m.left.Add(-int64(n))
		if err == nil || n > 0 {
			return n, nil
		}
	}
	<-m.closed
	return 0, io.ErrClosedPipe
}

func (m *muteStream) Write(p []byte) (int, error) {
	n, err := m.ReadWriteCloser.Write(p)
	if err == nil {
		return n, nil
	}
	select {
	case <-m.closed:
		return n, err
	default:
		return len(p), nil
	}
}

func (m *muteStream) Close() error {
	m.once.Do(func() { close(m.closed) })
	return m.ReadWriteCloser.Close()
}

// TestTimeout lets the far side fall silent behind its greeting.
func TestTimeout(t *testing.T) {
	for _, w := range []way{push, pull} {
		for _, at := range []int64{70, 100, 2000} {
			t.Run(fmt.Sprint(w, at), func(t *testing.T) {
				src, dst := busyTree(t)
				old := contents(t, dst)
				before := runtime.NumGoroutine()
				wrap := func(s io.ReadWriteCloser) io.ReadWriteCloser {
					m := &muteStream{ReadWriteCloser: s, closed: make(chan struct{})}
					m.left.Store(at)
					return m
				}
				c := trial{way: w, job: jobFor(src, dst), source: wrap}
				if w == pull {
					c.source, c.dest = nil, wrap
				}
				c.job.Timeout = 150 * time.Millisecond
				out := c.do(t.Context())
				out.wantExit(t, wire.CodeTimeout)
				wantWhole(t, src, old, dst)
				settles(t, before)
			})
		}
	}
}

// TestNoGoroutines wants a run that ends well to leave none behind.
func TestNoGoroutines(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := busyTree(t)
		before := runtime.NumGoroutine()
		trial{way: w, job: jobFor(src, dst)}.must(t)
		settles(t, before)
		must(t, os.RemoveAll(dst))
	})
}
