package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
)

// FuzzFrame reads a stream of any bytes as an end does.
func FuzzFrame(f *testing.F) {
	var all []byte
	for _, m := range examples(2) {
		b := frame(m.Type(), 0, m.append(nil))
		all = append(all, b...)
		f.Add(b)
	}
	f.Add(all)
	f.Add(frame(TypeListings, flagZstd, u(1000, zstdFrame(f, make([]byte, 1000), true))))
	f.Add(frame(TypeListings, flagZstd, u(1000, zstdFrame(f, make([]byte, 1000), false))))
	f.Add(header(TypeData, 0, 1<<32-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := reads(t, bytes.NewReader(b))
		for {
			fr, err := c.Next()
			if err != nil {
				if !errors.Is(err, ErrClosed) && !errors.Is(err, ErrProtocol) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				return
			}
			payload, err := fr.Payload()
			if err != nil {
				if !errors.Is(err, ErrProtocol) {
					t.Fatal(err)
				}
				continue
			}
			if len(payload) > MaxFrame {
				t.Fatalf("a payload of %d bytes", len(payload))
			}
			checkDecode(t, fr.Type, payload)
			fr.Release()
		}
	})
}

// FuzzDecode decodes any payload and encodes again what is accepted.
func FuzzDecode(f *testing.F) {
	for _, m := range examples(3) {
		f.Add(byte(m.Type()), m.append(nil))
	}
	f.Fuzz(func(t *testing.T, typ byte, b []byte) {
		if len(b) <= MaxFrame {
			checkDecode(t, Type(typ), b)
		}
	})
}

// FuzzListings reads any bytes as listings.
func FuzzListings(f *testing.F) {
	for seed := range 10 {
		f.Add(listings(record(5).Example(seed), record(2).Example(seed+100)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) <= MaxFrame {
			checkListings(t, b)
		}
	})
}

// FuzzHello shakes hands with any bytes.
func FuzzHello(f *testing.F) {
	f.Add(greet(hello()))
	f.Add(append([]byte("Last login: today\r\n"), greet(hello())...))
	f.Add([]byte(Magic))
	f.Add([]byte("bash: gosync: command not found\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, v, err := reads(t, bytes.NewReader(b)).Welcome(context.Background())
		if err != nil {
			if h != nil || v != 0 || !errors.Is(err, ErrVersion) && !errors.Is(err, ErrProtocol) {
				t.Fatalf("%+v, %d, %v", h, v, err)
			}
			return
		}
		at := bytes.Index(b, []byte(Magic))
		if at < 0 || at > maxNoise || v < MinVersion || v > Version || h.MinVersion > v || h.Version < v {
			t.Fatalf("%+v, version %d, magic at %d", h, v, at)
		}
		if !bytes.HasPrefix(b[at+len(Magic)+headerSize:], h.append(nil)) {
			t.Fatalf("%+v is not what was said", h)
		}
	})
}
