package localfs

import (
	"gosync/internal/engine"
	"gosync/internal/unix"
)

var _ engine.Unlocker = (*Tree)(nil)

// Unlock implements [engine.Unlocker].
func (t *Tree) Unlock() (was uint16, done bool) {
	var st unix.Stat_t
	if t.how.ReadOnly || unix.Fstat(t.top.fd, &st) != nil || st.Mode&0o700 == 0o700 || int(st.Uid) != unix.Geteuid() {
		return 0, false
	}
	mode := uint32(st.Mode) & 0o7777
	if unix.Fchmodat(t.top.fd, ".", mode|0o700, 0) != nil {
		return 0, false
	}
	if !t.top.mere {
		return uint16(mode), true
	}
	fd, err := openAt(t.top.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		_ = unix.Fchmodat(t.top.fd, ".", mode, 0) // as it was; what is done in it will fail
		return 0, false
	}
	_ = unix.Close(t.top.fd) // nobody uses it yet
	t.top.fd, t.top.mere = fd, false
	return uint16(mode), true
}
