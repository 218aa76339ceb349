package evilpeer

import (
	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Msgs are messages as items.
func Msgs(msgs ...wire.Msg) (items []Item) {
	for _, m := range msgs {
		items = append(items, Item{Msg: m})
	}
	return items
}

// On puts what f returns in place of a message of the honest end: of the first of
// type T for which f reports true.
func On[T wire.Msg](f func(p *Peer, m T) ([]Item, bool)) Rule {
	return func() Change {
		done := false
		return func(p *Peer, dir Dir, m wire.Msg) []Item {
			if t, ok := m.(T); ok && dir == Out && !done {
				if items, struck := f(p, t); struck {
					done = true
					p.Struck()
					return items
				}
			}
			return []Item{{Msg: m}}
		}
	}
}

// Alter changes the first message of a type.
func Alter[T wire.Msg](f func(m T)) Rule {
	return AlterIf(func(m T) bool { f(m); return true })
}

// AlterIf changes messages of a type until f reports that it has.
func AlterIf[T wire.Msg](f func(m T) bool) Rule {
	return On(func(_ *Peer, m T) ([]Item, bool) { return Msgs(m), f(m) })
}

// Each changes all messages of a type.
func Each[T wire.Msg](f func(m T)) Rule {
	return func() Change {
		return func(p *Peer, dir Dir, m wire.Msg) []Item {
			if t, ok := m.(T); ok && dir == Out {
				f(t)
				p.Struck()
			}
			return []Item{{Msg: m}}
		}
	}
}

// Before says something before the first message of a type, After behind it, and
// Instead in its place.
func Before[T wire.Msg](items ...Item) Rule {
	return On(func(_ *Peer, m T) ([]Item, bool) { return append(items[:len(items):len(items)], Item{Msg: m}), true })
}

// After says something behind the first message of a type.
func After[T wire.Msg](items ...Item) Rule {
	return On(func(_ *Peer, m T) ([]Item, bool) { return append(Msgs(m), items...), true })
}

// Instead says something in place of the first message of a type; nothing drops it.
func Instead[T wire.Msg](items ...Item) Rule {
	return On(func(*Peer, T) ([]Item, bool) { return items, true })
}

// Twice says the first message of a type twice.
func Twice[T wire.Msg]() Rule {
	return On(func(_ *Peer, m T) ([]Item, bool) { return Msgs(m, m), true })
}

// Believe has the honest end hear something else than the victim has said.
func Believe[T wire.Msg](f func(m T) []Item) Rule {
	return func() Change {
		done := false
		return func(p *Peer, dir Dir, m wire.Msg) []Item {
			if t, ok := m.(T); ok && dir == In && !done {
				done = true
				p.Struck()
				return f(t)
			}
			return []Item{{Msg: m}}
		}
	}
}

// Swap sends the first message of type T behind the first of type U that follows it.
func Swap[T, U wire.Msg]() Rule {
	return func() Change {
		var late wire.Msg
		done := false
		return func(p *Peer, dir Dir, m wire.Msg) []Item {
			if dir == In {
				return Msgs(m)
			}
			if _, ok := m.(T); ok && !done {
				late, done = m, true
				return nil
			}
			if _, ok := m.(U); ok && late != nil {
				items := Msgs(m, late)
				late = nil
				p.Struck()
				return items
			}
			return Msgs(m)
		}
	}
}

// Frame changes the encoded form of the first message of a type.
func Frame[T wire.Msg](f func(b []byte) []byte) Rule {
	return On(func(_ *Peer, m T) ([]Item, bool) { return []Item{{Bytes: f(wire.AppendFrame(nil, m))}}, true })
}

// Records changes the listings: f gets those of all directories and returns the
// ones to send. They all come when the last one does.
func Records(f func(recs []*wire.ListingRecord) []*wire.ListingRecord) Rule {
	return Listed(func(recs []*wire.ListingRecord) []wire.Msg { return List(f(recs)...) })
}

// Listed puts messages in place of the listings.
func Listed(f func(recs []*wire.ListingRecord) []wire.Msg) Rule {
	return func() Change {
		var recs []*wire.ListingRecord
		return func(p *Peer, _ Dir, m wire.Msg) []Item {
			switch m := m.(type) {
			case *wire.Listings:
				recs = append(recs, unpack(m)...)
				return nil
			case *wire.ListEnd:
				p.Struck()
				return append(Msgs(f(recs)...), Item{Msg: m})
			}
			return Msgs(m)
		}
	}
}

// unpack returns the records of a message.
func unpack(m *wire.Listings) (recs []*wire.ListingRecord) {
	for {
		r, more, err := m.NextListing()
		if err != nil || !more {
			return recs
		}
		recs = append(recs, &r)
	}
}

// List packs listings.
func List(recs ...*wire.ListingRecord) (msgs []wire.Msg) {
	w := &wire.ListingWriter{Flush: func(b []byte) error {
		msgs = append(msgs, &wire.Listings{Data: b})
		return nil
	}}
	for _, r := range recs {
		_ = w.Add(r) // Flush cannot fail
	}
	_ = w.Send() // as above
	return msgs
}

// Root changes the entries of the transfer's root.
func Root(f func(entries []manifest.Entry) []manifest.Entry) Rule {
	return Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord {
		recs[0].Entries = f(recs[0].Entries)
		return recs
	})
}

// Entry changes one entry of the transfer's root.
func Entry(name string, f func(e *manifest.Entry)) Rule {
	return Root(func(entries []manifest.Entry) []manifest.Entry {
		for i := range entries {
			if entries[i].Name == name {
				f(&entries[i])
			}
		}
		return entries
	})
}

// Segments changes the plan of the first segment of a delta.
func Segments(f func(m *wire.Segment, s *delta.Segment)) Rule {
	return On(func(p *Peer, m *wire.Segment) ([]Item, bool) {
		s, err := delta.DecodeSegment(m.Body, p.Params, m.Size)
		if err != nil {
			return Msgs(m), false
		}
		f(m, s)
		body, err := s.AppendBinary(nil)
		if err != nil {
			return Msgs(m), false
		}
		m.Body = body
		return Msgs(m), true
	})
}

// Both breaks two rules, where one lie needs another.
func Both(a, b Rule) Rule {
	return func() Change {
		one, two := a(), b()
		return func(p *Peer, dir Dir, m wire.Msg) (items []Item) {
			for _, it := range one(p, dir, m) {
				if it.Msg == nil {
					items = append(items, it)
					continue
				}
				items = append(items, two(p, dir, it.Msg)...)
			}
			return items
		}
	}
}
