package engine_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// peer is one end of a run whose every message is a test's. What goes wrong for
// it is not told: the other end is what is looked at.
type peer struct {
	ctx context.Context
	c   *wire.Conn
}

// say sends messages.
func (p *peer) say(msgs ...wire.Msg) {
	for _, m := range msgs {
		if p.c.Send(p.ctx, m) != nil {
			return
		}
	}
}

// list sends listings.
func (p *peer) list(recs ...*wire.ListingRecord) {
	w := &wire.ListingWriter{Flush: func(b []byte) error { return p.c.Send(p.ctx, &wire.Listings{Data: b}) }}
	for _, r := range recs {
		if w.Add(r) != nil {
			return
		}
	}
	_ = w.Send() // as say
}

// hear returns the next message of a type, nil when the other end has none any more.
func (p *peer) hear(typ wire.Type) wire.Msg {
	for {
		f, err := p.c.Next()
		if err != nil {
			return nil
		}
		if f.Type != typ {
			continue
		}
		payload, err := f.Payload()
		if err != nil {
			return nil
		}
		m, err := wire.Decode(typ, payload)
		if err != nil {
			return nil
		}
		return m
	}
}

// script is what a peer says and hears behind the greeting and the job.
type script func(p *peer)

// play runs a script at a stream until the other end ends.
func (f script) play(ctx context.Context, rw io.ReadWriteCloser) {
	c, err := wire.New(rw, wire.Config{})
	if err != nil {
		return
	}
	defer c.Close()
	if c.Greet(&wire.Hello{Version: wire.Version, MinVersion: wire.MinVersion}) != nil {
		return
	}
	if _, _, err := c.Welcome(ctx); err != nil {
		return
	}
	p := &peer{ctx, c}
	p.hear(wire.TypeJob)
	c.Start()
	f(p)
	p.hear(0)
}

// against runs one end of a run against the script. That end must come back by
// itself and leave nothing behind.
func (f script) against(t *testing.T, end func(ctx context.Context, rw io.ReadWriteCloser, rep engine.Report) error) (out outcome) {
	t.Helper()
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	near, far := wire.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { f.play(ctx, far) })
	out.err = end(ctx, near, engine.Report{Event: func(e engine.Event) { out.events = append(out.events, e) }})
	if ctx.Err() != nil {
		t.Error("the run does not come back by itself")
	}
	_ = far.Close() // the run has closed its end
	wg.Wait()
	settles(t, before)
	return out
}

// asSource plays the source of a pull.
func (f script) asSource(t *testing.T, h engine.Host, job engine.Job) outcome {
	t.Helper()
	return f.against(t, func(ctx context.Context, rw io.ReadWriteCloser, rep engine.Report) error {
		_, err := engine.Receive(ctx, h, rw, job, rep)
		return err
	})
}

// asDest plays the destination of a push.
func (f script) asDest(t *testing.T, h engine.Host, job engine.Job) outcome {
	t.Helper()
	return f.against(t, func(ctx context.Context, rw io.ReadWriteCloser, rep engine.Report) error {
		_, err := engine.Send(ctx, h, rw, job, rep)
		return err
	})
}

// wantRefused fails the test unless the run ended because its peer broke the
// protocol.
func (o outcome) wantRefused(t *testing.T) {
	t.Helper()
	if !errors.Is(o.err, wire.ErrProtocol) {
		t.Errorf("the run ends with %v, want %v", o.err, wire.ErrProtocol)
	}
}

func file(name string, size int) manifest.Entry {
	return manifest.Entry{Name: name, Type: manifest.Regular, Mode: 0o644, Size: int64(size), Sec: 1_600_000_000}
}

func directory(name string) manifest.Entry {
	return manifest.Entry{Name: name, Type: manifest.Directory, Mode: 0o755, Sec: 1_600_000_000}
}

// root is the listing of the transfer's root.
func root(entries ...manifest.Entry) *wire.ListingRecord {
	return &wire.ListingRecord{Parent: -1, Entries: entries}
}

// files packs contents of entries of the root into a message.
func files(contents ...string) *wire.Files {
	m := new(wire.Files)
	for i, c := range contents {
		m.Data = wire.AppendFile(m.Data, wire.ID{Entry: i}, delta.Sum([]byte(c)), []byte(c))
	}
	return m
}

// chunks cuts a content into the messages that carry a large file.
func chunks(content string) (msgs []wire.Msg) {
	for off := 0; off < len(content); off += delta.ChunkSize {
		chunk := content[off:min(off+delta.ChunkSize, len(content))]
		sum := delta.Sum([]byte(chunk))
		for at := 0; at < len(chunk); at += wire.BulkSize {
			piece := chunk[at:min(at+wire.BulkSize, len(chunk))]
			msgs = append(msgs, &wire.Data{Offset: int64(off + at), Last: at+len(piece) == len(chunk), Digest: sum, Content: []byte(piece)})
		}
	}
	return msgs
}

// fileEnd is the end of a large file.
func fileEnd(content string) *wire.FileEnd {
	var tree delta.Tree
	for off := 0; off < len(content); off += delta.ChunkSize {
		tree.Add(delta.Sum([]byte(content[off:min(off+delta.ChunkSize, len(content))])))
	}
	return &wire.FileEnd{Size: int64(len(content)), Digest: tree.Sum(int64(len(content)))}
}

// leave waits until the destination is done, and takes leave.
func (p *peer) leave() {
	if p.hear(wire.TypeDone) != nil {
		p.say(new(wire.SourceDone))
	}
}
