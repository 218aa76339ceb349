package sftpfs

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
)

// session is one SFTP session, used by two clients: that of package sftp, and the
// requests that this package makes by itself because the other cannot, or not
// without another round trip: attributes at OPEN and MKDIR, several attributes at
// a time, listings whose names are not touched, and extensions. Their numbers have
// the highest bit set. Everything that the server sends is checked here before
// either gets it.
type session struct {
	rw      io.ReadWriteCloser
	client  *sftp.Client // nil before the server has greeted
	timeout time.Duration
	first   time.Duration // in its place before that; 0: none

	out  chan []byte   // whole packets
	done chan struct{} // closed when the session is over
	wg   sync.WaitGroup

	toClient   *io.PipeWriter
	fromServer *io.PipeReader
	heard      atomic.Int64 // when something came last, in nanoseconds

	mu      sync.Mutex
	waiting map[uint32]*request
	calls   int // of package sftp that are under way
	last    uint32
	err     error // why it is over

	packets sync.Pool // of *[]byte
}

// own marks the numbers of this package's requests.
const own = 1 << 31

// queued is how many packets may wait to be written.
const queued = 64

var errClosed = errors.New("the SFTP session was closed")

// request is one that was made. Its reply may come when nobody waits any more.
type request struct {
	s      *session
	reply  chan reply // takes one
	finish func()     // is called once when it is answered or never will be; may be nil
}

type reply struct {
	kind byte
	body []byte // behind the number
}

// newSession starts a session on rw, which it owns.
func newSession(ctx context.Context, rw io.ReadWriteCloser, timeout, first time.Duration) (*session, error) {
	s := &session{
		rw: rw, timeout: timeout, first: first, out: make(chan []byte, queued), done: make(chan struct{}), waiting: map[uint32]*request{},
	}
	s.packets.New = func() any { return new([]byte) }
	s.fromServer, s.toClient = io.Pipe()
	s.heard.Store(time.Now().UnixNano())
	s.wg.Go(func() { s.fail(s.receive()) })
	s.wg.Go(func() { s.fail(s.send()) })
	if timeout > 0 || first > 0 {
		s.wg.Go(s.watch)
	}
	stop := context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	client, err := sftp.NewClientPipe(s.fromServer, &frameWriter{s: s})
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if s.over() {
			err = s.cause()
		} else {
			err = breach("%v", err)
		}
		s.close()
		return nil, err
	}
	s.mu.Lock()
	s.client = client
	s.mu.Unlock()
	return s, nil
}

// close ends the session and waits for its goroutines.
func (s *session) close() {
	s.fail(errClosed)
	s.wg.Wait()
	if s.client != nil {
		_ = s.client.Close() // waits for its goroutine; the pipe is closed already
	}
}

// fail ends the session. Only the first error counts.
func (s *session) fail(err error) {
	s.mu.Lock()
	if s.err != nil || err == nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	close(s.done)
	left := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	_ = s.rw.Close() // it is given up
	_ = s.toClient.CloseWithError(io.ErrUnexpectedEOF)
	_ = s.fromServer.CloseWithError(io.ErrClosedPipe)
	for _, r := range left {
		if r.finish != nil {
			r.finish()
		}
	}
}

// why returns the error that the session has ended with, nil if it goes on.
func (s *session) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *session) over() bool { return s.why() != nil }

// cause returns why nothing can be done any more.
func (s *session) cause() error {
	err := s.why()
	switch {
	case err == nil:
		return &lostError{io.EOF}
	case errors.Is(err, ErrProtocol), errors.Is(err, errClosed), errors.Is(err, context.Canceled):
		return err
	}
	return &lostError{err}
}

// watch ends the session when the server does not answer for too long.
func (s *session) watch() {
	shortest := max(s.timeout, s.first)
	if s.timeout > 0 && s.first > 0 {
		shortest = min(s.timeout, s.first)
	}
	ticker := time.NewTicker(max(shortest/8, time.Millisecond))
	defer ticker.Stop()
	idle := false // the version is waited for from the beginning
	for {
		select {
		case <-s.done:
			return
		case now := <-ticker.C:
			waits, limit := s.awaited()
			if !waits || idle {
				s.heard.CompareAndSwap(s.heard.Load(), now.UnixNano())
			}
			if idle = !waits; waits && limit > 0 && now.UnixNano()-s.heard.Load() > int64(limit) {
				s.fail(errSlow)
			}
		}
	}
}

// awaited reports whether the server has to say something, and how long that may take; 0 is any time.
func (s *session) awaited() (waits bool, limit time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return true, s.first
	}
	return len(s.waiting) > 0 || s.calls > 0, s.timeout
}

// send writes packets until the session is over.
func (s *session) send() error {
	w := bufio.NewWriterSize(s.rw, 64<<10)
	for {
		select {
		case <-s.done:
			return nil
		case p := <-s.out:
			_, err := w.Write(p)
			s.free(p)
			if err == nil && len(s.out) == 0 {
				err = w.Flush()
			}
			if err != nil {
				return err
			}
		}
	}
}

// packet returns an empty buffer for a packet.
func (s *session) packet() []byte { return (*s.packets.Get().(*[]byte))[:0] }

func (s *session) free(p []byte) {
	if cap(p) <= 2*maxPacket {
		s.packets.Put(&p)
	}
}

// queue has a packet written.
func (s *session) queue(ctx context.Context, p []byte) error {
	select {
	case s.out <- p:
		return nil
	case <-s.done:
		return s.cause()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start makes a request. fill appends what follows its number. finish, if it is not
// nil, is called in any case.
func (s *session) start(ctx context.Context, kind byte, fill func(b []byte) []byte, finish func()) (*request, error) {
	r := &request{s: s, reply: make(chan reply, 1), finish: finish}
	id, err := s.register(ctx, r)
	if err != nil {
		if finish != nil {
			finish()
		}
		return nil, err
	}
	p := append(s.packet(), 0, 0, 0, 0, kind)
	p = fill(binary.BigEndian.AppendUint32(p, id))
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	if err := s.queue(ctx, p); err != nil {
		s.take(id).finished()
		return nil, err
	}
	return r, nil
}

func (s *session) register(ctx context.Context, r *request) (uint32, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.lockedCause()
	}
	for {
		s.last = (s.last + 1) | own
		if s.waiting[s.last] == nil {
			s.waiting[s.last] = r
			return s.last, nil
		}
	}
}

// lockedCause is cause for who holds the lock.
func (s *session) lockedCause() error {
	if errors.Is(s.err, ErrProtocol) || errors.Is(s.err, errClosed) || errors.Is(s.err, context.Canceled) {
		return s.err
	}
	return &lostError{s.err}
}

// take returns the request of a number, which is free then; nil if there is none.
func (s *session) take(id uint32) *request {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.waiting[id]
	delete(s.waiting, id)
	return r
}

func (r *request) finished() {
	if r != nil && r.finish != nil {
		r.finish()
	}
}

// wait returns the reply. When ctx ends it is not waited for any more.
func (r *request) wait(ctx context.Context) (reply, error) {
	select {
	case got := <-r.reply:
		return got, nil
	default:
	}
	select {
	case got := <-r.reply:
		return got, nil
	case <-r.s.done:
		return reply{}, r.s.cause()
	case <-ctx.Done():
		return reply{}, context.Cause(ctx)
	}
}

// want is wait for a reply of one kind, or the error that the server gives.
func (r *request) want(ctx context.Context, kind byte) ([]byte, error) {
	got, err := r.wait(ctx)
	switch {
	case err != nil:
		return nil, err
	case got.kind == kind && kind != fxpStatus:
		return got.body, nil
	case got.kind != fxpStatus:
		err = breach("a packet of type %d answers, not one of type %d", got.kind, kind)
	default:
		if err = decodeStatus(got.body); err == nil && kind != fxpStatus {
			err = breach("success in place of a packet of type %d", kind)
		}
	}
	if errors.Is(err, ErrProtocol) {
		r.s.fail(err)
	}
	return nil, err
}

// call makes a request and waits for its reply of the given kind.
func (s *session) call(ctx context.Context, kind byte, fill func(b []byte) []byte, want byte) ([]byte, error) {
	r, err := s.start(ctx, kind, fill, nil)
	if err != nil {
		return nil, err
	}
	return r.want(ctx, want)
}

// receive reads what the server sends until that ends.
func (s *session) receive() error {
	r := bufio.NewReaderSize(s.rw, 64<<10)
	var head [9]byte
	if err := s.version(r); err != nil {
		return err
	}
	for {
		if _, err := io.ReadFull(r, head[:4]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n < 5 || n > maxPacket {
			return breach("a packet of %d bytes", n)
		}
		if _, err := io.ReadFull(r, head[4:]); err != nil {
			return io.ErrUnexpectedEOF
		}
		body := make([]byte, n-5)
		if _, err := io.ReadFull(r, body); err != nil {
			return io.ErrUnexpectedEOF
		}
		s.heard.Store(time.Now().UnixNano())
		if err := checkReply(head[4], body); err != nil {
			return err
		}
		if err := s.deliver(head[:], body); err != nil {
			return err
		}
	}
}

// version hands the first packet to package sftp, which knows what to make of it.
func (s *session) version(r io.Reader) error {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 5 || n > maxPacket || head[4] != fxpVersion {
		return breach("it does not begin with its version, but with %q", head)
	}
	p := make([]byte, 4+n)
	copy(p, head[:])
	if _, err := io.ReadFull(r, p[5:]); err != nil {
		return io.ErrUnexpectedEOF
	}
	d := decoder{b: p[5:]}
	if v := d.u32(); d.err == nil && v != protocolVersion {
		return breach("it speaks version %d of SFTP, not %d", v, protocolVersion) // package sftp says so too, but the end of the line may come first
	}
	for d.err == nil && len(d.b) > 0 {
		d.bytes(maxPacket)
		d.bytes(maxPacket)
	}
	if d.err != nil {
		return d.err
	}
	s.heard.Store(time.Now().UnixNano())
	_, err := s.toClient.Write(p)
	return err
}

// deliver gives a reply to whoever has asked.
func (s *session) deliver(head, body []byte) error {
	id := binary.BigEndian.Uint32(head[5:])
	if id&own == 0 {
		if head[4] == fxpData || head[4] == fxpHandle || head[4] == fxpAttrs {
			return breach("a packet of type %d that was not asked for", head[4])
		}
		_, err := s.toClient.Write(append(append([]byte(nil), head...), body...))
		if err != nil {
			return breach("an answer to request %d, which was not made", id)
		}
		return nil
	}
	r := s.take(id)
	if r == nil {
		return breach("an answer to request %d, which was not made", id)
	}
	r.reply <- reply{head[4], body}
	r.finished()
	return nil
}

// do calls f, which uses the client of package sftp and cannot be interrupted. When
// ctx ends f is left alone; the session waits for it when it is closed.
func (s *session) do(ctx context.Context, f func(c *sftp.Client) error) error {
	s.mu.Lock()
	if s.err != nil || ctx.Err() != nil {
		defer s.mu.Unlock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return s.lockedCause()
	}
	result := make(chan error, 1)
	s.calls++
	s.wg.Go(func() {
		err := f(s.client)
		s.mu.Lock()
		s.calls--
		s.mu.Unlock()
		result <- err
	})
	s.mu.Unlock()
	select {
	case err := <-result:
		return s.translate(err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// frameWriter takes what package sftp writes and has it sent in whole packets.
type frameWriter struct {
	s *session
	b []byte
}

// Write implements io.Writer. Package sftp calls it from one goroutine at a time.
func (w *frameWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	for len(w.b) >= 4 {
		n := 4 + int(binary.BigEndian.Uint32(w.b))
		if len(w.b) < n {
			break
		}
		if err := w.s.queue(context.Background(), append(w.s.packet(), w.b[:n]...)); err != nil {
			return 0, err
		}
		w.b = append(w.b[:0], w.b[n:]...)
	}
	return len(p), nil
}

// Close implements io.Closer: package sftp has given up.
func (w *frameWriter) Close() error {
	w.s.fail(errClientGone)
	return nil
}

// errClientGone: package sftp could not make sense of an answer.
var errClientGone = breach("an answer that was not asked for")
