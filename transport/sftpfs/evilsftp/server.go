package evilsftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/pkg/sftp"
)

// A Change makes of a reply what is sent in its place: asked is the kind of the request, kind that of the reply, and body
// follows that, the number of the request in front.
type Change func(asked, kind byte, body []byte) []byte

// On changes replies to one kind of request only.
func On(asked byte, change func(kind byte, id, rest []byte) []byte) Change {
	return func(a, kind byte, body []byte) []byte {
		if a != asked {
			return Frame(kind, body)
		}
		return change(kind, body[:4:4], body[4:])
	}
}

// hangUp is what a Change returns for the connection to end.
func hangUp() []byte { return []byte("hang up") }

// A Session is a client's end of a session whose replies are changed.
type Session struct {
	behaved io.ReadWriteCloser
	out     *io.PipeReader
	change  Change
	done    chan struct{}

	mu    sync.Mutex
	asked map[uint32]byte
	sent  []byte
}

// Wrap returns the client's end of a session with a server that behaves, but for what change makes of its replies. Close
// ends both, and waits for it.
func Wrap(behaved io.ReadWriteCloser, change Change) *Session {
	out, in := io.Pipe()
	s := &Session{behaved: behaved, out: out, change: change, done: make(chan struct{}), asked: map[uint32]byte{}}
	go func() {
		defer close(s.done)
		_ = in.CloseWithError(s.replies(in)) // never fails
	}()
	return s
}

// replies hands on what the server answers, until one of the ends is gone.
func (s *Session) replies(to io.Writer) error {
	for {
		var head [4]byte
		if _, err := io.ReadFull(s.behaved, head[:]); err != nil {
			return io.EOF
		}
		p := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(s.behaved, p); err != nil {
			return io.EOF
		}
		b := s.change(s.whatFor(p), p[0], p[1:])
		if bytes.Equal(b, hangUp()) {
			return io.EOF
		}
		if _, err := to.Write(b); err != nil {
			return err
		}
	}
}

// whatFor is the kind of the request that a reply belongs to.
func (s *Session) whatFor(reply []byte) byte {
	if reply[0] == version {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[binary.BigEndian.Uint32(reply[1:])]
}

// Read implements io.Reader.
func (s *Session) Read(p []byte) (int, error) { return s.out.Read(p) }

// Write implements io.Writer, and notes what is asked.
func (s *Session) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.sent = append(s.sent, p...)
	for len(s.sent) >= 9 {
		n := 4 + int(binary.BigEndian.Uint32(s.sent))
		if len(s.sent) < n {
			break
		}
		s.asked[binary.BigEndian.Uint32(s.sent[5:])] = s.sent[4]
		s.sent = append([]byte(nil), s.sent[n:]...)
	}
	s.mu.Unlock()
	return s.behaved.Write(p)
}

// Close implements io.Closer.
func (s *Session) Close() error {
	_ = s.out.Close() // never fails
	err := s.behaved.Close()
	<-s.done
	return err
}

// Serve is a server on two streams. It ends when in does, or the Change hangs up.
func Serve(in io.Reader, out io.Writer, change Change) error {
	near, far := net.Pipe()
	server, err := sftp.NewServer(far)
	if err != nil {
		return fmt.Errorf("starting an SFTP server: %w", err)
	}
	s := Wrap(near, change)
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = server.Serve() // until the client is gone
		_ = server.Close()
	})
	go func() { // not waited for: in may never end, and then the process does
		_, _ = io.Copy(s, in)
		_ = near.Close()
	}()
	_, err = io.Copy(out, s)
	_ = s.Close()
	wg.Wait()
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		return fmt.Errorf("answering: %w", err)
	}
	return nil
}
