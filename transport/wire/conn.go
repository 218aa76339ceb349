package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Config adjusts a [Conn]. The zero value compresses for long lines, and never times out.
type Config struct {
	Compress  Compression                            // of what is sent; what arrives compressed is always read
	Level     int                                    // of zstd; 0: what suits the line
	Timeout   time.Duration                          // end the connection when nothing has moved for so long, see timeout.go; 0: never
	Patience  time.Duration                          // how long the far side may say that it is at work without anything moving; 0: an hour
	RateLimit func(ctx context.Context, n int) error // waits until n bytes of content may be sent; nil for no limit
}

// Conn carries messages over a byte stream. Send, SendBuffer, Buffer, Drain and
// Fail may be called from any goroutine; Next from one. The stream is closed by
// Close, or when the connection fails; whatever waits then gets the error.
type Conn struct {
	cfg   Config
	rw    io.ReadWriteCloser
	main  *input // what arrives on rw
	pool  sync.Pool
	dead  chan struct{} // closed by fail
	once  sync.Once
	cause error // why dead was closed; read after dead

	ending sync.Mutex // held while dead is closed, or a goroutine is added to wg
	wg     sync.WaitGroup
	dec    *zstd.Decoder

	epoch   time.Time    // of New; times below are distances from it, so that the clock may be set
	reading atomic.Int64 // start of the read in progress, 0 for none
	writing atomic.Int64 // ... of the write
	waiting atomic.Int64 // since when Next waits, 0 if it does not
	moved   atomic.Int64 // when something useful has moved last, or had no need to
	useful  atomic.Int64 // ... or could not, because this end was at work
	working atomic.Int64 // marks of Work
	begun   atomic.Int64 // when a part of a header has come last, which may be a ping's; 0 if it was
	farBusy atomic.Bool  // the last ping said so
	in      atomic.Int64
	out     atomic.Int64

	queues
	lanes lanes
	inbox inbox
	flow  flow
	press press
}

// New returns a Conn over rw, which it owns from now on. rw.Close must wake a
// Read and a Write that are blocked, even where the far side is gone without a
// word: a timeout and Close depend on it. Start begins to write.
func New(rw io.ReadWriteCloser, cfg Config) (*Conn, error) {
	c := &Conn{
		rw:     rw,
		dead:   make(chan struct{}),
		epoch:  time.Now(),
		queues: newQueues(),
	}
	c.lanes.init()
	c.inbox.init()
	c.flow.wake = make(chan struct{}, 1)
	c.main = newInput(c, rw, true)
	c.pool.New = func() any { b := make([]byte, bufferSize+headerSize); return &b }
	var err error
	if c.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxFrame), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecodeAllCapLimit(true)); err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	c.Configure(cfg)
	return c, nil
}

// Configure changes the configuration; it must be called before Start.
func (c *Conn) Configure(cfg Config) { c.cfg, c.press.level = cfg, cfg.Level }

// Start begins to write frames and to watch the timeout. It must be called
// once. The goroutines end when the connection fails or is closed; Close waits
// for them.
func (c *Conn) Start() {
	c.wg.Go(c.write)
	if c.cfg.Timeout > 0 {
		c.wg.Go(c.watch)
	}
	c.startLanes()
}

// Buffer returns an empty frame of a bulk type to append to; up to [BulkSize]
// bytes of content and its header fit without growing.
func (c *Conn) Buffer(t Type) *Buffer {
	home := c.pool.Get().(*[]byte)
	return &Buffer{B: append((*home)[:0], make([]byte, headerSize)...), typ: t, home: home}
}

// Discard gives the memory of a frame back that will not be sent. The frame
// must not be used afterwards.
func (c *Conn) Discard(f *Buffer) {
	if f.home != nil {
		c.pool.Put(f.home)
		f.home, f.B = nil, nil
	}
}

// Send encodes m and queues it. Control messages go before bulk.
func (c *Conn) Send(ctx context.Context, m Msg) error {
	f := &Buffer{B: m.append(make([]byte, headerSize, headerSize+64)), typ: m.Type()}
	return c.SendBuffer(ctx, f)
}

// SendBuffer queues a frame and takes its memory over, whatever it returns. It
// blocks while the queue is full or the rate limit demands it.
func (c *Conn) SendBuffer(ctx context.Context, f *Buffer) error {
	n := len(f.B) - headerSize
	if n > MaxFrame {
		c.Discard(f)
		return fmt.Errorf("wire: message %d of %d bytes exceeds %d", f.typ, n, MaxFrame)
	}
	bulk := f.typ.bulk()
	var flags byte
	if c.squeezes(f) {
		g, err := c.compress(f)
		if err != nil {
			c.Discard(f)
			return err
		}
		if g != nil {
			c.Discard(f)
			f, flags = g, flagZstd
		}
	}
	f.seal(flags)
	if bulk {
		c.press.count(len(f.B), time.Now())
		return c.sendBulk(ctx, f)
	}
	return c.sendControl(ctx, f)
}

// seal fills in the header.
func (f *Buffer) seal(flags byte) {
	binary.BigEndian.PutUint32(f.B, uint32(len(f.B)-headerSize))
	f.B[4], f.B[5] = byte(f.typ), flags
}

// Next reads the next frame. What concerns the connection alone, such as pings, is
// swallowed. A stream that ends between frames gives [ErrClosed], one that ends
// within a frame [io.ErrUnexpectedEOF]; any error ends the connection.
func (c *Conn) Next() (Frame, error) {
	c.waiting.Store(c.now())
	defer c.waiting.Store(0)
	for {
		f, err := c.arrived()
		if err == nil && f.Type.own() {
			err = c.handle(&f)
			if err == nil {
				continue
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = ErrClosed
			}
			c.fail(err)
			return Frame{}, c.cause
		}
		return f, nil
	}
}

// own reports whether a message is for the connection itself.
func (t Type) own() bool {
	return t == TypePing || t >= TypeLanes && t <= TypeTaken
}

// handle acts on a message that is for the connection itself.
func (c *Conn) handle(f *Frame) error {
	if f.Type == TypePing {
		return c.pinged(f.payload)
	}
	if c.lanes.version < laneVersion || f.Type == TypeTaken && !c.flow.on {
		return protocolError("unknown message %d", f.Type)
	}
	payload, err := f.Payload()
	if err != nil {
		return err
	}
	defer f.Release()
	m, err := Decode(f.Type, payload)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *Lanes:
		return c.lanesWanted()
	case *LaneTicket:
		return c.ticketCame(m.Ticket)
	case *Striped:
		return c.startInbox()
	case *LaneAck:
		return c.acknowledged(m.Next, m.Arrived)
	case *Taken:
		return c.flow.came(m.Bytes, time.Now())
	}
	return nil
}

// fail records the first cause of death and closes the streams, which wakes
// whoever reads or writes.
func (c *Conn) fail(err error) {
	c.once.Do(func() {
		c.cause = err
		c.ending.Lock()
		close(c.dead)
		c.ending.Unlock()
		_ = c.rw.Close() // the cause is what counts
	})
}

// Fail ends the connection for the given cause.
func (c *Conn) Fail(err error) { c.fail(err) }

// Close ends the connection and waits for its goroutines. Frames that are still
// queued are dropped; see Drain. It returns nil.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	c.wg.Wait()
	return nil
}

// Dead is closed when the connection has failed or was closed.
func (c *Conn) Dead() <-chan struct{} { return c.dead }

// Err returns why the connection has failed or was closed, nil while it has not.
// It may be called at any time.
func (c *Conn) Err() error {
	select {
	case <-c.dead:
		return c.cause
	default:
		return nil
	}
}

// Received returns the bytes of all frames that were read.
func (c *Conn) Received() int64 { return c.in.Load() }

// Sent returns the bytes that were written.
func (c *Conn) Sent() int64 { return c.out.Load() }
