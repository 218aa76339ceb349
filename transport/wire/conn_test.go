package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"gosync/delta"
)

// gate is a stream whose writes wait until it is opened, and whose reads wait
// until it is closed.
type gate struct {
	open, closed chan struct{}
	once         sync.Once
	mu           sync.Mutex
	written      bytes.Buffer
}

func newGate() *gate { return &gate{open: make(chan struct{}), closed: make(chan struct{})} }

func (g *gate) Write(p []byte) (int, error) {
	select {
	case <-g.open:
	case <-g.closed:
		return 0, io.ErrClosedPipe
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.written.Write(p)
}

func (g *gate) Read([]byte) (int, error) {
	<-g.closed
	return 0, io.EOF
}

func (g *gate) Close() error {
	g.once.Do(func() { close(g.closed) })
	return nil
}

// frames returns the types of the frames that were written.
func (g *gate) frames(t *testing.T) (types []Type) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	c := reads(t, bytes.NewReader(g.written.Bytes()))
	for {
		f, err := c.Next()
		if errors.Is(err, ErrClosed) {
			return types
		}
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, f.Type)
	}
}

// started returns a running connection over rw.
func started(t testing.TB, rw io.ReadWriteCloser, cfg Config) *Conn {
	t.Helper()
	c, err := New(rw, cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Start()
	return c
}

// pair returns two running connections that are connected.
func pair(t testing.TB, cfg Config) (near, far *Conn) {
	t.Helper()
	a, b := Pipe()
	return started(t, a, cfg), started(t, b, cfg)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func bulkFrame(c *Conn, content string) *Buffer {
	f := c.Buffer(TypeFiles)
	f.B = append(f.B, content...)
	return f
}

func TestControlBeforeBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ctx := newGate(), t.Context()
		c := started(t, g, Config{})
		must(t, c.SendBuffer(ctx, bulkFrame(c, "first")))
		synctest.Wait() // the writer has it and waits for the gate
		must(t, c.SendBuffer(ctx, bulkFrame(c, "second")))
		must(t, c.Send(ctx, &FileEnd{}))
		must(t, c.Send(ctx, &Owner{}))
		must(t, c.Send(ctx, &ListEnd{}))
		close(g.open)
		must(t, c.Drain(ctx))
		want := []Type{TypeFiles, TypeOwner, TypeListEnd, TypeFiles, TypeFileEnd}
		if got := g.frames(t); !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
		must(t, c.Close())
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ctx := newGate(), t.Context()
		c := started(t, g, Config{})
		must(t, c.Drain(ctx)) // nothing to wait for
		for range bulkQueue {
			must(t, c.SendBuffer(ctx, bulkFrame(c, "content")))
			must(t, c.Send(ctx, &Owner{}))
		}
		var drained atomic.Int32
		for range 3 {
			go func() {
				if err := c.Drain(ctx); err != nil {
					t.Error(err)
				}
				if n := len(g.frames(t)); n != 2*bulkQueue {
					t.Errorf("drained after %d frames of %d", n, 2*bulkQueue)
				}
				drained.Add(1)
			}()
		}
		gone, cancel := context.WithCancel(ctx)
		go func() {
			if err := c.Drain(gone); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		}()
		synctest.Wait()
		if drained.Load() != 0 {
			t.Error("drained before anything was written")
		}
		cancel()
		synctest.Wait()
		close(g.open)
		synctest.Wait()
		if n := drained.Load(); n != 3 {
			t.Errorf("%d of 3 were told", n)
		}
		must(t, c.Close())
		if err := c.Drain(ctx); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// TestDrainFlushes lets one write pass at a time: Drain does not return while
// what was queued before it is only buffered.
func TestDrainFlushes(t *testing.T) {
	for _, m := range []Msg{&Owner{}, &FileEnd{}} {
		synctest.Test(t, func(t *testing.T) {
			g, ctx := newGate(), t.Context()
			c := started(t, g, Config{})
			must(t, c.Send(ctx, &ListEnd{}))
			synctest.Wait() // the writer has it and waits
			must(t, c.Send(ctx, m))
			drained := false
			go func() {
				if err := c.Drain(ctx); err != nil {
					t.Error(err)
				}
				drained = true
			}()
			synctest.Wait()
			g.open <- struct{}{} // the ListEnd passes
			synctest.Wait()
			if drained {
				t.Errorf("drained before a %T was written", m)
			}
			close(g.open)
			synctest.Wait()
			if got := g.frames(t); !drained || len(got) != 2 {
				t.Errorf("drained %v, written %v", drained, got)
			}
			must(t, c.Close())
		})
	}
}

// TestDrainConcurrent drains from many goroutines that send: each finds its own
// frames written.
func TestDrainConcurrent(t *testing.T) {
	g, ctx := newGate(), context.Background()
	close(g.open)
	c := started(t, g, Config{})
	defer c.Close()
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 20 {
				mark := fmt.Sprintf("<%d.%d>", n, i)
				if err := errors.Join(c.Send(ctx, &Owner{Name: mark}), c.SendBuffer(ctx, bulkFrame(c, mark)), c.Drain(ctx)); err != nil {
					t.Error(err)
					return
				}
				g.mu.Lock()
				k := bytes.Count(g.written.Bytes(), []byte(mark))
				g.mu.Unlock()
				if k != 2 {
					t.Errorf("%s: %d of 2 frames are written", mark, k)
				}
			}
		})
	}
	wg.Wait()
}

// TestEnd ends a connection, by either end or for a cause, while goroutines
// wait in every call.
func TestEnd(t *testing.T) {
	broken := errors.New("broken")
	for what, c := range map[string]struct {
		end  func(near, far *Conn)
		want error
	}{
		"close":        {func(near, _ *Conn) { _ = near.Close() }, ErrClosed},
		"far close":    {func(_, far *Conn) { _ = far.Close() }, ErrClosed},
		"fail":         {func(near, _ *Conn) { near.Fail(broken) }, broken},
		"fail, close":  {func(near, _ *Conn) { near.Fail(broken); _ = near.Close() }, broken},
		"close, close": {func(near, _ *Conn) { _ = near.Close(); near.Fail(broken); _ = near.Close() }, ErrClosed},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := pair(t, Config{Timeout: 1 << 40})
				ctx, ended := t.Context(), new(atomic.Int32)
				check := func(call string, err error) {
					if !errors.Is(err, c.want) {
						t.Errorf("%s: %v", call, err)
					}
					ended.Add(1)
				}
				go func() {
					_, err := near.Next()
					check("Next", err)
				}()
				for _, typ := range []Type{TypeFiles, TypeOwner} {
					go func() {
						var err error
						for err == nil {
							f := near.Buffer(typ)
							f.B = append(f.B, make([]byte, 1000)...)
							err = near.SendBuffer(ctx, f)
						}
						check("SendBuffer", err)
					}()
				}
				synctest.Wait() // the writer is blocked
				go func() { check("Drain", near.Drain(ctx)) }()
				synctest.Wait()
				c.end(near, far)
				<-near.Dead()
				synctest.Wait()
				if n := ended.Load(); n != 4 {
					t.Errorf("%d of 4 calls returned", n)
				}
				check("Send later", near.Send(ctx, &Owner{}))
				check("Drain later", near.Drain(ctx))
				_, err := near.Next()
				check("Next later", err)
				must(t, errors.Join(near.Close(), far.Close()))
			})
		})
	}
}

func TestSendCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c := started(t, g, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		sent := 0
		go func() {
			for err == nil {
				if err = c.SendBuffer(ctx, bulkFrame(c, "content")); err == nil {
					sent++
				}
			}
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(err, context.Canceled) || sent < bulkQueue {
			t.Errorf("%d sent, %v", sent, err)
		}
		must(t, c.Close())
	})
}

func TestTooLong(t *testing.T) {
	near, far := pair(t, Config{})
	defer near.Close()
	defer far.Close()
	ctx := context.Background()
	f := near.Buffer(TypeFiles)
	f.B = append(f.B, make([]byte, MaxFrame+1)...)
	if err := near.SendBuffer(ctx, f); err == nil {
		t.Error("a frame of MaxFrame+1 bytes was sent")
	}
	f = near.Buffer(TypeFiles)
	f.B = append(f.B, make([]byte, MaxFrame)...)
	must(t, near.SendBuffer(ctx, f))
	g, err := far.Next()
	must(t, err)
	if b, err := g.Payload(); err != nil || len(b) != MaxFrame {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []int
		pass, refused := make(chan struct{}), errors.New("refused")
		limit := func(ctx context.Context, n int) error {
			asked = append(asked, n)
			select {
			case <-pass:
				return nil
			case <-ctx.Done():
				return refused
			}
		}
		a, b := Pipe()
		near, far := started(t, a, Config{RateLimit: limit, Compress: CompressAlways}), started(t, b, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if err := near.SendBuffer(ctx, bulkFrame(near, "content")); err != nil {
				t.Error(err)
			}
			if err := near.SendBuffer(ctx, bulkFrame(near, string(make([]byte, 100_000)))); !errors.Is(err, refused) {
				t.Errorf("the limit's error became %v", err)
			}
		}()
		must(t, near.Send(ctx, &Owner{Name: "control"})) // is not limited
		if f, err := far.Next(); err != nil || f.Type != TypeOwner {
			t.Errorf("%v, %v", f.Type, err)
		}
		pass <- struct{}{}
		if f, err := far.Next(); err != nil || f.Type != TypeFiles {
			t.Errorf("%v, %v", f.Type, err)
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if len(asked) != 2 || asked[0] != headerSize+len("content") || asked[1] > 1000 {
			t.Errorf("the limit was asked for %v bytes", asked)
		}
		must(t, near.Drain(t.Context()))
		must(t, errors.Join(near.Close(), far.Close()))
		if far.Received() != near.Sent() {
			t.Errorf("sent %d, received %d", near.Sent(), far.Received())
		}
	})
}

// TestConcurrentSend sends frames of all sizes from many goroutines, pooled
// memory and compression included. What arrives must be whole, and bulk frames
// of one goroutine in order.
func TestConcurrentSend(t *testing.T) {
	near, far := pair(t, Config{Compress: CompressAlways})
	ctx := context.Background()
	const senders, each = 8, 60
	var wg sync.WaitGroup
	for n := range senders {
		wg.Go(func() {
			for i := range each {
				f := near.Buffer(TypeFiles)
				size := []int{0, 10, 1000, smallFrame + 1, BulkSize, bufferSize + 100}[i%6]
				f.B = u(f.B, n, i)
				content := pattern(n*each+i, size)
				f.B = append(append(f.B, sumOf(content)...), content...)
				if i%10 == 9 {
					near.Discard(near.Buffer(TypeData))
				}
				if err := near.SendBuffer(ctx, f); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	frames := make(chan Frame, 8)
	next := make([]int, senders)
	var mu sync.Mutex
	var readers sync.WaitGroup
	for range 3 { // decompress in parallel, as writers of files do
		readers.Go(func() {
			for f := range frames {
				b, err := f.Payload()
				if err != nil {
					t.Error(err)
					continue
				}
				d := Dec{b: b}
				n, _, sum, content := d.index(), d.index(), d.take(32), d.rest()
				if d.err != nil || !bytes.Equal(sum, sumOf(content)) {
					t.Errorf("a frame of %d bytes is damaged: %v", len(b), d.err)
				}
				mu.Lock()
				next[n]++
				mu.Unlock()
				f.Release()
			}
		})
	}
	for range senders * each {
		f, err := far.Next()
		if err != nil {
			t.Fatal(err)
		}
		frames <- f
	}
	close(frames)
	readers.Wait()
	wg.Wait()
	for n, got := range next {
		if got != each {
			t.Errorf("%d frames of sender %d of %d", got, n, each)
		}
	}
	must(t, errors.Join(near.Close(), far.Close()))
}

func TestBulkOrder(t *testing.T) {
	near, far := pair(t, Config{Compress: CompressAlways})
	ctx := context.Background()
	go func() {
		for i := range 500 {
			f := near.Buffer(TypeData)
			f.B = binary.BigEndian.AppendUint32(f.B, uint32(i))
			f.B = append(f.B, make([]byte, i*10)...)
			if near.SendBuffer(ctx, f) != nil {
				return
			}
		}
	}()
	for i := range 500 {
		f, err := far.Next()
		must(t, err)
		b, err := f.Payload()
		must(t, err)
		if got := binary.BigEndian.Uint32(b); int(got) != i || len(b) != 4+i*10 {
			t.Fatalf("frame %d of %d bytes in place of %d", got, len(b), i)
		}
		f.Release()
	}
	must(t, errors.Join(near.Close(), far.Close()))
}

// pattern returns n bytes that compress, or not, depending on seed.
func pattern(seed, n int) []byte {
	b := make([]byte, n)
	x := uint64(seed)*2654435761 + 1
	for i := range b {
		if seed%2 == 0 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		b[i] = byte(x)
	}
	return b
}

func sumOf(b []byte) []byte {
	sum := delta.Sum(b)
	return sum[:]
}
