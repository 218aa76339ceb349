package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

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
