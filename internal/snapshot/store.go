package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"gosync/internal/engine"
)

// Names in the directory of a store; see the package's documentation.
const (
	stateDir    = ".gosync-snapshots"
	nextDir     = stateDir + ".next"
	trashPrefix = stateDir + ".trash-"
	lockFile    = stateDir + "/lock"
	journalFile = stateDir + "/journal"
	latestLink  = "latest"
	sumSuffix   = ".b3sum"
	badSuffix   = ".bad"
)

func sumFile(name string) string { return stateDir + "/" + name + sumSuffix }

func badFile(name string) string { return stateDir + "/" + name + badSuffix }

// Files is the directory that a store is in.
type Files interface {
	engine.Dest

	// Move gives what is at a path another name in the same directory, which nothing may have.
	Move(ctx context.Context, path, to string) error

	// Lock takes a lock on a file, which is made if it is not there, until it is closed. The
	// error wraps [engine.ErrInUse] where another process holds it.
	Lock(ctx context.Context, path string) (io.Closer, error)

	// Append opens a file to write behind its end, and makes it if it is not there.
	Append(ctx context.Context, path string) (io.WriteCloser, error)
}

// Info describes a snapshot.
type Info struct {
	Name     string
	Time     time.Time
	Manifest bool // it has its manifest
	Bad      bool // its files were found not to have the digests of it
}

// Good reports whether the snapshot can be relied on as far as is known.
func (i *Info) Good() bool { return i.Manifest && !i.Bad }

// ErrNoSnapshot is wrapped by errors about snapshots that are not there.
var ErrNoSnapshot = errors.New("no such snapshot")

// Store is a directory with snapshots. Its methods are called by one goroutine at a time.
type Store struct {
	files Files
	now   func() time.Time

	// Settled waits until no other process works in a directory of the store: the far side of
	// a run that was killed may outlive it for a moment. Nil for no waiting.
	Settled func(ctx context.Context, dir string) error

	lock    io.Closer      // held from Begin on; nil where it is not
	journal io.WriteCloser // of the next one
	closed  bool
	base    string // the snapshot that it is linked against; "" for none
}

// NewStore returns the store in a directory, which it closes in the end.
func NewStore(files Files, now func() time.Time) *Store { return &Store{files: files, now: now} }

// Close gives the store up. A next snapshot that was begun stays for the next run. To close it
// once more does nothing.
func (s *Store) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	if s.journal != nil {
		errs = append(errs, s.journal.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(append(errs, s.files.Close())...)
}

// List returns the snapshots, the oldest first.
func (s *Store) List(ctx context.Context) ([]Info, error) {
	top, err := s.files.List(ctx, "")
	if err != nil {
		return nil, err
	}
	state, err := s.files.List(ctx, stateDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	has := map[string]bool{}
	for i := range state {
		has[state[i].Name] = true
	}
	var all []Info
	for i := range top {
		if at, ok := ParseName(top[i].Name); ok && top[i].IsDir() {
			n := top[i].Name
			all = append(all, Info{Name: n, Time: at, Manifest: has[n+sumSuffix], Bad: has[n+badSuffix]})
		}
	}
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Resolve returns the snapshot that a user means: by its name, as "latest", or by the
// beginning of its name, which stands for the newest of these.
func Resolve(all []Info, text string) (Info, error) {
	for _, i := range slices.Backward(all) {
		if text == latestLink || text != "" && strings.HasPrefix(i.Name, text) {
			return i, nil
		}
	}
	return Info{}, fmt.Errorf("%w as %q", ErrNoSnapshot, text)
}

// Manifest returns the digests of a snapshot.
func (s *Store) Manifest(ctx context.Context, name string) (Manifest, error) {
	f, err := s.files.Open(ctx, sumFile(name))
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	e, err := f.Stat()
	if err != nil {
		return nil, err
	}
	m, err := Read(io.NewSectionReader(f, 0, e.Size))
	if err != nil {
		err = fmt.Errorf("%s: %w", sumFile(name), err)
	}
	return m, err
}
