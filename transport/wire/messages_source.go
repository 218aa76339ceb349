package wire

import (
	"gosync/delta"
	"gosync/walker/manifest"
)

// Roots tells what the sources are, before anything else is known.
type Roots struct {
	Single   bool     // one source, not a directory: it may be given a new name
	Empty    bool     // the sources exist and hold nothing
	Nothing  bool     // there is no source: none exists, or all were skipped. Then there is no Single, Empty or TopNames
	Name     string   // the single source's name
	TopNames []string // directories in the transfer's root
	Complete bool     // TopNames holds all of them
	Missing  []string // paths in the transfer of what was asked for and does not exist, where the destination's is to be removed

	// Sec and Nsec are the source's clock when it began to list. What was
	// changed later, or so shortly before that its time cannot show another
	// change, must not be taken for equal by its time.
	Sec  int64
	Nsec uint32

	// HasRoot says that the content of a directory was asked for, and Root
	// holds that directory's attributes.
	HasRoot bool
	Root    manifest.Entry
}

func (*Roots) Type() Type { return TypeRoots }

func (m *Roots) append(b []byte) []byte {
	b = appendBool(appendBool(appendBool(appendBool(b, m.Single), m.Empty), m.Nothing), m.Complete)
	b = appendString(b, m.Name)
	b = appendStrings(b, m.TopNames)
	b = appendStrings(b, m.Missing)
	b = appendUint(appendInt(b, m.Sec), uint64(m.Nsec))
	b = appendBool(b, m.HasRoot)
	if m.HasRoot {
		e := &m.Root
		b = appendUint(appendInt(b, e.Sec), uint64(e.Nsec))
		b = appendUint(appendUint(appendUint(b, uint64(e.Mode)), uint64(e.UID)), uint64(e.GID))
		if flags := keptFlags(e.Kept(), &manifest.Kept{}); flags != 0 { // at the end, where most runs have nothing
			b = appendKept(b, e, &manifest.Entry{}, flags)
		}
	}
	return b
}

func (m *Roots) decode(d *Dec) {
	m.Single, m.Empty, m.Nothing, m.Complete = d.bool(), d.bool(), d.bool(), d.bool()
	m.Name = d.string(manifest.MaxName)
	m.TopNames = d.strings(manifest.MaxName)
	for _, n := range m.TopNames {
		d.name(n)
	}
	m.Missing = d.strings(maxText)
	for _, path := range m.Missing {
		d.path(path)
	}
	if m.Single {
		d.name(m.Name)
	} else if m.Name != "" {
		d.fail("a name for more than one source")
	}
	m.Sec, m.Nsec = d.varint(), uint32(d.uvarint(999_999_999))
	if m.HasRoot = d.bool(); m.HasRoot {
		e := &m.Root
		e.Type = manifest.Directory
		e.Sec, e.Nsec = d.varint(), uint32(d.uvarint(999_999_999))
		e.Mode, e.UID, e.GID = uint16(d.uvarint(0o7777)), d.u32(), d.u32()
		if d.err == nil && len(d.b) > 0 {
			d.kept(e, &manifest.Entry{})
		}
	}
	if m.Nothing && (m.Single || m.Empty || len(m.TopNames)+len(m.Missing) > 0) {
		d.fail("there is no source, and something is said of it")
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
		b = appendUint(b, uint64(max(*p, 0))) // a sum of absurd sizes may have overflowed
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
	if n == 0 {
		return
	}
	m.Dirs = make([]DirDigest, 0, n)
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
	m.Name = d.string(maxShort)
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
	if d.err != nil {
		return ID{}, delta.Digest{}, nil, false, d.err // again, if it is asked again
	}
	m.Data = d.b
	return id, digest, content, true, nil
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
	m.Offset = int64(d.uvarint(maxOffset))
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
	Failed  bool // the source could not read it and has said why; Size is what was sent of it
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
	n := d.count(3)
	if n == 0 {
		return
	}
	m.IDs, m.Same = make([]ID, n), make([]bool, n)
	for i := range n {
		m.IDs[i], m.Same[i] = d.id(), d.bool()
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
