package engine_test

import (
	"bytes"
	"testing"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/transport/wire"
)

// ask asks for an entry of the root as a delta against a basis.
func (p *peer) ask(t *testing.T, id wire.ID, basis string) delta.Params {
	t.Helper()
	params := delta.NewParams(int64(len(basis)), 7)
	p.say(basisMsg(t, id, params))
	fine(t, delta.Sign(p.ctx, bytes.NewReader([]byte(basis)), params, 1, func(part []byte) error {
		p.say(wire.NewSigPart(id, false, bytes.Clone(part)))
		return nil
	}))
	p.say(wire.NewSigPart(id, true, nil))
	return params
}

func basisMsg(t *testing.T, id wire.ID, params delta.Params) *wire.Basis {
	t.Helper()
	b, err := params.AppendBinary(nil)
	fine(t, err)
	return &wire.Basis{ID: id, Size: params.BasisSize, Params: b}
}

// serve answers the questions about a delta honestly until it ends, and returns
// how many there were.
func (p *peer) serve(t *testing.T, basis string, params delta.Params) (questions int) {
	t.Helper()
	return p.serveFrom(t, basis, params, nil)
}

// serveFrom is serve where the first segment was heard already.
func (p *peer) serveFrom(t *testing.T, basis string, params delta.Params, first *wire.Segment) (questions int) {
	t.Helper()
	segs := map[int]*delta.Segment{}
	if first != nil {
		seg, err := delta.DecodeSegment(first.Body, params, first.Size)
		fine(t, err)
		segs[first.Segment] = seg
	}
	for m := range p.heard {
		switch m := m.(type) {
		case *wire.Segment:
			seg, err := delta.DecodeSegment(m.Body, params, m.Size)
			fine(t, err)
			segs[m.Segment] = seg
		case *wire.Question:
			questions++
			q, err := delta.DecodeQuestion(m.Body, segs[m.Segment])
			fine(t, err)
			ans, err := delta.NewPatcher(bytes.NewReader([]byte(basis))).Search(p.ctx, q, segs[m.Segment])
			fine(t, err)
			body, err := ans.AppendBinary(nil)
			fine(t, err)
			p.say(wire.NewAnswer(m.ID, m.Segment, body))
		case *wire.FileEnd:
			return questions
		}
	}
	return questions
}

// fine is must for a goroutine that is not the test's.
func fine(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// TestEvilDestination has a destination that leaves the protocol at one point.
// The source has "a", a small file, "d", a directory, and "f", a large file.
func TestEvilDestination(t *testing.T) {
	basis := random(1, 200<<10)
	now := basis[:50<<10] + random(2, 3000) + basis[50<<10:100<<10] + random(3, 1500) + basis[100<<10:]
	a, d, f := wire.ID{Entry: 0}, wire.ID{Entry: 1}, wire.ID{Entry: 2}
	done := func(p *peer) {
		p.say(new(wire.Done))
		p.left = p.hear(wire.TypeSourceDone) != nil
	}
	listed := func(p *peer) {
		p.say(new(wire.Mode))
		p.hear(wire.TypeListEnd)
	}
	for _, x := range []struct {
		name   string
		script func(t *testing.T, p *peer, evil bool)
	}{
		{"done before anything", func(_ *testing.T, p *peer, evil bool) {
			if !evil {
				listed(p)
			}
			done(p)
		}},
		{"done before the digest", func(_ *testing.T, p *peer, evil bool) {
			p.hear(wire.TypeRoots)
			if evil {
				p.say(new(wire.Done), &wire.Mode{Digests: true})
				return
			}
			p.say(&wire.Mode{Digests: true})
			p.hear(wire.TypeRootDigest)
			done(p)
		}},
		{"done while a delta is open", func(t *testing.T, p *peer, evil bool) {
			listed(p)
			params := p.ask(t, f, basis)
			if evil {
				p.hear(wire.TypeQuestion)
			} else if p.serve(t, basis, params) == 0 {
				t.Error("nothing was asked: this test shows nothing")
			}
			done(p)
		}},
		{"an answer to nothing", func(t *testing.T, p *peer, evil bool) {
			listed(p)
			if evil {
				p.say(wire.NewAnswer(f, 0, nil))
			}
			done(p)
		}},
		{"an answer to another segment, often", func(t *testing.T, p *peer, evil bool) {
			listed(p)
			params := p.ask(t, f, basis)
			if evil {
				p.hear(wire.TypeQuestion)
				for range 10 {
					p.say(wire.NewAnswer(f, 7, nil))
				}
			} else {
				p.serve(t, basis, params)
			}
			done(p)
		}},
		{"the same file again and again", func(_ *testing.T, p *peer, evil bool) {
			listed(p)
			n := 3
			if evil {
				n = 3000
			}
			for range n {
				p.say(&wire.Want{Entries: []int{a.Entry}})
			}
			if !evil {
				p.hear(wire.TypeFiles)
			}
			done(p)
		}},
		{"the same chunks again and again", func(_ *testing.T, p *peer, evil bool) {
			listed(p)
			n := 1
			if evil {
				n = 3000
			}
			for range n {
				p.say(&wire.Resend{ID: f, Chunks: []int{9}})
			}
			if !evil {
				p.hear(wire.TypeFileEnd)
			}
			done(p)
		}},
		{"the same question again and again", func(_ *testing.T, p *peer, evil bool) {
			listed(p)
			n := 1
			if evil {
				n = 3000
			}
			for range n {
				p.say(&wire.Check{Entries: []int{a.Entry}, Digests: make([]delta.Digest, 1)})
			}
			if !evil {
				p.hear(wire.TypeSame)
			}
			done(p)
		}},
		{"content of a directory", func(_ *testing.T, p *peer, evil bool) {
			listed(p)
			id := a
			if evil {
				id = d
			}
			p.say(&wire.Want{Entries: []int{id.Entry}})
			if !evil {
				p.hear(wire.TypeFiles)
			}
			done(p)
		}},
		{"chunks of a directory", func(_ *testing.T, p *peer, evil bool) {
			listed(p)
			id := f
			if evil {
				id = d
			}
			p.say(&wire.Resend{ID: id, All: true})
			p.hear(wire.TypeFileEnd)
			done(p)
		}},
		{"an entry that is not", func(_ *testing.T, p *peer, evil bool) {
			listed(p)
			id := a
			if evil {
				id.Entry = 3
			}
			p.say(&wire.Want{Entries: []int{id.Entry}})
			p.hear(wire.TypeFiles)
			done(p)
		}},
		{"a directory that is not", func(_ *testing.T, p *peer, evil bool) {
			p.say(&wire.Mode{Digests: true})
			p.hear(wire.TypeRootDigest)
			m := &wire.NeedDirs{Dirs: []int{0, 1}}
			if evil {
				m.Dirs = []int{0, 2}
			}
			p.say(m)
			p.hear(wire.TypeListEnd)
			done(p)
		}},
		{"signatures without end", func(t *testing.T, p *peer, evil bool) {
			listed(p)
			p.say(basisMsg(t, f, delta.Params{BasisSize: 1 << 36, BlockSize: 1 << 10, HashLen: 8, AnchorLen: 5}))
			if evil {
				p.say(basisMsg(t, a, delta.Params{BasisSize: 1 << 36, BlockSize: 1 << 10, HashLen: 8, AnchorLen: 5}))
			}
			done(p)
		}},
		{"a signature behind its end", func(t *testing.T, p *peer, evil bool) {
			listed(p)
			p.say(basisMsg(t, f, delta.NewParams(0, 7)), wire.NewSigPart(f, true, nil))
			if evil {
				p.say(wire.NewSigPart(f, true, nil))
			}
			p.serve(t, "", delta.NewParams(0, 7))
			done(p)
		}},
		{"a delta twice at a time", func(t *testing.T, p *peer, evil bool) {
			listed(p)
			params := p.ask(t, f, basis)
			if evil {
				p.say(basisMsg(t, f, params))
			}
			p.serve(t, basis, params)
			done(p)
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			for i := range 4 {
				evil, relayed := i%2 == 1, i >= 2
				src, _ := dirs(t, map[string]string{"a": "a", "d/": "", "f": now}, nil)
				job := engine.Job{Options: archive(), Sources: []string{src + "/"}, Dest: "nowhere"}
				f := script(func(p *peer) { x.script(t, p, evil) })
				end := f.asDest
				if relayed {
					end = f.asRelayedDest
				}
				out := end(t, host(), job)
				switch {
				case evil && relayed:
					out.wantExit(t, wire.CodeStream)
				case evil:
					out.wantRefused(t)
				default:
					out.wantExit(t, wire.CodeOK)
				}
			}
		})
	}
}

// either returns the next message of one of two types.
func (p *peer) either(a, b wire.Type) wire.Msg {
	for m := range p.heard {
		if m.Type() == a || m.Type() == b {
			return m
		}
	}
	return nil
}

// TestDoneEarly: a destination that is done in the middle of a file, and goes on reading,
// does not keep the source, nor who relays for it: they do not wait to hear what it has taken.
func TestDoneEarly(t *testing.T) {
	src, _ := dirs(t, map[string]string{"f": random(1, 24<<20)}, nil)
	early := script(func(p *peer) {
		p.say(new(wire.Mode))
		p.hear(wire.TypeListEnd)
		p.say(&wire.Want{Entries: []int{0}})
		p.hear(wire.TypeData)
		p.say(new(wire.Done))
		p.left = p.hear(wire.TypeSourceDone) != nil
	})
	job := engine.Job{Options: archive(), Sources: []string{src + "/"}, Dest: "nowhere"}
	for name, end := range map[string]func(*testing.T, engine.Host, engine.Job) outcome{"source": early.asDest, "relay": early.asRelayedDest} {
		t.Run(name, func(t *testing.T) {
			if out := end(t, host(), job); out.hung {
				t.Error("it waits for ever")
			}
		})
	}
}
