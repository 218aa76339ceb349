package localfs

import (
	"strings"
	"time"

	"gosync/internal/unix"
)

// granularityOf returns to what multiples of it the file system cuts modification times, 0
// where that is a second or less, or unknown.
func granularityOf(fd int) time.Duration {
	if kind, err := unix.FileSystem(fd); err == nil && strings.HasPrefix(kind, "FAT") {
		return 2 * time.Second
	}
	return 0
}

// rulesOf returns which names a file system takes for the same: on Windows those that
// differ in the case of letters, one by one.
func rulesOf(int) (r nameRules, known bool) { return nameRules{ascii: true, unicode: true}, true }
