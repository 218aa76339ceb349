package sshconn

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// scripted is a connection that says what it is told to: at each read one piece, of which the last comes with an error.
type scripted struct {
	net.Conn
	pieces [][]byte
	err    error
	reads  int
}

func (s *scripted) Read(p []byte) (int, error) {
	s.reads++
	if len(s.pieces) == 0 {
		return 0, errors.New("it was read behind its end")
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) > 0 {
		return n, nil
	}
	if s.pieces = s.pieces[1:]; len(s.pieces) == 0 {
		return n, s.err
	}
	return n, nil
}

// What comes is handed on whole and in order however much is asked for, and the error behind it is, too.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	broke := errors.New("it broke")
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var want []byte
		s := &scripted{err: broke}
		for range 1 + r.IntN(6) {
			piece := make([]byte, 1+r.IntN(3*readAhead/2))
			for i := range piece {
				piece[i] = byte(r.Uint32())
			}
			want, s.pieces = append(want, piece...), append(s.pieces, piece)
		}
		c := newTCPConn(s, true)
		var got []byte
		for {
			p := make([]byte, 1+r.IntN([]int{4, 4096, 2 * readAhead}[r.IntN(3)]))
			n, err := c.Read(p)
			got = append(got, p[:n]...)
			if err == nil {
				continue
			}
			if !errors.Is(err, broke) || !c.ended.Load() {
				t.Errorf("seed %d: it ends with %v", seed, err)
			}
			break
		}
		if !bytes.Equal(got, want) {
			t.Errorf("seed %d: %d bytes of %d, or others", seed, len(got), len(want))
		}
	}
}

// A packet's head and its rest take one read of the connection, not two.
func TestReadAheadIsOneCall(t *testing.T) {
	t.Parallel()
	s := &scripted{pieces: [][]byte{make([]byte, 100<<10)}, err: io.EOF}
	c := newTCPConn(s, true)
	for range 20 {
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
	}
	if s.reads != 1 {
		t.Errorf("%d reads", s.reads)
	}
}
