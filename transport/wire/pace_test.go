package wire

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gosync/transport/wire/longline"
)

// readAll reads frames until the connection ends; each may be nil.
func (c *Conn) readAll(each func(f *Frame)) {
	for {
		f, err := c.Next()
		if err != nil {
			return
		}
		if each != nil {
			each(&f)
		}
		f.Release()
	}
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
		if testing.Short() && test.mbit > 500 { // it is much to carry
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rate := test.mbit * 1e6 / 8
				l := longline.New(rate, test.rtt)
				a, b := l.Open()
				near, far := connect(t, a, b)
				took := load(t, near, far, 10*time.Second, rate)
				if l.Lanes != test.lanes {
					t.Errorf("%d lanes were opened", l.Lanes)
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
	return connectWith(t, a, b, Config{Compress: CompressNever}, Config{Compress: CompressNever}) // the tests count on how much goes by the line
}

func connectWith(t *testing.T, a, b io.ReadWriteCloser, nearConfig, farConfig Config) (near, far *Conn) {
	t.Helper()
	return connectTo(t, a, b, nearConfig, farConfig, Version)
}

// connectTo is the same with some version of the protocol.
func connectTo(t *testing.T, a, b io.ReadWriteCloser, nearConfig, farConfig Config, version int) (near, far *Conn) {
	t.Helper()
	var wg sync.WaitGroup
	for i, c := range []**Conn{&near, &far} {
		var err error
		*c, err = New([]io.ReadWriteCloser{a, b}[i], []Config{nearConfig, farConfig}[i])
		must(t, err)
		wg.Go(func() {
			if err := (*c).Greet(&Hello{Version: version, MinVersion: MinVersion}); err != nil {
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
			l := longline.New(125_000, 20*time.Millisecond)
			l.Piece = piece
			a, b := l.Open()
			near, far := connect(t, a, b)
			var wg sync.WaitGroup
			for _, c := range []*Conn{near, far} {
				wg.Go(func() { c.readAll(nil) })
			}
			begin, sent := time.Now(), 0
			for i := range 400 { // more than goes at once in the beginning
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
		l := longline.New(1e9, 20*time.Millisecond)
		a, b := l.Open()
		near, far := connectWith(t, a, b, Config{Timeout: 10 * time.Second}, Config{Timeout: 10 * time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { near.readAll(nil) })
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

// TestLaneReads: of lane 0, which is read ahead, a silence counts only while this end
// waits, and not while lanes bring something.
func TestLaneReads(t *testing.T) {
	const limit = 10 * time.Second
	synctest.Test(t, func(t *testing.T) {
		l := longline.New(1e9, 20*time.Millisecond)
		a, b := l.Open()
		near, far := connectWith(t, a, b, Config{Timeout: limit}, Config{}) // which does not ping
		var wg sync.WaitGroup
		wg.Go(func() { far.readAll(nil) })
		send := func() {
			f := far.Buffer(TypeData)
			f.B = append(f.B, make([]byte, 1000)...)
			must(t, far.SendBuffer(t.Context(), f))
		}
		time.Sleep(time.Second)
		for range 50 { // lanes bring something in time, lane 0 nothing
			send()
			if _, err := near.Next(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(limit / 4)
		}
		wg.Go(func() { // it comes late, while this end waits
			time.Sleep(limit / 2)
			send()
			time.Sleep(limit * 3 / 4)
			send()
		})
		for range 2 {
			if _, err := near.Next(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(3 * limit) // nobody asks
		if err := near.Err(); err != nil {
			t.Errorf("while nobody waits: %v", err)
		}
		if _, err := near.Next(); !errors.Is(err, ErrTimeout) {
			t.Errorf("nothing comes, and somebody waits: %v", err)
		}
		_ = near.Close()
		_ = far.Close()
		wg.Wait()
	})
}

// TestSlowLane: a frame that takes longer than the timeout to come by a lane ends nothing,
// though lane 0 is silent meanwhile.
func TestSlowLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := longline.New(15_000, 20*time.Millisecond)
		a, b := l.Open()
		near, far := connectWith(t, a, b, Config{Timeout: 10 * time.Second}, Config{}) // which does not ping
		var wg sync.WaitGroup
		wg.Go(func() { far.readAll(nil) })
		wg.Go(func() {
			time.Sleep(time.Second)
			f := far.Buffer(TypeData)
			f.B = append(f.B, make([]byte, BulkSize)...)
			if err := far.SendBuffer(t.Context(), f); err != nil {
				t.Error(err)
			}
		})
		if _, err := near.Next(); err != nil {
			t.Error(err)
		}
		_ = near.Close()
		_ = far.Close()
		wg.Wait()
	})
}

// measured returns a pace that has measured a rate for a while, in bytes per second.
func measured(rate int64, now *time.Time) *pace {
	p := &pace{}
	for range 100 {
		p.step(rate, now)
	}
	return p
}

// step lets 100 ms pass, in which bytes go and arrive.
func (p *pace) step(rate int64, now *time.Time) {
	p.wrote(int(rate/10), *now)
	*now = now.Add(100 * time.Millisecond)
	p.came(p.arrived+rate/10, *now)
}

// TestPace: what a lane had on it when it was lost is not under way any more; a rate is
// believed until a lower one has been measured for a while, which does not count where
// lanes have had nothing to carry.
func TestPace(t *testing.T) {
	now := time.Unix(0, 0)
	p := measured(10e6, &now)
	if got := p.rate(); got < 9.9e6 || got > 10.1e6 {
		t.Errorf("the rate is %v", got)
	}
	w := p.window(8)
	if want := int64(10e6 * 0.115 * probeGain); w < 1e6 || w > want+timedPiece {
		t.Errorf("the window is %d", w)
	}
	p.wrote(int(2*w), now)
	if p.room(1, 8) {
		t.Error("there is room beyond the window")
	}
	p.lose()
	p.wrote(int(w/2), now)
	if !p.room(int(w/4), 8) || p.room(int(w), 8) {
		t.Error("the window is not free after a loss, or has no end")
	}

	p = measured(10e6, &now)
	for range 100 {
		p.idle = true
		p.step(1e6, &now)
	}
	if got := p.rate(); got < 9.9e6 {
		t.Errorf("after a time with little to carry the rate is %v", got)
	}
	for range 100 {
		p.step(1e6, &now)
	}
	if got := p.rate(); got > 1.1e6 {
		t.Errorf("of a line that has become slow the rate is %v", got)
	}
}
