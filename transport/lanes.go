package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gosync/transport/wire"
)

// A long line carries more over several channels than over one. The server listens on a
// Unix socket in a directory that only its user may enter, and the client has the SSH
// server connect channels to it, as for forwarding (direct-streamlocal@openssh.com):
// that takes one round trip and starts nothing on the far side. Where the SSH server
// does not allow that, there is one channel as before.

// wideStream is a Stream to a server that more streams can be opened beside; see
// wire.Widener.
type wideStream struct {
	Stream
	link *clientLink
}

// widen returns s so that lanes can be opened beside it, where that is possible.
func (l *ladder) widen(s Stream) Stream {
	link, ok := l.link.(*clientLink)
	if !ok {
		return s
	}
	return &wideStream{Stream: s, link: link}
}

// RTT implements wire.Widener.
func (s *wideStream) RTT() time.Duration { return s.link.client.RTT() }

// Widen implements wire.Widener. The link waits for what it starts.
func (s *wideStream) Widen(n int, ticket []byte, join func(io.ReadWriteCloser)) {
	for range n {
		s.link.background(func() {
			session, err := s.link.client.DialSocket(string(ticket))
			if err == nil { // else there is one lane less
				join(newSSHStream(session, nil))
			}
		})
	}
}

// joinTime is how long lanes can join: the client opens all at once.
const joinTime = time.Minute

// OfferLanes begins to hand over streams of processes of the same user, and returns the
// path of the socket that they have to connect to. stop ends that and waits for it; a
// minute does too, so that a process that is killed later leaves nothing behind.
func OfferLanes(join func(io.ReadWriteCloser)) (ticket []byte, stop func(), err error) {
	return offerLanes(joinTime, join)
}

func offerLanes(within time.Duration, join func(io.ReadWriteCloser)) (ticket []byte, stop func(), err error) {
	dir, err := os.MkdirTemp("", "gosync-") // 0700
	if err != nil {
		return nil, nil, fmt.Errorf("a directory for lanes: %w", err)
	}
	path := filepath.Join(dir, "lanes")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("listening for lanes: %w", err), os.RemoveAll(dir))
	}
	if err := l.SetDeadline(time.Now().Add(within)); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("listening for lanes: %w", err), l.Close(), os.RemoveAll(dir))
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() { _ = os.RemoveAll(dir) }() // what is left over is in the temporary directory
		defer l.Close()
		for range wire.MaxLanes {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			join(conn)
		}
	})
	return []byte(path), func() {
		_ = l.Close() // ends the loop
		wg.Wait()
	}, nil
}
