package wire

import "gosync/delta"

// Resume asks for a file whole, but for its first chunks: the destination holds
// these. The source sends their digests in Held messages, then Data from there
// on. Where Blind is set nobody wants the digests, and that of the whole covers
// only the chunks that are sent: the user has asked for an append that trusts
// what is there.
type Resume struct {
	ID     ID
	Chunks int
	Blind  bool
}

func (*Resume) Type() Type { return TypeResume }

func (m *Resume) append(b []byte) []byte {
	return appendBool(appendUint(appendID(b, m.ID), uint64(m.Chunks)), m.Blind)
}

func (m *Resume) decode(d *Dec) {
	m.ID = d.id()
	m.Chunks = d.index()
	m.Blind = d.bool()
}

// HeldBatch is how many digests one Held message carries at the most.
const HeldBatch = 1024

// Held carries the digests of chunks that the destination holds, in order from
// the first chunk of the file. All of them come before the file's first Data or
// Segment.
type Held struct {
	ID    ID
	First int // number of the first chunk
	Sums  []delta.Digest
}

func (*Held) Type() Type { return TypeHeld }

func (m *Held) append(b []byte) []byte {
	b = appendUint(appendID(b, m.ID), uint64(m.First))
	b = appendUint(b, uint64(len(m.Sums)))
	for i := range m.Sums {
		b = append(b, m.Sums[i][:]...)
	}
	return b
}

func (m *Held) decode(d *Dec) {
	m.ID = d.id()
	m.First = d.index()
	n := d.count(len(delta.Digest{}))
	if n > HeldBatch {
		d.fail("%d digests in one message", n)
	}
	if d.err != nil || n == 0 {
		return
	}
	m.Sums = make([]delta.Digest, n)
	for i := range m.Sums {
		copy(m.Sums[i][:], d.take(len(m.Sums[i])))
	}
}

// Confirm asks the user at the other end a question that is to be answered with
// yes or no. It is sent only where the job says that there is somebody to ask.
type Confirm struct{ Question string }

func (*Confirm) Type() Type { return TypeConfirm }

func (m *Confirm) append(b []byte) []byte { return appendString(b, clip(m.Question)) }
func (m *Confirm) decode(d *Dec)          { m.Question = d.string(maxText) }

// Confirmed answers a Confirm.
type Confirmed struct{ Yes bool }

func (*Confirmed) Type() Type { return TypeConfirmed }

func (m *Confirmed) append(b []byte) []byte { return appendBool(b, m.Yes) }
func (m *Confirmed) decode(d *Dec)          { m.Yes = d.bool() }
