package localfs

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// hasMounts reports whether something is mounted below the open directory fd, or whether
// that cannot be found out.
func hasMounts(fd int) bool {
	top, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return true
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	return err != nil || mountedBelow(mounts, top)
}

// mountedBelow reports whether mountinfo, in the format of proc(5), names a mount below top.
func mountedBelow(mountinfo []byte, top string) bool {
	prefix := strings.TrimSuffix(top, "/") + "/"
	escapes := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range bytes.Lines(mountinfo) {
		fields := bytes.Fields(line)
		if len(fields) < 5 {
			return true
		}
		at := escapes.Replace(string(fields[4]))
		if len(at) > len(prefix) && strings.HasPrefix(at, prefix) {
			return true
		}
	}
	return false
}
