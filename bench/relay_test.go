package bench

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWay checks a direction of the line in virtual time: what it carries never exceeds its rate, arrives in order and
// half a round trip after it has left, and the queue is bounded.
func TestWay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		shape := Shape{
			RTT:  time.Duration(rapid.IntRange(0, 200).Draw(t, "RTT")) * time.Millisecond,
			Rate: float64(rapid.IntRange(10, 100_000).Draw(t, "KB/s")) * 1000,
		}
		w := &way{shape: shape}
		begin := time.Unix(1_000_000_000, 0)
		now, last, sent := begin, begin, 0
		for range rapid.IntRange(1, 200).Draw(t, "pieces") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "pause")) * time.Millisecond)
			n := rapid.IntRange(1, shape.piece()).Draw(t, "n")
			at, wait := w.send(n, now)
			for tries := 0; wait > 0; tries++ {
				if tries > 1 {
					t.Fatal("there was no room after the wait that was asked for")
				}
				now = now.Add(wait)
				at, wait = w.send(n, now)
			}
			sent += n
			if at.Before(last) {
				t.Fatal("a piece overtook another one")
			}
			last = at
			took := at.Sub(begin) - shape.RTT/2
			if least := time.Duration(float64(sent) / shape.Rate * 0.999 * float64(time.Second)); took < least-time.Microsecond {
				t.Fatalf("%d bytes took %v, the line needs %v", sent, took, least)
			}
			held := at.Sub(now) - shape.RTT/2
			if most := time.Duration(float64(shape.queue()+n)/shape.Rate*float64(time.Second)) + time.Microsecond; held > most {
				t.Fatalf("a piece waits %v, the queue is %v long", held, most)
			}
		}
	})
}

// TestWayWithoutLimit checks a direction that only takes time.
func TestWayWithoutLimit(t *testing.T) {
	t.Parallel()
	w, now := &way{shape: Shape{RTT: 40 * time.Millisecond}}, time.Unix(1_000_000_000, 0)
	for range 3 {
		if at, wait := w.send(1<<30, now); wait != 0 || at.Sub(now) != 20*time.Millisecond {
			t.Errorf("arrives after %v, waits %v", at.Sub(now), wait)
		}
	}
}

// listen serves connections on loopback, one after the other, until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-ended })
	return ln.Addr().String()
}

func TestRelayCarriesAndCounts(t *testing.T) {
	t.Parallel()
	for name, shape := range map[string]Shape{"plain": {}, "long and slow": {RTT: 20 * time.Millisecond, Rate: 20e6}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := listen(t, func(c net.Conn) {
				b, _ := io.ReadAll(c) // up to the half close, which the relay has to hand on
				_, _ = c.Write(b[:len(b)/2])
			})
			r, err := startRelay(t.Context(), to, shape)
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
			begin := time.Now()
			c, err := net.Dial("tcp", r.addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write(data); err != nil {
				t.Fatal(err)
			}
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			back, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(back, data[:len(data)/2]) {
				t.Fatalf("%d bytes came back, %v", len(back), err)
			}
			if up, down := r.counts(); up != int64(len(data)) || down != int64(len(back)) {
				t.Errorf("counted %d and %d, were %d and %d", up, down, len(data), len(back))
			}
			// No more than what the line can do: a busy machine may be slower, never faster.
			if shape.shaped() {
				least := 2*shape.RTT + time.Duration(0.9*1.5*float64(len(data))/shape.Rate*float64(time.Second))
				if took := time.Since(begin); took < least {
					t.Errorf("took %v, the line needs %v", took, least)
				}
			}
		})
	}
}

// TestRelayCuts has the line cut after some bytes, and mended.
func TestRelayCuts(t *testing.T) {
	t.Parallel()
	got := make(chan int64, 2)
	to := listen(t, func(c net.Conn) {
		n, _ := io.Copy(io.Discard, c)
		got <- n
	})
	r, err := startRelay(t.Context(), to, Shape{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	send := func() error {
		c, err := net.Dial("tcp", r.addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		block := make([]byte, 10_000)
		for range 1000 {
			if _, err := c.Write(block); err != nil {
				return err
			}
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, c)
		return err
	}
	r.cutAfter(5_000_000)
	if err := send(); err == nil {
		t.Error("the line was not cut")
	}
	if n := <-got; n > 5_000_000+mostPiece {
		t.Errorf("%d bytes arrived, of 5,000,000", n)
	}
	r.mend()
	if err := send(); err != nil {
		t.Error(err)
	}
	if n := <-got; n != 10_000_000 {
		t.Errorf("%d bytes arrived, of 10,000,000", n)
	}
}

// TestRelayEnds has a relay closed while a connection waits: nothing is left, and new ones are refused.
func TestRelayEnds(t *testing.T) {
	t.Parallel()
	to := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	r, err := startRelay(t.Context(), to, Shape{RTT: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", r.addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := r.close(); err != nil { // returns when its goroutines have ended
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still there")
	}
	if c, err := net.Dial("tcp", r.addr().String()); err == nil {
		c.Close()
		t.Error("the relay still listens")
	}
}
