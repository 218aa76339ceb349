package delta

import (
	"bytes"
	"os"
	"testing"
)

// TestTraffic holds what crosses the line, both ways, to the bytes that changed. With
// GOSYNC_LONG=1 the basis has 512 MiB.
func TestTraffic(t *testing.T) {
	size, inserts := 64<<20, 12
	switch {
	case os.Getenv("GOSYNC_LONG") == "1":
		size, inserts = 512<<20, 100
	case testing.Short():
		size, inserts = 16<<20, 3
	}
	r := rng(1)
	basis := r.bytes(size)
	mib := size >> 20
	fixed := int(NewParams(int64(size), 0).SignatureSize()) + mib*len(Digest{}) + mib*2 // and the ops of equal files
	cases := []struct {
		name   string
		target []byte
		limit  int
	}{
		{"equal", basis, fixed},
		{"scattered 4 KiB", r.scatter(basis, mib*256/100, 4096), fixed + mib*12500},
		{"scattered 16 B", r.scatter(basis, mib*(1<<20)/10000/16, 16), fixed + mib*1600},
		{"inserts", r.insert(basis, inserts, 100), fixed + inserts*450},
		{"appended", append(bytes.Clone(basis), r.bytes(size/100)...), fixed + size/100 + 3000},
		{"moved", append(bytes.Clone(basis[size/10:]), basis[:size/10]...), fixed + 1000},
		{"different", r.bytes(size), fixed + size + size/100},
	}
	for _, c := range cases {
		s := newSession(basis)
		s.segment = 16 << 20
		got, tr := s.run(t, basis, c.target)
		if !bytes.Equal(got, c.target) || tr.bad > 0 {
			t.Errorf("%s: rebuilt wrong, %d bad chunks", c.name, tr.bad)
		}
		if tr.total() > c.limit {
			t.Errorf("%s: %d bytes on the line, limit %d", c.name, tr.total(), c.limit)
		}
		t.Logf("%-16s total %9d %+v", c.name, tr.total(), tr)
	}
}
