package wire

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gosync/delta"
	"gosync/walker/manifest"
)

// Generators of messages whose fields lie anywhere within their limits.

func index() *rapid.Generator[int]    { return rapid.IntRange(0, maxIndex) }
func size() *rapid.Generator[int64]   { return rapid.Int64Range(0, math.MaxInt64) }
func text() *rapid.Generator[string]  { return rapid.StringN(-1, -1, 300) }
func body() *rapid.Generator[[]byte]  { return rapid.SliceOfN(rapid.Byte(), 0, 300) }
func short() *rapid.Generator[string] { return rapid.StringN(-1, -1, maxShort) }
func flag() *rapid.Generator[bool]    { return rapid.Bool() }

// rising draws indices in rising order.
func rising() *rapid.Generator[[]int] {
	return rapid.Custom(func(t *rapid.T) []int {
		v := rapid.SliceOfNDistinct(index(), 0, 20, rapid.ID[int]).Draw(t, "rising")
		slices.Sort(v)
		return v
	})
}

// name draws a valid name, often one with bytes that are no UTF-8, of the
// greatest length, or like others.
func name() *rapid.Generator[string] {
	raw := rapid.SliceOfN(rapid.ByteRange(1, 255), 1, 20)
	return rapid.Custom(func(t *rapid.T) string {
		var s string
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			s = string(raw.Draw(t, "raw"))
		case 1:
			s = strings.Repeat("n", manifest.MaxName-3) + rapid.StringMatching("[a-c]{3}").Draw(t, "tail")
		default:
			s = rapid.StringMatching("[ab]{1,4}").Draw(t, "like")
		}
		s = strings.ReplaceAll(s, "/", "_")
		if manifest.ValidName(s) != nil {
			return "x"
		}
		return s
	})
}

func id() *rapid.Generator[ID] {
	return rapid.Custom(func(t *rapid.T) ID { return ID{index().Draw(t, "dir"), index().Draw(t, "entry")} })
}

func digest() *rapid.Generator[delta.Digest] {
	return rapid.Custom(func(t *rapid.T) delta.Digest {
		return delta.Sum([]byte{rapid.Byte().Draw(t, "digest")})
	})
}

func dirDigest(t *rapid.T) manifest.Digest {
	d := digest().Draw(t, "digest")
	return manifest.Digest(d[:manifest.DigestSize])
}

func totals() *rapid.Generator[Totals] {
	return rapid.Custom(func(t *rapid.T) (v Totals) {
		for _, p := range v.fields() {
			*p = size().Draw(t, "total")
		}
		return v
	})
}

func wireError() *rapid.Generator[Error] {
	return rapid.Custom(func(t *rapid.T) Error {
		return Error{
			Code: Code(rapid.Byte().Draw(t, "code")), Kind: Kind(rapid.IntRange(0, int(kindEnd)-1).Draw(t, "kind")),
			Op: text().Draw(t, "op"), Path: text().Draw(t, "path"), Text: text().Draw(t, "text"),
		}
	})
}

func entry() *rapid.Generator[manifest.Entry] {
	return rapid.Custom(func(t *rapid.T) manifest.Entry {
		e := manifest.Entry{
			Name: name().Draw(t, "name"),
			Type: manifest.Type(rapid.IntRange(1, int(manifest.BlockDevice)).Draw(t, "type")),
			Sec:  rapid.Int64().Draw(t, "sec"),
			Nsec: rapid.Uint32Range(0, 999_999_999).Draw(t, "nsec"),
			Mode: rapid.SampledFrom([]uint16{0, 0o644, 0o755, 0o7777}).Draw(t, "mode"),
			UID:  rapid.SampledFrom([]uint32{0, 1000, math.MaxUint32}).Draw(t, "uid"),
			GID:  rapid.SampledFrom([]uint32{0, 1000, math.MaxUint32}).Draw(t, "gid"),
		}
		var ext manifest.Ext
		switch {
		case e.Type == manifest.Regular:
			e.Size = size().Draw(t, "size")
		case e.Type == manifest.Symlink:
			ext.Link = text().Draw(t, "link")
			e.Size = int64(len(ext.Link))
		case e.Type.IsDevice():
			ext.Major, ext.Minor = rapid.Uint32().Draw(t, "major"), rapid.Uint32().Draw(t, "minor")
		}
		if flag().Draw(t, "linked") {
			ext.Nlink = 2
			ext.LeaderDir = uint32(index().Draw(t, "leader dir")) + 1
			ext.LeaderEntry = uint32(index().Draw(t, "leader"))
		}
		if ext != (manifest.Ext{}) || e.Type == manifest.Symlink {
			e.Ext = &ext
		}
		if flag().Draw(t, "kept") && flag().Draw(t, "something is kept") {
			if k := kept().Draw(t, "what"); keptFlags(k, &manifest.Kept{}) != 0 {
				e.Keep(k)
			}
		}
		return e
	})
}

// kept draws what few entries have.
func kept() *rapid.Generator[*manifest.Kept] {
	return rapid.Custom(func(t *rapid.T) *manifest.Kept {
		k := &manifest.Kept{}
		if k.HasAtime = flag().Draw(t, "atime"); k.HasAtime {
			k.Atime = rapid.Int64().Draw(t, "at")
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "xattrs") {
			k.Xattrs = append(k.Xattrs, manifest.Xattr{Name: string(rune('a' + i)), Value: rapid.SampledFrom([]string{"", "x", "long value"}).Draw(t, "value")})
		}
		if flag().Draw(t, "access") {
			k.Access = manifest.ACL{{Tag: manifest.ACLUser, Perm: 6, ID: rapid.SampledFrom([]uint32{0, 1000, math.MaxUint32}).Draw(t, "id")}, {Tag: manifest.ACLGroupObj, Perm: 4}}
		}
		if flag().Draw(t, "default") {
			k.Default = manifest.ACL{{Tag: manifest.ACLOther, Perm: 7}}
		}
		return k
	})
}

// entries draws a sorted listing without duplicates.
func entries(most int) *rapid.Generator[[]manifest.Entry] {
	return rapid.Custom(func(t *rapid.T) []manifest.Entry {
		v := rapid.SliceOfNDistinct(entry(), 0, most, func(e manifest.Entry) string { return e.Name }).Draw(t, "entries")
		manifest.Sort(v)
		return v
	})
}

func record(most int) *rapid.Generator[ListingRecord] {
	return rapid.Custom(func(t *rapid.T) ListingRecord {
		r := ListingRecord{Parent: -1, Incomplete: flag().Draw(t, "incomplete"), Entries: entries(most).Draw(t, "entries")}
		r.Hollow = r.Incomplete && flag().Draw(t, "hollow")
		if flag().Draw(t, "below") {
			r.Dir = rapid.IntRange(1, maxIndex).Draw(t, "dir")
			r.Parent = rapid.IntRange(0, r.Dir-1).Draw(t, "parent")
			r.Entry = index().Draw(t, "entry")
		}
		return r
	})
}

// listings packs records into the payload of one message.
func listings(records ...ListingRecord) []byte {
	var all []byte
	w := ListingWriter{Flush: func(b []byte) error {
		all = append(all, b...)
		return nil
	}}
	for i := range records {
		_ = w.Add(&records[i]) // Flush does not fail
	}
	_ = w.Send()
	return all
}

func drawPiece(t *rapid.T) piece {
	return piece{id().Draw(t, "id"), index().Draw(t, "segment"), flag().Draw(t, "last"), body().Draw(t, "body")}
}

// message draws a message of the given type.
func message(typ Type) *rapid.Generator[Msg] {
	return rapid.Custom(func(t *rapid.T) Msg {
		switch {
		case typ < TypeRoots:
			return drawShared(t, typ)
		case typ < TypeMode:
			return drawFromSource(t, typ)
		}
		return drawFromDest(t, typ)
	})
}

func drawShared(t *rapid.T, typ Type) Msg {
	switch typ {
	case TypeHello:
		return &Hello{index().Draw(t, "version"), index().Draw(t, "min"), short().Draw(t, "release"), rapid.Int64().Draw(t, "clock")}
	case TypeJob:
		return &Job{
			Source: flag().Draw(t, "source"), Paths: rapid.SliceOfN(text(), 0, 5).Draw(t, "paths"),
			HasFiles: flag().Draw(t, "has files"), Options: rapid.SliceOfN(text(), 0, 5).Draw(t, "options"), Filter: body().Draw(t, "filter"),
		}
	case TypeNames:
		return &Names{rapid.SliceOfN(name(), 0, 5).Draw(t, "names"), flag().Draw(t, "last")}
	case TypeFatal:
		return &Fatal{wireError().Draw(t, "error")}
	case TypeTrouble:
		return &Trouble{wireError().Draw(t, "error"), flag().Draw(t, "vanished"), flag().Draw(t, "note")}
	case TypeLanes:
		_ = flag().Draw(t, "nothing") // a generator has to draw
		return &Lanes{}
	case TypeLaneTicket:
		return &LaneTicket{rapid.SliceOfN(rapid.Byte(), 0, maxTicket).Draw(t, "ticket")}
	case TypeStriped:
		_ = flag().Draw(t, "nothing")
		return &Striped{}
	case TypeTaken:
		return &Taken{size().Draw(t, "bytes")}
	case TypeLaneAck:
		return &LaneAck{rapid.Uint64Range(0, maxStripe).Draw(t, "next"), size().Draw(t, "arrived")}
	}
	return &Ping{flag().Draw(t, "busy")}
}

func drawFromSource(t *rapid.T, typ Type) Msg {
	switch typ {
	case TypeRoots:
		return drawRoots(t)
	case TypeRootDigest:
		return &RootDigest{dirDigest(t), flag().Draw(t, "incomplete"), totals().Draw(t, "totals")}
	case TypeDirTable:
		return drawTable(t)
	case TypeListings:
		return &Listings{listings(rapid.SliceOfN(record(10), 0, 3).Draw(t, "records")...)}
	case TypeListEnd:
		return &ListEnd{index().Draw(t, "dirs"), flag().Draw(t, "complete"), totals().Draw(t, "totals")}
	case TypeOwner:
		return &Owner{flag().Draw(t, "group"), rapid.Uint32().Draw(t, "id"), short().Draw(t, "name")}
	case TypeFiles:
		var b []byte
		for range rapid.IntRange(0, 4).Draw(t, "files") {
			b = AppendFile(b, id().Draw(t, "id"), digest().Draw(t, "digest"), body().Draw(t, "content"))
		}
		return &Files{b}
	case TypeData:
		m := &Data{ID: id().Draw(t, "id"), Offset: rapid.Int64Range(0, maxOffset).Draw(t, "offset"), Last: flag().Draw(t, "last")}
		if m.Last {
			m.Digest = digest().Draw(t, "digest")
		}
		if flag().Draw(t, "hole") {
			m.Zeros = rapid.Int64Range(0, delta.ChunkSize).Draw(t, "zeros")
		} else {
			m.Content = body().Draw(t, "content")
		}
		return m
	case TypeFileEnd:
		return &FileEnd{id().Draw(t, "id"), flag().Draw(t, "failed"), flag().Draw(t, "changed"), size().Draw(t, "size"), digest().Draw(t, "digest")}
	case TypeSegment:
		return &Segment{drawPiece(t), size().Draw(t, "size")}
	case TypeQuestion:
		return &Question{drawPiece(t)}
	case TypeLiterals:
		return &Literals{drawPiece(t)}
	case TypeSame:
		m := &Same{IDs: rapid.SliceOfN(id(), 0, 10).Draw(t, "ids")}
		for range m.IDs {
			m.Same = append(m.Same, flag().Draw(t, "same"))
		}
		return m
	}
	switch typ {
	case TypeHeld:
		return &Held{id().Draw(t, "id"), index().Draw(t, "first"), rapid.SliceOfN(digest(), 0, 5).Draw(t, "sums")}
	case TypeConfirmed:
		return &Confirmed{flag().Draw(t, "yes")}
	case TypeGitRules:
		return &GitRules{index().Draw(t, "dir"), flag().Draw(t, "repo"), body().Draw(t, "ignore"), body().Draw(t, "exclude")}
	}
	return &SourceDone{size().Draw(t, "literal"), size().Draw(t, "failed")}
}

func drawRoots(t *rapid.T) Msg {
	m := &Roots{
		Single: flag().Draw(t, "single"), Empty: flag().Draw(t, "empty"), Nothing: flag().Draw(t, "nothing"), Complete: flag().Draw(t, "complete"),
		Sec: rapid.Int64().Draw(t, "sec"), Nsec: rapid.Uint32Range(0, 999_999_999).Draw(t, "nsec"),
		TopNames: rapid.SliceOfN(name(), 0, 5).Draw(t, "top"), HasRoot: flag().Draw(t, "has root"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "missing") {
		m.Missing = append(m.Missing, strings.Join(rapid.SliceOfN(name(), 1, 3).Draw(t, "path"), "/"))
	}
	if m.Nothing {
		m.Single, m.Empty, m.TopNames, m.Missing = false, false, nil, nil
	}
	if m.Single {
		m.Name = name().Draw(t, "name")
	}
	if m.HasRoot {
		e := entry().Draw(t, "root")
		m.Root = manifest.Entry{Type: manifest.Directory, Sec: e.Sec, Nsec: e.Nsec, Mode: e.Mode, UID: e.UID, GID: e.GID}
	}
	return m
}

func drawTable(t *rapid.T) Msg {
	m := &DirTable{First: rapid.IntRange(0, maxIndex/2).Draw(t, "first"), Last: flag().Draw(t, "last")}
	for i := range rapid.IntRange(0, 10).Draw(t, "rows") {
		r := DirDigest{Parent: -1, Digest: dirDigest(t), Incomplete: flag().Draw(t, "incomplete")}
		if n := m.First + i; n > 0 {
			r.Parent, r.Name = rapid.IntRange(0, n-1).Draw(t, "parent"), name().Draw(t, "name")
		}
		m.Dirs = append(m.Dirs, r)
	}
	return m
}

func drawFromDest(t *rapid.T, typ Type) Msg {
	switch typ {
	case TypeMode:
		return &Mode{flag().Draw(t, "digests"), manifest.Fields(rapid.Uint16Max(modeNamed-1).Draw(t, "fields")), flag().Draw(t, "named")}
	case TypeNeedDirs:
		return &NeedDirs{flag().Draw(t, "table"), flag().Draw(t, "more"), rising().Draw(t, "dirs")}
	case TypeWant:
		return &Want{index().Draw(t, "dir"), rising().Draw(t, "entries")}
	case TypeResume:
		return &Resume{id().Draw(t, "id"), index().Draw(t, "chunks"), flag().Draw(t, "blind")}
	case TypeLanded:
		return &Landed{index().Draw(t, "dir"), rising().Draw(t, "entries")}
	case TypeConfirm:
		return &Confirm{text().Draw(t, "question")}
	case TypeBasis:
		return &Basis{id().Draw(t, "id"), size().Draw(t, "size"), index().Draw(t, "chunks"), rapid.SliceOfN(rapid.Byte(), 0, maxShort).Draw(t, "params")}
	case TypeSigPart:
		return &SigPart{drawPiece(t)}
	case TypeAnswer:
		return &Answer{drawPiece(t)}
	case TypeResend:
		return &Resend{id().Draw(t, "id"), flag().Draw(t, "all"), rising().Draw(t, "chunks")}
	case TypeCheck:
		m := &Check{Dir: index().Draw(t, "dir"), Entries: rising().Draw(t, "entries")}
		for range m.Entries {
			m.Digests = append(m.Digests, digest().Draw(t, "digest"))
		}
		return m
	case TypeItems:
		m := &Items{}
		for range rapid.IntRange(0, 10).Draw(t, "items") {
			it := Item{ID: id().Draw(t, "id"), Change: manifest.Change(rapid.Uint32Max(itemLinked-1).Draw(t, "change")), Linked: flag().Draw(t, "linked")}
			if it.Linked {
				it.Link = id().Draw(t, "link")
			}
			m.Items = append(m.Items, it)
		}
		return m
	case TypeRemoved:
		return &Removed{rapid.SliceOfN(text(), 0, 5).Draw(t, "paths"), flag().Draw(t, "skip"), text().Draw(t, "reason")}
	}
	if typ == TypePlanned {
		flag().Draw(t, "unused")
		return &Planned{}
	}
	m := &Done{Limited: flag().Draw(t, "limited"), Refused: text().Draw(t, "refused")}
	for _, p := range m.sizes() {
		*p = size().Draw(t, "size")
	}
	return m
}

// examples returns a few messages of each type, always the same.
func examples(each int) []Msg {
	var all []Msg
	for _, m := range catalogue() {
		g := message(m.Type())
		for seed := range each {
			all = append(all, g.Example(seed))
		}
	}
	return all
}

// same reports deep equality; an empty slice equals none.
func same(a, b any) bool { return sameValue(reflect.ValueOf(a), reflect.ValueOf(b)) }

func sameValue(a, b reflect.Value) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return sameValue(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if !sameValue(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return a.Type() == b.Type()
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() {
			return false
		}
		if a.Kind() == reflect.Slice && a.Type().Elem().Kind() == reflect.Uint8 {
			return bytes.Equal(a.Bytes(), b.Bytes())
		}
		for i := range a.Len() {
			if !sameValue(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	default:
		return a.Equal(b)
	}
}

func TestSame(t *testing.T) {
	a, b := &Want{1, nil}, &Want{1, []int{}}
	if !same(a, b) || same(a, &Want{2, nil}) || same(a, &Want{1, []int{3}}) || same(a, &Resend{}) {
		t.Fatal("same does not compare")
	}
}
