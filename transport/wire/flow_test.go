package wire

import (
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gosync/transport/wire/longline"
)

// plainStream is a stream that no others can be opened beside.
type plainStream struct{ io.ReadWriteCloser }

// TestTaken sends more than the far side takes in the time. Near by little is under way,
// on a long line as much as its channel holds.
func TestTaken(t *testing.T) {
	const frames, each = 60, 200 << 10
	for _, test := range []struct {
		name        string
		rtt         time.Duration
		off         bool
		least, most int64
	}{
		{"near", time.Millisecond, false, nearWindow, nearWindow + each},
		{"far", 50 * time.Millisecond, false, 1900 << 10, 3 << 20},
		{"an older far side", time.Millisecond, true, 1900 << 10, 3 << 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := longline.New(200e6, test.rtt).Open()
				version := Version
				if test.off {
					version = flowVersion - 1
				}
				near, far := connectTo(t, plainStream{a}, plainStream{b}, Config{Compress: CompressNever}, Config{Compress: CompressNever}, version)
				greeting := far.Sent()
				var wg sync.WaitGroup
				wg.Go(func() { near.readAll(nil) })
				var taken, most int64
				wg.Go(func() {
					far.readAll(func(f *Frame) {
						most = max(most, near.Sent()-taken)
						if taken += int64(len(f.payload)) + headerSize; f.Type != TypeData {
							t.Errorf("message %d", f.Type)
						}
						time.Sleep(5 * time.Millisecond)
					})
				})
				for range frames {
					f := near.Buffer(TypeData)
					f.B = append(f.B, make([]byte, each)...)
					must(t, near.SendBuffer(t.Context(), f))
				}
				must(t, near.Drain(t.Context()))
				time.Sleep(time.Minute)
				_ = near.Close()
				_ = far.Close()
				wg.Wait()
				if want := int64(frames * (each + headerSize)); taken != want {
					t.Errorf("%d bytes were taken, %d sent", taken, want)
				}
				if most < test.least || most > test.most+64<<10 { // what the writer holds back is a part of it
					t.Errorf("%d bytes were under way at the most", most)
				}
				if told := far.Sent() > greeting; told == test.off {
					t.Errorf("%d bytes were said about it", far.Sent()-greeting)
				}
			})
		})
	}
}

// TestTakenRefused: what a hostile far side says that it has taken ends the connection.
func TestTakenRefused(t *testing.T) {
	for name, say := range map[string][]Msg{
		"nothing":            {&Taken{}},
		"more than was sent": {&Taken{Bytes: 1001}},
		"the same twice":     {&Taken{Bytes: 1000}, &Taken{Bytes: 1000}},
		"less than before":   {&Taken{Bytes: 1000}, &Taken{Bytes: 999}},
		"before there was":   {&Taken{Bytes: 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			version := Version
			if name == "before there was" {
				version = flowVersion - 1
			}
			a, b := Pipe()
			near, far := connectTo(t, a, b, Config{}, Config{}, version)
			defer near.Close()
			f := near.Buffer(TypeData)
			f.B = append(f.B, make([]byte, 1000)...)
			must(t, near.SendBuffer(t.Context(), f))
			if _, err := far.Next(); err != nil {
				t.Fatal(err)
			}
			for _, m := range say {
				must(t, far.Send(t.Context(), m))
			}
			if _, err := near.Next(); !errors.Is(err, ErrProtocol) {
				t.Error(err)
			}
			_ = far.Close()
		})
	}
}
