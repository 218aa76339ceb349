package wire

import "slices"

// Hello is the greeting of both ends.
type Hello struct {
	Version    int
	MinVersion int
	Release    string // of the program, for messages
	ClockSec   int64  // this machine's time, to warn of skew
}

func (*Hello) Type() Type { return TypeHello }

func (m *Hello) append(b []byte) []byte {
	b = appendUint(b, uint64(m.Version))
	b = appendUint(b, uint64(m.MinVersion))
	b = appendString(b, m.Release)
	return appendInt(b, m.ClockSec)
}

func (m *Hello) decode(d *Dec) {
	m.Version, m.MinVersion = d.index(), d.index()
	m.Release = d.string(maxShort)
	m.ClockSec = d.varint()
	if d.Len() > 0 {
		d.rest() // fields of later versions
	}
}

// Job is what the client asks of the server. The options are the engine's, in
// its own encoding, one string per option that differs from its zero value, so
// that an option that the server does not know is refused by name.
type Job struct {
	Source   bool     // the server is the source
	Paths    []string // sources, or the one destination
	HasFiles bool     // Names follow
	Options  []string // "name=value"
	Filter   []byte   // an encoded filter.Set
}

func (*Job) Type() Type { return TypeJob }

func (m *Job) append(b []byte) []byte {
	b = appendBool(b, m.Source)
	b = appendStrings(b, m.Paths)
	b = appendBool(b, m.HasFiles)
	b = appendStrings(b, m.Options)
	return appendBytes(b, m.Filter)
}

func (m *Job) decode(d *Dec) {
	m.Source = d.bool()
	m.Paths = d.strings(maxPath)
	m.HasFiles = d.bool()
	m.Options = d.strings(maxText)
	m.Filter = d.bytes(MaxFrame)
}

// Names carries a part of the names of --files-from.
type Names struct {
	Names []string
	Last  bool // no more follow
}

// Type returns the message's number.
func (*Names) Type() Type { return TypeNames }

func (m *Names) append(b []byte) []byte { return appendBool(appendStrings(b, m.Names), m.Last) }

func (m *Names) decode(d *Dec) {
	m.Names = d.strings(maxPath)
	if slices.Contains(m.Names, "") {
		d.fail("a name that is empty")
	}
	m.Last = d.bool()
}

func appendStrings(b []byte, v []string) []byte {
	b = appendUint(b, uint64(len(v)))
	for _, s := range v {
		b = appendString(b, s)
	}
	return b
}

func (d *Dec) strings(limit int) []string {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	v := make([]string, 0, n) // a string takes 16 bytes in memory and at least one on the wire
	for range n {
		v = append(v, d.string(limit))
	}
	return v
}

// Fatal ends the run at both ends.
type Fatal struct{ Err Error }

func (*Fatal) Type() Type { return TypeFatal }

func (m *Fatal) append(b []byte) []byte { return appendError(b, &m.Err) }
func (m *Fatal) decode(d *Dec)          { m.Err = d.error() }

func appendError(b []byte, e *Error) []byte {
	b = append(b, byte(e.Code), byte(e.Kind))
	b = appendString(b, clip(e.Op))
	b = appendString(b, clip(e.Path))
	return appendString(b, clip(e.Text))
}

func clip(s string) string { return s[:min(len(s), maxText)] }

func (d *Dec) error() (e Error) {
	e.Code, e.Kind = Code(d.byte()), Kind(d.byte())
	if e.Kind >= kindEnd {
		e.Kind = KindOther
	}
	e.Op, e.Path, e.Text = d.string(maxText), d.string(maxText), d.string(maxText)
	return e
}

// Ping shows that an end is alive, and whether it is at work. It is made and read
// in timeout.go.
type Ping struct{ Busy bool }

func (*Ping) Type() Type { return TypePing }

func (m *Ping) append(b []byte) []byte {
	if m.Busy {
		b = append(b, pingBusy)
	}
	return b
}

func (m *Ping) decode(d *Dec) {
	if m.Busy = len(d.b) > 0; m.Busy && d.byte() != pingBusy {
		d.fail("a ping that says nothing known")
	}
}

// Trouble is an error that concerns one file; the run goes on.
type Trouble struct {
	Err      Error
	Vanished bool
	Note     bool // a remark, not an error
}

func (*Trouble) Type() Type { return TypeTrouble }

func (m *Trouble) append(b []byte) []byte {
	b = appendBool(b, m.Vanished)
	b = appendBool(b, m.Note)
	return appendError(b, &m.Err)
}

func (m *Trouble) decode(d *Dec) {
	m.Vanished = d.bool()
	m.Note = d.bool()
	m.Err = d.error()
}
