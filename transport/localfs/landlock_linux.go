package localfs

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Rights below the directory. Nothing may be executed, and no device may be made.
const (
	landlockRead  landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSReadDir
	landlockWrite landlock.AccessFSSet = landlockRead | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSRemoveDir |
		ll.AccessFSRemoveFile | ll.AccessFSMakeDir | ll.AccessFSMakeReg | ll.AccessFSMakeSock | ll.AccessFSMakeFifo |
		ll.AccessFSMakeSym | ll.AccessFSRefer
)

// landlockVersion is the oldest version of the kernel's interface that is of use:
// without it nothing could be moved between directories.
const landlockVersion = 2

// Confine takes away from the whole process, for good, what serving the directory
// does not need: every file outside of it but the state directory (not even that
// where nothing is changed), programs, the network, core dumps, and the gain of
// rights by setuid programs. The error wraps [ErrNoLandlock] where the kernel cannot
// do the first three; the rest is done then.
//
// It must be called once, before anybody else's bytes are read. Files that are
// open stay open.
func (h *Restricted) Confine() error {
	_, _ = time.Now().Zone() // reads the time zone, which could not be read later
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("switching core dumps off: %w", err)
	}
	if err := ll.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	if v, err := ll.LandlockGetABIVersion(); err != nil || v < landlockVersion {
		return fmt.Errorf("%w (version %d of %d)", ErrNoLandlock, v, landlockVersion)
	}
	config := landlock.V9
	config.Scoped = 0 // some kernels then keep a process from signalling its own threads
	if err := config.BestEffort().Restrict(h.rules()...); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return h.checkConfined()
}

// rules are what stays permitted.
func (h *Restricted) rules() []landlock.Rule {
	root := fmt.Sprintf("/proc/self/fd/%d", h.fd) // the directory itself, whatever its name stands for now
	rules := []landlock.Rule{landlock.ROFiles("/etc/machine-id").IgnoreIfMissing()}
	if h.quiet {
		return append(rules, landlock.PathAccess(landlockRead, root))
	}
	rules = append(rules, landlock.PathAccess(landlockWrite, root))
	if state, err := stateDir(); err == nil { // without it runs do not notice each other
		rules = append(rules, landlock.PathAccess(landlockWrite, state))
	}
	return rules
}

// checkConfined tries what must not work any more.
func (h *Restricted) checkConfined() error {
	var root, top unix.Stat_t
	if err := errors.Join(unix.Fstat(h.fd, &root), unix.Stat("/", &top)); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	if root.Dev == top.Dev && root.Ino == top.Ino {
		return nil // everything was asked for
	}
	f, err := os.Open("/")
	if err == nil {
		_ = f.Close() // it was only tried
		return fmt.Errorf("%w: it has no effect", ErrNoLandlock)
	}
	return nil
}
