package main

import (
	"math"
	"path"
	"strconv"
	"strings"
	"time"
)

// parseRate reads a rate as rsync does and returns bytes per second: a number,
// perhaps with a fraction, and a unit. Without one it is KiB; b is bytes; k, m,
// g, t, p (and KiB, ...) are powers of 1024, KB, ... of 1000. A final +1 or -1
// adds or takes away a byte. 0 is no limit; less than 512 bytes is refused, and
// what is left is rounded to whole KiB.
func parseRate(text string) (int64, error) {
	size, err := parseSize(text, 'k')
	switch {
	case err != nil:
		return 0, err
	case size != 0 && size < 512:
		return 0, usageErrorf("%q is too slow: the least is 512 bytes per second", text)
	}
	return (size + 512) / 1024 * 1024, nil
}

// parseSize reads a size in rsync's syntax; unit is the one that a bare number has.
func parseSize(text string, unit byte) (int64, error) {
	bad := usageErrorf("%q is not a size such as 500, 1.5m or 2MB", text)
	rest := strings.TrimLeft(text, "0123456789")
	if after, ok := strings.CutPrefix(rest, "."); ok {
		rest = strings.TrimLeft(after, "0123456789")
	}
	number, err := strconv.ParseFloat(text[:len(text)-len(rest)], 64)
	if err != nil {
		return 0, bad
	}
	if rest != "" && rest[0] != '+' && rest[0] != '-' {
		unit, rest = rest[0]|0x20, rest[1:]
	}
	power := strings.IndexByte("bkmgtp", unit)
	if power < 0 {
		return 0, bad
	}
	base, lower := 1024.0, strings.ToLower(rest)
	switch {
	case strings.HasPrefix(lower, "ib"):
		rest = rest[2:]
	case strings.HasPrefix(lower, "b"):
		base, rest = 1000, rest[1:]
	}
	size := math.Floor(number * math.Pow(base, float64(power)))
	switch rest {
	case "":
	case "+1":
		size++
	case "-1":
		size--
	default:
		return 0, bad
	}
	if size < 0 || size > math.MaxInt64/2 {
		return 0, usageErrorf("%q is out of range", text)
	}
	return int64(size), nil
}

// parseSeconds reads a whole number of seconds, 0 for never.
func parseSeconds(text string) (time.Duration, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, usageErrorf("%q is not a number of seconds", text)
	}
	return time.Duration(n) * time.Second, nil
}

// parseMaxDelete reads the limit of deletions; what is negative permits none, as for rsync.
func parseMaxDelete(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, usageErrorf("%q is not a number", text)
	}
	return max(n, 0), nil
}

// parseRetries reads how often a lost connection is made again.
func parseRetries(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, usageErrorf("%q is not a number of attempts", text)
	}
	return int(n), nil
}

// parsePartialDir reads the name of a directory for unfinished files: absolute,
// or below the directory of the file.
func parsePartialDir(text string) (string, error) {
	dir := path.Clean(text)
	if text == "" || dir == "." || dir == "/" || dir == ".." || strings.HasPrefix(dir, "../") {
		return "", usageErrorf("%q is no directory of its own, such as .partial or an absolute path", text)
	}
	return dir, nil
}

// parsePort reads a TCP port.
func parsePort(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, usageErrorf("%q is not a port", text)
	}
	return int(n), nil
}
