package wire

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// line is one direction of a long line that several channels share, in virtual time.
type line struct {
	mu    sync.Mutex
	rate  float64 // bytes per second
	delay time.Duration
	free  time.Time // when what has been sent so far has left
}

// send returns when n bytes that are sent now arrive.
func (l *line) send(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	return l.free.Add(l.delay)
}

// channel is one direction of a channel on a line, with the window of an SSH channel.
type channel struct {
	l     *line
	back  time.Duration // until the sender hears that bytes were taken
	piece int

	mu     sync.Mutex
	cond   *sync.Cond
	window int
	queue  []onWay
	closed bool
}

type onWay struct {
	b  []byte
	at time.Time
}

func newChannel(l *line, piece int) *channel {
	c := &channel{l: l, back: l.delay, window: laneHolds, piece: cmp.Or(piece, 32<<10)}
	c.cond = sync.NewCond(&c.mu)
	return c
}

func (c *channel) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		k := min(len(p)-n, c.piece)
		c.mu.Lock()
		for c.window < k && !c.closed {
			c.cond.Wait()
		}
		if c.closed {
			c.mu.Unlock()
			return n, io.ErrClosedPipe
		}
		c.window -= k
		c.queue = append(c.queue, onWay{slices.Clone(p[n : n+k]), c.l.send(k)})
		c.cond.Broadcast()
		c.mu.Unlock()
		n += k
	}
	return len(p), nil
}

func (c *channel) Read(p []byte) (int, error) {
	c.mu.Lock()
	for len(c.queue) == 0 && !c.closed {
		c.cond.Wait()
	}
	if c.closed {
		c.mu.Unlock()
		return 0, io.EOF
	}
	first := &c.queue[0]
	if wait := time.Until(first.at); wait > 0 {
		c.mu.Unlock()
		time.Sleep(wait)
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	if c.closed {
		return 0, io.EOF
	}
	n := copy(p, first.b)
	if first.b = first.b[n:]; len(first.b) == 0 {
		c.queue = c.queue[1:]
	}
	time.AfterFunc(c.back, func() {
		c.mu.Lock()
		c.window += n
		c.mu.Unlock()
		c.cond.Broadcast()
	})
	return n, nil
}

func (c *channel) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cond.Broadcast()
	return nil
}

// longLine is a pair of lines on which streams can be opened.
type longLine struct {
	there, back *line
	piece       int // bytes that come at once; 0 for 32 KiB
	join        func(io.ReadWriteCloser)
	lanes       int
}

type (
	longStream struct {
		*longLine
		r, w *channel
	}
	longServer struct {
		io.ReadWriteCloser
		line *longLine
	}
)

func (s *longStream) Read(p []byte) (int, error)  { return s.r.Read(p) }
func (s *longStream) Write(p []byte) (int, error) { return s.w.Write(p) }

func (s *longStream) Close() error {
	_ = s.r.Close()
	return s.w.Close()
}

func (l *longLine) open() (near *longStream, far *longServer) {
	a, b := newChannel(l.there, l.piece), newChannel(l.back, l.piece)
	return &longStream{l, b, a}, &longServer{&longStream{l, a, b}, l}
}

func (l *longStream) RTT() time.Duration { return l.there.delay + l.back.delay }

func (l *longStream) Widen(n int, _ []byte, join func(io.ReadWriteCloser)) {
	for range n {
		l.lanes++
		near, far := l.open()
		time.AfterFunc(l.RTT(), func() { join(near) })
		time.AfterFunc(l.RTT()/2, func() { l.join(far) })
	}
}

func (s *longServer) Offer(join func(io.ReadWriteCloser)) (ticket []byte, stop func(), err error) {
	s.line.join = join
	return []byte("ticket"), func() {}, nil
}

// TestLongLine: bulk fills a long line, with as many lanes as that takes, and control
// does not wait behind it.
func TestLongLine(t *testing.T) {
	for _, test := range []struct {
		name  string
		rtt   time.Duration
		mbit  float64
		lanes int
	}{
		{"1 Gbit/s, 100 ms", 100 * time.Millisecond, 1000, lanesAtMost},
		{"100 Mbit/s, 100 ms", 100 * time.Millisecond, 100, 1},
		{"100 Mbit/s, 20 ms", 20 * time.Millisecond, 100, 1},
		{"20 Mbit/s, 40 ms", 40 * time.Millisecond, 20, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rate := test.mbit * 1e6 / 8
				l := &longLine{there: &line{rate: rate, delay: test.rtt / 2}, back: &line{rate: rate, delay: test.rtt / 2}}
				a, b := l.open()
				near, far := connect(t, a, b)
				length := 10 * time.Second
				if testing.Short() && test.mbit > 500 { // it is much to carry
					length = 6 * time.Second
				}
				took := load(t, near, far, length, rate)
				if l.lanes != test.lanes {
					t.Errorf("%d lanes were opened", l.lanes)
				}
				slices.Sort(took)
				p99 := took[len(took)*99/100]
				t.Logf("%d round trips, half within %v, all but 1 %% within %v", len(took), took[len(took)/2], p99)
				packet := time.Duration(timedPiece / rate * float64(time.Second)) // of SSH, that is on its way already
				if p99 > test.rtt+50*time.Millisecond+packet {
					t.Errorf("a round trip takes %v, without load %v", p99, test.rtt)
				}
				_ = near.Close()
				_ = far.Close()
			})
		})
	}
}

// connect returns connections over two streams that have greeted.
func connect(t *testing.T, a, b io.ReadWriteCloser) (near, far *Conn) {
	t.Helper()
	return connectWith(t, a, b, Config{})
}

func connectWith(t *testing.T, a, b io.ReadWriteCloser, cfg Config) (near, far *Conn) {
	t.Helper()
	var wg sync.WaitGroup
	for i, c := range []**Conn{&near, &far} {
		var err error
		*c, err = New([]io.ReadWriteCloser{a, b}[i], cfg)
		must(t, err)
		wg.Go(func() {
			if err := (*c).Greet(&Hello{Version: Version, MinVersion: MinVersion}); err != nil {
				t.Error(err)
			}
			if _, _, err := (*c).Welcome(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	near.Start()
	far.Start()
	return near, far
}

// load sends bulk from near to far that fills the line for so long, and meanwhile control to and fro. It
// checks how long that takes and returns how long control has taken since bulk flows
// evenly.
func load(t *testing.T, near, far *Conn, least time.Duration, rate float64) (took []time.Duration) {
	n := int64(rate * least.Seconds())
	ctx := context.Background()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // far answers
		for {
			f, err := far.Next()
			if err != nil {
				return
			}
			if f.Type == TypeOwner {
				if far.Send(ctx, &Owner{}) != nil {
					return
				}
			}
			f.Release()
		}
	})
	answers := make(chan struct{})
	wg.Go(func() {
		for {
			f, err := near.Next()
			if err != nil {
				return
			}
			if f.Type == TypeOwner {
				answers <- struct{}{}
			}
			f.Release()
		}
	})
	begin := time.Now()
	wg.Go(func() {
		defer close(done)
		for sent := int64(0); sent < n; sent += BulkSize {
			f := near.Buffer(TypeData)
			f.B = append(f.B, make([]byte, BulkSize)...)
			must(t, near.SendBuffer(ctx, f))
		}
		must(t, near.Drain(ctx))
	})
	for over := false; !over; {
		at := time.Now()
		must(t, near.Send(ctx, &Owner{}))
		<-answers
		if at.Sub(begin) > 4*time.Second {
			took = append(took, time.Since(at))
		}
		select {
		case <-done:
			over = true
		case <-time.After(7 * time.Millisecond):
		}
	}
	if spent := time.Since(begin); spent > least*115/100+time.Second {
		t.Errorf("what fills the line for %v takes %v", least, spent)
	} else {
		t.Logf("what fills the line for %v takes %v", least, spent)
	}
	_, _ = near.Close(), far.Close()
	wg.Wait()
	return took
}

// TestTrickle: on a slow line, with pieces of any size, and a far side that says nothing
// but that it has taken what came, everything arrives, and as fast as the line lets it.
func TestTrickle(t *testing.T) {
	for _, piece := range []int{1000, 10_007, 16 << 10, 32<<10 - 1} {
		synctest.Test(t, func(t *testing.T) {
			l := &longLine{there: &line{rate: 125_000, delay: 10 * time.Millisecond}, back: &line{rate: 125_000, delay: 10 * time.Millisecond}, piece: piece}
			a, b := l.open()
			near, far := connect(t, a, b)
			var wg sync.WaitGroup
			for _, c := range []*Conn{near, far} {
				wg.Go(func() {
					for {
						f, err := c.Next()
						if err != nil {
							return
						}
						f.Release()
					}
				})
			}
			begin, sent := time.Now(), 0
			for i := range 100 {
				n := []int{100, 10_000, 70_000, 5}[i%4]
				f := near.Buffer(TypeData)
				f.B = append(f.B, make([]byte, n)...)
				must(t, near.SendBuffer(t.Context(), f))
				sent += n
			}
			must(t, near.Drain(t.Context()))
			if took, least := time.Since(begin), time.Duration(float64(sent)/125_000*float64(time.Second)); took > least*6/5+time.Second {
				t.Errorf("pieces of %d: what fills the line for %v takes %v", piece, least, took)
			}
			_ = near.Close()
			_ = far.Close()
			wg.Wait()
		})
	}
}

// TestLaneSilence: a far side that shows that it is there, and takes nothing of what goes
// by lanes, does not hold this end, which waits with work in hand.
func TestLaneSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &longLine{there: &line{rate: 1e9, delay: 10 * time.Millisecond}, back: &line{rate: 1e9, delay: 10 * time.Millisecond}}
		a, b := l.open()
		near, far := connectWith(t, a, b, Config{Timeout: 10 * time.Second})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				if _, err := near.Next(); err != nil {
					return
				}
			}
		})
		wg.Go(func() { // it takes what opens lanes, and no more
			if _, err := far.Next(); err != nil { // what opens lanes comes ahead of it
				t.Error(err)
			}
		})
		time.Sleep(time.Second) // lanes are there
		must(t, near.Send(t.Context(), &ListEnd{}))
		time.Sleep(time.Second)
		begin := time.Now()
		var err error
		for err == nil {
			f := near.Buffer(TypeData)
			f.B = append(f.B, make([]byte, BulkSize)...)
			done := near.Work()
			err = near.SendBuffer(t.Context(), f)
			done()
		}
		if took := time.Since(begin); !errors.Is(err, ErrTimeout) || took > 15*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		_ = near.Close()
		_ = far.Close()
		wg.Wait()
	})
}
