package snapshot

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
)

// A client and a server talk in JSON, a message a line. The server greets with a line of its
// own; what comes before it, such as a login shell prints, is skipped. Each request has one
// reply or more, of which the last says so; notes have none. Paths are bytes, as base64.

// Greeting is the line that a server begins with. Its number is the version.
const Greeting = "gosync snapshots 1"

// serverMagic is the beginning of what gosync --server says in the place of the greeting.
const serverMagic = "gosync\x00wire"

const (
	maxMessage = 1 << 20   // bytes of a message
	maxNoise   = 64 << 10  // ... that may come before the greeting
	noteBatch  = 64        // digests in one message
	sumBatch   = 256       // lines of a manifest in one message
	maxListed  = 1_000_000 // snapshots, or names of them, that a far side may send

	maxFiles = 100_000_000 // of a manifest; a run has no more
)

// request is what a client asks for.
type request struct {
	Op     string   `json:"op"`
	Dir    []byte   `json:"dir,omitempty"`   // open: the directory
	Make   bool     `json:"make,omitempty"`  // open: make it if it is not there
	Names  []string `json:"names,omitempty"` // of snapshots
	Policy *Policy  `json:"policy,omitempty"`
	Dry    bool     `json:"dry,omitempty"`
	Landed []landed `json:"landed,omitempty"`
}

// landed is Landed as it travels.
type landed struct {
	Path []byte `json:"path"`
	Size int64  `json:"size"`
	Sec  int64  `json:"sec"`
	Nsec uint32 `json:"nsec"`
	Sum  []byte `json:"sum"`
}

// reply is what a server answers.
type reply struct {
	Next     *Next      `json:"next,omitempty"`
	Finished *Finished  `json:"finished,omitempty"`
	Infos    []Info     `json:"infos,omitempty"`
	Gone     []string   `json:"gone,omitempty"`
	Sums     []sumLine  `json:"sums,omitempty"`
	Found    *wireFound `json:"found,omitempty"`
	Alive    bool       `json:"alive,omitempty"` // it goes on
	Failure  *Failure   `json:"failure,omitempty"`
	End      bool       `json:"end,omitempty"`
}

type sumLine struct {
	Sum  []byte `json:"sum"`
	Path []byte `json:"path"`
}

type wireFound struct {
	Name string         `json:"name"`
	Kind DifferenceKind `json:"kind"`
	Path []byte         `json:"path"`
	Err  []byte         `json:"err,omitempty"`
}

// Failure is an error of the far side.
type Failure struct {
	Code int    `json:"code"` // the exit status that it has there
	Text []byte `json:"text"`
}

func (f *Failure) Error() string { return "the far side: " + string(f.Text) }

// Keeper is a store, here or on the far side.
type Keeper interface {
	List(ctx context.Context) ([]Info, error)
	Begin(ctx context.Context) (Next, error)
	Note(landed []Landed) error
	Finish(ctx context.Context) (Finished, error)
	Prune(ctx context.Context, p Policy, dry bool) ([]string, error)
	Check(ctx context.Context, names []string, tell func(Found)) error
	Manifest(ctx context.Context, name string) (Manifest, error)

	// Sums returns the digests of the directory itself. fail is told of what cannot be read.
	Sums(ctx context.Context, fail func(path string, err error)) (Manifest, error)

	Close() error
}

var (
	_ Keeper = (*Store)(nil)
	_ Keeper = (*Client)(nil)
)

// Sums implements [Keeper].
func (s *Store) Sums(ctx context.Context, fail func(path string, err error)) (Manifest, error) {
	return TreeSums(ctx, s.files, Summing{Fail: fail})
}

func messages(r io.Reader) *bufio.Scanner {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), maxMessage)
	return in
}

// send sends a message.
func send(w io.Writer, m any) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

func (f *wireFound) found() Found {
	out := Found{Name: f.Name, Difference: Difference{f.Kind, string(f.Path)}}
	if len(f.Err) > 0 {
		out.Err = errors.New(string(f.Err))
	}
	return out
}
