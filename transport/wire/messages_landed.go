package wire

// Landed tells of entries of one directory, by rising index, that are at the
// destination as they are to be, and durable where the job asks for it.
type Landed struct {
	Dir     int
	Entries []int
}

// Type returns the message's number.
func (*Landed) Type() Type { return TypeLanded }

func (m *Landed) append(b []byte) []byte {
	return appendRising(appendUint(b, uint64(m.Dir)), m.Entries)
}

func (m *Landed) decode(d *Dec) {
	m.Dir = d.index()
	m.Entries = d.rising()
}
