package wire

import (
	"fmt"

	"gosync/delta"
	"gosync/walker/manifest"
)

// Type is the number of a message.
type Type uint8

// The messages. S is the source end, D the destination end.
const (
	TypeHello   Type = 1 // both: greeting
	TypeJob     Type = 2 // client: what to do
	TypeFatal   Type = 3 // both: the run ends with this error
	TypePing    Type = 4 // both: a sign of life
	TypeTrouble Type = 5 // both: an error that concerns one file

	TypeRoots      Type = 16 // S: what the sources are
	TypeRootDigest Type = 17 // S: digest of the whole transfer
	TypeDirTable   Type = 18 // S: digests of directories
	TypeListings   Type = 19 // S: listings of directories
	TypeListEnd    Type = 20 // S: all listings were sent
	TypeOwner      Type = 21 // S: the name of a numeric owner
	TypeFiles      Type = 22 // S: whole small files
	TypeData       Type = 23 // S: a piece of a large file
	TypeFileEnd    Type = 24 // S: the end of a large file or a delta
	TypeSegment    Type = 25 // S: how a piece of a file is made from its basis
	TypeQuestion   Type = 26 // S: hashes of what a segment lacks
	TypeLiterals   Type = 27 // S: content that a segment lacks
	TypeSame       Type = 28 // S: answer to Check
	TypeSourceDone Type = 29 // S: the last message

	TypeMode     Type = 48 // D: how listings are to be sent
	TypeNeedDirs Type = 49 // D: directories whose listings are needed
	TypeWant     Type = 50 // D: files to send whole
	TypeBasis    Type = 51 // D: a file to send as a delta
	TypeSigPart  Type = 52 // D: a part of the signature of a basis
	TypeAnswer   Type = 53 // D: which hashes of a Question were found
	TypeResend   Type = 54 // D: ranges that arrived damaged
	TypeCheck    Type = 55 // D: digests of files that may be equal
	TypeItems    Type = 56 // D: what is done to entries, for display
	TypeRemoved  Type = 57 // D: what is removed, for display
	TypeDone     Type = 58 // D: everything is in place
)

// Msg is a message.
type Msg interface {
	Type() Type
	append(b []byte) []byte
	decode(d *Dec)
}

// catalogue returns an empty message of each type that is decoded as a whole;
// it is what PROTOCOL.md is checked against.
func catalogue() []Msg {
	return []Msg{
		new(Hello), new(Job), new(Fatal), new(Ping), new(Trouble),
		new(Roots), new(RootDigest), new(DirTable), new(Listings), new(ListEnd), new(Owner), new(Files), new(Data), new(FileEnd),
		new(Segment), new(Question), new(Literals), new(Same), new(SourceDone),
		new(Mode), new(NeedDirs), new(Want), new(Basis), new(SigPart), new(Answer), new(Resend), new(Check), new(Items), new(Removed), new(Done),
	}
}

func (t Type) known() bool {
	return t >= TypeHello && t <= TypeTrouble || t >= TypeRoots && t <= TypeSourceDone || t >= TypeMode && t <= TypeDone
}

// bulk reports whether a type carries content, which waits for control
// messages and counts for the bandwidth limit.
func (t Type) bulk() bool {
	return t == TypeFiles || t == TypeData || t == TypeLiterals || t == TypeSegment || t == TypeQuestion || t == TypeFileEnd
}

// squeeze reports whether a type is always worth compressing.
func (t Type) squeeze() bool { return t == TypeListings || t == TypeDirTable || t == TypeItems }

// Decode decodes the payload of a message. Byte slices in it alias the payload.
func Decode(t Type, payload []byte) (Msg, error) {
	for _, m := range catalogue() {
		if m.Type() == t {
			return m, decodeInto(m, payload)
		}
	}
	return nil, protocolError("unknown message %d", t)
}

// DecodeInto decodes a payload into m.
func DecodeInto(m Msg, payload []byte) error { return decodeInto(m, payload) }

func decodeInto(m Msg, payload []byte) error {
	d := &Dec{b: payload}
	m.decode(d)
	d.end()
	if d.err != nil {
		return fmt.Errorf("message %T: %w", m, d.err)
	}
	return nil
}

// Limits of single fields.
const (
	maxIndex = 1<<31 - 1 // indices of directories and entries
	maxText  = 64 << 10
	maxPath  = 1 << 20
	maxItems = 1 << 20
	maxLink  = 64 << 10
)

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
	m.Release = d.string(256)
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
	Files    []string // names of --files-from, where HasFiles is set
	HasFiles bool
	Options  []string // "name=value"
	Filter   []byte   // an encoded filter.Set
}

func (*Job) Type() Type { return TypeJob }

func (m *Job) append(b []byte) []byte {
	b = appendBool(b, m.Source)
	b = appendStrings(b, m.Paths)
	b = appendBool(b, m.HasFiles)
	b = appendStrings(b, m.Files)
	b = appendStrings(b, m.Options)
	return appendBytes(b, m.Filter)
}

func (m *Job) decode(d *Dec) {
	m.Source = d.bool()
	m.Paths = d.strings(maxPath)
	m.HasFiles = d.bool()
	m.Files = d.strings(maxPath)
	m.Options = d.strings(maxText)
	m.Filter = d.bytes(MaxFrame)
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
	var v []string
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

// Ping shows that an end is alive.
type Ping struct{}

func (*Ping) Type() Type             { return TypePing }
func (*Ping) append(b []byte) []byte { return b }
func (*Ping) decode(*Dec)            {}

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

// ID names a file of the transfer: an entry of a directory's listing.
type ID struct{ Dir, Entry int }

func appendID(b []byte, id ID) []byte {
	return appendUint(appendUint(b, uint64(id.Dir)), uint64(id.Entry))
}
func (d *Dec) id() ID { return ID{d.index(), d.index()} }

// Roots tells what the sources are, before anything else is known.
type Roots struct {
	Single   bool     // one source, not a directory: it may be given a new name
	Empty    bool     // the sources exist and hold nothing
	Name     string   // the single source's name
	TopNames []string // directories in the transfer's root
	Complete bool     // TopNames holds all of them

	// HasRoot says that the content of a directory was asked for, and Root
	// holds that directory's attributes.
	HasRoot bool
	Root    manifest.Entry
}

func (*Roots) Type() Type { return TypeRoots }

func (m *Roots) append(b []byte) []byte {
	b = appendBool(appendBool(appendBool(b, m.Single), m.Empty), m.Complete)
	b = appendString(b, m.Name)
	b = appendStrings(b, m.TopNames)
	b = appendBool(b, m.HasRoot)
	if m.HasRoot {
		e := &m.Root
		b = appendUint(appendInt(b, e.Sec), uint64(e.Nsec))
		b = appendUint(appendUint(appendUint(b, uint64(e.Mode)), uint64(e.UID)), uint64(e.GID))
	}
	return b
}

func (m *Roots) decode(d *Dec) {
	m.Single, m.Empty, m.Complete = d.bool(), d.bool(), d.bool()
	m.Name = d.string(manifest.MaxName)
	m.TopNames = d.strings(manifest.MaxName)
	for _, n := range m.TopNames {
		d.name(n)
	}
	if m.Single {
		d.name(m.Name)
	}
	if m.HasRoot = d.bool(); m.HasRoot {
		e := &m.Root
		e.Type = manifest.Directory
		e.Sec, e.Nsec = d.varint(), uint32(d.uvarint(999_999_999))
		e.Mode, e.UID, e.GID = uint16(d.uvarint(0o7777)), d.u32(), d.u32()
	}
}

func (d *Dec) name(n string) {
	if d.err == nil {
		if err := manifest.ValidName(n); err != nil {
			d.fail("%v", err)
		}
	}
}

// Totals count what an end found while walking.
type Totals struct {
	Files, Regular, Dirs, Links, Devices, Specials int64
	Size                                           int64
}

func (t *Totals) fields() []*int64 {
	return []*int64{&t.Files, &t.Regular, &t.Dirs, &t.Links, &t.Devices, &t.Specials, &t.Size}
}

func appendSizes(b []byte, v []*int64) []byte {
	for _, p := range v {
		b = appendUint(b, uint64(*p))
	}
	return b
}

func (d *Dec) sizes(v []*int64) {
	for _, p := range v {
		*p = d.size()
	}
}

// RootDigest is the digest of the whole transfer. Incomplete says that it must
// not be taken for equal, because not everything could be listed.
type RootDigest struct {
	Digest     manifest.Digest
	Incomplete bool
	Totals     Totals
}

func (*RootDigest) Type() Type { return TypeRootDigest }

func (m *RootDigest) append(b []byte) []byte {
	b = append(b, m.Digest[:]...)
	b = appendBool(b, m.Incomplete)
	return appendSizes(b, m.Totals.fields())
}

func (m *RootDigest) decode(d *Dec) {
	copy(m.Digest[:], d.take(manifest.DigestSize))
	m.Incomplete = d.bool()
	d.sizes(m.Totals.fields())
}

// DirTable carries digests of directories in the order of the walk; a table is
// sent in several messages.
type DirTable struct {
	First int // index of the first
	Dirs  []DirDigest
	Last  bool
}

// DirDigest is a row of a DirTable.
type DirDigest struct {
	Parent     int // index of the parent; -1 for the root
	Name       string
	Digest     manifest.Digest
	Incomplete bool
}

func (*DirTable) Type() Type { return TypeDirTable }

func (m *DirTable) append(b []byte) []byte {
	b = appendUint(b, uint64(m.First))
	b = appendBool(b, m.Last)
	b = appendUint(b, uint64(len(m.Dirs)))
	for i := range m.Dirs {
		r := &m.Dirs[i]
		b = appendUint(b, uint64(m.First+i-r.Parent))
		b = appendString(b, r.Name)
		b = appendBool(b, r.Incomplete)
		b = append(b, r.Digest[:]...)
	}
	return b
}

func (m *DirTable) decode(d *Dec) {
	m.First = d.index()
	m.Last = d.bool()
	n := d.count(3 + manifest.DigestSize)
	for i := range n {
		var r DirDigest
		r.Parent = m.First + i - d.index()
		r.Name = d.string(manifest.MaxName)
		r.Incomplete = d.bool()
		copy(r.Digest[:], d.take(manifest.DigestSize))
		switch {
		case m.First+i == 0:
			if r.Parent != -1 || r.Name != "" {
				d.fail("the root has a parent or a name")
			}
		case r.Parent < 0 || r.Parent >= m.First+i:
			d.fail("directory %d has parent %d", m.First+i, r.Parent)
		default:
			d.name(r.Name)
		}
		m.Dirs = append(m.Dirs, r)
	}
}

// ListEnd says that all listings were sent. Complete says that every directory
// could be listed; nothing may be deleted otherwise.
type ListEnd struct {
	Dirs     int // directories whose listings were sent
	Complete bool
	Totals   Totals
}

func (*ListEnd) Type() Type { return TypeListEnd }

func (m *ListEnd) append(b []byte) []byte {
	b = appendUint(b, uint64(m.Dirs))
	b = appendBool(b, m.Complete)
	return appendSizes(b, m.Totals.fields())
}

func (m *ListEnd) decode(d *Dec) {
	m.Dirs = d.index()
	m.Complete = d.bool()
	d.sizes(m.Totals.fields())
}

// Owner gives the name of a numeric owner of the source, before an entry has it.
type Owner struct {
	Group bool
	ID    uint32
	Name  string
}

func (*Owner) Type() Type { return TypeOwner }

func (m *Owner) append(b []byte) []byte {
	b = appendBool(b, m.Group)
	b = appendUint(b, uint64(m.ID))
	return appendString(b, m.Name)
}

func (m *Owner) decode(d *Dec) {
	m.Group = d.bool()
	m.ID = d.u32()
	m.Name = d.string(256)
}

// Files packs whole small files. Its payload is built and read piece by piece:
// see AppendFile and NextFile.
type Files struct{ Data []byte }

func (*Files) Type() Type               { return TypeFiles }
func (m *Files) append(b []byte) []byte { return append(b, m.Data...) }
func (m *Files) decode(d *Dec)          { m.Data = d.rest() }

// MaxSmall is the size in bytes up to which files are packed together.
const MaxSmall = 128 << 10

// SmallHeader is an upper bound of the bytes that a file takes beside its content.
const SmallHeader = 3*10 + len(delta.Digest{})

// AppendFile appends one file to the payload of a Files message.
func AppendFile(b []byte, id ID, digest delta.Digest, content []byte) []byte {
	b = appendID(b, id)
	b = append(b, digest[:]...)
	return appendBytes(b, content)
}

// NextFile takes the next file off a Files payload.
func (m *Files) NextFile() (id ID, digest delta.Digest, content []byte, more bool, err error) {
	if len(m.Data) == 0 {
		return ID{}, digest, nil, false, nil
	}
	d := &Dec{b: m.Data}
	id = d.id()
	copy(digest[:], d.take(len(digest)))
	content = d.bytes(MaxSmall)
	m.Data = d.b
	return id, digest, content, d.err == nil, d.err
}

// Data is a piece of a large file. A chunk of [delta.ChunkSize] bytes ends with
// a piece that carries the chunk's digest.
type Data struct {
	ID      ID
	Offset  int64
	Zeros   int64 // so many zero bytes instead of Content
	Last    bool  // the piece ends its chunk: Digest is set
	Digest  delta.Digest
	Content []byte
}

func (*Data) Type() Type { return TypeData }

func (m *Data) append(b []byte) []byte { return append(m.AppendHeader(b), m.Content...) }

// AppendHeader appends everything but the content, which has to follow.
func (m *Data) AppendHeader(b []byte) []byte {
	b = appendID(b, m.ID)
	b = appendUint(b, uint64(m.Offset))
	b = appendUint(b, uint64(m.Zeros))
	b = appendBool(b, m.Last)
	if m.Last {
		b = append(b, m.Digest[:]...)
	}
	return b
}

func (m *Data) decode(d *Dec) {
	m.ID = d.id()
	m.Offset = d.size()
	m.Zeros = int64(d.uvarint(delta.ChunkSize))
	m.Last = d.bool()
	if m.Last {
		copy(m.Digest[:], d.take(len(m.Digest)))
	}
	m.Content = d.rest()
	if m.Zeros > 0 && len(m.Content) > 0 {
		d.fail("zeros and content in one piece")
	}
}

// FileEnd ends a large file, a delta, or a file that could not be sent.
type FileEnd struct {
	ID      ID
	Failed  bool // the source could not read it and has said why
	Changed bool // it changed while it was read: what was sent may be a mixture
	Size    int64
	Digest  delta.Digest
}

func (*FileEnd) Type() Type { return TypeFileEnd }

func (m *FileEnd) append(b []byte) []byte {
	b = appendID(b, m.ID)
	b = appendBool(appendBool(b, m.Failed), m.Changed)
	b = appendUint(b, uint64(m.Size))
	return append(b, m.Digest[:]...)
}

func (m *FileEnd) decode(d *Dec) {
	m.ID = d.id()
	m.Failed, m.Changed = d.bool(), d.bool()
	m.Size = d.size()
	copy(m.Digest[:], d.take(len(m.Digest)))
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
	body := m.Body
	m.Body = nil
	b = m.append(b)
	m.Body = body
	return b
}

// Same answers a Check: whether each file has the digest that was asked for.
type Same struct {
	IDs  []ID
	Same []bool
}

func (*Same) Type() Type { return TypeSame }

func (m *Same) append(b []byte) []byte {
	b = appendUint(b, uint64(len(m.IDs)))
	for i, id := range m.IDs {
		b = appendBool(appendID(b, id), m.Same[i])
	}
	return b
}

func (m *Same) decode(d *Dec) {
	for range d.count(3) {
		m.IDs = append(m.IDs, d.id())
		m.Same = append(m.Same, d.bool())
	}
}

// SourceDone is the source's last message.
type SourceDone struct {
	Literal int64 // bytes of content that were sent
	Failed  int64 // files that could not be sent
}

func (*SourceDone) Type() Type { return TypeSourceDone }

func (m *SourceDone) append(b []byte) []byte {
	return appendSizes(b, []*int64{&m.Literal, &m.Failed})
}
func (m *SourceDone) decode(d *Dec) { d.sizes([]*int64{&m.Literal, &m.Failed}) }

// Mode tells the source how the destination wants to compare.
type Mode struct {
	Digests bool            // send digests first, then the listings that NeedDirs asks for
	Fields  manifest.Fields // what the digests cover
}

func (*Mode) Type() Type { return TypeMode }

func (m *Mode) append(b []byte) []byte {
	return appendUint(appendBool(b, m.Digests), uint64(m.Fields))
}

func (m *Mode) decode(d *Dec) {
	m.Digests = d.bool()
	m.Fields = manifest.Fields(d.uvarint(1<<16 - 1))
}

// NeedDirs asks for the listings of directories, by their indices in rising
// order. After a RootDigest, Table asks for the digests of all directories.
type NeedDirs struct {
	Table bool
	Dirs  []int
}

func (*NeedDirs) Type() Type { return TypeNeedDirs }

func (m *NeedDirs) append(b []byte) []byte { return appendRising(appendBool(b, m.Table), m.Dirs) }

func (m *NeedDirs) decode(d *Dec) {
	m.Table = d.bool()
	m.Dirs = d.rising()
}

func appendRising(b []byte, v []int) []byte {
	b = appendUint(b, uint64(len(v)))
	last := -1
	for _, i := range v {
		b = appendUint(b, uint64(i-last-1))
		last = i
	}
	return b
}

func (d *Dec) rising() (v []int) {
	last := -1
	for range d.count(1) {
		next := last + 1 + d.index()
		if next > maxIndex {
			d.fail("index %d exceeds its limit", next)
		}
		if d.err != nil {
			return nil
		}
		v = append(v, next)
		last = next
	}
	return v
}

// Want asks for whole files of one directory, by rising index.
type Want struct {
	Dir     int
	Entries []int
}

func (*Want) Type() Type { return TypeWant }

func (m *Want) append(b []byte) []byte { return appendRising(appendUint(b, uint64(m.Dir)), m.Entries) }

func (m *Want) decode(d *Dec) {
	m.Dir = d.index()
	m.Entries = d.rising()
}

// Basis asks for a file as a delta against a basis whose signature follows in
// SigParts. The parameters are package delta's.
type Basis struct {
	ID     ID
	Size   int64 // of the basis
	Params []byte
}

func (*Basis) Type() Type { return TypeBasis }

func (m *Basis) append(b []byte) []byte {
	b = appendUint(appendID(b, m.ID), uint64(m.Size))
	return appendBytes(b, m.Params)
}

func (m *Basis) decode(d *Dec) {
	m.ID = d.id()
	m.Size = d.size()
	m.Params = d.bytes(256)
}

// Resend asks for chunks of a file again, by rising number; All for the whole
// file.
type Resend struct {
	ID     ID
	All    bool
	Chunks []int
}

func (*Resend) Type() Type { return TypeResend }

func (m *Resend) append(b []byte) []byte {
	return appendRising(appendBool(appendID(b, m.ID), m.All), m.Chunks)
}

func (m *Resend) decode(d *Dec) {
	m.ID = d.id()
	m.All = d.bool()
	m.Chunks = d.rising()
}

// Check asks whether files of one directory have the digests given.
type Check struct {
	Dir     int
	Entries []int
	Digests []delta.Digest
}

func (*Check) Type() Type { return TypeCheck }

func (m *Check) append(b []byte) []byte {
	b = appendUint(b, uint64(m.Dir))
	b = appendRising(b, m.Entries)
	for i := range m.Digests {
		b = append(b, m.Digests[i][:]...)
	}
	return b
}

func (m *Check) decode(d *Dec) {
	m.Dir = d.index()
	m.Entries = d.rising()
	for range m.Entries {
		m.Digests = append(m.Digests, delta.Digest(d.take32()))
	}
}

func (d *Dec) take32() (v [32]byte) {
	copy(v[:], d.take(32))
	return v
}

// Items tells what is done to entries, in order.
type Items struct{ Items []Item }

// Item is one row of Items.
type Item struct {
	ID     ID
	Change manifest.Change
}

func (*Items) Type() Type { return TypeItems }

func (m *Items) append(b []byte) []byte {
	b = appendUint(b, uint64(len(m.Items)))
	for _, i := range m.Items {
		b = appendUint(appendID(b, i.ID), uint64(i.Change))
	}
	return b
}

func (m *Items) decode(d *Dec) {
	for range d.count(3) {
		m.Items = append(m.Items, Item{d.id(), manifest.Change(d.u32())})
	}
}

// Removed tells what is removed at the destination, in order.
type Removed struct {
	Paths  []string // a directory ends in a slash
	Skip   bool     // the paths are not removed but skipped, for Reason
	Reason string
}

func (*Removed) Type() Type { return TypeRemoved }

func (m *Removed) append(b []byte) []byte {
	return appendString(appendBool(appendStrings(b, m.Paths), m.Skip), m.Reason)
}

func (m *Removed) decode(d *Dec) {
	m.Paths = d.strings(maxPath)
	m.Skip = d.bool()
	m.Reason = d.string(maxText)
}

// Done is the destination's report: everything is in place, and durable where
// the job asks for it.
type Done struct {
	Created, Deleted             Totals
	Transferred, TransferredSize int64
	Matched                      int64
	Limited                      bool   // deletions stopped at the limit
	Refused                      string // why nothing was deleted although there was something to delete
}

func (*Done) Type() Type { return TypeDone }

func (m *Done) sizes() []*int64 {
	v := append(m.Created.fields(), m.Deleted.fields()...)
	return append(v, &m.Transferred, &m.TransferredSize, &m.Matched)
}

func (m *Done) append(b []byte) []byte {
	return appendString(appendBool(appendSizes(b, m.sizes()), m.Limited), clip(m.Refused))
}

func (m *Done) decode(d *Dec) {
	d.sizes(m.sizes())
	m.Limited = d.bool()
	m.Refused = d.string(maxText)
}
