package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// numbers writes numbers as -h says: 0 plain digits, 1 digits grouped by
// commas, 2 units of 1000, 3 or more units of 1024. The forms are rsync's.
type numbers int

// count writes a count, which never gets a unit.
func (h numbers) count(n int64) string { return numbers(min(h, 1)).size(n) }

// size writes a number of bytes.
func (h numbers) size(n int64) string {
	if h > 1 {
		base := 1000.0
		if h > 2 {
			base = 1024
		}
		if v := float64(n); v >= base || v <= -base {
			unit := 0
			for v /= base; (v >= base || v <= -base) && unit < len("KMGTP")-1; unit++ {
				v /= base
			}
			return fmt.Sprintf("%.2f%c", v, "KMGTP"[unit])
		}
	}
	digits := strconv.FormatInt(n, 10)
	if h < 1 {
		return digits
	}
	return group(digits)
}

// fraction writes a number with a fixed count of decimals.
func (h numbers) fraction(v float64, decimals int) string {
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if h < 1 || v > -1000 && v < 1000 {
		return s
	}
	if h > 1 {
		return h.size(int64(v))
	}
	whole, part, ok := strings.Cut(s, ".")
	if ok {
		part = "." + part
	}
	return group(whole) + part
}

// group puts a comma before every third digit from the right.
func group(digits string) string {
	sign, rest := "", digits
	if strings.HasPrefix(rest, "-") {
		sign, rest = "-", rest[1:]
	}
	var b strings.Builder
	for i := range len(rest) {
		if i > 0 && (len(rest)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(rest[i])
	}
	return sign + b.String()
}

// binaryUnits are those of the progress line and the demonstration.
func binaryUnits() []string { return []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"} }

// bytesIEC writes a number of bytes with a binary unit: 12.4 GiB.
func bytesIEC(n int64) string {
	unit := binaryUnit(n)
	return inUnit(n, unit) + " " + binaryUnits()[unit]
}

// binaryUnit returns the index of the unit that suits n.
func binaryUnit(n int64) int {
	unit := 0
	for v := n; v >= 1024 && unit < len(binaryUnits())-1; v /= 1024 {
		unit++
	}
	return unit
}

// inUnit writes n in the given unit, without its name.
func inUnit(n int64, unit int) string {
	if unit == 0 {
		return strconv.FormatInt(n, 10)
	}
	return strconv.FormatFloat(float64(n)/float64(int64(1)<<(10*unit)), 'f', 1, 64)
}

// clock writes a duration as 0:07, 2:41 or 1:02:41.
func clock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
