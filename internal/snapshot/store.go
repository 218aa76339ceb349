package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
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

// Next is a snapshot in the making.
type Next struct {
	Dir     string // below the store: what is copied goes there
	Base    string // the snapshot to link against; "" for none
	Resumed bool   // an interrupted run has begun it
}

// Begin takes the store's lock and prepares for a new snapshot.
func (s *Store) Begin(ctx context.Context) (n Next, err error) {
	if err := s.hold(ctx); err != nil {
		return n, err
	}
	if err := s.tidy(ctx); err != nil {
		return n, err
	}
	all, err := s.List(ctx)
	if err != nil {
		return n, err
	}
	if err := s.link(ctx, all); err != nil {
		return n, err
	}
	for _, i := range slices.Backward(all) {
		if i.Good() {
			s.base = i.Name
			break
		}
	}
	n = Next{Dir: nextDir, Base: s.base}
	switch err = s.files.Mkdir(ctx, nextDir); {
	case errors.Is(err, fs.ErrExist):
		n.Resumed = true
		if err = s.settle(ctx); err == nil {
			err = s.unshare(ctx)
		}
	case err == nil:
		err = s.drop(ctx, journalFile)
	}
	if err != nil {
		return n, err
	}
	s.journal, err = s.files.Append(ctx, journalFile)
	return n, err
}

// settle waits until nobody else works on the next snapshot.
func (s *Store) settle(ctx context.Context) error {
	if s.Settled == nil {
		return nil
	}
	return s.Settled(ctx, nextDir)
}

// hold takes the lock.
func (s *Store) hold(ctx context.Context) (err error) {
	if s.lock != nil {
		return nil
	}
	if err := s.files.Mkdir(ctx, stateDir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if s.lock, err = s.files.Lock(ctx, lockFile); errors.Is(err, engine.ErrInUse) {
		return fmt.Errorf("another run works on these snapshots: %w", err)
	}
	return err
}

// tidy removes what a run that was killed has left: snapshots that were being removed,
// and what is known of those that are gone.
func (s *Store) tidy(ctx context.Context) error {
	top, err := s.files.List(ctx, "")
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for i := range top {
		e := &top[i]
		there[e.Name] = e.IsDir()
		if e.IsDir() && strings.HasPrefix(e.Name, trashPrefix) {
			if err := s.removeTree(ctx, e.Name, e); err != nil {
				return err
			}
		}
		if manifest.Temporary(e.Name) && !e.IsDir() {
			if _, err := s.files.RemoveStale(ctx, e.Name, true); err != nil {
				return err
			}
		}
	}
	state, err := s.files.List(ctx, stateDir)
	if err != nil {
		return err
	}
	for i := range state {
		e := &state[i]
		name, found := strings.CutSuffix(e.Name, sumSuffix)
		if !found {
			name, found = strings.CutSuffix(e.Name, badSuffix)
		}
		switch _, ok := ParseName(name); {
		case found && ok && !there[name] && !e.IsDir():
			err = s.drop(ctx, stateDir+"/"+e.Name)
		case manifest.Temporary(e.Name) && !e.IsDir():
			_, err = s.files.RemoveStale(ctx, stateDir+"/"+e.Name, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// link has "latest" lead to the newest snapshot.
func (s *Store) link(ctx context.Context, all []Info) error {
	if len(all) == 0 {
		return nil
	}
	newest := all[len(all)-1].Name
	e, err := s.files.Stat(ctx, latestLink)
	switch {
	case err == nil && e.Type == manifest.Symlink && e.Link() == newest:
		return nil
	case err == nil && e.IsDir():
		return fmt.Errorf("there is a directory named %s where the link to the newest snapshot is to be: rename it", latestLink)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	link := manifest.Entry{Type: manifest.Symlink, Mode: 0o777, Size: int64(len(newest)), Ext: &manifest.Ext{Link: newest}}
	return s.files.Symlink(ctx, latestLink, &link, 0)
}

// drop removes a file if it is there.
func (s *Store) drop(ctx context.Context, path string) error {
	e, err := s.files.Stat(ctx, path)
	if err == nil {
		err = s.files.Remove(ctx, path, &e)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Landed is the digest of a file that has come into the next snapshot.
type Landed struct {
	Path string // below the snapshot
	Size int64
	Sec  int64 // the modification time that it has
	Nsec uint32
	Sum  Sum
}

// Note writes down digests that the copy has seen, so that these files need not be read
// again. A file with another size or time than is noted is.
func (s *Store) Note(landed []Landed) error {
	if s.journal == nil {
		return errors.New("no snapshot was begun")
	}
	var b bytes.Buffer
	for i := range landed {
		l := &landed[i]
		line := Line{l.Sum, l.Path}
		fmt.Fprintf(&b, "%d %d %d %s", l.Size, l.Sec, l.Nsec, line.text())
	}
	_, err := s.journal.Write(b.Bytes())
	return err
}

// maxJournal bounds a journal that is read.
const maxJournal = 4 << 30

// readJournal returns what was noted; of several notes of a file the last counts. A line that
// was not written to its end, or is no such line, says nothing.
func (s *Store) readJournal(ctx context.Context) (map[string]Landed, error) {
	data, err := s.files.ReadFile(ctx, journalFile, maxJournal)
	if err != nil {
		return nil, err
	}
	return parseJournal(data), nil
}

func parseJournal(data []byte) map[string]Landed {
	noted := map[string]Landed{}
	for len(data) > 0 {
		text, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		if l, ok := parseLanded(text); ok && whole {
			noted[l.Path] = l
		}
	}
	return noted
}

func parseLanded(text []byte) (l Landed, ok bool) {
	var rest []byte
	fields := bytes.SplitN(text, []byte(" "), 4)
	if len(fields) < 4 {
		return l, false
	}
	if n, err := fmt.Sscan(string(bytes.Join(fields[:3], []byte(" "))), &l.Size, &l.Sec, &l.Nsec); n != 3 || err != nil {
		return l, false
	}
	rest = fields[3]
	line, err := parseLine(rest)
	l.Path, l.Sum = line.Path, line.Sum
	return l, err == nil
}

// Finished is a snapshot that was made.
type Finished struct {
	Name  string
	Files int // regular files
	Read  int // ... that were read for their digests
}

// Finish makes the next snapshot one of the store's: what is missing of its manifest is
// made, then it gets its name.
func (s *Store) Finish(ctx context.Context) (f Finished, err error) {
	if s.journal == nil {
		return f, errors.New("no snapshot was begun")
	}
	err = s.journal.Close()
	s.journal = nil
	if err != nil {
		return f, err
	}
	all, err := s.List(ctx)
	if err != nil {
		return f, err
	}
	name, err := s.name(all)
	if err != nil {
		return f, err
	}
	if err := s.sweep(ctx, nextDir); err != nil {
		return f, err
	}
	m, read, err := s.sums(ctx)
	if err != nil {
		return f, fmt.Errorf("the manifest: %w", err)
	}
	if err := s.writeManifest(ctx, sumFile(name), m); err != nil {
		return f, err
	}
	if err := s.files.Move(ctx, nextDir, name); err != nil {
		return f, err
	}
	if err := s.drop(ctx, journalFile); err != nil {
		return f, err
	}
	if all, err = s.List(ctx); err != nil {
		return f, err
	}
	if err := s.link(ctx, all); err != nil {
		return f, err
	}
	return Finished{Name: name, Files: len(m), Read: read}, s.files.Sync(ctx)
}

// skew is how far in the future the newest snapshot may lie before it is an error: two
// runs within a second, and clocks that are set.
const skew = time.Minute

// name returns the name of the next snapshot, which comes behind all others.
func (s *Store) name(all []Info) (string, error) {
	t := s.now().UTC().Truncate(time.Second)
	if len(all) == 0 {
		return Name(t), nil
	}
	newest := all[len(all)-1]
	if newest.Time.Sub(t) > skew {
		return "", fmt.Errorf("the newest snapshot, %s, is of the future: set the clock, or rename the snapshot", newest.Name)
	}
	if !t.After(newest.Time) {
		t = newest.Time.Add(time.Second)
	}
	return Name(t), nil
}

// sums returns the manifest of the next snapshot, and how many files were read for it.
func (s *Store) sums(ctx context.Context) (Manifest, int, error) {
	noted, err := s.readJournal(ctx)
	if err != nil {
		return nil, 0, err
	}
	var base Manifest
	if s.base != "" {
		if base, err = s.Manifest(ctx, s.base); err != nil {
			return nil, 0, err
		}
	}
	read := 0
	m, err := TreeSums(ctx, &below{s.files, nextDir}, Summing{Known: func(path string, e *manifest.Entry) (Sum, bool) {
		if l, ok := noted[path]; ok && l.Size == e.Size && l.Sec == e.Sec && l.Nsec == e.Nsec {
			return l.Sum, true
		}
		if id, linked := inodeOf(e); linked {
			if sum, ok := base.Find(path); ok {
				old, err := s.files.Stat(ctx, s.base+"/"+path)
				if was, ok := inodeOf(&old); err == nil && ok && was == id {
					return sum, true
				}
			}
		}
		read++
		return Sum{}, false
	}})
	return m, read, err
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

// writeManifest writes a file of digests, durably.
func (s *Store) writeManifest(ctx context.Context, path string, m Manifest) error {
	f, err := s.files.Create(ctx, path, engine.CreateOptions{})
	if err != nil {
		return err
	}
	w := io.NewOffsetWriter(f, 0)
	n, err := m.WriteTo(w)
	if err != nil {
		return errors.Join(err, f.Remove())
	}
	e := manifest.Entry{Type: manifest.Regular, Mode: 0o600, Size: n}
	done := make(chan error, 1)
	f.Commit(ctx, n, &e, manifest.AttrMode, func(err error) { done <- err })
	err = s.files.Sync(ctx)
	return errors.Join(<-done, err)
}

// Found tells what is wrong with the files of a snapshot.
type Found struct {
	Name string // of the snapshot
	Difference
	Err error // it could not be read
}

// Check reads snapshots and compares them with their manifests, and marks those as bad whose
// files differ. A file that several of them share is read once.
func (s *Store) Check(ctx context.Context, names []string, tell func(Found)) error {
	inodes := map[inode]*shared{}
	for _, name := range names {
		want, err := s.Manifest(ctx, name)
		if err != nil {
			return err
		}
		unread := map[string]bool{}
		has, err := TreeSums(ctx, &below{s.files, name}, Summing{inodes: inodes, Fail: func(path string, err error) {
			unread[path] = true
			tell(Found{Name: name, Difference: Difference{Changed, path}, Err: err})
		}})
		if err != nil {
			return err
		}
		differs := false
		for _, d := range Compare(want, has) {
			if d.Kind != Missing || !unread[d.Path] {
				differs = true
				tell(Found{Name: name, Difference: d})
			}
		}
		if err := s.mark(ctx, name, differs); err != nil {
			return err
		}
	}
	return nil
}

// mark notes whether a snapshot is bad.
func (s *Store) mark(ctx context.Context, name string, bad bool) error {
	if !bad {
		return s.drop(ctx, badFile(name))
	}
	f, err := s.files.Append(ctx, badFile(name))
	if err != nil {
		return err
	}
	return f.Close()
}

// Prune removes the snapshots that the policy does not keep, and returns their names. With
// dry it only returns them.
func (s *Store) Prune(ctx context.Context, p Policy, dry bool) ([]string, error) {
	if !dry {
		if err := s.hold(ctx); err != nil {
			return nil, err
		}
		if err := s.tidy(ctx); err != nil {
			return nil, err
		}
	}
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	names, good := make([]string, len(all)), make([]bool, len(all))
	for i := range all {
		names[i], good[i] = all[i].Name, all[i].Good()
	}
	var gone []string
	for i, keep := range p.Keep(names, good) {
		if keep {
			continue
		}
		gone = append(gone, names[i])
		if dry {
			continue
		}
		if err := s.remove(ctx, names[i]); err != nil {
			return gone, err
		}
	}
	if dry || len(gone) == 0 {
		return gone, nil
	}
	if all, err = s.List(ctx); err == nil {
		err = s.link(ctx, all)
	}
	if err == nil {
		err = s.files.Sync(ctx)
	}
	return gone, err
}

// remove removes a snapshot: first its name, so that nobody sees half of it.
func (s *Store) remove(ctx context.Context, name string) error {
	trash := trashPrefix + name
	if err := s.files.Move(ctx, name, trash); err != nil {
		return err
	}
	if err := s.drop(ctx, sumFile(name)); err != nil {
		return err
	}
	if err := s.drop(ctx, badFile(name)); err != nil {
		return err
	}
	return s.removeTree(ctx, trash, &manifest.Entry{Type: manifest.Directory})
}
