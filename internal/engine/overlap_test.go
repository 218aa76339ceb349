package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/transport/wire"
)

// basisHost is a host whose old files at the destination are read by readAt.
type basisHost struct {
	engine.Host
	readAt func(f engine.File, p []byte, off int64) (int, error)
}

func (h *basisHost) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	t, err := h.Host.Dest(ctx, path, how)
	if err != nil {
		return nil, err
	}
	return &basisDest{t, h}, nil
}

type basisDest struct {
	engine.Dest
	h *basisHost
}

func (d *basisDest) Open(ctx context.Context, path string) (engine.File, error) {
	f, err := d.Dest.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	return &fileHook{File: f, readAt: d.h.readAt}, nil
}

// gated returns a host whose old files cannot be read beyond from before the gate is open.
func gated(from int64, gate <-chan struct{}) engine.Host {
	return &basisHost{host(), func(f engine.File, p []byte, off int64) (int, error) {
		if off >= from {
			<-gate
		}
		return f.ReadAt(p, off)
	}}
}

// TestOverlap has a basis whose end cannot be read before something of the new file was
// written: where segments wait for the whole signature, or are not written while it is
// made, the run does not come back.
func TestOverlap(t *testing.T) {
	const size = 72 << 20
	old := random(91, size)
	now := []byte(old)
	for _, at := range []int{5000, 3 << 20, 20 << 20, 70 << 20} {
		copy(now[at:], random(uint64(at), 6000))
	}
	for _, w := range []way{push, pull, relay} {
		for _, inPlace := range []bool{false, true} {
			if testing.Short() && (inPlace || w != push) {
				continue
			}
			t.Run(fmt.Sprintf("%s,inplace=%v", w, inPlace), func(t *testing.T) {
				srcDir, dstDir := dirs(t, map[string]string{"f": string(now)}, map[string]string{"f": old})
				then := time.Unix(1_500_000_000, 5)
				must(t, os.Chtimes(filepath.Join(srcDir, "f"), then, then))
				gate := make(chan struct{})
				h := &hookHost{gated(40<<20, gate), &hooks{fail: func() func(op, path string) error {
					var once sync.Once
					return func(op, _ string) error {
						if op == "dst write" {
							once.Do(func() { close(gate) })
						}
						return nil
					}
				}()}}
				c := trial{way: w, host: h, job: jobFor(srcDir, dstDir)}
				c.job.InPlace = inPlace
				out := c.must(t)
				equalTrees(t, srcDir, dstDir)
				if out.sum.Literal > 100<<10 {
					t.Errorf("literal %d", out.sum.Literal)
				}
			})
		}
	}
}

// signing says a signature in pieces.
type signing struct {
	p     *peer
	id    wire.ID
	basis *wire.Basis
	parts [][]byte
}

// sign prepares a basis whose signature has parts of 64 blocks.
func (p *peer) sign(t *testing.T, id wire.ID, basis string) (*signing, delta.Params) {
	t.Helper()
	params := delta.NewParams(int64(len(basis)), 7)
	s := &signing{p: p, id: id, basis: basisMsg(t, id, params)}
	n, size := uint64(0), params.HashLen+params.AnchorLen
	fine(t, delta.Sign(p.ctx, stringReader(basis), params, 1, func(part []byte) error {
		for range 2 { // the header
			_, k := binary.Uvarint(part)
			part = part[k:]
		}
		for len(part) > 0 {
			k := min(64*size, len(part))
			b := binary.AppendUvarint(binary.AppendUvarint(nil, n), uint64(k/size))
			s.parts = append(s.parts, append(b, part[:k]...))
			n += uint64(k / size)
			part = part[k:]
		}
		return nil
	}))
	return s, params
}

// say says the parts up to the n-th.
func (s *signing) say(n int) {
	for ; n > 0 && len(s.parts) > 0; n-- {
		s.p.say(wire.NewSigPart(s.id, len(s.parts) == 1, s.parts[0]))
		s.parts = s.parts[1:]
	}
}

type stringReader string

func (s stringReader) ReadAt(p []byte, off int64) (int, error) { return copy(p, s[off:]), nil }

// TestOverlapAsked has destinations that say that they take segments while they sign,
// and an older one that does not. The source has "a", a small file, and "f", of two
// segments.
func TestOverlapAsked(t *testing.T) {
	basis := random(1, 9<<20)
	now := random(2, 700) + basis[700:]
	a, f := wire.ID{Entry: 0}, wire.ID{Entry: 1}
	listed := func(p *peer) {
		p.say(new(wire.Mode))
		p.hear(wire.TypeListEnd)
	}
	done := func(p *peer) {
		p.say(new(wire.Done))
		p.left = p.hear(wire.TypeSourceDone) != nil
	}
	marked := func(t *testing.T, p *peer) (*signing, delta.Params) { // it takes segments while it signs
		listed(p)
		s, params := p.sign(t, f, basis)
		p.say(s.basis, wire.NewSigPart(f, false, nil))
		return s, params
	}
	small := func(t *testing.T, p *peer) { // nothing else comes before it
		p.say(&wire.Want{Entries: []int{a.Entry}})
		for m := range p.heard {
			if m.Type() == wire.TypeFiles {
				return
			}
			t.Errorf("message %d comes, of %v", m.Type(), f)
		}
	}
	for _, x := range []struct {
		name   string
		host   engine.Host
		script func(t *testing.T, p *peer)
		want   error
		code   wire.Code
	}{
		{"it overlaps", host(), func(t *testing.T, p *peer) {
			s, params := marked(t, p)
			s.say(len(s.parts) - 1)
			m, _ := p.hear(wire.TypeSegment).(*wire.Segment)
			if m == nil {
				t.Error("no segment comes")
				return
			}
			seg, err := delta.DecodeSegment(m.Body, params, m.Size)
			fine(t, err)
			if n := seg.GapBytes(); n == 0 || n > 16<<10 {
				t.Errorf("%d bytes of it are gaps", n)
			}
			if end := p.c.Err(); end != nil {
				t.Error(end)
			}
			s.say(1)
			p.serveFrom(t, basis, params, m)
			done(p)
		}, nil, wire.CodeOK},
		{"an older one", host(), func(t *testing.T, p *peer) {
			listed(p)
			s, params := p.sign(t, f, basis)
			p.say(s.basis)
			s.say(len(s.parts) - 1)
			time.Sleep(100 * time.Millisecond) // for what must not come
			small(t, p)
			s.say(1)
			p.serve(t, basis, params)
			done(p)
		}, nil, wire.CodeOK},
		{"a file that cannot be read", failing("src open", "f", errors.New("locked")), func(t *testing.T, p *peer) {
			s, _ := marked(t, p)
			s.say(1)
			small(t, p)
			s.say(len(s.parts))
			if m, _ := p.hear(wire.TypeFileEnd).(*wire.FileEnd); m == nil || !m.Failed {
				t.Errorf("%+v", m)
			}
			done(p)
		}, nil, wire.CodePartial},
		{"done within the signature", host(), func(t *testing.T, p *peer) {
			s, _ := marked(t, p)
			s.say(len(s.parts) - 1)
			p.hear(wire.TypeSegment)
			done(p)
		}, wire.ErrProtocol, 0},
		{"done in front of the signature", host(), func(t *testing.T, p *peer) {
			marked(t, p)
			small(t, p)
			done(p)
		}, wire.ErrProtocol, 0},
		{"lost within the signature", host(), func(t *testing.T, p *peer) {
			s, _ := marked(t, p)
			s.say(len(s.parts) - 1)
			p.hear(wire.TypeSegment)
			p.left = true
		}, nil, wire.CodeStream},
		{"a part that does not follow", host(), func(t *testing.T, p *peer) {
			s, _ := marked(t, p)
			s.say(len(s.parts) - 2)
			p.hear(wire.TypeSegment)
			s.parts = s.parts[1:]
			s.say(1)
		}, wire.ErrProtocol, 0},
		{"a part behind the last", host(), func(t *testing.T, p *peer) {
			s, _ := marked(t, p)
			s.say(len(s.parts))
			p.say(wire.NewSigPart(f, false, nil))
		}, wire.ErrProtocol, 0},
		{"a signature that ends early", host(), func(t *testing.T, p *peer) {
			s, _ := marked(t, p)
			s.say(len(s.parts) - 1)
			p.say(wire.NewSigPart(f, true, nil))
		}, wire.ErrProtocol, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			src, _ := dirs(t, map[string]string{"a": "a", "f": now}, nil)
			job := engine.Job{Options: archive(), Sources: []string{src + "/"}, Dest: "nowhere"}
			out := script(func(p *peer) { x.script(t, p) }).asDest(t, x.host, job)
			if x.want != nil {
				out.wantRefused(t)
			} else {
				out.wantExit(t, x.code)
			}
		})
	}
}

// TestOverlapEnd has a source that ends a file whose basis is still being read.
func TestOverlapEnd(t *testing.T) {
	dst := t.TempDir()
	const size = 65 << 20
	must(t, os.WriteFile(filepath.Join(dst, "f"), nil, 0o644))
	must(t, os.Truncate(filepath.Join(dst, "f"), size))
	gate := make(chan struct{})
	h := &hookHost{gated(40<<20, gate), &hooks{fail: func(op, _ string) error {
		if op == "dst create" { // the end came
			time.AfterFunc(200*time.Millisecond, func() { close(gate) })
		}
		return nil
	}}}
	job := engine.Job{Options: archive(), Sources: []string{"f"}, Dest: dst}
	out := script(func(p *peer) {
		p.say(&wire.Roots{Complete: true})
		p.hear(wire.TypeMode)
		digests(p)
		p.list(root(file("f", size)))
		p.say(&wire.ListEnd{Dirs: 1, Complete: true})
		if m, _ := p.hear(wire.TypeBasis).(*wire.Basis); m != nil {
			p.say(&wire.FileEnd{ID: m.ID, Failed: true})
		}
	}).asSource(t, h, job)
	if out.wantRefused(t); !strings.Contains(fmt.Sprint(out.err), "before its signature went") {
		t.Error(out.err)
	}
}
