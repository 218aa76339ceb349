package engine

import (
	"context"
	"sync/atomic"

	"gosync/walker/manifest"
)

// Job is what a run is asked to do: which sources, into which destination.
type Job struct {
	Options

	Sources []string // paths on the source's machine; a trailing slash means the content
	Dest    string   // path on the destination's machine

	// Files are the names of --files-from, below the single source; nil
	// without that option.
	Files []string
}

// Report is how a run tells what it does. The zero value discards everything.
type Report struct {
	// Event receives events, from one goroutine, in order. It must not block
	// for long: the run waits for it.
	Event func(Event)

	// Confirm asks the user a question and returns whether the answer is yes. It
	// may block for as long as the user takes, until ctx ends. Nil where there is
	// nobody to ask.
	Confirm func(ctx context.Context, question string) bool

	// Content, if it is not nil, is told the digests of files whose content has moved, as far
	// as the run knows them: not of deltas, of what an earlier run has received, nor with
	// [Relay]. It is called from several goroutines, and more than once for a file that was
	// sent again. Of a file that was sent it is told before that has arrived.
	Content func(Content)

	// Progress is kept up to date for display while the run goes on; it may be
	// nil.
	Progress *Progress
}

// Progress holds a run's counters. Its fields are changed atomically while the
// run goes on and may be read at any time.
type Progress struct {
	Planned    atomic.Bool  // the totals are final
	Seen       atomic.Int64 // entries seen at the source
	TotalFiles atomic.Int64 // regular files whose content moves
	DoneFiles  atomic.Int64 // of these, those that are finished
	TotalBytes atomic.Int64 // the size of these files
	DoneBytes  atomic.Int64 // of it, what is dealt with: sent, or found at the destination
	HeldBytes  atomic.Int64 // of DoneBytes, what an earlier run had left there
	MovedBytes atomic.Int64 // content that crossed the line

	// Watched, set before the run, asks for Current: the path of a file whose content
	// moves, of several that do so at the same time any; nil before the first.
	Watched bool
	Current atomic.Pointer[string]

	// Named says of a run with LikeCp, from the moment on when Settled does, that
	// the destination is the name of the single source, and not a directory that
	// the sources go into. A job that is done again must say the same.
	Named, Settled atomic.Bool
}

// moving notes that the content of a file moves.
func (p *Progress) moving(dir, name string) {
	if p.Watched {
		path := manifest.Join(dir, name)
		p.Current.Store(&path)
	}
}

// held counts what an earlier run has left.
func (p *Progress) held(n int64) {
	p.HeldBytes.Add(n)
	p.DoneBytes.Add(n)
}
