package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wide is the stream of a client, met that of its server.
type (
	wide struct {
		io.ReadWriteCloser
		*far
	}
	met struct {
		io.ReadWriteCloser
		*far
	}
)

// far hands the server's ends of lanes over.
type far struct {
	mu    sync.Mutex
	join  func(io.ReadWriteCloser)
	lanes []io.Closer
	noise string // is said ahead of what the server says, which is no lane then
	open  int    // so many can be opened
	near  bool   // but only the first answer takes long
	asked int    // for the round trip
}

func (w *wide) RTT() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked++; w.near && w.asked > 1 {
		return laneRTT / 10
	}
	return laneRTT
}

// noisy is a server's end of a lane that something is said on first.
type noisy struct {
	io.ReadWriteCloser
	noise string
}

func (n *noisy) Write(p []byte) (int, error) {
	if n.noise != "" {
		_, err := io.WriteString(n.ReadWriteCloser, n.noise)
		if n.noise = ""; err != nil {
			return 0, err
		}
	}
	return n.ReadWriteCloser.Write(p)
}

func (w *wide) Widen(_ int, ticket []byte, join func(io.ReadWriteCloser)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if string(ticket) != "ticket" {
		panic(string(ticket))
	}
	for range w.open - len(w.lanes) { // all at once: whether they pay is not asked here
		a, b := Pipe()
		w.lanes = append(w.lanes, a)
		join(a)
		w.join(&noisy{b, w.noise})
	}
}

func (w *met) Offer(join func(io.ReadWriteCloser)) (ticket []byte, stop func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.join = join
	return []byte("ticket"), func() {}, nil
}

// cut ends one of the lanes.
func (f *far) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.lanes) > 0 {
		_ = f.lanes[rand.IntN(len(f.lanes))].Close()
	}
}

func (f *far) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.lanes)
}

// greeted returns two connections that have greeted and run; near can open lanes.
func greetedPair(t *testing.T, f *far) (near, far *Conn) {
	t.Helper()
	a, b := Pipe()
	conns := make([]*Conn, 2)
	var wg sync.WaitGroup
	for i, rw := range []io.ReadWriteCloser{&wide{a, f}, &met{b, f}} {
		c, err := New(rw, Config{Timeout: time.Minute})
		must(t, err)
		conns[i] = c
		wg.Go(func() {
			if err := c.Greet(&Hello{Version: Version, MinVersion: MinVersion}); err != nil {
				t.Error(err)
			}
			if _, _, err := c.Welcome(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, c := range conns {
		c.Start()
		t.Cleanup(func() { _ = c.Close() })
	}
	return conns[0], conns[1]
}

// numbered returns a bulk frame of n bytes with a number, and the count of control
// messages that were sent before it.
func numbered(c *Conn, n int, number, before uint64) *Buffer {
	f := c.Buffer(TypeData)
	f.B = binary.BigEndian.AppendUint64(f.B, number)
	f.B = binary.BigEndian.AppendUint64(f.B, before)
	f.B = append(f.B, bytes.Repeat([]byte{byte(number)}, n)...)
	return f
}

// sendMixed sends bulk and control; the last control message is a NeedDirs.
func sendMixed(t *testing.T, c *Conn, total int64, each func(sent int64)) (frames uint64) {
	var sent int64
	var control uint64
	for sent < total {
		n := rand.IntN(BulkSize - 16)
		if rand.IntN(3) == 0 {
			n = rand.IntN(100)
		}
		if rand.IntN(4) == 0 {
			must(t, c.Send(context.Background(), &Owner{ID: uint32(control)}))
			control++
		}
		must(t, c.SendBuffer(context.Background(), numbered(c, n, frames, control)))
		frames++
		sent += int64(n)
		each(sent)
	}
	must(t, c.Drain(context.Background()))
	must(t, c.Send(context.Background(), &ListEnd{}))
	return frames
}

// receiveMixed checks what sendMixed sends and returns the number of bulk frames.
func receiveMixed(t *testing.T, c *Conn) uint64 {
	var bulk, control uint64
	for {
		f, err := c.Next()
		if err != nil {
			t.Errorf("after %d frames: %v", bulk, err)
			return bulk
		}
		p, err := f.Payload()
		must(t, err)
		switch f.Type {
		case TypeListEnd:
			return bulk
		case TypeOwner:
			control++
		case TypeData:
			number, before, content := binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:]), p[16:]
			if number != bulk || before > control {
				t.Errorf("frame %d comes, %d is next; it was sent after %d control messages, %d have come", number, bulk, before, control)
			}
			if bytes.Count(content, []byte{byte(number)}) != len(content) {
				t.Errorf("frame %d is damaged", number)
			}
			bulk++
		}
		f.Release()
	}
}

// TestLanes sends bulk and control both ways over lanes that come and go.
func TestLanes(t *testing.T) {
	for name, test := range map[string]struct {
		noise string
		cut   int64 // a lane is cut every so many bytes
		lanes int
	}{
		"none":  {},
		"one":   {lanes: 1},
		"eight": {lanes: 8},
		"noise": {noise: "Welcome to this machine\n", lanes: 8},
		"cut":   {cut: 2 << 20, lanes: 8},
		"alone": {cut: 1 << 20, lanes: 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := &far{open: test.lanes, noise: test.noise}
			near, far := greetedPair(t, f)
			const total = 16 << 20
			var got [2]uint64
			var receivers, senders, rest sync.WaitGroup
			for i, c := range []*Conn{far, near} {
				receivers.Go(func() {
					got[i] = receiveMixed(t, c)
					rest.Go(func() { // what is sent is acknowledged to who reads
						for {
							if _, err := c.Next(); err != nil {
								return
							}
						}
					})
				})
			}
			var sent [2]uint64
			for i, c := range []*Conn{near, far} {
				senders.Go(func() {
					next := test.cut
					sent[i] = sendMixed(t, c, total, func(n int64) {
						for n > total/8 && f.count() < test.lanes {
							time.Sleep(time.Millisecond) // they come amid the traffic
						}
						if i == 0 && test.cut > 0 && n > next {
							next += test.cut
							f.cut()
						}
					})
				})
			}
			senders.Wait()
			receivers.Wait()
			defer func() {
				_, _ = near.Close(), far.Close()
				rest.Wait()
			}()
			if got != sent {
				t.Errorf("%d frames were sent, %d have come", sent, got)
			}
			if test.lanes != f.count() {
				t.Errorf("%d lanes were opened", f.count())
			}
			for _, c := range []*Conn{near, far} {
				c.wantIdle(t)
			}
			mode := near.lanes.mode()
			if want := test.lanes > 0 && test.noise == ""; want != (mode != unstriped) {
				t.Errorf("the mode is %d", mode)
			}
		})
	}
}

// TestNoLanes: an answer that has taken long once, as that of a busy machine, opens no
// lanes.
func TestNoLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{open: 8, near: true}
		near, far := greetedPair(t, f)
		for _, c := range []*Conn{near, far} {
			go func() { _, _ = c.Next() }() // until it is closed
		}
		time.Sleep(time.Minute / 2)
		if f.count() != 0 || f.asked < 2 {
			t.Errorf("%d lanes were opened, the round trip was asked for %d times", f.count(), f.asked)
		}
		_, _ = near.Close(), far.Close()
	})
}

// wantIdle fails the test if anything is held back or kept.
func (c *Conn) wantIdle(t *testing.T) {
	t.Helper()
	c.lanes.mu.Lock()
	defer c.lanes.mu.Unlock()
	c.inbox.mu.Lock()
	defer c.inbox.mu.Unlock()
	if len(c.lanes.sent) > 0 || c.lanes.unacked != 0 || len(c.inbox.held) > 0 || c.inbox.cost != 0 {
		t.Errorf("%d frames of %d bytes are kept, %d of %d are held", len(c.lanes.sent), c.lanes.unacked, len(c.inbox.held), c.inbox.cost)
	}
}

// TestKeptWhileWritten: the memory of a frame that is acknowledged is not used for another
// while a lane still writes it.
func TestKeptWhileWritten(t *testing.T) {
	a, _ := Pipe()
	c, err := New(a, Config{})
	must(t, err)
	f := numbered(c, 100, 0, 0)
	c.order.Lock()
	s := c.stripe(f, nil)
	c.order.Unlock()
	must(t, c.acknowledged(1, 0))
	if f.home == nil {
		t.Error("it was given back while it is written")
	}
	if c.written(s); f.home != nil {
		t.Error("it was not given back")
	}
	_ = c.Close()
}

// TestNotTold: what could not be said in time is said later.
func TestNotTold(t *testing.T) {
	a, _ := Pipe()
	c, err := New(a, Config{})
	must(t, err)
	for range ctlQueue { // nobody writes
		must(t, c.Send(t.Context(), &ListEnd{}))
	}
	c.inbox.count(1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := c.tell(ctx); !errors.Is(err, context.DeadlineExceeded) || c.inbox.told != (LaneAck{}) {
		t.Errorf("%v, and it is taken for told: %+v", err, c.inbox.told)
	}
	_ = c.Close()
}

// TestLanesRefused: what a hostile far side says of lanes ends the connection.
func TestLanesRefused(t *testing.T) {
	for name, say := range map[string][]Msg{
		"nothing acknowledged":            {&LaneAck{}},
		"acknowledged before it was sent": {&LaneAck{Next: 1}},
		"a ticket nobody asked for":       {&LaneTicket{Ticket: []byte("x")}},
		"a ticket twice":                  {&LaneTicket{}, &LaneTicket{}},
		"asked for twice":                 {&Lanes{}, &Lanes{}},
		"striped twice":                   {&Striped{}, &Striped{}},
		"without a ticket":                {&Striped{}},
		"before there were lanes":         {&Lanes{}},
	} {
		open := name != "without a ticket"
		t.Run(name, func(t *testing.T) {
			near, far := pair(t, Config{})
			defer near.Close()
			if near.lanes.version = Version; name == "before there were lanes" {
				near.lanes.version = laneVersion - 1
			}
			near.lanes.open.Store(open)
			var wg sync.WaitGroup
			defer wg.Wait()
			defer far.Close()
			wg.Go(func() {
				for {
					if _, err := far.Next(); err != nil {
						return
					}
				}
			})
			for _, m := range say {
				must(t, far.Send(t.Context(), m))
			}
			if _, err := near.Next(); !errors.Is(err, ErrProtocol) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestToldFirst: what has been taken is acknowledged ahead of whatever is said of it, or
// who has sent it waits in vain for one that has ended.
func TestToldFirst(t *testing.T) {
	for range 30 {
		near, far := greetedPair(t, &far{open: 2})
		var wg sync.WaitGroup
		wg.Go(func() { // it takes a frame, says so, and ends when it has heard back
			for want := range []Type{TypeData, TypeListEnd} {
				for got := Type(0); got != []Type{TypeData, TypeListEnd}[want]; {
					f, err := far.Next()
					if err != nil {
						t.Error(err)
						return
					}
					got = f.Type
				}
				if want == 0 {
					_ = far.Send(t.Context(), &ListEnd{})
				}
			}
			_ = far.Close()
		})
		wg.Go(func() {
			for near.lanes.mode() == unstriped {
				time.Sleep(time.Millisecond)
			}
			if err := near.SendBuffer(t.Context(), numbered(near, 1, 0, 0)); err != nil {
				t.Error(err)
			}
		})
		for {
			f, err := near.Next()
			must(t, err)
			if f.Type == TypeListEnd {
				break
			}
		}
		must(t, near.Send(t.Context(), &ListEnd{}))
		must(t, near.Drain(t.Context()))
		wg.Wait()
	}
}

// TestHeldMemory: striped frames whose turn does not come take no more memory than they
// may, whatever their size, and the connection ends when it is used up.
func TestHeldMemory(t *testing.T) {
	for _, n := range []int{0, 100, smallFrame + 1, laneSmall + 1, BulkSize, MaxFrame} {
		var seq uint64
		left := []byte(frame(TypeStriped, 0, nil))
		payload := make([]byte, n)
		c := reads(t, readerFunc(func(p []byte) (int, error) {
			for len(left) == 0 {
				seq++
				left = frame(TypeData, flagStripe, payload)
				left = append(left[:headerSize:headerSize], append(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seq), 0), left[headerSize:]...)...)
			}
			k := copy(p, left)
			left = left[k:]
			return k, nil
		}))
		c.lanes.version = Version
		c.lanes.open.Store(true)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		_, err := c.Next()
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); !errors.Is(err, ErrProtocol) || grown > 2*maxUnackedIn {
			t.Errorf("frames of %d bytes: %v after %d, %d bytes are held", n, err, seq, grown)
		}
		runtime.KeepAlive(c)
		_ = c.Close()
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
