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
	limit   time.Duration
	epoch   time.Time
	asked   atomic.Int64 // when something was written last, as a distance from epoch; 0: and answered
	writing atomic.Int64 // when the write that is under way began; 0 for none
	late    atomic.Bool

	stop sync.Once
	done chan struct{}
	wg   sync.WaitGroup
}

// beImpatient returns s, which it closes when the far side leaves something
// unanswered for limit; Read and Write tell then. 0 is no limit.
func beImpatient(s Stream, limit time.Duration) Stream {
	if limit <= 0 {
		return s
	}
	p := &patient{Stream: s, limit: limit, epoch: time.Now(), done: make(chan struct{})}
	p.asked.Store(p.now()) // somebody has to begin
	p.wg.Go(p.watch)
	return p
}

func (p *patient) now() int64 { return int64(time.Since(p.epoch)) + 1 }

func (p *patient) watch() {
	tick := time.NewTicker(max(p.limit/20, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
		}
		for _, since := range []int64{p.asked.Load(), p.writing.Load()} {
			if since != 0 && p.now()-since > int64(p.limit) {
				p.late.Store(true)
				_ = p.Stream.Close() // what counts is that it was late
				return
			}
		}
	}
}

// Read implements Stream.
func (p *patient) Read(b []byte) (int, error) {
	n, err := p.Stream.Read(b)
	if n > 0 {
		p.asked.Store(0)
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
		return fmt.Errorf("%w: the far side has not answered for %v", wire.ErrTimeout, p.limit)
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
