package localfs

import (
	"fmt"
	"io/fs"
	"path/filepath"

	"gosync/internal/engine"
	"gosync/internal/unix"
)

// Session takes one of n places for processes that serve the directory at a time;
// release gives it back, as the end of the process does. The error wraps
// [engine.ErrInUse] when all are taken; release may be called then, too. The
// places are locks in $XDG_STATE_HOME/gosync.
func (h *Restricted) Session(n int) (release func(), err error) {
	release = func() {}
	dir, err := stateDir()
	if err != nil {
		return release, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(h.fd, &st); err != nil {
		return release, err
	}
	for i := range n {
		name := filepath.Join(dir, fmt.Sprintf("session-%x-%x-%d.lock", deviceOf(&st), uint64(st.Ino), i))
		f, err := openLock(name, unix.O_RDWR|unix.O_CREAT)
		if err != nil {
			return release, err
		}
		// The file stays: whoever removed it could let in one more.
		locked, err := lockFile(int(f.Fd()))
		if locked {
			return func() { _ = f.Close() }, nil
		}
		_ = f.Close() // it holds nothing
		if err != nil {
			return release, &fs.PathError{Op: "lock", Path: name, Err: err}
		}
	}
	return release, engine.ErrInUse
}
