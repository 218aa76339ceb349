package engine_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
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
	ctx   context.Context
	c     *wire.Conn
	heard chan wire.Msg
	left  bool // the script came to its end
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

// listen reads what the other end says until it ends. It does not wait for the
// script, so that the other end is never held up.
func (p *peer) listen() {
	defer close(p.heard)
	for {
		f, err := p.c.Next()
		if err != nil {
			return
		}
		payload, err := f.Payload()
		if err != nil {
			return
		}
		m, err := wire.Decode(f.Type, payload)
		if err != nil {
			return
		}
		select {
		case p.heard <- m:
		default:
			return // more than any test needs
		}
	}
}

// hear returns the next message of a type, nil when the other end has none any more.
func (p *peer) hear(typ wire.Type) wire.Msg {
	for m := range p.heard {
		if m.Type() == typ {
			return m
		}
	}
	return nil
}

// script is what a peer says and hears behind the greeting and the job.
type script func(p *peer)

// play runs a script at a stream until the other end ends.
func (f script) play(ctx context.Context, rw io.ReadWriteCloser) {
	c, err := wire.New(rw, wire.Config{})
	if err != nil {
		return
	}
	defer c.Close() // again
	if c.Greet(&wire.Hello{Version: wire.Version, MinVersion: wire.MinVersion}) != nil {
		return
	}
	if _, _, err := c.Welcome(ctx); err != nil {
		return
	}
	p := &peer{ctx: ctx, c: c, heard: make(chan wire.Msg, 1<<12)}
	var wg sync.WaitGroup
	wg.Go(p.listen)
	defer wg.Wait()
	c.Start()
	if f(p); !p.left {
		p.hear(0) // until the other end ends
	}
	_ = c.Close() // it is over
}

// against runs one end of a run against the script. That end must come back by
// itself and leave nothing behind.
func (f script) against(t *testing.T, end func(ctx context.Context, rw io.ReadWriteCloser, rep engine.Report) error) (out outcome) {
	t.Helper()
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // which counts only where it fails
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

// asRelayedSource lets the script be the source of a run between two far sides: a
// server of h is the destination.
func (f script) asRelayedSource(t *testing.T, h engine.Host, job engine.Job) outcome {
	t.Helper()
	return f.against(t, func(ctx context.Context, rw io.ReadWriteCloser, rep engine.Report) error {
		near, far := wire.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { _ = engine.Serve(ctx, h, far, slog.New(slog.DiscardHandler)) }) // the client tells
		_, err := engine.Relay(ctx, h, rw, near, job, rep)
		wg.Wait()
		return err
	})
}

// asRelayedDest lets the script be the destination of such a run.
func (f script) asRelayedDest(t *testing.T, h engine.Host, job engine.Job) outcome {
	t.Helper()
	return f.against(t, func(ctx context.Context, rw io.ReadWriteCloser, rep engine.Report) error {
		near, far := wire.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { _ = engine.Serve(ctx, h, far, slog.New(slog.DiscardHandler)) }) // the client tells
		_, err := engine.Relay(ctx, h, near, rw, job, rep)
		wg.Wait()
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
		p.left = p.c.Drain(p.ctx) == nil
	}
}

// TestEvilSource has a source that leaves the protocol at one point. The same
// script without that point ends well.
func TestEvilSource(t *testing.T) {
	large := random(1, 2*delta.ChunkSize+100)
	single := func(p *peer, size int) {
		p.say(&wire.Roots{Complete: true})
		p.hear(wire.TypeMode)
		p.list(root(file("a", size)))
		p.say(&wire.ListEnd{Dirs: 1, Complete: true})
		p.hear(wire.TypeWant)
	}
	for _, x := range []struct {
		name   string
		dst    map[string]string
		set    func(j *engine.Job)
		slow   string // operation on "a" that takes its time
		script func(p *peer, evil bool)
		want   map[string]string // what is there after the honest run
	}{
		{
			name: "leaves before anything was compared",
			script: func(p *peer, evil bool) {
				p.say(&wire.Roots{Complete: true})
				p.hear(wire.TypeMode)
				if evil {
					p.say(new(wire.SourceDone))
				}
				p.list(root(file("a", 3)))
				p.say(&wire.ListEnd{Dirs: 1, Complete: true})
				p.hear(wire.TypeWant)
				p.say(files("abc"))
				p.leave()
			},
			want: map[string]string{"a": "abc"},
		},
		{
			name: "leaves before the content",
			script: func(p *peer, evil bool) {
				single(p, 3)
				if evil {
					p.say(new(wire.SourceDone))
				}
				p.say(files("abc"))
				p.leave()
			},
			want: map[string]string{"a": "abc"},
		},
		{
			name: "a file twice", slow: "dst create",
			script: func(p *peer, evil bool) {
				single(p, 3)
				p.say(files("abc"))
				if evil {
					p.say(files("abc"), files("abc"))
				}
				p.leave()
			},
			want: map[string]string{"a": "abc"},
		},
		{
			name: "a file that comes and fails", slow: "dst create",
			script: func(p *peer, evil bool) {
				single(p, 3)
				p.say(files("abc"))
				if evil {
					time.Sleep(20 * time.Millisecond) // the content is being written
					p.say(&wire.FileEnd{Failed: true})
				}
				p.leave()
			},
			want: map[string]string{"a": "abc"},
		},
		{
			name: "a file that fails, and the source counts none",
			script: func(p *peer, evil bool) {
				single(p, 3)
				if evil {
					p.say(&wire.FileEnd{Failed: true})
				} else {
					p.say(files("abc"))
				}
				p.leave()
			},
			want: map[string]string{"a": "abc"},
		},
		{
			name: "a file at once and in chunks", slow: "dst create",
			script: func(p *peer, evil bool) {
				single(p, 3)
				p.say(files("abc"))
				if evil {
					time.Sleep(20 * time.Millisecond) // the content is being written
					p.say(chunks("abc")...)
				}
				p.leave()
			},
			want: map[string]string{"a": "abc"},
		},
		{
			name: "content that was not asked for", dst: map[string]string{"b": "b"},
			script: func(p *peer, evil bool) {
				p.say(&wire.Roots{Complete: true})
				p.hear(wire.TypeMode)
				digests(p)
				b := file("b", 1)
				b.Sec += int64(len("b"))
				b.Nsec = 123456789
				p.list(root(file("a", 3), b))
				p.say(&wire.ListEnd{Dirs: 1, Complete: true})
				p.hear(wire.TypeWant)
				if evil {
					p.say(files("abc", "B"))
				} else {
					p.say(files("abc"))
				}
				p.leave()
			},
			want: map[string]string{"a": "abc", "b": "b"},
		},
		{
			name: "a chunk far away",
			script: func(p *peer, evil bool) {
				single(p, 300_000)
				m := chunks("abc")[0].(*wire.Data)
				if evil {
					m.Offset = 1 << 42
				}
				p.say(m, fileEnd("abc"))
				p.leave()
			},
			want: map[string]string{"a": "abc"},
		},
		{
			name: "chunks out of order",
			script: func(p *peer, evil bool) {
				single(p, len(large))
				msgs := chunks(large)
				if evil {
					n := len(msgs) / 2
					msgs = append(msgs[n:], msgs[:n]...)
				}
				p.say(msgs...)
				p.say(fileEnd(large))
				p.leave()
			},
			want: map[string]string{"a": large},
		},
		{
			name: "a chunk twice",
			script: func(p *peer, evil bool) {
				single(p, len(large))
				p.say(chunks(large)...)
				if evil {
					msgs := chunks(large)
					p.say(msgs[len(msgs)-1])
				}
				p.say(fileEnd(large))
				p.leave()
			},
			want: map[string]string{"a": large},
		},
		{
			name: "a piece within a chunk missing",
			script: func(p *peer, evil bool) {
				single(p, len(large))
				msgs := chunks(large)
				if evil {
					msgs = append(msgs[:1], msgs[2:]...)
				}
				p.say(msgs...)
				p.say(fileEnd(large))
				p.leave()
			},
			want: map[string]string{"a": large},
		},
		{
			name: "another size at the end",
			script: func(p *peer, evil bool) {
				single(p, len(large))
				p.say(chunks(large)...)
				end := fileEnd(large)
				if evil {
					end.Size += delta.ChunkSize
				}
				p.say(end)
				p.leave()
			},
			want: map[string]string{"a": large},
		},
		{
			name: "another digest at the end",
			script: func(p *peer, evil bool) {
				single(p, len(large))
				p.say(chunks(large)...)
				end := fileEnd(large)
				if evil {
					end.Digest[0] ^= 1
				}
				p.say(end)
				p.leave()
			},
			want: map[string]string{"a": large},
		},
		{
			name: "a chunk again that was not damaged",
			script: func(p *peer, evil bool) {
				single(p, len(large))
				p.say(spoil(chunks(large), 0)...)
				p.say(fileEnd(large))
				p.hear(wire.TypeResend)
				msgs := chunks(large)
				n := delta.ChunkSize / wire.BulkSize
				if evil {
					p.say(msgs[n : 2*n]...)
				} else {
					p.say(msgs[:n]...)
				}
				p.say(fileEnd(""))
				p.leave()
			},
			want: map[string]string{"a": large},
		},
		{
			name: "more behind the end of a file", slow: "dst commit",
			script: func(p *peer, evil bool) {
				single(p, len(large))
				p.say(chunks(large)...)
				p.say(fileEnd(large))
				if evil {
					p.say(chunks(large)...)
				}
				p.leave()
			},
			want: map[string]string{"a": large},
		},
		{
			name: "owners without end behind the listings",
			script: func(p *peer, evil bool) {
				single(p, 3)
				if evil {
					p.say(owners(1000)...)
				}
				p.say(files("abc"))
				p.leave()
			},
			want: map[string]string{"a": "abc"},
		},
		{
			name: "tables where there are listings",
			script: func(p *peer, evil bool) {
				p.say(&wire.Roots{Complete: true})
				p.hear(wire.TypeMode)
				if evil {
					p.say(tables(5)...)
				}
				p.list(root(file("a", 3)))
				p.say(&wire.ListEnd{Dirs: 1, Complete: true})
				p.hear(wire.TypeWant)
				p.say(files("abc"))
				p.leave()
			},
			want: map[string]string{"a": "abc"},
		},
		{
			name: "tables before all",
			script: func(p *peer, evil bool) {
				if evil {
					p.say(tables(5)...)
				}
				single(p, 3)
				p.say(files("abc"))
				p.leave()
			},
			want: map[string]string{"a": "abc"},
		},
		{
			name: "owners before all",
			script: func(p *peer, evil bool) {
				if evil {
					p.say(owners(1000)...)
				}
				single(p, 3)
				p.say(files("abc"))
				p.leave()
			},
			want: map[string]string{"a": "abc"},
		},
		{
			name: "owners before the digest", dst: map[string]string{"b": "b"},
			script: func(p *peer, evil bool) {
				p.say(&wire.Roots{Complete: true})
				p.hear(wire.TypeMode)
				if evil {
					p.say(owners(1000)...)
				}
				digests(p)
				p.list(root(file("a", 3)))
				p.say(&wire.ListEnd{Dirs: 1, Complete: true})
				p.hear(wire.TypeWant)
				p.say(files("abc"))
				p.leave()
			},
			want: map[string]string{"a": "abc", "b": "b"},
		},
		{
			name: "listings before the table", dst: map[string]string{"b": "b"},
			script: func(p *peer, evil bool) {
				p.say(&wire.Roots{Complete: true})
				p.hear(wire.TypeMode)
				p.say(new(wire.RootDigest))
				p.hear(wire.TypeNeedDirs)
				if evil {
					for range 1000 {
						p.list(root(file("a", 3)))
					}
				}
				p.say(tables(1)...)
				p.hear(wire.TypeNeedDirs)
				p.list(root(file("a", 3)))
				p.say(&wire.ListEnd{Dirs: 1, Complete: true})
				p.hear(wire.TypeWant)
				p.say(files("abc"))
				p.leave()
			},
			want: map[string]string{"a": "abc", "b": "b"},
		},
		{
			name: "tables behind the last", dst: map[string]string{"b": "b"},
			script: func(p *peer, evil bool) {
				p.say(&wire.Roots{Complete: true})
				p.hear(wire.TypeMode)
				digests(p)
				if evil {
					p.say(tables(5)...)
				}
				p.list(root(file("a", 3)))
				p.say(&wire.ListEnd{Dirs: 1, Complete: true})
				p.hear(wire.TypeWant)
				p.say(files("abc"))
				p.leave()
			},
			want: map[string]string{"a": "abc", "b": "b"},
		},
		{
			name: "entries where no source was announced", dst: nil,
			set: func(j *engine.Job) { j.Dest += "/new" },
			script: func(p *peer, evil bool) {
				p.say(&wire.Roots{Complete: true, Nothing: true})
				p.hear(wire.TypeMode)
				if evil {
					p.list(root(directory("a"), file("b", 3)))
				} else {
					p.list(root())
				}
				p.say(&wire.ListEnd{Dirs: 1, Complete: true})
				p.leave()
			},
		},
	} {
		t.Run(x.name, func(t *testing.T) {
			for _, evil := range []bool{false, true} {
				_, dst := dirs(t, nil, map[string]string{})
				tree(t, dst, x.dst)
				job := engine.Job{Options: archive(), Sources: []string{"a", "b"}, Dest: dst}
				job.Timeout = time.Second // no help against a reader that does not read
				job.Owner, job.Group = false, false
				if x.set != nil {
					x.set(&job)
				}
				h := &hookHost{host(), &hooks{fail: func(op, path string) error {
					if op == x.slow && path == "a" {
						time.Sleep(50 * time.Millisecond)
					}
					return nil
				}}}
				out := script(func(p *peer) { x.script(p, evil) }).asSource(t, h, job)
				noTemporaries(t, dst)
				if evil {
					out.wantRefused(t)
					continue
				}
				out.wantExit(t, wire.CodeOK)
				if got := contents(t, dst); !maps.Equal(got, x.want) {
					t.Errorf("the honest script leaves %q", slices.Collect(maps.Keys(got)))
				}
			}
		})
	}
}

// owners are n owners that nobody has.
func owners(n int) (msgs []wire.Msg) {
	for i := range n {
		msgs = append(msgs, &wire.Owner{ID: uint32(i), Name: "nobody-such"})
	}
	return msgs
}

// tables are n tables with a root each.
func tables(n int) (msgs []wire.Msg) {
	for range n {
		msgs = append(msgs, &wire.DirTable{Last: true, Dirs: []wire.DirDigest{{Parent: -1}}})
	}
	return msgs
}

// digests says that everything differs.
func digests(p *peer) {
	p.say(new(wire.RootDigest))
	p.hear(wire.TypeNeedDirs)
	p.say(tables(1)...)
	p.hear(wire.TypeNeedDirs)
}

// spoil damages the first byte of messages of a file, whose digests stay.
func spoil(msgs []wire.Msg, which ...int) []wire.Msg {
	for _, i := range which {
		m := msgs[i].(*wire.Data)
		m.Content = append([]byte{m.Content[0] ^ 1}, m.Content[1:]...)
	}
	return msgs
}

// TestResentChunksBelongTogether has a source whose file is another one when
// damaged chunks are asked for again. The file has to be that of one pass.
func TestResentChunksBelongTogether(t *testing.T) {
	first := random(1, 3*delta.ChunkSize+100)
	second := random(2, 3*delta.ChunkSize+100)
	per := delta.ChunkSize / wire.BulkSize
	for _, x := range []struct {
		name   string
		resend []wire.Msg // when the first two chunks are asked for
		all    []wire.Msg // when everything is; nil if it must not be
		want   string     // "" for none: the file is given up
	}{
		{"as it was", append(chunks(first)[:2*per], fileEnd("")), nil, first},
		{"another", append(chunks(second)[:2*per], fileEnd("")), append(chunks(second), fileEnd(second)), second},
		{"shorter", append(chunks(first)[:per], fileEnd("")), append(chunks(first[:delta.ChunkSize]), fileEnd(first[:delta.ChunkSize])), first[:delta.ChunkSize]},
		{"nothing", []wire.Msg{fileEnd("")}, append(chunks(second), fileEnd(second)), second},
		{"empty", []wire.Msg{fileEnd("")}, []wire.Msg{fileEnd("")}, "-"},
		{"damaged for ever", append(spoil(chunks(first)[:2*per], 0), fileEnd("")), append(spoil(chunks(first), 0), fileEnd(first)), ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, dst := dirs(t, nil, map[string]string{})
			job := engine.Job{Options: archive(), Sources: []string{"a"}, Dest: dst}
			out := script(func(p *peer) {
				p.say(&wire.Roots{Complete: true})
				p.hear(wire.TypeMode)
				p.list(root(file("a", len(first))))
				p.say(&wire.ListEnd{Dirs: 1, Complete: true})
				p.hear(wire.TypeWant)
				p.say(spoil(chunks(first), 0, per)...)
				p.say(fileEnd(first))
				if m, _ := p.hear(wire.TypeResend).(*wire.Resend); m == nil || m.All || !slices.Equal(m.Chunks, []int{0, 1}) {
					t.Errorf("asked for %+v", m)
				}
				p.say(x.resend...)
				if x.all != nil {
					if m, _ := p.hear(wire.TypeResend).(*wire.Resend); m == nil || !m.All {
						t.Errorf("asked for %+v", m)
						return
					}
					p.say(x.all...)
				}
				p.leave()
			}).asSource(t, host(), job)
			noTemporaries(t, dst)
			if x.want == "" {
				out.wantExit(t, wire.CodePartial)
				out.wantFileError(t, "a", engine.ErrContent)
				wantNames(t, dst, "")
				return
			}
			out.wantExit(t, wire.CodeOK)
			if got := content(t, filepath.Join(dst, "a")); got != strings.Trim(x.want, "-") {
				t.Errorf("%d bytes arrived, want %d", len(got), len(x.want))
			}
		})
	}
}
