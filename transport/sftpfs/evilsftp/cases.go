package evilsftp

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// A Want is what is to come of a copy from a server.
type Want uint8

// The outcomes.
const (
	Succeeds Want = iota // all is copied: the rule is one that clients need not insist on
	Breaks               // the run ends, because the server breaks the protocol
	Partial              // what is wrong is left out, and the rest copied
	Lost                 // the connection is lost
	Believed             // all is copied, with the content that the server says: nobody can know better
)

// A Case is a server that breaks one rule. For its copies a source needs a file called one, a directory with a file in
// it, and a symlink.
type Case struct {
	Name    string
	Change  Change
	Want    Want
	Listing bool // a listing is broken: what the source holds is not known, and nothing may be deleted
}

// Behaves is the server that breaks none.
func Behaves() Case {
	return Case{Name: "behaves", Change: func(_, kind byte, body []byte) []byte { return Frame(kind, body) }}
}

// Cases is the table, Behaves first.
func Cases() []Case {
	all := []Case{Behaves()}
	for _, some := range [][]Case{contents(), replies(), listings(), links(), attributes()} {
		all = append(all, some...)
	}
	return all
}

// contents are about what files hold.
func contents() []Case {
	always := func(n int) Change {
		return On(read, func(_ byte, id, _ []byte) []byte { return Frame(data, id, Str(strings.Repeat("x", n))) })
	}
	return []Case{
		{"short reads", On(read, func(kind byte, id, rest []byte) []byte {
			if kind == data {
				n := min(len(rest)-4, 3000)
				return Frame(data, id, U32(uint32(n)), rest[4:4+n])
			}
			return Frame(kind, id, rest)
		}), Succeeds, false},
		{"empty reads", always(0), Breaks, false},
		{"more than was asked for", always(200_000), Breaks, false},
		{"a file without an end", always(8), Believed, false}, // it is read as far as its size,
	}
}

// replies are packets that are no answer to what was asked.
func replies() []Case {
	opened := func(kind byte, body ...[]byte) Change {
		return On(open, func(_ byte, id, _ []byte) []byte { return Frame(kind, append([][]byte{id}, body...)...) })
	}
	return []Case{
		{"wrong numbers", On(open, func(kind byte, id, rest []byte) []byte { return Frame(kind, U32(binary.BigEndian.Uint32(id)+7), rest) }), Breaks, false},
		{"numbers of others", On(open, func(kind byte, _, rest []byte) []byte { return Frame(kind, U32(77), rest) }), Breaks, false},
		{"answers twice", On(closing, func(kind byte, id, rest []byte) []byte {
			return append(Frame(kind, id, rest), Frame(kind, id, rest)...)
		}), Breaks, false},
		{"other kind", opened(attrs, U32(0)), Breaks, false},
		{"unknown kind", opened(250, U32(0)), Breaks, false},
		{"success only", opened(status, U32(0), Str(""), Str("")), Breaks, false},
		{"empty handle", opened(handle, Str("")), Breaks, false},
		{"long handle", opened(handle, Str(strings.Repeat("h", 257))), Breaks, false},
		{"hangs up", On(open, func(byte, []byte, []byte) []byte { return hangUp() }), Lost, false},
		{"hangs up early", On(opendir, func(byte, []byte, []byte) []byte { return hangUp() }), Lost, true},
	}
}

// listings are about the names in a directory.
func listings() []Case {
	listing := func(body ...[]byte) Change {
		return On(readdir, func(_ byte, id, _ []byte) []byte { return Frame(names, append([][]byte{id}, body...)...) })
	}
	all := []Case{
		{"count of names", listing(U32(1<<32 - 1)), Breaks, true},
		{"long name", listing(U32(1), Str("x"), U32(1<<31), U32(0)), Breaks, true},
		{"long packet", On(readdir, func(byte, []byte, []byte) []byte { return U32(1<<32 - 1) }), Breaks, true},
		{"empty packet", On(readdir, func(byte, []byte, []byte) []byte { return U32(0) }), Breaks, true},
		{"short packet", listing([]byte{0}), Breaks, true},
		{"lists itself", addName(Listed(".")), Succeeds, false}, // as many servers do
		{"lists its parent", addName(Listed("..")), Succeeds, false},
		{"lists itself, at length", addName(listed(".", strings.Repeat("l", 200_000), 10)), Succeeds, false},
		{"lists 2^63 bytes", addName(listed("huge", "-rw", 1<<63)), Partial, true},
	}
	for _, name := range []string{"../evil", "/evil", "sub/evil", "", "nul\x00", strings.Repeat("n", 256), "one", "sub/../../evil"} {
		all = append(all, Case{"lists " + fmt.Sprintf("%.10q", name), addName(Listed(name)), Partial, true})
	}
	return all
}

// addName has each listing hold one more name.
func addName(packed []byte) Change {
	return On(readdir, func(kind byte, id, rest []byte) []byte {
		if kind != names {
			return Frame(kind, id, rest)
		}
		return Frame(kind, id, U32(binary.BigEndian.Uint32(rest)+1), rest[4:], packed)
	})
}

// links are about the targets of symlinks.
func links() []Case {
	link := func(body ...[]byte) Change {
		return On(readlink, func(_ byte, id, _ []byte) []byte { return Frame(names, append([][]byte{id}, body...)...) })
	}
	return []Case{
		{"long link", link(U32(1), Str(strings.Repeat("l", 5000)), Str(""), U32(0)), Partial, true},
		{"NUL in link", link(U32(1), Str("a\x00b"), Str(""), U32(0)), Partial, true},
		{"two links", link(U32(2), Listed("a"), Listed("b")), Partial, true},
	}
}

// attributes are about sizes and types.
func attributes() []Case {
	are := func(asked byte, body ...[]byte) Change {
		return On(asked, func(_ byte, id, _ []byte) []byte { return Frame(attrs, append([][]byte{id}, body...)...) })
	}
	return []Case{
		{"further attributes", are(lstat, U32(attrExtended), U32(1<<31)), Breaks, false},
		{"odd attributes", are(lstat, U32(0x7ffffff0)), Breaks, false},
		{"huge size", are(fstat, U32(attrSize|attrPerm), U64(1<<63), U32(0o100644)), Partial, false},
		{"no type", are(fstat, U32(attrPerm), U32(0o644)), Partial, false},
		{"changes into a FIFO", are(fstat, U32(attrPerm), U32(0o010644)), Partial, false},
	}
}
