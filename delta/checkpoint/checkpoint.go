package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"gosync/delta"
)

// File is a partial or its sidecar. Its methods may be called from several
// goroutines.
type File interface {
	io.ReaderAt
	io.WriterAt

	// Sync makes the content durable, and the length with it.
	Sync() error

	Size() (int64, error)
	Truncate(size int64) error
}

// How often a checkpoint is made: whatever comes first.
const (
	everyChunks = 16 // of delta.ChunkSize bytes
	everyTime   = 5 * time.Second
)

// maxBehind is how many chunks may have landed that no checkpoint covers, those that one
// is being made of included: with what is under way less than 64 MiB are sent again.
const maxBehind = 48

// maxRecord is how many chunks one record names at the most.
const maxRecord = 64

// maxSidecar is the size in bytes above which a sidecar is not read: that of a
// file of 16 TiB, record by record.
const maxSidecar = 1 << 30

// Options adjusts a [Writer].
type Options struct {
	Lazy  bool             // make nothing durable: only a crash of the process, not of the machine, is to be survived
	Now   func() time.Time // the clock; nil for time.Now
	Every int              // so many chunks of delta.ChunkSize bytes make a checkpoint; 0 for 16
	Warn  func(error)      // is told once that the sidecar cannot be written, so that resuming will not be possible; nil for nobody
}

// Read reads the sidecar of the target of that name, or of any with "". The error wraps [ErrInvalid]
// where its content is of no use.
func Read(sidecar File, name string) (*State, error) {
	size, err := sidecar.Size()
	if err != nil {
		return nil, fmt.Errorf("reading sidecar: %w", err)
	}
	if size > maxSidecar {
		return nil, fmt.Errorf("%w: %d bytes", ErrInvalid, size)
	}
	b := make([]byte, size)
	if n, err := sidecar.ReadAt(b, 0); n < len(b) && err != nil {
		return nil, fmt.Errorf("reading sidecar: %w", err)
	}
	return decode(b, name)
}

// Held reads the partial again and returns the digests of its chunks from the
// start on, up to the first one that does not have the digest noted for it.
func (s *State) Held(ctx context.Context, partial File) ([]delta.Digest, error) {
	size, err := partial.Size()
	if err != nil {
		return nil, fmt.Errorf("reading partial: %w", err)
	}
	n := min(int64(len(s.Sums)), size/delta.ChunkSize)
	var held []delta.Digest
	wrong := false
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	_, err = delta.SumReaderAt(ctx, partial, n*delta.ChunkSize, runtime.GOMAXPROCS(0), func(i int64, sum delta.Digest) {
		if wrong = wrong || sum != s.Sums[i]; wrong {
			stop() // what is behind it counts no more
			return
		}
		held = append(held, sum)
	})
	if err != nil && !wrong {
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return held, nil //nolint:nilerr // what cannot be read is not held
	}
	return held, nil
}

// MarkInPlace writes a sidecar that says that the target itself is being written,
// and makes it durable unless lazy.
func MarkInPlace(sidecar File, name string, lazy bool) error {
	if err := start(sidecar, appendRecord([]byte(magic), recordInPlace, []byte(name))); err != nil {
		return err
	}
	if lazy {
		return nil
	}
	return sidecar.Sync()
}

func start(sidecar File, b []byte) error {
	if err := sidecar.Truncate(0); err != nil {
		return fmt.Errorf("writing sidecar: %w", err)
	}
	if _, err := sidecar.WriteAt(b, 0); err != nil {
		return fmt.Errorf("writing sidecar: %w", err)
	}
	return nil
}

// Writer makes checkpoints of one partial. Landed, Flush and Err may not be called
// at the same time as each other; the partial may be written meanwhile. Flush or
// Stop must be the last call.
type Writer struct {
	sidecar, data File
	o             Options

	mu      sync.Mutex
	noted   int            // chunks that the sidecar knows
	fresh   []delta.Digest // chunks that have landed since
	end     int64          // of the sidecar
	last    time.Time      // of the last checkpoint
	making  int            // chunks that one is being made of; 0 where none is
	made    chan struct{}  // closed when it is
	broken  bool           // the sidecar cannot be written
	lost    error          // the data is not durable and will not be
	running sync.WaitGroup
}

// Begin starts the sidecar of an empty partial for the target of that name.
func Begin(sidecar, data File, name string, source Identity, o Options) *Writer {
	w := newWriter(sidecar, data, o)
	b := appendRecord([]byte(magic), recordSource, source.encode(), []byte(name))
	w.end = int64(len(b))
	w.check(start(sidecar, b))
	return w
}

// Resume goes on with a partial whose first keep chunks stay, having read s from
// its sidecar. The source may be another state than that of s.
func Resume(sidecar, data File, s *State, keep int, name string, source Identity, o Options) *Writer {
	w := newWriter(sidecar, data, o)
	w.noted, w.end = min(keep, len(s.Sums)), s.end
	if keep > len(s.Sums) {
		w.broken = true // there would be a gap; what is noted stays right
	}
	var b []byte
	if w.noted < len(s.Sums) {
		b = appendRecord(b, recordCut, number(int64(w.noted)))
	}
	if source != s.Source {
		b = appendRecord(b, recordSource, source.encode(), []byte(name))
	}
	w.check(sidecar.Truncate(s.end)) // a torn record
	w.append(b)
	return w
}

func newWriter(sidecar, data File, o Options) *Writer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every <= 0 {
		o.Every = everyChunks
	}
	return &Writer{sidecar: sidecar, data: data, o: o, last: o.Now()}
}

// check notes that the sidecar cannot be written.
func (w *Writer) check(err error) {
	if err == nil || w.broken {
		return
	}
	w.broken = true
	if w.o.Warn != nil {
		w.o.Warn(err)
	}
}

func (w *Writer) append(b []byte) {
	if len(b) == 0 || w.broken {
		return
	}
	_, err := w.sidecar.WriteAt(b, w.end)
	w.check(err)
	w.end += int64(len(b))
}

// Landed notes that the partial's next chunk was written and has the digest sum.
// When it is time, a checkpoint is made while the caller goes on, unless it is too far
// ahead: then it waits.
func (w *Writer) Landed(sum delta.Digest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken || w.lost != nil {
		return
	}
	w.fresh = append(w.fresh, sum)
	for w.making > 0 && w.making+len(w.fresh) >= maxBehind {
		made := w.made
		w.mu.Unlock()
		<-made
		w.mu.Lock()
	}
	now := w.o.Now()
	if w.making > 0 || w.lost != nil || len(w.fresh) < w.o.Every && now.Sub(w.last) < everyTime {
		return
	}
	sums := w.fresh
	w.fresh, w.making, w.made, w.last = nil, len(sums), make(chan struct{}), now
	w.running.Go(func() {
		err := w.checkpoint(sums)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.making, w.lost = 0, err
		close(w.made)
	})
}

// checkpoint makes the data durable and notes chunks. An error is that of the
// data, which is lost then: another attempt would succeed without it being there.
func (w *Writer) checkpoint(sums []delta.Digest) error {
	if !w.o.Lazy {
		if err := w.data.Sync(); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(sums) > 0 {
		part := sums[:min(len(sums), maxRecord)]
		payload := number(int64(w.noted))
		for _, sum := range part {
			payload = append(payload, sum[:]...)
		}
		w.append(appendRecord(nil, recordChunks, payload))
		w.noted += len(part)
		sums = sums[len(part):]
	}
	if !w.o.Lazy && !w.broken {
		w.check(w.sidecar.Sync())
	}
	return nil
}

// Flush makes a last checkpoint. The error is that of the data.
func (w *Writer) Flush() error {
	if err := w.Stop(); err != nil || len(w.fresh) == 0 || w.broken {
		return err
	}
	w.lost = w.checkpoint(w.fresh)
	w.fresh = nil
	return w.lost
}

// Stop waits for a checkpoint that is being made and makes no other. The error
// says that data was lost, which must not be taken for good then.
func (w *Writer) Stop() error {
	w.running.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}
