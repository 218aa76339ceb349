package wire

// Basis asks for a file as a delta against a basis whose signature follows in
// SigParts. The parameters are package delta's. The first Chunks chunks of the
// file are held by the destination: the source sends their digests in Held
// messages and matches what is behind them.
type Basis struct {
	ID     ID
	Size   int64 // of the basis
	Chunks int
	Params []byte
}

func (*Basis) Type() Type { return TypeBasis }

func (m *Basis) append(b []byte) []byte {
	b = appendUint(appendID(b, m.ID), uint64(m.Size))
	return appendBytes(appendUint(b, uint64(m.Chunks)), m.Params)
}

func (m *Basis) decode(d *Dec) {
	m.ID = d.id()
	m.Size = d.size()
	m.Chunks = d.index()
	m.Params = d.bytes(maxShort)
}

// piece is what Segment, Question, Literals, SigPart and Answer have in common:
// a part of a file's delta in the encoding of package delta.
type piece struct {
	ID      ID
	Segment int // its number, counted from 0
	Last    bool
	Body    []byte
}

func (m *piece) append(b []byte) []byte {
	b = appendID(b, m.ID)
	b = appendUint(b, uint64(m.Segment))
	b = appendBool(b, m.Last)
	return append(b, m.Body...)
}

func (m *piece) decode(d *Dec) {
	m.ID = d.id()
	m.Segment = d.index()
	m.Last = d.bool()
	m.Body = d.rest()
}

// Segment says how a range of the target is made from the basis. Last says
// that no Question follows for it.
type Segment struct {
	piece
	Size int64 // of the target
}

func (m *Segment) append(b []byte) []byte { return m.piece.append(appendUint(b, uint64(m.Size))) }

func (m *Segment) decode(d *Dec) {
	m.Size = d.size()
	m.piece.decode(d)
}

// Question asks which of the sub-blocks in a segment's gaps the basis has. Last
// says that it is the last one for the segment.
type Question struct{ piece }

// Literals carries content of a segment's gaps, in order. Last says that the
// segment is complete.
type Literals struct{ piece }

// SigPart carries a part of a signature. Last says that it is complete.
type SigPart struct{ piece }

// Answer answers the Question that is open for a segment.
type Answer struct{ piece }

func (*Segment) Type() Type  { return TypeSegment }
func (*Question) Type() Type { return TypeQuestion }
func (*Literals) Type() Type { return TypeLiterals }
func (*SigPart) Type() Type  { return TypeSigPart }
func (*Answer) Type() Type   { return TypeAnswer }

// NewSegment returns a Segment; the other constructors go with it.
func NewSegment(id ID, size int64, seg int, last bool, body []byte) *Segment {
	return &Segment{piece{id, seg, last, body}, size}
}

// NewQuestion returns a Question.
func NewQuestion(id ID, seg int, body []byte) *Question {
	return &Question{piece{id, seg, false, body}}
}

// NewLiterals returns a Literals.
func NewLiterals(id ID, seg int, last bool, body []byte) *Literals {
	return &Literals{piece{id, seg, last, body}}
}

// NewSigPart returns a SigPart.
func NewSigPart(id ID, last bool, body []byte) *SigPart {
	return &SigPart{piece{id, 0, last, body}}
}

// NewAnswer returns an Answer.
func NewAnswer(id ID, seg int, body []byte) *Answer {
	return &Answer{piece{id, seg, false, body}}
}

// AppendHeader appends everything but the body, which has to follow.
func (m *Literals) AppendHeader(b []byte) []byte {
	h := m.piece
	h.Body = nil
	return h.append(b)
}
