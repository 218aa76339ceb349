package evilpeer

import (
	"math/rand/v2"

	"gosync/transport/wire"
)

// Damaged is what a rule of [Damage] has done.
type Damaged struct {
	Count int // changes: bits that were flipped, frames that were cut, moved, lost or repeated

	// Lied says that messages were hit of which nobody can tell whether they are
	// true: what the source says of its tree. Then the destination may have become
	// equal to another tree than the source's.
	Lied bool
}

// Damage returns a rule that damages one message in so many, in ways that the
// seed decides: bits flip, and frames are cut, filled, lost, repeated and moved,
// with or without a length that fits. What the user has asked for is left alone:
// the greeting and the job.
func Damage(seed uint64, oneIn int) (Rule, *Damaged) {
	d := &Damaged{}
	return func() Change {
		rnd := rand.New(rand.NewPCG(seed, uint64(oneIn)))
		var late []byte // a frame that waits for the next
		return func(p *Peer, dir Dir, m wire.Msg) []Item {
			switch m.(type) {
			case *wire.Hello, *wire.Job, *wire.Names, *wire.Fatal:
				return Msgs(m)
			}
			if dir == In {
				return Msgs(m)
			}
			b := wire.AppendFrame(nil, m)
			var out []Item
			if rnd.IntN(oneIn) == 0 {
				p.Struck()
				d.Lied = d.Lied || isClaim(m)
				var keep []byte
				b, keep = d.damage(rnd, b)
				if keep != nil && late == nil {
					late = keep
					return nil
				}
			}
			if len(b) > 0 {
				out = append(out, Item{Bytes: b})
			}
			if late != nil {
				out, late = append(out, Item{Bytes: late}), nil
			}
			return out
		}
	}, d
}

// isClaim reports whether a message is what the source says of its tree.
func isClaim(m wire.Msg) bool {
	switch m.(type) {
	case *wire.Roots, *wire.Listings, *wire.Owner, *wire.ListEnd, *wire.Same:
		return true
	}
	return false
}

// damage damages a frame. It returns what is said now, and what is said behind
// the next message.
func (d *Damaged) damage(rnd *rand.Rand, b []byte) (now, late []byte) {
	d.Count++
	n := len(b) - header
	switch rnd.IntN(12) {
	case 0: // lost
		return nil, nil
	case 1: // twice
		return append(b, b...), nil
	case 2: // late
		return nil, b
	case 3: // cut
		k := rnd.IntN(n + 1)
		return relength(b[:header+k], k), nil
	case 4: // cut, and the length does not say so
		return b[:rnd.IntN(len(b))+1], nil
	case 5: // longer
		k := 1 + rnd.IntN(9)
		for range k {
			b = append(b, byte(rnd.Uint32()))
		}
		return relength(b, n+k), nil
	case 6: // the header
		b[rnd.IntN(header)] ^= 1 << rnd.IntN(8)
		return b, nil
	}
	flips := 1 + rnd.IntN(4)
	d.Count += flips - 1
	for range flips {
		i := rnd.IntN(len(b))
		if rnd.IntN(2) == 0 { // where the fields are, and not the content
			i = rnd.IntN(min(len(b), header+60))
		}
		if i < header && n > 0 {
			i = header
		}
		b[i] ^= 1 << rnd.IntN(8)
	}
	return b, nil
}
