package wire

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const limit = 30 * time.Second

func TestNothingReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		go func() { _, _ = io.Copy(io.Discard, b) }() // it reads, and says nothing
		c := started(t, a, Config{Timeout: limit})
		start := time.Now()
		_, err := c.Next()
		if took := time.Since(start); !errors.Is(err, ErrTimeout) || took < limit || took > limit+time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		must(t, c.Close())
	})
}

func TestSilenceAfterTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := started(t, a, Config{Timeout: limit})
		go func() {
			for range 20 {
				time.Sleep(limit - time.Second)
				_, _ = b.Write(frame(TypeOwner, 0, (&Owner{}).append(nil)))
			}
			_, _ = b.Write(header(TypeOwner, 0, 100)) // and then dies within a frame
		}()
		start := time.Now()
		for range 20 {
			_, err := c.Next()
			must(t, err)
		}
		_, err := c.Next()
		want := 20*(limit-time.Second) + limit
		if took := time.Since(start); !errors.Is(err, ErrTimeout) || took < want || took > want+time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		must(t, c.Close())
	})
}

// TestNothingSent blocks the line one way: the far side goes on to ping.
func TestNothingSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := started(t, a, Config{Timeout: limit})
		go func() {
			for {
				if _, err := b.Write(frame(TypePing, 0, nil)); err != nil {
					return
				}
				time.Sleep(limit / 4)
			}
		}()
		var reader error
		go func() { _, reader = c.Next() }()
		start := time.Now()
		var err error
		for err == nil {
			f := c.Buffer(TypeData)
			f.B = append(f.B, make([]byte, BulkSize)...)
			err = c.SendBuffer(t.Context(), f)
		}
		if took := time.Since(start); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "sent") || took < limit || took > limit+time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		synctest.Wait()
		if !errors.Is(reader, ErrTimeout) {
			t.Errorf("Next: %v", reader)
		}
		must(t, c.Close())
		time.Sleep(limit) // until the far side has noticed
	})
}

func TestPingsKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, Config{Timeout: limit})
		defer near.Work()()
		defer far.Work()()
		var errs [2]error
		go func() { _, errs[0] = near.Next() }()
		go func() { _, errs[1] = far.Next() }()
		time.Sleep(time.Hour)
		select {
		case <-near.Dead():
			t.Errorf("near: %v", near.cause)
		case <-far.Dead():
			t.Errorf("far: %v", far.cause)
		default:
		}
		if n := near.Sent(); n == 0 || n > int64(time.Hour/(limit/4))*(headerSize+1) {
			t.Errorf("%d bytes of pings", n)
		}
		must(t, errors.Join(near.Close(), far.Close()))
		synctest.Wait()
		if !errors.Is(errs[0], ErrClosed) || !errors.Is(errs[1], ErrClosed) {
			t.Errorf("%v, %v", errs[0], errs[1])
		}
	})
}

// TestBusyEnd does not read for long while the far side has something to say:
// that is nobody's silence.
func TestBusyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, Config{Timeout: limit})
		for range 3 {
			must(t, far.Send(t.Context(), &Owner{}))
			time.Sleep(10 * limit)
			if f, err := near.Next(); err != nil || f.Type != TypeOwner {
				t.Errorf("%v, %v", f.Type, err)
			}
		}
		must(t, errors.Join(near.Close(), far.Close()))
	})
}

// TestSlowLine moves a frame in little pieces, each in time. There is a ping to
// write whenever a write ends, and Drain ends nevertheless: after the frame's last
// piece it may take two writes of pings, which together have to end in time as well,
// for this end waits for an answer.
func TestSlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		near, slow := started(t, a, Config{Timeout: limit}), started(t, &slowStream{b, limit / 3}, Config{Timeout: limit})
		go func() { _, _ = slow.Next() }()
		go func() { _, _ = near.Next() }()
		f := slow.Buffer(TypeData)
		f.B = append(f.B, make([]byte, BulkSize)...)
		must(t, slow.SendBuffer(t.Context(), f))
		must(t, slow.Drain(t.Context()))
		must(t, errors.Join(slow.Close(), near.Close()))
	})
}

// slowStream takes its time for each 32 KiB that are written.
type slowStream struct {
	io.ReadWriteCloser
	delay time.Duration
}

func (s *slowStream) Write(p []byte) (int, error) {
	time.Sleep(time.Duration((len(p)+32<<10-1)/(32<<10)) * s.delay)
	return s.ReadWriteCloser.Write(p)
}

func TestNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, Config{})
		var err error
		go func() { _, err = near.Next() }()
		time.Sleep(1000 * time.Hour)
		if near.Sent() != 0 || far.Sent() != 0 {
			t.Error("pings without a timeout")
		}
		must(t, errors.Join(near.Close(), far.Close()))
		synctest.Wait()
		if !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// brokenPipe is a stream that cannot be written to, and that gives what was
// said before after a delay.
type brokenPipe struct {
	*gate
	said  io.Reader
	delay time.Duration
}

var errPipe = errors.New("broken pipe")

func (*brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func (b *brokenPipe) Read(p []byte) (int, error) {
	if b.said != nil {
		time.Sleep(b.delay)
		if n, err := b.said.Read(p); err == nil {
			return n, nil
		}
		return 0, io.EOF
	}
	return b.gate.Read(p)
}

// TestLastWords breaks the line where it is written to: what the far side said
// before is still found.
func TestLastWords(t *testing.T) {
	for what, payload := range map[string]int{"flush": 10, "write": BulkSize} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said := frame(TypeFatal, 0, (&Fatal{Error{Code: CodeFile, Kind: KindNoSpace, Text: "no room"}}).append(nil))
				c := started(t, &brokenPipe{newGate(), strings.NewReader(string(said)), time.Second}, Config{Timeout: limit})
				f := c.Buffer(TypeData)
				f.B = append(f.B, make([]byte, payload)...)
				must(t, c.SendBuffer(t.Context(), f))
				got, err := c.Next()
				if err != nil || got.Type != TypeFatal {
					t.Fatalf("%v, %v", got.Type, err)
				}
				if _, err := c.Next(); !errors.Is(err, ErrClosed) && !errors.Is(err, errPipe) {
					t.Error(err)
				}
				must(t, c.Close())
			})
		})
	}
}

func TestNoLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := started(t, &brokenPipe{gate: newGate()}, Config{})
		must(t, c.Send(t.Context(), &Owner{}))
		start := time.Now()
		_, err := c.Next()
		if took := time.Since(start); !errors.Is(err, errPipe) || took != lastWords {
			t.Errorf("after %v: %v", took, err)
		}
		if err := c.Send(t.Context(), &Owner{}); !errors.Is(err, errPipe) {
			t.Error(err)
		}
		must(t, c.Close())
	})
}

// pinger reads everything at one end of a pipe and sends pings with that payload.
func pinger(rw io.ReadWriteCloser, payload ...byte) {
	go func() { _, _ = io.Copy(io.Discard, rw) }()
	for {
		if _, err := rw.Write(frame(TypePing, 0, payload)); err != nil {
			return
		}
		time.Sleep(limit / 4)
	}
}

// TestOnlyPings: a far side that answers and does nothing is given up after the
// timeout; one that says that it is at work, after the patience.
func TestOnlyPings(t *testing.T) {
	for name, tt := range map[string]struct {
		payload  []byte
		patience time.Duration
		least    time.Duration
		most     time.Duration
	}{
		"idle":            {nil, time.Hour, limit, limit + maxTick},
		"busy":            {[]byte{pingBusy}, time.Hour, time.Hour, time.Hour + limit + maxTick},
		"busy by default": {[]byte{pingBusy}, 0, defaultPatience, defaultPatience + limit + maxTick},
		"no patience":     {[]byte{pingBusy}, 1, limit, limit + maxTick},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := Pipe()
				c := started(t, a, Config{Timeout: limit, Patience: tt.patience})
				go pinger(b, tt.payload...)
				start := time.Now()
				_, err := c.Next()
				took := time.Since(start)
				if !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "done nothing") || took < tt.least || took > tt.most {
					t.Errorf("after %v: %v, want %v to %v", took, err, tt.least, tt.most)
				}
				must(t, c.Close())
				time.Sleep(limit)
			})
		})
	}
}

// TestPatienceAnew: patience with a far side at work begins anew with every frame
// that is not a ping, and with every byte of one.
func TestPatienceAnew(t *testing.T) {
	const patience = 10 * limit
	piece := len(frame(TypeOwner, 0, (&Owner{Name: "slow"}).append(nil))) - headerSize
	if time.Duration(piece)*(limit-time.Second) > patience {
		t.Fatal("the frame takes too long")
	}
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := started(t, a, Config{Timeout: limit, Patience: patience})
		go func() { _, _ = io.Copy(io.Discard, b) }()
		var last time.Time
		go func() {
			ping, owner := frame(TypePing, 0, []byte{pingBusy}), frame(TypeOwner, 0, (&Owner{Name: "slow"}).append(nil))
			for i := range 4 {
				for range 4*patience/limit - 4 {
					_, _ = b.Write(ping)
					time.Sleep(limit / 4)
				}
				if i < 2 {
					_, _ = b.Write(owner)
					continue
				}
				_, _ = b.Write(owner[:headerSize])
				for _, x := range owner[headerSize:] { // as long as the patience, all in all
					time.Sleep(limit - time.Second)
					_, _ = b.Write([]byte{x})
				}
			}
			last = time.Now()
			for {
				if _, err := b.Write(ping); err != nil {
					return
				}
				time.Sleep(limit / 4)
			}
		}()
		for i := range 4 {
			if f, err := c.Next(); err != nil || f.Type != TypeOwner {
				t.Fatalf("frame %d: %v, %v", i, f.Type, err)
			}
		}
		_, err := c.Next()
		if took := time.Since(last); !errors.Is(err, ErrTimeout) || took < patience || took > patience+limit+maxTick {
			t.Errorf("after %v: %v", took, err)
		}
		must(t, c.Close())
		time.Sleep(limit)
	})
}

// TestOwnWork: while this end is at work nobody has to do anything.
func TestOwnWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := started(t, a, Config{Timeout: limit})
		go pinger(b)
		start := time.Now()
		go func() {
			outer, inner := c.Work(), c.Work()
			time.Sleep(time.Hour)
			inner()
			inner() // does nothing
			time.Sleep(time.Hour)
			outer()
		}()
		_, err := c.Next()
		want := 2*time.Hour + limit
		if took := time.Since(start); !errors.Is(err, ErrTimeout) || took < want || took > want+time.Second {
			t.Errorf("after %v: %v, want %v", took, err, want)
		}
		must(t, c.Close())
		time.Sleep(limit)
	})
}

// TestBusyPings: the pings of an end at work say so, and keep the other end waiting.
func TestBusyPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, Config{Timeout: limit})
		var errs [2]error
		go func() { _, errs[0] = near.Next() }()
		go func() { _, errs[1] = far.Next() }()
		done := far.Work()
		time.Sleep(10 * limit)
		select {
		case <-near.Dead():
			t.Errorf("near: %v", near.cause)
		case <-far.Dead():
			t.Errorf("far: %v", far.cause)
		default:
		}
		done()
		time.Sleep(2 * limit)
		<-near.Dead()
		<-far.Dead()
		if !errors.Is(near.cause, ErrTimeout) && !errors.Is(far.cause, ErrTimeout) {
			t.Error("both wait for each other, and nobody gives up")
		}
		must(t, errors.Join(near.Close(), far.Close()))
	})
}

// TestSlowFrame sends one frame byte by byte: that is progress, also in its header,
// which may be a ping's as far as one can tell.
func TestSlowFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := started(t, a, Config{Timeout: limit})
		go func() { _, _ = io.Copy(io.Discard, b) }()
		go func() {
			for _, x := range frame(TypeOwner, 0, (&Owner{Name: "slow"}).append(nil)) {
				time.Sleep(limit - time.Second)
				_, _ = b.Write([]byte{x})
			}
		}()
		if f, err := c.Next(); err != nil || f.Type != TypeOwner {
			t.Errorf("%v, %v", f.Type, err)
		}
		must(t, c.Close())
	})
}

// TestSlowPings sends idle pings byte by byte: once one is complete it is clear
// that nothing has been done.
func TestSlowPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := started(t, a, Config{Timeout: limit})
		go func() { _, _ = io.Copy(io.Discard, b) }()
		go func() {
			for {
				for _, x := range frame(TypePing, 0, nil) {
					time.Sleep(limit / 2)
					if _, err := b.Write([]byte{x}); err != nil {
						return
					}
				}
			}
		}()
		start := time.Now()
		_, err := c.Next()
		if took := time.Since(start); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "done nothing") || took < limit || took > headerSize*limit/2+maxTick {
			t.Errorf("after %v: %v", took, err)
		}
		must(t, c.Close())
		time.Sleep(limit)
	})
}

// TestPingsDoNotPile: on a line that takes nothing for a while one ping waits, not
// one for every quarter of the timeout.
func TestPingsDoNotPile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := started(t, newGate(), Config{Timeout: limit})
		time.Sleep(limit + limit/8) // three more than the one that is being written
		if n := len(c.ctl); n != 1 {
			t.Errorf("%d pings wait", n)
		}
		must(t, c.Close())
	})
}

// TestPingsAreNoProgress: the pings that this end sends, Drain's marks included, do
// not hide that nothing is done.
func TestPingsAreNoProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, Config{Timeout: limit})
		go func() { _, _ = far.Next() }()
		go func() {
			for near.Drain(context.Background()) == nil {
				time.Sleep(time.Second)
			}
		}()
		start := time.Now()
		_, err := near.Next()
		if took := time.Since(start); took < limit || took > limit+maxTick {
			t.Errorf("after %v: %v", took, err)
		}
		must(t, errors.Join(near.Close(), far.Close()))
		time.Sleep(time.Second)
	})
}

// TestMonotonic: times are measured on the clock that nobody sets.
func TestMonotonic(t *testing.T) {
	c := reads(t, nothing{})
	if c.epoch == c.epoch.Round(0) { // Round strips the monotonic reading
		t.Error("the connection's times follow the machine's clock")
	}
	if c.now() <= 0 {
		t.Error("0 stands for no time")
	}
}

// TestBandwidthLimit: an end that waits for its own limit does not stall.
func TestBandwidthLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		near, err := New(a, Config{})
		must(t, err)
		far := started(t, b, Config{Timeout: limit})
		near.Configure(Config{Timeout: limit, RateLimit: func(ctx context.Context, n int) error {
			time.Sleep(5 * limit)
			return nil
		}})
		near.Start()
		go func() { _, _ = near.Next() }()
		go func() {
			m := &FileEnd{}
			_ = near.Send(context.Background(), m)
		}()
		if f, err := far.Next(); err != nil || f.Type != TypeFileEnd {
			t.Errorf("%v, %v", f.Type, err)
		}
		must(t, errors.Join(near.Close(), far.Close()))
	})
}
