package snapshot

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"gosync/walker/manifest"
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

// Client is a store on the far side. Its methods are called by one goroutine at a time.
type Client struct {
	conn    io.ReadWriteCloser
	in      *bufio.Scanner
	silence time.Duration
}

// Patience is how long a client waits for an answer; 0 is any time.
type Patience struct {
	First   time.Duration // for the greeting, before which somebody may have to type a password
	Silence time.Duration // for any sign of life of a server that is at work
}

// ErrSilent means that the far side has not answered in time.
var ErrSilent = errors.New("the far side is silent")

// Dial greets the server at the other end of conn, which it owns then, and has it open a
// directory, which is made if it is not there and made says so.
func Dial(ctx context.Context, conn io.ReadWriteCloser, dir string, made bool, p Patience) (*Client, error) {
	c := &Client{conn: conn, in: messages(conn), silence: p.Silence}
	w := c.wait(ctx, p.First)
	if err := w.end(c.greeted()); err != nil {
		_ = conn.Close() // nothing was said
		return nil, err
	}
	if err := c.call(ctx, &request{Op: "open", Dir: []byte(dir), Make: made}, nil); err != nil {
		_ = conn.Close() // nothing has happened
		return nil, err
	}
	return c, nil
}

func messages(r io.Reader) *bufio.Scanner {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), maxMessage)
	return in
}

// ErrNoServer means that something else than a server of snapshots has answered.
var ErrNoServer = errors.New("the far side has no gosync that keeps snapshots")

func (c *Client) greeted() error {
	for noise := 0; noise < maxNoise && c.in.Scan(); noise += len(c.in.Bytes()) + 1 {
		switch text := c.in.Text(); {
		case text == Greeting:
			return nil
		case strings.HasSuffix(text, serverMagic): // what the key may run is fixed
			return ErrNoServer
		}
	}
	if err := c.in.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoServer, err)
	}
	return ErrNoServer
}

// wait has the end of ctx, and silence, end what waits for the far side.
func (c *Client) wait(ctx context.Context, limit time.Duration) *waiting {
	w := &waiting{ctx: ctx, limit: limit, stop: context.AfterFunc(ctx, func() { _ = c.conn.Close() })}
	if limit > 0 {
		w.timer = time.AfterFunc(limit, func() {
			w.late.Store(true)
			_ = c.conn.Close() // what counts is that it was late
		})
	}
	return w
}

// waiting is a wait for the far side.
type waiting struct {
	ctx   context.Context
	limit time.Duration
	stop  func() bool
	timer *time.Timer // nil: there is no limit
	late  atomic.Bool
}

// alive notes a sign of life.
func (w *waiting) alive() {
	if w.timer != nil {
		w.timer.Reset(w.limit)
	}
}

// end ends the wait, and returns err or why that came.
func (w *waiting) end(err error) error {
	w.stop()
	if w.timer != nil {
		w.timer.Stop()
	}
	switch {
	case err != nil && w.ctx.Err() != nil:
		return context.Cause(w.ctx)
	case err != nil && w.late.Load():
		return fmt.Errorf("%w for %v", ErrSilent, w.limit)
	}
	return err
}

// Close implements [Keeper].
func (c *Client) Close() error { return c.conn.Close() }

// send sends a message.
func send(w io.Writer, m any) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// call sends a request and hands its replies to take.
func (c *Client) call(ctx context.Context, q *request, take func(*reply) error) error {
	w := c.wait(ctx, c.silence)
	err := send(c.conn, q)
	for over := false; err == nil && !over; {
		var r reply
		if r, err = c.receive(); err != nil {
			break
		}
		w.alive()
		switch over = r.End; {
		case r.Failure != nil:
			err = r.Failure
		case take != nil && !r.Alive:
			err = take(&r)
		}
	}
	return w.end(err)
}

func (c *Client) receive() (r reply, err error) {
	if !c.in.Scan() {
		err = c.in.Err()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return r, fmt.Errorf("the far side: %w", err)
	}
	if err := json.Unmarshal(c.in.Bytes(), &r); err != nil {
		return r, fmt.Errorf("the far side: %w", err)
	}
	return r, nil
}

// List implements [Keeper].
func (c *Client) List(ctx context.Context) (all []Info, err error) {
	err = c.call(ctx, &request{Op: "list"}, func(r *reply) error {
		if len(all)+len(r.Infos) > maxListed {
			return errors.New("the far side: too many snapshots")
		}
		for _, i := range r.Infos {
			at, ok := ParseName(i.Name)
			if !ok {
				return fmt.Errorf("the far side: %q is no name of a snapshot", i.Name)
			}
			i.Time = at
			all = append(all, i)
		}
		return nil
	})
	return all, err
}

// Begin implements [Keeper].
func (c *Client) Begin(ctx context.Context) (n Next, err error) {
	err = c.call(ctx, &request{Op: "begin"}, func(r *reply) error {
		if r.Next != nil {
			n = *r.Next
		}
		return nil
	})
	if _, ok := ParseName(n.Base); err == nil && (n.Dir != nextDir || n.Base != "" && !ok) {
		err = fmt.Errorf("the far side: %q and %q are no names of snapshots", n.Dir, n.Base)
	}
	return n, err
}

// Note implements [Keeper]. It does not wait for the far side.
func (c *Client) Note(l []Landed) error {
	for len(l) > 0 {
		n := min(len(l), noteBatch)
		q := request{Op: "note"}
		for i := range l[:n] {
			q.Landed = append(q.Landed, landed{[]byte(l[i].Path), l[i].Size, l[i].Sec, l[i].Nsec, l[i].Sum[:]})
		}
		if err := send(c.conn, &q); err != nil {
			return err
		}
		l = l[n:]
	}
	return nil
}

// Finish implements [Keeper].
func (c *Client) Finish(ctx context.Context) (f Finished, err error) {
	err = c.call(ctx, &request{Op: "finish"}, func(r *reply) error {
		if r.Finished != nil {
			f = *r.Finished
		}
		return nil
	})
	if _, ok := ParseName(f.Name); err == nil && !ok {
		err = fmt.Errorf("the far side: %q is no name of a snapshot", f.Name)
	}
	return f, err
}

// Prune implements [Keeper].
func (c *Client) Prune(ctx context.Context, p Policy, dry bool) (gone []string, err error) {
	err = c.call(ctx, &request{Op: "prune", Policy: &p, Dry: dry}, func(r *reply) error {
		if gone = append(gone, r.Gone...); len(gone) > maxListed {
			return errors.New("the far side: too many snapshots")
		}
		return nil
	})
	return gone, err
}

// Check implements [Keeper].
func (c *Client) Check(ctx context.Context, names []string, tell func(Found)) error {
	return c.call(ctx, &request{Op: "check", Names: names}, func(r *reply) error {
		if f := r.Found; f != nil {
			tell(f.found())
		}
		return nil
	})
}

func (f *wireFound) found() Found {
	out := Found{Name: f.Name, Difference: Difference{f.Kind, string(f.Path)}}
	if len(f.Err) > 0 {
		out.Err = errors.New(string(f.Err))
	}
	return out
}

// Manifest implements [Keeper].
func (c *Client) Manifest(ctx context.Context, name string) (Manifest, error) {
	return c.manifest(ctx, &request{Op: "manifest", Names: []string{name}}, nil)
}

// Sums implements [Keeper].
func (c *Client) Sums(ctx context.Context, fail func(path string, err error)) (Manifest, error) {
	return c.manifest(ctx, &request{Op: "sums"}, fail)
}

// manifest reads a manifest that the far side sends.
func (c *Client) manifest(ctx context.Context, q *request, fail func(path string, err error)) (m Manifest, err error) {
	err = c.call(ctx, q, func(r *reply) error {
		if f := r.Found; f != nil && fail != nil {
			one := f.found()
			fail(one.Path, one.Err)
		}
		for _, l := range r.Sums {
			line := Line{Path: string(l.Path)}
			clean, err := cleanPath(line.Path)
			if copy(line.Sum[:], l.Sum) != len(line.Sum) || err != nil || clean != line.Path || len(m) > 0 && m[len(m)-1].Path >= line.Path {
				return fmt.Errorf("the far side: %w", ErrManifest)
			}
			m = append(m, line)
		}
		return nil
	})
	return m, err
}

// Opener of stores: made says that the directory is made if it is not there.
type openFunc func(ctx context.Context, dir string, made bool) (*Store, error)

// Serve serves one client over conn. exit returns the exit status of an error.
func Serve(ctx context.Context, conn io.ReadWriteCloser, open openFunc, exit func(error) int) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, Greeting+"\n"); err != nil {
		return err
	}
	sv := &server{w: conn, open: open}
	in := messages(conn)
	for in.Scan() {
		var q request
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			return errors.Join(err, sv.close())
		}
		if err := sv.answer(ctx, &q, exit); err != nil {
			return errors.Join(err, sv.close())
		}
	}
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), sv.close())
	}
	return errors.Join(in.Err(), sv.close())
}

// server is a store with a client.
type server struct {
	w      io.Writer
	open   openFunc
	store  *Store
	failed error // of a note: it is told with the next reply
}

func (sv *server) close() error {
	if sv.store == nil {
		return nil
	}
	return sv.store.Close()
}

// alive is how often a server says that it is still at work.
const alive = 5 * time.Second

// answer does what a request asks for. An error is one of the connection.
func (sv *server) answer(ctx context.Context, q *request, exit func(error) int) error {
	if q.Op == "note" {
		if sv.failed == nil {
			sv.failed = sv.note(q.Landed)
		}
		return nil
	}
	replies := make(chan *reply)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		err := sv.failed
		if err == nil {
			err = sv.do(ctx, q, func(r *reply) {
				select {
				case replies <- r:
				case <-ctx.Done():
				}
			})
		}
		done <- err
	}()
	ticker := time.NewTicker(alive)
	defer ticker.Stop()
	var lost error
	for {
		select {
		case r := <-replies:
			lost = errors.Join(lost, send(sv.w, r))
		case <-ticker.C:
			lost = errors.Join(lost, send(sv.w, &reply{Alive: true}))
		case err := <-done:
			r := &reply{End: true}
			if err != nil {
				r.Failure = &Failure{Code: exit(err), Text: bytes.ToValidUTF8([]byte(err.Error()), []byte("?"))}
			}
			return errors.Join(lost, send(sv.w, r))
		}
		if lost != nil {
			cancel()
		}
	}
}

func (sv *server) note(ls []landed) error {
	if sv.store == nil {
		return errNotOpen
	}
	batch := make([]Landed, len(ls))
	for i, l := range ls {
		path, err := cleanPath(string(l.Path))
		if err != nil {
			return err
		}
		batch[i] = Landed{Path: path, Size: l.Size, Sec: l.Sec, Nsec: l.Nsec}
		if copy(batch[i].Sum[:], l.Sum) != len(batch[i].Sum) {
			return ErrManifest
		}
	}
	return sv.store.Note(batch)
}

var errNotOpen = errors.New("no store was opened")

// do does what a request asks for.
func (sv *server) do(ctx context.Context, q *request, say func(*reply)) (err error) {
	if q.Op == "open" && sv.store == nil {
		sv.store, err = sv.open(ctx, string(q.Dir), q.Make)
		return err
	}
	if sv.store == nil {
		return errNotOpen
	}
	for _, name := range q.Names {
		if _, ok := ParseName(name); !ok {
			return fmt.Errorf("%w: %q", ErrNoSnapshot, name)
		}
	}
	switch q.Op {
	case "list":
		var all []Info
		all, err = sv.store.List(ctx)
		for len(all) > 0 {
			n := min(len(all), sumBatch)
			say(&reply{Infos: all[:n]})
			all = all[n:]
		}
	case "begin":
		var n Next
		n, err = sv.store.Begin(ctx)
		say(&reply{Next: &n})
	case "finish":
		var f Finished
		f, err = sv.store.Finish(ctx)
		say(&reply{Finished: &f})
	case "prune":
		if q.Policy == nil {
			return errors.New("no policy")
		}
		var gone []string
		gone, err = sv.store.Prune(ctx, *q.Policy, q.Dry)
		for len(gone) > 0 {
			n := min(len(gone), sumBatch)
			say(&reply{Gone: gone[:n]})
			gone = gone[n:]
		}
	case "check":
		err = sv.store.Check(ctx, q.Names, func(f Found) { say(sayFound(&f)) })
	case "manifest", "sums":
		return sv.manifest(ctx, q, say)
	default:
		err = fmt.Errorf("%q is not known here", q.Op)
	}
	return err
}

func sayFound(f *Found) *reply {
	w := &wireFound{Name: f.Name, Kind: f.Kind, Path: []byte(f.Path)}
	if f.Err != nil {
		w.Err = []byte(f.Err.Error())
	}
	return &reply{Found: w}
}

// manifest sends a manifest.
func (sv *server) manifest(ctx context.Context, q *request, say func(*reply)) error {
	var m Manifest
	var err error
	if q.Op == "sums" {
		m, err = sv.store.Sums(ctx, func(path string, err error) {
			say(sayFound(&Found{Difference: Difference{Path: path}, Err: err}))
		})
	} else if len(q.Names) == 1 {
		m, err = sv.store.Manifest(ctx, q.Names[0])
	}
	for i := 0; i < len(m) && err == nil; {
		// The paths of a message must not make it too long.
		r, size := &reply{}, 0
		for ; i < len(m) && len(r.Sums) < sumBatch && size < maxMessage/8; i++ {
			r.Sums = append(r.Sums, sumLine{m[i].Sum[:], []byte(m[i].Path)})
			size += len(m[i].Path) + 128
		}
		say(r)
	}
	return err
}

// Landing returns what is to be noted of a file with the metadata of e.
func Landing(path string, e *manifest.Entry, size int64, sum Sum) Landed {
	return Landed{Path: path, Size: size, Sec: e.Sec, Nsec: e.Nsec, Sum: sum}
}
