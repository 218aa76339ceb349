package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestPeekHello(t *testing.T) {
	rest := frame(TypeListEnd, 0, nil)
	for what, noise := range map[string]string{
		"no noise":  "",
		"a motd":    "Welcome to host!\nLast login: today\n",
		"all of it": strings.Repeat("x", maxNoise),
	} {
		stream := append(append([]byte(noise), greet(hello())...), rest...)
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r },
			"bytes":   iotest.OneByteReader,
			"halves":  iotest.HalfReader,
		} {
			r := wrap(bytes.NewReader(stream))
			raw, h, err := PeekHello(r)
			if err != nil || !same(h, hello()) {
				t.Fatalf("%s, %s: %+v, %v", what, how, h, err)
			}
			left, err := io.ReadAll(r)
			if got := append(raw, left...); err != nil || !bytes.Equal(got, stream) {
				t.Errorf("%s, %s: %q, %v", what, how, got, err)
			}
		}
	}
}

func TestPeekHelloRefuses(t *testing.T) {
	for what, test := range map[string]struct {
		stream string
		want   error
	}{
		"nothing":         {"", ErrVersion},
		"a message":       {"sh: gosync: not found\n", ErrVersion},
		"too much":        {strings.Repeat("y", 1<<20), ErrVersion},
		"cut":             {string(greet(hello())[:20]), io.ErrUnexpectedEOF},
		"another message": {Magic + string(frame(TypeOwner, 0, nil)), ErrProtocol},
		"a huge frame":    {Magic + string(header(TypeHello, 0, 1<<31)), ErrProtocol},
	} {
		raw, h, err := PeekHello(strings.NewReader(test.stream))
		if h != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %+v, %v", what, h, err)
		}
		if !strings.HasPrefix(test.stream, string(raw)) || len(raw) > maxNoise+bufferSize {
			t.Errorf("%s: %d bytes were read", what, len(raw))
		}
	}
	e := &endless{}
	if _, _, err := PeekHello(e); !errors.Is(err, ErrVersion) || e.n > 2*bufferSize {
		t.Errorf("%v after %d bytes", err, e.n)
	}
}

func TestAgree(t *testing.T) {
	for _, test := range []struct {
		low, high int
		ok        bool
	}{
		{MinVersion, Version, true},
		{1, Version + 5, true},
		{Version, Version, true},
		{Version + 1, Version + 5, false},
		{1, MinVersion - 1, false},
		{Version, 1, false},
	} {
		v, err := Agree(&Hello{MinVersion: test.low, Version: test.high, Release: "9.8"})
		if (err == nil) != test.ok || test.ok && v != Version || !test.ok && (!errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "9.8")) {
			t.Errorf("%+v: %d, %v", test, v, err)
		}
	}
}

// FuzzPeekHello compares a look at any bytes with reading them.
func FuzzPeekHello(f *testing.F) {
	f.Add(greet(hello()))
	f.Add(append([]byte("Last login: today\r\n"), greet(hello())...))
	f.Add([]byte(Magic))
	f.Add([]byte("bash: gosync: command not found\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		raw, h, err := PeekHello(r)
		left, _ := io.ReadAll(r)
		if !bytes.Equal(append(raw, left...), b) {
			t.Fatalf("%d bytes and %d of %d", len(raw), len(left), len(b))
		}
		w, _, werr := reads(t, bytes.NewReader(b)).Welcome(t.Context())
		if err == nil {
			_, err = Agree(h)
		}
		if (err == nil) != (werr == nil) || err == nil && !same(h, w) {
			t.Fatalf("%+v, %v; Welcome: %+v, %v", h, err, w, werr)
		}
	})
}
