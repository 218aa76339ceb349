package unix

import (
	"strings"
	"unicode/utf8"
)

// BadName tells why Windows cannot hold a name of a single component, "" if it can. Some of
// these it would take for another name: "a:b" for a stream of the file a, "a." for a, and
// "con.txt" for the terminal. What the far side has sent must never be given to it then.
func BadName(name string) string {
	switch {
	case name == "" || name == "." || name == "..":
		return "it is not a name"
	case !utf8.ValidString(name) && !isSurrogates(name):
		return "Windows keeps names as Unicode, and these bytes are not UTF-8"
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return "on Windows no name ends with a dot or a space"
	case isDevice(name):
		return "Windows takes it for a device"
	}
	for _, r := range name {
		if r < ' ' {
			return "on Windows names have no control characters"
		}
		if strings.ContainsRune(`<>:"/\|?*`, r) {
			return "on Windows names have no " + string(r)
		}
	}
	return ""
}

// isDevice reports whether a name stands for a device, whatever comes behind a dot.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	port, ok := strings.CutPrefix(base, "COM")
	if !ok {
		port, ok = strings.CutPrefix(base, "LPT")
	}
	if !ok {
		return false
	}
	switch port {
	case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "\u00b9", "\u00b2", "\u00b3":
		return true
	}
	return false
}

// isSurrogates reports whether a name is UTF-8 but for halves of surrogate pairs, which
// file systems of Windows permit, each as three bytes.
func isSurrogates(name string) bool {
	for len(name) > 0 {
		r, n := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && n == 1 {
			if len(name) < 3 || name[0] != 0xed || name[1] < 0xa0 || name[1] > 0xbf || name[2]&0xc0 != 0x80 {
				return false
			}
			n = 3
		}
		name = name[n:]
	}
	return true
}

// isShort reports whether a name can be the short one that file systems of Windows give a
// file with a longer name: it may stand for a file that is called something else. Its lengths
// are those of characters, whatever bytes they take.
func isShort(name string) bool {
	base, ext, _ := strings.Cut(name, ".")
	i := strings.LastIndexByte(base, '~')
	if i < 0 || i == len(base)-1 || utf8.RuneCountInString(base) > 8 || utf8.RuneCountInString(ext) > 3 {
		return false
	}
	return strings.Trim(base[i+1:], "0123456789") == ""
}
