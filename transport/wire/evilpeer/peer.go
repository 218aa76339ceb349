package evilpeer

import (
	"context"
	"io"
	"sync"
	"time"

	"gosync/delta"
	"gosync/transport/wire"
)

// Dir is the direction of a message.
type Dir uint8

// The directions.
const (
	Out Dir = iota // from the honest end to the victim
	In             // from the victim to the honest end
)

// Item is what is sent in place of a message: a message, or bytes as they are.
type Item struct {
	Msg   wire.Msg
	Bytes []byte
	Gen   func(i int) wire.Msg // messages without end: nil ends them
	Cut   bool                 // the stream is closed, once the victim has dealt with what was said
}

// Change decides what becomes of a message: it returns what goes on in its place.
// It is not called from two goroutines at a time.
type Change func(p *Peer, dir Dir, m wire.Msg) []Item

// Rule makes the Change of one run, with the state that it needs. The nil Rule
// changes nothing.
type Rule func() Change

// Peer is an honest end and what distorts it.
type Peer struct {
	// Params are those of the last Basis, whose segments are made against it.
	Params delta.Params

	ctx    context.Context
	stream io.ReadWriteCloser // the victim's
	change Change
	passes bool

	mu     sync.Mutex // guards change, struck and what the change uses
	struck bool
	bare   bool // no magic is said
}

// Struck notes that the rule was broken; what the honest end says against the
// victim from now on is kept from it.
func (p *Peer) Struck() { p.struck = true }

// Bare has the greeting begin without its magic.
func (p *Peer) Bare() { p.bare = true }

// Result is how a run ended at the side of the peer.
type Result struct {
	Struck bool  // the rule was broken
	Honest error // of the honest end
}

// Honest runs an end of a run at a stream.
type Honest func(ctx context.Context, rw io.ReadWriteCloser) error

// Play lets an honest end speak to the victim behind stream in the way that a
// rule wants it, until the victim has ended, or ctx. It closes the stream then.
//
// When the honest end is confused by what the rule has done and fails, the victim
// does not hear of it and the stream stays open: the victim has to notice by
// itself. With passes it hears of it.
func Play(ctx context.Context, stream io.ReadWriteCloser, rule Rule, passes bool, honest Honest) Result {
	p := &Peer{ctx: ctx, stream: stream, passes: passes}
	if rule != nil {
		p.change = rule()
	}
	near, far := wire.Pipe()
	stop := context.AfterFunc(ctx, func() { _, _ = far.Close(), stream.Close() })
	defer stop()
	var wg sync.WaitGroup
	var r Result
	ended := make(chan struct{})
	wg.Go(func() {
		defer close(ended)
		r.Honest = honest(ctx, near)
		_ = near.Close() // again
	})
	wg.Go(func() {
		p.relay(Out, far, stream)
		<-ended
		if p.passes || !p.hasStruck() || r.Honest == nil {
			_ = stream.Close() // nobody is left to tell
		}
	})
	wg.Go(func() {
		p.relay(In, stream, far)
		_ = far.Close() // the victim has gone
	})
	wg.Wait()
	_ = stream.Close() // again
	r.Struck = p.hasStruck()
	return r
}

func (p *Peer) hasStruck() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

// spoken is the greatest version of the protocol that a peer speaks: what it hands on are the
// messages of runs, and from the next one on the ends of a connection wait for others.
const spoken = 4

// oneWay lets a Conn read from a stream that it must not close.
type oneWay struct{ io.Reader }

func (oneWay) Write(b []byte) (int, error) { return len(b), nil }
func (oneWay) Close() error                { return nil }

// relay hands on what one end says until it ends. A reader that is gone does not
// keep the writer from talking.
func (p *Peer) relay(dir Dir, from io.Reader, to io.Writer) {
	defer func() { _, _ = io.Copy(io.Discard, from) }()
	c, err := wire.New(oneWay{from}, wire.Config{})
	if err != nil {
		return
	}
	defer c.Close()
	hello, _, err := c.Welcome(p.ctx)
	if err != nil {
		return
	}
	hello.Version = min(hello.Version, spoken)
	items := p.turn(dir, hello)
	if dir == In || !p.bare {
		items = append([]Item{{Bytes: []byte(wire.Magic)}}, items...)
	}
	for {
		for _, it := range items {
			if p.say(to, it) != nil {
				return
			}
		}
		m, err := next(c)
		if err != nil {
			return
		}
		items = p.turn(dir, m)
	}
}

func next(c *wire.Conn) (wire.Msg, error) {
	f, err := c.Next()
	if err != nil {
		return nil, err
	}
	payload, err := f.Payload()
	if err != nil {
		return nil, err
	}
	return wire.Decode(f.Type, payload)
}

// turn asks the rule about a message.
func (p *Peer) turn(dir Dir, m wire.Msg) []Item {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b, ok := m.(*wire.Basis); ok {
		if params, err := delta.DecodeParams(b.Params); err == nil {
			p.Params = params
		}
	}
	_, fatal := m.(*wire.Fatal)
	if dir == Out && fatal && p.struck && !p.passes {
		return nil
	}
	if p.change == nil {
		return []Item{{Msg: m}}
	}
	return p.change(p, dir, m)
}

// digest is what a victim gets to deal with what was said.
const digest = 100 * time.Millisecond

// say sends one item. Each direction has one goroutine that calls it.
func (p *Peer) say(w io.Writer, it Item) error {
	switch {
	case it.Cut:
		time.Sleep(digest)
		_ = p.stream.Close() // the victim hears of it
		return io.ErrClosedPipe
	case it.Gen != nil:
		return p.endless(w, it.Gen)
	case it.Bytes != nil:
		_, err := w.Write(it.Bytes)
		return err
	}
	_, err := w.Write(wire.AppendFrame(nil, it.Msg))
	return err
}

// endless sends messages until the victim has had enough.
func (p *Peer) endless(w io.Writer, gen func(i int) wire.Msg) error {
	var b []byte
	for i := 0; p.ctx.Err() == nil; i++ {
		m := gen(i)
		if m != nil {
			b = wire.AppendFrame(b, m)
		}
		if m == nil || len(b) > 64<<10 {
			if _, err := w.Write(b); err != nil || m == nil {
				return err
			}
			b = b[:0]
		}
	}
	return p.ctx.Err()
}
