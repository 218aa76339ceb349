package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gosync/walker/manifest"
)

// checkListings reads a payload and checks that it is the one encoding of what
// it holds.
func checkListings(t failer, b []byte) {
	m, again := Listings{b}, []byte(nil)
	for {
		r, more, err := m.NextListing()
		if err != nil {
			if !errors.Is(err, ErrProtocol) || more {
				t.Fatalf("%x: %v, %v", b, more, err)
			}
			if _, _, err := m.NextListing(); err == nil {
				t.Fatalf("%x: an error became a clean end", b)
			}
			return
		}
		if !more {
			break
		}
		for i := range r.Entries {
			if err := manifest.ValidName(r.Entries[i].Name); err != nil {
				t.Fatalf("%x: %v", b, err)
			}
			if i > 0 && r.Entries[i].Name <= r.Entries[i-1].Name {
				t.Fatalf("%x is not sorted", b)
			}
		}
		again = appendRecord(again, &r)
	}
	if !bytes.Equal(again, b) {
		t.Fatalf("listings %x become %x", b, again)
	}
}

// readListings reads payloads and joins the parts of each listing.
func readListings(payloads [][]byte) ([]ListingRecord, error) {
	var all []ListingRecord
	joining := false
	for _, b := range payloads {
		m := Listings{b}
		for {
			r, more, err := m.NextListing()
			if err != nil {
				return all, err
			}
			if !more {
				break
			}
			if joining {
				last := &all[len(all)-1]
				if r.Dir != last.Dir || r.Parent != last.Parent || r.Entry != last.Entry || r.Incomplete != last.Incomplete || r.Hollow != last.Hollow {
					return all, fmt.Errorf("part %+v does not belong to %+v", r, *last)
				}
				last.Entries = append(last.Entries, r.Entries...)
			} else {
				all = append(all, r)
			}
			joining = r.More
			all[len(all)-1].More = false
		}
	}
	if joining {
		return all, errors.New("the last part is missing")
	}
	return all, nil
}

// writeListings packs records as an end does and returns the payloads.
func writeListings(t failer, records []ListingRecord) [][]byte {
	var payloads [][]byte
	w := ListingWriter{Flush: func(b []byte) error {
		payloads = append(payloads, b)
		return nil
	}}
	for i := range records {
		if err := w.Add(&records[i]); err != nil {
			t.Fatalf("%v", err)
		}
		if w.Pending() >= listingPart {
			t.Fatalf("%d bytes are pending", w.Pending())
		}
	}
	if err := w.Send(); err != nil || w.Pending() != 0 {
		t.Fatalf("%v, %d bytes pending", err, w.Pending())
	}
	return payloads
}

func TestListingsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(record(30), 0, 5).Draw(t, "records")
		got, err := readListings(writeListings(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if !same(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

// huge returns the sorted listing of a directory of n entries whose names are
// as long as names can be and share nothing but their length.
func huge(n int) []manifest.Entry {
	entries := make([]manifest.Entry, n)
	for i := range entries {
		e := &entries[i]
		e.Name = fmt.Sprintf("%08d%s", i, strings.Repeat("y", manifest.MaxName-8))
		e.Type, e.Mode, e.Size = manifest.Regular, 0o644, int64(i)
		e.Sec, e.Nsec = 1_700_000_000+int64(i%1000), uint32(i*1000)
	}
	return entries
}

func TestHugeListing(t *testing.T) {
	for _, n := range []int{0, 1, 3000} {
		want := []ListingRecord{{Parent: -1, Entries: huge(n), Incomplete: n > 0, Hollow: n > 0}, {Dir: 1, Entries: huge(2)}}
		payloads := writeListings(t, want)
		if n == 3000 && len(payloads) < 3000*manifest.MaxName/(2*listingPart)-1 {
			t.Errorf("only %d messages", len(payloads))
		}
		for i, b := range payloads {
			if len(b) > MaxFrame/2 {
				t.Errorf("message %d has %d bytes", i, len(b))
			}
		}
		got, err := readListings(payloads)
		if err != nil {
			t.Fatal(err)
		}
		if !same(got, want) {
			t.Fatalf("%d entries became another listing", n)
		}
	}
}

func TestListingWriterError(t *testing.T) {
	full := errors.New("full")
	w := ListingWriter{Flush: func([]byte) error { return full }}
	if err := w.Add(&ListingRecord{Parent: -1, Entries: huge(1000)}); !errors.Is(err, full) {
		t.Errorf("Add: %v", err)
	}
	w = ListingWriter{Flush: w.Flush}
	if err := w.Add(&ListingRecord{Parent: -1}); err != nil {
		t.Error(err)
	}
	if err := w.Send(); !errors.Is(err, full) {
		t.Errorf("Send: %v", err)
	}
}

// file encodes an entry: a header byte that says regular file, and the shared
// length, the rest of the name, and an empty file of the epoch with the mode
// and owner of the entry before.
func file(header byte, shared int, rest string) []byte {
	return u([]byte{header | byte(manifest.Regular) | entrySameMode | entrySameOwner}, shared, len(rest), rest, 0, 0)
}

func TestRefusedListings(t *testing.T) {
	const same = entrySameMode | entrySameOwner
	root := func(entries ...any) []byte { return u(append([]any{0, 1, 0, 0}, entries...)...) }
	typ := func(t manifest.Type, flags byte) []byte { return []byte{byte(t) | flags} }
	for _, c := range []struct {
		what string
		b    []byte
	}{
		{"dir out of range", u(maxIndex+1, 1, 0, 0, 0)},
		{"root with a parent", u(0, 0, 0, 0, 0)},
		{"root below itself", u(0, 2, 0, 0, 0)},
		{"root with an entry", u(0, 1, 1, 0, 0)},
		{"parent is itself", u(3, 0, 0, 0, 0)},
		{"parent is the one of the root", u(3, 4, 0, 0, 0)},
		{"unknown flags", u(0, 1, 0, 8, 0)},
		{"hollow and complete", u(0, 1, 0, 4, 0)},
		{"flags missing", u(0, 1, 0)},
		{"more entries than bytes", root(1000)},
		{"entry missing", root(2, file(0, 0, "a"), 0, 0, 0)},
		{"type 0", root(1, typ(manifest.Unknown, same), 0, 1, "a", 0, 0)},
		{"kept and nothing follows", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0)},
		{"nothing is kept", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, 0)},
		{"kept in an unknown way", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, 32)},
		{"kept as before and spelled out", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, keptSame|keptAccess, 1, 32, 7)},
		{"kept as nothing before", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, keptSame)},
		{"no attributes", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, keptXattrs, 0)},
		{"attributes that are not there", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, keptXattrs, 1000)},
		{"attribute without a name", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, keptXattrs, 1, 0, 0)},
		{"attributes twice", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, keptXattrs, 2, 1, "n", 0, 1, "n", 0)},
		{"attribute too large", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, keptXattrs, 1, 1, "n", 1<<16+1, strings.Repeat("v", 1<<16+1))},
		{"empty list", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, keptAccess, 0)},
		{"list with two tags in one", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, keptAccess, 1, 3, 7)},
		{"list with permissions that are none", root(1, typ(manifest.Regular, same|entryKept), 0, 1, "a", 0, 0, keptAccess, 1, 1, 8)},
		{"empty name", root(1, file(0, 0, ""))},
		{"name .", root(1, file(0, 0, "."))},
		{"name ..", root(1, file(0, 0, ".."))},
		{"name with a slash", root(1, file(0, 0, "a/b"))},
		{"name with a NUL", root(1, file(0, 0, "a\x00b"))},
		{"name of 256 bytes", root(1, file(0, 0, strings.Repeat("n", 256)))},
		{"name of 256 bytes, shared", root(2, file(0, 0, strings.Repeat("n", 255)), file(0, 255, "n"))},
		{"name becomes ..", root(2, file(0, 0, ".-"), file(0, 1, "."))},
		{"names fall", root(2, file(0, 0, "b"), file(0, 0, "a"))},
		{"name twice", root(2, file(0, 0, "a"), file(0, 1, ""))},
		{"name is cut", root(2, file(0, 0, "ab"), file(0, 1, ""))},
		{"more shared than there is", root(2, file(0, 0, "a"), file(0, 2, "b"))},
		{"less shared than could be", root(2, file(0, 0, "ab"), file(0, 0, "ac"))},
		{"mode is spelled out though the same", root(1, typ(manifest.Regular, entrySameOwner), 0, 1, "a", 0, 0, 0)},
		{"owner is spelled out though the same", root(1, typ(manifest.Regular, entrySameMode), 0, 1, "a", 0, 0, 0, 0)},
		{"nanoseconds of 0", root(1, typ(manifest.Regular, same|entryNsec), 0, 1, "a", 0, 0, 0)},
		{"nanoseconds of a second", root(1, typ(manifest.Regular, same|entryNsec), 0, 1, "a", 0, 1_000_000_000, 0)},
		{"mode with a type", root(1, typ(manifest.Regular, entrySameOwner), 0, 1, "a", 0, 0o100644, 0)},
		{"owner too great", root(1, typ(manifest.Regular, entrySameMode), 0, 1, "a", 0, 1<<32, 0, 0)},
		{"negative size", root(1, typ(manifest.Regular, same), 0, 1, "a", 0, uint64(1<<63))},
		{"long target", root(1, typ(manifest.Symlink, same), 0, 1, "a", 0, maxLink+1, strings.Repeat("t", maxLink+1))},
		{"device too great", root(1, typ(manifest.BlockDevice, same), 0, 1, "a", 0, 1<<32, 0)},
		{"leader too far", root(1, typ(manifest.Regular, same|entryLeader), 0, 1, "a", 0, 0, 1<<31, 0)},
	} {
		m := Listings{c.b}
		if r, more, err := m.NextListing(); more || !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %+v, %v, %v", c.what, r, more, err)
		}
		checkListings(t, c.b)
	}
	good := root(2, file(0, 0, "ab"), file(0, 1, "c"))
	if got, err := readListings([][]byte{good}); err != nil || len(got) != 1 || got[0].Entries[1].Name != "ac" {
		t.Errorf("the control: %+v, %v", got, err)
	}
}

func TestTruncatedListings(t *testing.T) {
	b := listings(record(20).Example(1), record(20).Example(2))
	whole, err := readListings([][]byte{b})
	if err != nil || len(whole) != 2 {
		t.Fatalf("%d records, %v", len(whole), err)
	}
	clean := 0
	for n := range b {
		if _, err := readListings([][]byte{b[:n]}); err == nil {
			clean++ // between two records, which is why ListEnd tells their number
		}
		checkListings(t, b[:n])
	}
	if clean > 2 {
		t.Errorf("%d cuts show nothing", clean)
	}
}

// TestListingsMemory decodes the listing that yields the most per byte: names
// that share all but their ends.
func TestListingsMemory(t *testing.T) {
	entries := make([]manifest.Entry, 0, 60_000)
	for i := range cap(entries) {
		tail := string([]byte{byte(1 + i/250), byte(1 + i%250)})
		if strings.Contains(tail, "/") {
			continue
		}
		entries = append(entries, manifest.Entry{Name: strings.Repeat("n", 253) + tail, Type: manifest.Directory})
	}
	b := appendRecord(nil, &ListingRecord{Parent: -1, Entries: entries})
	var r ListingRecord
	got := allocated(func() {
		m := Listings{b}
		var err error
		if r, _, err = m.NextListing(); err != nil {
			t.Error(err)
		}
	})
	if limit := uint64(len(entries)*(64+256)*3 + 1<<20); len(r.Entries) != len(entries) || got > limit {
		t.Errorf("%d bytes of %d entries take %d, limit %d", len(b), len(entries), got, limit)
	}
}
