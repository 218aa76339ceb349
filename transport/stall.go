package transport

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gosync/transport/wire"
)

// patient is a stream that ends when something was asked of the far side and
// nothing has come back for so long. It is for protocols that have no timers of
// their own. While nothing is asked the far side may be silent.
type patient struct {
	Stream
	first   time.Duration // until the first byte has come; 0: any time
	limit   time.Duration // from then on; 0: any time
	heard   atomic.Bool   // it has come
	epoch   time.Time
	asked   atomic.Int64 // when something was written last, as a distance from epoch; 0: and answered
	writing atomic.Int64 // when the write that is under way began; 0 for none
	late    atomic.Bool

	stop sync.Once
	done chan struct{}
	wg   sync.WaitGroup
}

// beImpatient returns s, which it closes when the far side says nothing for first, or
// leaves something unanswered for limit later; Read and Write tell then. 0 is no limit.
func beImpatient(s Stream, first, limit time.Duration) Stream {
	if first <= 0 && limit <= 0 {
		return s
	}
	p := &patient{Stream: s, first: first, limit: limit, epoch: time.Now(), done: make(chan struct{})}
	p.asked.Store(p.now()) // somebody has to begin
	p.wg.Go(p.watch)
	return p
}

func (p *patient) now() int64 { return int64(time.Since(p.epoch)) + 1 }

func (p *patient) watch() {
	shortest := max(p.first, p.limit)
	if p.first > 0 && p.limit > 0 {
		shortest = min(p.first, p.limit)
	}
	tick := time.NewTicker(max(shortest/20, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
		}
		limit := p.allowed()
		for _, since := range []int64{p.asked.Load(), p.writing.Load()} {
			if limit > 0 && since != 0 && p.now()-since > int64(limit) {
				p.late.Store(true)
				_ = p.Stream.Close() // what counts is that it was late
				return
			}
		}
	}
}

// allowed is how long an answer may take.
func (p *patient) allowed() time.Duration {
	if p.heard.Load() {
		return p.limit
	}
	return p.first
}

// Read implements Stream.
func (p *patient) Read(b []byte) (int, error) {
	n, err := p.Stream.Read(b)
	if n > 0 {
		p.asked.Store(0)
		if !p.heard.Load() { // a write that has waited for that begins now
			if began := p.writing.Load(); began != 0 {
				p.writing.CompareAndSwap(began, p.now())
			}
			p.heard.Store(true)
		}
	}
	return n, p.why(err)
}

// Write implements Stream. What is still to be answered counts from the last that
// was asked, so a far side that takes what it is sent is not silent.
func (p *patient) Write(b []byte) (int, error) {
	p.writing.Store(p.now())
	n, err := p.Stream.Write(b)
	p.writing.Store(0)
	p.asked.Store(p.now())
	return n, p.why(err)
}

func (p *patient) why(err error) error {
	if err != nil && p.late.Load() {
		return fmt.Errorf("%w: the far side has not answered for %v", wire.ErrTimeout, p.allowed())
	}
	return err
}

// release ends the watch and returns the stream without it. Nothing may be under way.
func (p *patient) release() Stream {
	p.stop.Do(func() { close(p.done) })
	p.wg.Wait()
	return p.Stream
}

// Close implements Stream.
func (p *patient) Close() error {
	p.stop.Do(func() { close(p.done) })
	p.wg.Wait()
	return p.Stream.Close()
}
