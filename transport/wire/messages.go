package wire

import (
	"fmt"
	"strings"

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
	TypeNames   Type = 6 // client: names of files, behind the job

	TypeLanes      Type = 7  // client: asks how further streams can join
	TypeLaneTicket Type = 8  // server: the answer
	TypeStriped    Type = 9  // both: bulk may come by lanes
	TypeLaneAck    Type = 10 // both: what has come so
	TypeTaken      Type = 11 // both: how much content has come on the connection's own stream

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
	TypeHeld       Type = 30 // S: digests of chunks that the destination holds already
	TypeConfirmed  Type = 31 // S: what the user answered
	TypeGitRules   Type = 40 // S: what a directory has of git's rules

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
	TypePlanned  Type = 59 // D: everything was compared; nothing more will be asked for, but what arrives damaged
	TypeResume   Type = 60 // D: a file to send whole from a chunk on
	TypeConfirm  Type = 61 // D: a question for the user
	TypeLanded   Type = 62 // D: entries that are in place, so that the source may remove its own
)

// Msg is a message.
type Msg interface {
	Type() Type
	append(b []byte) []byte
	decode(d *Dec)
}

// newMsg returns an empty message of a type, nil if there is no such type.
func newMsg(t Type) Msg {
	switch {
	case t < TypeRoots:
		return newShared(t)
	case t < TypeMode:
		return newFromSource(t)
	default:
		return newFromDest(t)
	}
}

func newShared(t Type) Msg {
	switch t {
	case TypeHello:
		return new(Hello)
	case TypeJob:
		return new(Job)
	case TypeFatal:
		return new(Fatal)
	case TypePing:
		return new(Ping)
	case TypeTrouble:
		return new(Trouble)
	case TypeNames:
		return new(Names)
	case TypeLanes:
		return new(Lanes)
	case TypeLaneTicket:
		return new(LaneTicket)
	case TypeStriped:
		return new(Striped)
	case TypeLaneAck:
		return new(LaneAck)
	case TypeTaken:
		return new(Taken)
	}
	return nil
}

func newFromSource(t Type) Msg {
	switch t {
	case TypeRoots:
		return new(Roots)
	case TypeRootDigest:
		return new(RootDigest)
	case TypeDirTable:
		return new(DirTable)
	case TypeListings:
		return new(Listings)
	case TypeListEnd:
		return new(ListEnd)
	case TypeOwner:
		return new(Owner)
	case TypeFiles:
		return new(Files)
	case TypeData:
		return new(Data)
	case TypeFileEnd:
		return new(FileEnd)
	case TypeSegment:
		return new(Segment)
	case TypeQuestion:
		return new(Question)
	case TypeLiterals:
		return new(Literals)
	case TypeSame:
		return new(Same)
	case TypeSourceDone:
		return new(SourceDone)
	case TypeHeld:
		return new(Held)
	case TypeConfirmed:
		return new(Confirmed)
	case TypeGitRules:
		return new(GitRules)
	}
	return nil
}

func newFromDest(t Type) Msg {
	switch t {
	case TypeMode:
		return new(Mode)
	case TypeNeedDirs:
		return new(NeedDirs)
	case TypeWant:
		return new(Want)
	case TypeBasis:
		return new(Basis)
	case TypeSigPart:
		return new(SigPart)
	case TypeAnswer:
		return new(Answer)
	case TypeResend:
		return new(Resend)
	case TypeCheck:
		return new(Check)
	case TypeItems:
		return new(Items)
	case TypeRemoved:
		return new(Removed)
	case TypeDone:
		return new(Done)
	case TypePlanned:
		return new(Planned)
	case TypeResume:
		return new(Resume)
	case TypeConfirm:
		return new(Confirm)
	case TypeLanded:
		return new(Landed)
	}
	return nil
}

// catalogue returns an empty message of each type; it is what PROTOCOL.md is
// checked against.
func catalogue() []Msg {
	var all []Msg
	for t := range 1 << 8 {
		if m := newMsg(Type(t)); m != nil {
			all = append(all, m)
		}
	}
	return all
}

func (t Type) known() bool {
	return t >= TypeHello && t <= TypeTaken || t >= TypeRoots && t <= TypeConfirmed || t == TypeGitRules || t >= TypeMode && t <= TypeLanded
}

// bulk reports whether a type carries content, which waits for control
// messages and counts for the bandwidth limit.
func (t Type) bulk() bool {
	return t == TypeFiles || t == TypeData || t == TypeLiterals || t == TypeSegment || t == TypeQuestion || t == TypeFileEnd || t == TypeHeld
}

// squeeze reports whether a type is always worth compressing.
func (t Type) squeeze() bool { return t == TypeListings || t == TypeDirTable || t == TypeItems }

// Decode decodes the payload of a message. Byte slices in it alias the payload.
func Decode(t Type, payload []byte) (Msg, error) {
	m := newMsg(t)
	if m == nil {
		return nil, protocolError("unknown message %d", t)
	}
	if err := decodeInto(m, payload); err != nil {
		return nil, err
	}
	return m, nil
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
	maxIndex  = 1<<31 - 1 // indices of directories and entries
	maxOffset = 1 << 62   // bytes; the sum of two stays in an int64
	maxText   = 64 << 10  // bytes of a text or an option
	maxPath   = 1 << 20   // bytes of a path
	maxLink   = 64 << 10  // bytes of the target of a symlink
	maxShort  = 256       // bytes of the name of an owner, a release, parameters
)

// ID names a file of the transfer: an entry of a directory's listing.
type ID struct{ Dir, Entry int }

func appendID(b []byte, id ID) []byte {
	return appendUint(appendUint(b, uint64(id.Dir)), uint64(id.Entry))
}
func (d *Dec) id() ID { return ID{d.index(), d.index()} }

// path checks a path of the transfer.
func (d *Dec) path(path string) {
	for n := range strings.SplitSeq(path, "/") {
		d.name(n)
	}
}

// name checks a name that is about to be used as one component of a path.
func (d *Dec) name(n string) {
	if d.err == nil {
		if err := manifest.ValidName(n); err != nil {
			d.fail("%w", err)
		}
	}
}
