package manifest

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSameContent(t *testing.T) {
	src := Entry{Type: Regular, Size: 10, Sec: 100, Nsec: 5}
	later, larger, both, frac := src, src, src, src
	later.Sec++
	larger.Size++
	both.Sec, both.Size = 101, 11
	frac.Nsec = 999_999_999
	for _, c := range []struct {
		what string
		p    Policy
		dst  Entry
		want bool
	}{
		{"equal", Policy{}, src, true},
		{"other fraction of a second", Policy{}, frac, true},
		{"other time", Policy{}, later, false},
		{"other size", Policy{}, larger, false},
		{"other time, --size-only", Policy{SizeOnly: true}, later, true},
		{"other size, --size-only", Policy{SizeOnly: true}, larger, false},
		{"equal, -I", Policy{IgnoreTimes: true}, src, false},
		{"equal, -c", Policy{Checksum: true}, src, false},
		{"equal, -I --size-only", Policy{IgnoreTimes: true, SizeOnly: true}, src, true},
		{"other size, -c", Policy{Checksum: true}, larger, false},
		{"other size and time, --size-only", Policy{SizeOnly: true}, both, false},
	} {
		if got := c.p.SameContent(Clock{}, &src, &c.dst); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

// TestRoundedInstant compares times with what programs make of them that reckon in
// floating-point seconds, such as Python's os.utime(os.stat().st_mtime).
func TestRoundedInstant(t *testing.T) {
	var clock Clock
	for _, sec := range []int64{1, 1_000_000_000, 1_795_780_000, 4_000_000_000, -1_123_456} {
		for _, nsec := range []uint32{1, 123_456_789, 387_654_321, 999_999_999} {
			f := float64(sec) + 1e-9*float64(nsec)
			whole := math.Floor(f)
			a := Entry{Sec: sec, Nsec: nsec}
			b := Entry{Sec: int64(whole), Nsec: uint32((f - whole) * 1e9)}
			if a.Sec == b.Sec && (!clock.SameInstant(&a, &b) || !clock.SameInstant(&b, &a)) {
				t.Errorf("%v and %v are not the same", a, b)
			}
		}
	}
	a := Entry{Sec: 1_795_780_000, Nsec: 123_456_789}
	for _, nsec := range []uint32{123_457_289, 123_456_289, 123_456_500} {
		if b := (Entry{Sec: a.Sec, Nsec: nsec}); clock.SameInstant(&a, &b) {
			t.Errorf("%d is the same", nsec)
		}
	}
}

// TestSameInstant compares times with what coarser file systems make of them.
func TestSameInstant(t *testing.T) {
	for _, c := range []struct {
		a, b uint32
		same bool
	}{
		{0, 0, true},
		{123_456_789, 123_456_789, true},
		{123_456_789, 123_456_700, true}, // 100 ns
		{123_456_789, 123_456_000, true}, // microseconds
		{123_456_789, 123_000_000, true}, // milliseconds
		{123_456_789, 120_000_000, true}, // 10 ms
		{123_456_789, 0, true},           // seconds
		{999_999_999, 0, true},
		{123_456_789, 123_456_787, false},
		{123_456_789, 123_456_780, false}, // no file system keeps 10 ns
		{123_456_789, 123_457_000, false}, // they cut, they do not round
		{123_456_700, 123_456_800, false},
		{500_000_000, 1, false},
	} {
		a, b := Entry{Sec: 5, Nsec: c.a}, Entry{Sec: 5, Nsec: c.b}
		later := b
		later.Sec++
		var clock Clock
		if clock.SameInstant(&a, &b) != c.same || clock.SameInstant(&b, &a) != c.same || clock.SameInstant(&a, &later) {
			t.Errorf("%d and %d: %v, %v, a second later %v", c.a, c.b, clock.SameInstant(&a, &b), clock.SameInstant(&b, &a), clock.SameInstant(&a, &later))
		}
		if !clock.SameTime(&a, &b) || clock.SameTime(&a, &later) {
			t.Errorf("SameTime does not compare seconds")
		}
	}
}

// TestClock compares times with what file systems make of them that keep them
// to two seconds, or not at all.
func TestClock(t *testing.T) {
	fat := Clock{Unit: 2 * time.Second}
	for _, c := range []struct {
		what          string
		clock         Clock
		src, dst      int64
		srcNsec       uint32
		time, instant bool
	}{
		{"even", fat, 10, 10, 0, true, true},
		{"odd, cut", fat, 11, 10, 0, true, true},
		{"odd with a fraction, cut", fat, 11, 10, 7, true, true},
		{"even with a fraction, cut", fat, 10, 10, 7, true, true},
		{"not cut", fat, 10, 11, 0, true, false},
		{"two seconds later", fat, 12, 10, 0, false, false},
		{"before the unit", fat, 9, 10, 0, false, false},
		{"negative, cut", fat, -1, -2, 0, true, true},
		{"negative, another unit", fat, -3, -2, 0, false, false},
		{"odd, fine clock", Clock{}, 11, 10, 0, false, false},

		{"beyond 2038", Clock{}, 1 << 31, 1<<31 - 1, 0, true, true},
		{"long beyond 2038", Clock{}, 1 << 60, 1<<31 - 1, 5, true, true},
		{"beyond 2106", Clock{}, 1 << 32, 1<<32 - 1, 0, true, true},
		{"beyond 2446", Clock{}, 1 << 34, 15_032_385_535, 0, true, true},
		{"before 1901", Clock{}, -1<<31 - 1, -1 << 31, 0, true, true},
		{"within, the limit at the destination", Clock{}, 5, 1<<31 - 1, 0, false, false},
		{"within, the lower limit at the destination", Clock{}, 5, -1 << 31, 0, false, false},
		{"beyond the other limit", Clock{}, -1 << 40, 1<<31 - 1, 0, false, false},
		{"beyond no limit", Clock{}, 1 << 31, 1<<31 - 2, 0, false, false},
		{"before 1970", Clock{}, -5, 0, 0, false, false},
		{"limit at the source", Clock{}, 1<<31 - 1, 1 << 40, 0, false, false},
	} {
		src, dst := Entry{Sec: c.src, Nsec: c.srcNsec}, Entry{Sec: c.dst}
		if got := c.clock.SameTime(&src, &dst); got != c.time {
			t.Errorf("%s: SameTime is %v", c.what, got)
		}
		if got := c.clock.SameInstant(&src, &dst); got != c.instant {
			t.Errorf("%s: SameInstant is %v", c.what, got)
		}
		if dst.Nsec = 1; c.src != c.dst && c.instant && c.clock.SameInstant(&src, &dst) {
			t.Errorf("%s: a time with a fraction was cut to seconds", c.what)
		}
	}
}

// TestAttributes compares Attributes with its definition for all policies and
// differences.
func TestAttributes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bit := rapid.Bool()
		p := Policy{Perms: bit.Draw(t, "perms"), Owner: bit.Draw(t, "owner"), Group: bit.Draw(t, "group"), Times: bit.Draw(t, "times")}
		src := Entry{Type: rapid.SampledFrom([]Type{Regular, Directory, Symlink, Fifo, BlockDevice}).Draw(t, "type"), Mode: 0o644, Sec: 5}
		dst := src
		dst.UID, dst.GID = 7, 8
		uid, gid := dst.UID, dst.GID
		src.UID, src.GID = 70, 80 // what counts is the owner that is wanted
		var want Change
		if bit.Draw(t, "other time") {
			dst.Sec, dst.Nsec = 6, 1
			if p.Times {
				want |= ChangeTime
			}
		}
		if bit.Draw(t, "other mode") {
			dst.Mode = 0o600
			if p.Perms && src.Type != Symlink {
				want |= ChangePerms
			}
		}
		if bit.Draw(t, "other owner") {
			uid = 9
			if p.Owner {
				want |= ChangeOwner
			}
		}
		if bit.Draw(t, "other group") {
			gid = 9
			if p.Group {
				want |= ChangeGroup
			}
		}
		if got := p.Attributes(Clock{}, &src, &dst, uid, gid); got != want {
			t.Fatalf("%+v: %b, want %b", p, got, want)
		}
	})
}

func TestAttrs(t *testing.T) {
	pairs := map[Change]Attrs{ChangeTime: AttrTimes, ChangePerms: AttrMode, ChangeOwner: AttrOwner, ChangeGroup: AttrGroup}
	for c := range Change(1) << 11 {
		var want Attrs
		for bit, a := range pairs {
			if c&bit != 0 {
				want |= a
			}
		}
		if got := c.Attrs(); got != want {
			t.Fatalf("%b: %b, want %b", c, got, want)
		}
	}
}

func TestPreserved(t *testing.T) {
	for _, c := range []struct {
		p    Policy
		t    Type
		want Attrs
	}{
		{Policy{}, Regular, AttrMode},
		{Policy{}, Symlink, 0},
		{Policy{Perms: true}, Symlink, 0},
		{Policy{Times: true, Owner: true, Group: true}, Symlink, AttrTimes | AttrOwner | AttrGroup},
		{Policy{Perms: true, Times: true, Owner: true, Group: true}, Directory, AttrMode | AttrTimes | AttrOwner | AttrGroup},
	} {
		if got := c.p.Preserved(c.t); got != c.want {
			t.Errorf("%+v of a %v: %b, want %b", c.p, c.t, got, c.want)
		}
	}
}

// TestNumbers holds the numbers that are part of the protocol.
func TestNumbers(t *testing.T) {
	types := []Type{Unknown, Regular, Directory, Symlink, Fifo, Socket, CharDevice, BlockDevice}
	for i, typ := range types {
		if int(typ) != i {
			t.Errorf("%v is %d", typ, typ)
		}
	}
	changes := []Change{ChangeContent, ChangeSize, ChangeTime, ChangePerms, ChangeOwner, ChangeGroup, ChangeNew, ChangeTimeNow, ChangeHardLink, ChangeTransfer, ChangeLocal}
	for i, c := range changes {
		if c != 1<<i {
			t.Errorf("change %d is %b", i, c)
		}
	}
	fields := []Fields{FieldMode, FieldUser, FieldGroup, FieldNumeric, FieldTimes, FieldHardLinks}
	for i, f := range fields {
		if f != 1<<i {
			t.Errorf("field %d is %b", i, f)
		}
	}
}
