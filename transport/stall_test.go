package transport

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"gosync/transport/wire"
)

// piped is a Stream over a pipe.
type piped struct {
	io.ReadWriteCloser
	Stream
}

func (p piped) Read(b []byte) (int, error)  { return p.ReadWriteCloser.Read(b) }
func (p piped) Write(b []byte) (int, error) { return p.ReadWriteCloser.Write(b) }
func (p piped) Close() error                { return p.ReadWriteCloser.Close() }

// TestImpatience: a far side that leaves something unanswered is given up; one that
// nothing was asked of may be silent.
func TestImpatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, talks := range []bool{false, true} {
			near, far := wire.Pipe()
			conn := beImpatient(piped{ReadWriteCloser: near}, time.Minute, time.Minute)
			if talks {
				go func() { _, _ = far.Write([]byte{1}) }() // the pipe takes it
				if n, err := conn.Read(make([]byte, 1)); n != 1 || err != nil {
					t.Fatal(n, err)
				}
				time.AfterFunc(time.Hour, func() { near.Close() })
			}
			start := time.Now()
			_, err := conn.Read(make([]byte, 1))
			took := time.Since(start)
			late := took >= time.Minute && took <= time.Minute+3*time.Second && errors.Is(err, wire.ErrTimeout)
			if talks && (took != time.Hour || errors.Is(err, wire.ErrTimeout)) || !talks && !late {
				t.Errorf("talks %v: %v after %v", talks, err, took)
			}
			conn.Close()
			far.Close()
		}
	})
}

// TestImpatientWriter: what is asked has to be answered.
func TestImpatientWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := wire.Pipe()
		conn := beImpatient(piped{ReadWriteCloser: near}, time.Minute, time.Minute)
		go func() {
			b := make([]byte, 1)
			for {
				if _, err := far.Read(b); err != nil {
					return
				}
				if b[0] == 1 {
					_, _ = far.Write(b) // the other end is there
				}
			}
		}()
		b := []byte{1}
		_, _ = conn.Write(b)
		if _, err := conn.Read(b); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if _, err := conn.Write([]byte{2}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := conn.Read(b); !errors.Is(err, wire.ErrTimeout) || time.Since(start) > 2*time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		conn.Close()
		far.Close()
	})
}

// TestImpatienceBeforeFirst: the first byte has a time of its own, which may be any.
func TestImpatienceBeforeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, first := range []time.Duration{0, time.Hour} {
			near, far := wire.Pipe()
			conn := beImpatient(piped{ReadWriteCloser: near}, first, time.Minute)
			time.AfterFunc(59*time.Minute, func() { _, _ = far.Write([]byte{1}) }) // the pipe takes it
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				t.Errorf("%v: %v", first, err)
			}
			if _, err := conn.Write([]byte{1}); err != nil {
				t.Errorf("%v: %v", first, err)
			}
			start := time.Now()
			_, err := conn.Read(make([]byte, 1))
			if took := time.Since(start); !errors.Is(err, wire.ErrTimeout) || took > time.Minute+10*time.Second {
				t.Errorf("%v: %v after %v", first, err, took)
			}
			conn.Close()
			far.Close()
		}
	})
}
