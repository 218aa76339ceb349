package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// greet returns the magic and a Hello as they stand on the stream.
func greet(h *Hello) []byte {
	return append([]byte(Magic), frame(TypeHello, 0, h.append(nil))...)
}

func hello() *Hello {
	return &Hello{Version: Version, MinVersion: MinVersion, Release: "1.2.3", ClockSec: 1_700_000_000}
}

func TestMagic(t *testing.T) {
	if len(Magic) != 16 || !strings.ContainsAny(Magic, "\x00") || !strings.Contains(Magic, "\r\n") || strings.Count(Magic, Magic[:1]) != 1 {
		t.Errorf("%q", Magic)
	}
}

func TestHandshake(t *testing.T) {
	a, b := Pipe()
	near, err := New(a, Config{})
	must(t, err)
	far, err := New(b, Config{})
	must(t, err)
	ctx := context.Background()
	job := &Job{Source: true, Paths: []string{"src"}, Options: []string{"times=1"}}
	must(t, near.Greet(hello(), job))
	must(t, far.Greet(hello()))
	for _, c := range []*Conn{near, far} {
		h, v, err := c.Welcome(ctx)
		if err != nil || v != Version || !same(h, hello()) {
			t.Fatalf("%+v, %d, %v", h, v, err)
		}
	}
	f, err := far.Next() // ahead of Start
	must(t, err)
	payload, err := f.Payload()
	must(t, err)
	if got, err := Decode(f.Type, payload); err != nil || !same(got, job) {
		t.Errorf("%+v, %v", got, err)
	}
	near.Start()
	far.Start()
	must(t, near.Send(ctx, &Owner{}))
	if f, err = far.Next(); err != nil || f.Type != TypeOwner {
		t.Errorf("%v, %v", f.Type, err)
	}
	must(t, near.Drain(ctx))
	if near.Sent() != far.Received() {
		t.Errorf("sent %d, received %d", near.Sent(), far.Received())
	}
	must(t, errors.Join(near.Close(), far.Close()))
}

func TestGreetTooLong(t *testing.T) {
	c := reads(t, nothing{})
	if err := c.Greet(hello(), &Job{Filter: make([]byte, MaxFrame)}); err == nil || c.Sent() != 0 {
		t.Errorf("%d bytes sent, %v", c.Sent(), err)
	}
	a, _ := Pipe()
	must(t, a.Close())
	c, err := New(a, Config{})
	must(t, err)
	if err := c.Greet(hello()); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	must(t, c.Close())
}

func TestNoise(t *testing.T) {
	good := greet(hello())
	for what, noise := range map[string]string{
		"none":                 "",
		"motd":                 "Welcome to host!\nLast login: today\n",
		"a byte order mark":    "\ufeff",
		"the magic begins":     Magic[:15],
		"the magic is broken":  Magic[:6] + Magic[:3],
		"as much as may be":    strings.Repeat("x", maxNoise),
		"zeros":                strings.Repeat("\x00", 1000),
		"what looks like gosy": strings.Repeat("gosync\x00", 100),
	} {
		stream := append([]byte(noise), append(good, frame(TypeListEnd, 0, nil)...)...)
		c := reads(t, bytes.NewReader(stream))
		h, v, err := c.Welcome(context.Background())
		if err != nil || v != Version || !same(h, hello()) {
			t.Errorf("%s: %+v, %d, %v", what, h, v, err)
			continue
		}
		if f, err := c.Next(); err != nil || f.Type != TypeListEnd {
			t.Errorf("%s: then %v, %v", what, f.Type, err)
		}
	}
}

// endless gives one byte for ever and counts how much was taken.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'y'
	}
	e.n += len(p)
	return len(p), nil
}

func TestRefusedGreetings(t *testing.T) {
	good := greet(hello())
	other := func(typ Type, flags byte, payload []byte) []byte {
		return append([]byte(Magic), frame(typ, flags, payload)...)
	}
	for _, c := range []struct {
		what   string
		stream []byte
		is     error
		says   string
	}{
		{"silent end", nil, ErrVersion, "ended without"},
		{"noise and end", []byte("bash: gosync: not found\n"), ErrVersion, "bash: gosync: not found"},
		{"noise of one byte too many", append(bytes.Repeat([]byte("x"), maxNoise+1), good...), ErrVersion, "xxx"},
		{"the magic alone", []byte(Magic), io.ErrUnexpectedEOF, "greeting"},
		{"a header cut", good[:len(Magic)+3], io.ErrUnexpectedEOF, "greeting"},
		{"a Hello cut", good[:len(good)-1], io.ErrUnexpectedEOF, "greeting"},
		{"a job in place of a Hello", other(TypeJob, 0, nil), ErrProtocol, "type 2"},
		{"a Hello with flags", other(TypeHello, flagZstd, nil), ErrProtocol, "flags"},
		{"an empty Hello", other(TypeHello, 0, nil), ErrProtocol, "short"},
		{"a frame of 4 GiB", append([]byte(Magic), 255, 255, 255, 255, 1, 0), ErrVersion, "exceeds"},
		{"older", greet(&Hello{Version: MinVersion - 1, MinVersion: 0, Release: "0.0.1"}), ErrVersion, "0.0.1"},
		{"newer", greet(&Hello{Version: Version + 5, MinVersion: Version + 1, Release: "9.0.0"}), ErrVersion, "9.0.0"},
		{"a range that is none", greet(&Hello{Version: 0, MinVersion: Version + 1}), ErrVersion, "install"},
	} {
		conn := reads(t, bytes.NewReader(c.stream))
		h, v, err := conn.Welcome(context.Background())
		if !errors.Is(err, c.is) || h != nil || v != 0 || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, %d, %v", c.what, h, v, err)
		}
		if len(err.Error()) > 1000 {
			t.Errorf("%s: the error has %d bytes", c.what, len(err.Error()))
		}
	}
	e := &endless{}
	if _, _, err := reads(t, e).Welcome(context.Background()); !errors.Is(err, ErrVersion) || e.n > 2*bufferSize {
		t.Errorf("endless: %v, %d bytes taken", err, e.n)
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct{ version, minimum, want int }{
		{Version, MinVersion, Version},
		{Version + 3, MinVersion, Version},
		{Version + 3, Version, Version},
		{1<<31 - 1, 0, Version},
	} {
		b := greet(&Hello{Version: c.version, MinVersion: c.minimum})
		if _, v, err := reads(t, bytes.NewReader(b)).Welcome(context.Background()); v != c.want || err != nil {
			t.Errorf("%d to %d: %d, %v", c.minimum, c.version, v, err)
		}
	}
}

func TestLaterHello(t *testing.T) {
	b := append(hello().append(nil), "a field of a later version"...)
	h, v, err := reads(t, bytes.NewReader(append([]byte(Magic), frame(TypeHello, 0, b)...))).Welcome(context.Background())
	if err != nil || v != Version || !same(h, hello()) {
		t.Errorf("%+v, %d, %v", h, v, err)
	}
}

// TestTruncatedGreeting cuts the greeting at every byte.
func TestTruncatedGreeting(t *testing.T) {
	good := greet(hello())
	for n := range good {
		_, _, err := reads(t, bytes.NewReader(good[:n])).Welcome(context.Background())
		if !errors.Is(err, ErrVersion) || n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

// TestPasswordFirst: nothing for an hour is in order, the end of the greeting
// is not.
func TestPasswordFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		go func() {
			time.Sleep(time.Hour)
			_, _ = b.Write([]byte("Welcome\n"))
			time.Sleep(noiseTime / 2)
			_, _ = b.Write(greet(hello()))
		}()
		c, err := New(a, Config{})
		must(t, err)
		_, _, err = c.Welcome(t.Context())
		must(t, err)
		must(t, c.Close())
	})
}

func TestGreetingTooLate(t *testing.T) {
	for what, said := range map[string]string{
		"noise":               "Press any key\n",
		"half the magic":      Magic[:8],
		"the magic":           Magic,
		"the magic and bytes": Magic + "\x00\x00\x00\x10\x01\x00",
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := Pipe()
				_, err := b.Write([]byte(said))
				must(t, err)
				c, err := New(a, Config{})
				must(t, err)
				start := time.Now()
				_, _, err = c.Welcome(t.Context())
				if took := time.Since(start); !errors.Is(err, ErrVersion) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2s") || took != noiseTime {
					t.Errorf("after %v: %v", took, err)
				}
				if err := c.Send(t.Context(), &Owner{}); !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
				must(t, c.Close())
			})
		})
	}
}

func TestWelcomeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := Pipe()
		c, err := New(a, Config{})
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := c.Welcome(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		must(t, c.Close())
	})
}
