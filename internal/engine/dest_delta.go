package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"gosync/delta"
	"gosync/transport/wire"
)

// patch is a file that is being made from its basis and what the source sends.
type patch struct {
	d       *dest
	in      *incoming
	basis   steady
	patcher *delta.Patcher
	params  delta.Params
	signed  atomic.Bool // the last part of the signature goes, or has gone
	begun   bool        // f was made, or could not be
	f       NewFile
	plain   File        // the old file, if f may begin as its clone
	clone   File        // f as it is while it is written, if it has begun so
	unread  atomic.Bool // something of the clone could not be read
	segs    map[int]*patchSegment
	next    int // the segment whose literals come next
	prefix  prefix
	inOrder bool // all chunks so far were right
	size    int64
	bad     []int
	sums    []delta.Digest
	err     error // of a file here; the rest is read and dropped
}

type patchSegment struct {
	seg      *delta.Segment
	question bool  // one may come
	ops      int64 // bytes of its operations, as they are counted
	lacks    int64 // bytes of literals that it gets, once they come; room was made for them
	lit      []byte
}

// What a file takes is not known by its announced size: it may have grown since, or
// its source may have lied. So what is held of segments is bounded for all together.
const (
	literalRoom = 8 * segmentSize // bytes of literals: a source of ours has begun to send those of at most four segments
	maxOps      = 128 << 20       // bytes of operations
	opSize      = 16              // ... of one
)

// startDelta asks for a file as a delta. It waits for one of the places that
// the number of open deltas has, so it runs on a goroutine that may wait.
func (d *dest) startDelta(ctx context.Context, in *incoming) error {
	room := deltaRoom(in.e.Size)
	if err := d.slots.Acquire(ctx, room); err != nil {
		return err
	}
	d.mu.Lock()
	d.streams++
	in.claimed, in.stream = true, make(chan streamed, 4)
	d.mu.Unlock()
	d.group.Go(func() error {
		defer func() {
			d.closeStream()
			d.slots.Release(room)
		}()
		return d.receiveDelta(ctx, in)
	})
	return nil
}

// deltaRoom is the share of maxDeltas that a delta of so many bytes takes: a
// large one holds a segment's literals, so only a few are open at a time.
func deltaRoom(size int64) int64 { return 1 + min(size, segmentSize)*15/segmentSize }

func (d *dest) receiveDelta(ctx context.Context, in *incoming) error {
	basis, size, err := d.basis(ctx, in)
	if err != nil {
		return d.insteadWhole(ctx, in)
	}
	defer basis.close()
	d.prog.moving(in.dir.shown, in.e.Name)
	p := &patch{
		d: d, in: in, basis: steady{basis}, params: d.params(size), segs: map[int]*patchSegment{},
		prefix: prefix{held: in.held}, inOrder: true, plain: basis.plain,
	}
	p.patcher = delta.NewPatcher(p.basis)
	defer func() {
		for _, s := range p.segs {
			p.forget(s)
		}
	}()
	defer func() {
		if p.clone != nil {
			_ = p.clone.Close() // it was only read
		}
	}()
	if err := p.announce(ctx); err != nil {
		return err
	}
	if !p.overlaps() {
		if err := p.sign(ctx); err != nil {
			return err
		}
		return p.receive(ctx)
	}
	defer p.signBeside(ctx)()
	return p.receive(ctx)
}

// params says how a basis of so many bytes is signed.
func (d *dest) params(size int64) delta.Params {
	p := delta.NewParams(size, d.seed)
	if d.job.BlockSize > 0 {
		p = p.WithBlockSize(d.job.BlockSize)
	}
	return p
}

// receive takes what comes of the file, until that is dealt with.
func (p *patch) receive(ctx context.Context) error {
	for {
		over, err := p.step(ctx)
		if err != nil {
			giveUp(p.f)
			return err
		}
		if over {
			return nil
		}
	}
}

// insteadWhole asks for the whole file, its basis being gone.
func (d *dest) insteadWhole(ctx context.Context, in *incoming) error {
	d.mu.Lock()
	in.delta, in.claimed, in.stream = false, false, nil
	d.mu.Unlock()
	in.release()
	in.held = nil
	return d.ask(ctx, in)
}

// drop ends the file without keeping anything of it.
func (p *patch) drop() {
	removeFile(p.f)
	p.f = nil
}

// step handles one message about the file. over says that it is dealt with.
func (p *patch) step(ctx context.Context) (over bool, err error) {
	m, err := p.in.next(ctx)
	if err != nil {
		return false, err
	}
	if !p.begun {
		p.begin(ctx)
	}
	switch msg := m.msg.(type) {
	case *wire.Held:
		err = p.heldChunks(msg)
	case *wire.Segment:
		err = p.segment(msg)
	case *wire.Question:
		err = p.question(ctx, msg)
	case *wire.Literals:
		err = p.literals(ctx, msg)
		m.frame.Release()
	case *wire.FileEnd:
		return p.end(ctx, msg)
	default:
		err = fmt.Errorf("%w: message %d about %s, which is sent as a delta", wire.ErrProtocol, m.msg.Type(), p.in.shown)
	}
	return false, err
}

// broken marks an error that the peer's bytes caused.
func broken(err error) error {
	if errors.Is(err, delta.ErrInvalid) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", wire.ErrProtocol, err)
	}
	return err
}

// heldChunks takes the digests of chunks that are there already.
func (p *patch) heldChunks(m *wire.Held) error {
	if p.next+len(p.segs) > 0 {
		return fmt.Errorf("%w: digests of what is held of %s come late", wire.ErrProtocol, p.in.shown)
	}
	bad, err := p.prefix.take(p.in, m)
	if err != nil {
		return err
	}
	p.bad = append(p.bad, bad...)
	p.sums = append(p.sums, m.Sums...)
	p.size += int64(len(m.Sums)) * delta.ChunkSize
	p.d.matchedHeld(len(m.Sums))
	return nil
}

func (p *patch) segment(m *wire.Segment) error {
	if m.Segment != p.next+len(p.segs) || len(p.segs) > mostOpen {
		return fmt.Errorf("%w: segment %d of %s is out of order", wire.ErrProtocol, m.Segment, p.in.shown)
	}
	seg, err := delta.DecodeSegment(m.Body, p.params, m.Size)
	if err != nil {
		return broken(err)
	}
	if seg.Off != p.size {
		return fmt.Errorf("%w: segment of %s begins at %d, not at %d", wire.ErrProtocol, p.in.shown, seg.Off, p.size)
	}
	if seg.Len > segmentSize {
		return fmt.Errorf("%w: segment of %s has %d bytes", wire.ErrProtocol, p.in.shown, seg.Len)
	}
	p.size += seg.Len
	s := &patchSegment{seg: seg, question: !m.Last}
	p.segs[m.Segment] = s
	return p.countOps(s)
}

// countOps counts the operations of a segment, which a question makes more.
func (p *patch) countOps(s *patchSegment) error {
	n := int64(len(s.seg.Ops)) * opSize
	held := p.d.ops.Add(n - s.ops)
	s.ops = n
	if held > maxOps {
		return wire.Errorf(wire.CodeMemory, "the deltas that are open have operations of %d bytes: use --whole-file", held)
	}
	return nil
}

// forget gives back what was taken for a segment.
func (p *patch) forget(s *patchSegment) {
	p.d.ops.Add(-s.ops)
	p.d.literals.Release(s.lacks)
	if lit := s.lit; lit != nil {
		p.d.bufs.Put(&lit)
	}
	s.ops, s.lacks, s.lit = 0, 0, nil
}

func (p *patch) open(n int) (*patchSegment, error) {
	s := p.segs[n]
	if s == nil {
		return nil, fmt.Errorf("%w: segment %d of %s is not open", wire.ErrProtocol, n, p.in.shown)
	}
	return s, nil
}

// question looks for what a segment lacks in the basis.
func (p *patch) question(ctx context.Context, m *wire.Question) error {
	s, err := p.open(m.Segment)
	if err != nil {
		return err
	}
	if !s.question || len(s.lit) > 0 {
		return fmt.Errorf("%w: a question about segment %d of %s that has none", wire.ErrProtocol, m.Segment, p.in.shown)
	}
	var body []byte
	err = p.d.cpu.do(ctx, func() error {
		q, err := delta.DecodeQuestion(m.Body, s.seg)
		if err != nil {
			return broken(err)
		}
		ans, err := p.patcher.Search(ctx, q, s.seg)
		if err != nil {
			return err
		}
		body, err = ans.AppendBinary(nil)
		return err
	})
	if err == nil {
		err = p.countOps(s)
	}
	if err != nil {
		return err
	}
	return p.d.conn.Send(ctx, wire.NewAnswer(p.in.id, m.Segment, body))
}

// literals collects the literals of a segment; with the last of them the
// segment is made. Before the first it waits for room for all of them, which those
// give back that are complete; there is more of it than the others can hold.
func (p *patch) literals(ctx context.Context, m *wire.Literals) error {
	if m.Segment != p.next {
		return fmt.Errorf("%w: literals of segment %d of %s come out of order", wire.ErrProtocol, m.Segment, p.in.shown)
	}
	s, err := p.open(m.Segment)
	if err != nil {
		return err
	}
	if len(m.Body) == 0 && !m.Last {
		return fmt.Errorf("%w: no literals for segment %d of %s", wire.ErrProtocol, m.Segment, p.in.shown)
	}
	if len(s.lit) == 0 && s.lacks == 0 {
		lacks := s.seg.GapBytes()
		if err := p.d.literals.Acquire(ctx, lacks); err != nil {
			return err
		}
		if s.lacks = lacks; lacks > 0 {
			s.lit = p.d.chunkBuffer(lacks)[:0]
		}
	}
	if int64(len(s.lit)+len(m.Body)) > s.lacks {
		return fmt.Errorf("%w: too many literals for segment %d of %s", wire.ErrProtocol, m.Segment, p.in.shown)
	}
	s.lit = append(s.lit, m.Body...)
	if !m.Last {
		return nil
	}
	if int64(len(s.lit)) != s.lacks {
		return fmt.Errorf("%w: too few literals for segment %d of %s", wire.ErrProtocol, m.Segment, p.in.shown)
	}
	delete(p.segs, m.Segment)
	defer p.forget(s)
	p.next++
	p.d.received(int64(len(s.lit)), s.seg.Len)
	p.d.matched.Add(s.seg.Len - int64(len(s.lit)))
	p.sums = append(p.sums, s.seg.Digests...)
	return p.apply(ctx, s)
}

// apply makes the range of the file that a segment stands for.
func (p *patch) apply(ctx context.Context, s *patchSegment) error {
	if p.f == nil {
		return nil
	}
	return p.d.cpu.do(ctx, func() error {
		err := p.patcher.Apply(ctx, s.seg, &sliceReader{s.lit}, func(off int64, chunk []byte, ok bool) error {
			if !ok {
				p.bad, p.inOrder = append(p.bad, int(off/delta.ChunkSize)), false
			}
			err := p.put(s.seg, off, chunk)
			if err == nil && p.inOrder {
				p.f.Landed(ctx, s.seg.Digests[(off-s.seg.Off)/delta.ChunkSize])
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			p.err = err
			p.drop()
			return nil
		}
		return err
	})
}

// put writes a chunk of a segment, and of a clone of the basis what has changed. Where that
// cannot be read it was taken for zeros, which it need not be.
func (p *patch) put(seg *delta.Segment, off int64, chunk []byte) error {
	if p.clone == nil || p.unread.Load() {
		_, err := p.f.WriteAt(chunk, off)
		return err
	}
	for at, n := range seg.Changed(off, int64(len(chunk))) {
		if _, err := p.f.WriteAt(chunk[at-off:at-off+n], at); err != nil {
			return err
		}
	}
	return nil
}

// sliceReader reads a slice without copying more than it must.
type sliceReader struct{ b []byte }

func (r *sliceReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

// end handles the end of the delta. Chunks that do not have their digests are
// asked for whole.
func (p *patch) end(ctx context.Context, m *wire.FileEnd) (over bool, err error) {
	d, in := p.d, p.in
	switch {
	case !p.signed.Load():
		return false, fmt.Errorf("%w: the end of %s comes before its signature went", wire.ErrProtocol, in.shown)
	case m.Failed:
		d.unsent.Add(1)
		p.drop()
		d.lose(in.id)
		d.finished(in)
		return true, nil
	case p.err != nil:
		defer d.finished(in)
		d.lose(in.id)
		return true, d.fileFailed("write", in.shown, p.err)
	case len(p.segs) > 0:
		return false, fmt.Errorf("%w: %s ends before its last segment", wire.ErrProtocol, in.shown)
	case !sumsMake(p.sums, p.size, m):
		return false, fmt.Errorf("%w: %s ends at %d, %d announced, or its digests do not make its digest", wire.ErrProtocol, in.shown, p.size, m.Size)
	}
	if len(p.bad) == 0 {
		if p.size <= delta.ChunkSize {
			d.knows(in, m.Digest)
		}
		d.commit(ctx, in, p.f, p.size, m.Changed)
		p.f = nil
		return true, nil
	}
	w := &whole{d: d, in: in, f: p.f, sums: p.sums, size: p.size, bad: p.bad, changed: m.Changed}
	p.f = nil
	if over, err := w.ask(ctx); over || err != nil {
		giveUp(w.f)
		return true, err
	}
	return true, w.run(ctx)
}
