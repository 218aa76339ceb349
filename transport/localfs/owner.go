package localfs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gosync/delta/checkpoint"
	"gosync/internal/unix"
	"gosync/walker/manifest"
)

// A run that was killed leaves temporaries behind, and the next one removes
// them. To tell them from those of a run that is alive, each run that makes any
// holds a lock on a file in $XDG_STATE_HOME/gosync, and the names of its
// temporaries say which. What other machines have made on a shared file system
// is removed when it has become old.

// staleAge is the age at which a temporary is stale whose run cannot be asked.
const staleAge = 7 * 24 * time.Hour

// noRun is the tag of runs that could not get a lock.
const noRun = "\x00\x00"

// ownership is what a tree knows of runs and their temporaries. The zero value
// is ready, once log is set.
type ownership struct {
	log *slog.Logger

	mu   sync.Mutex
	have [4]byte // the tag; zero before the first use
	set  bool
	lock *os.File
	seen map[string]bool // runs by tag: whether they are alive

	now func() time.Time // nil for time.Now
}

// tag returns the first bytes of this run's temporaries' names.
func (o *ownership) tag() [4]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.set {
		return o.have
	}
	o.set = true
	host := hostTag()
	copy(o.have[:], host[:])
	dir, err := stateDir()
	if err == nil {
		err = o.register(dir)
	}
	if err != nil {
		o.log.Debug("temporaries of this run cannot be told from stale ones for a week", "err", err)
		copy(o.have[2:], noRun)
	}
	return o.have
}

// register takes a number that no other run has, and locks it.
func (o *ownership) register(dir string) error {
	for range tempTries {
		_, _ = rand.Read(o.have[2:]) // never fails
		if string(o.have[2:]) == noRun {
			continue
		}
		f, err := openLock(lockPath(dir, o.have), unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			_ = f.Close() // it holds nothing
			return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
		o.lock = f
		return nil
	}
	return fs.ErrExist
}

// close gives the lock back.
func (o *ownership) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lock != nil {
		_ = os.Remove(o.lock.Name()) // an empty file that the next run would remove
		_ = o.lock.Close()
		o.lock = nil
	}
}

// alive reports whether the run with a tag of this machine is still going on.
// Where it is not, its lock file is removed.
func (o *ownership) alive(tag [4]byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.set && tag == o.have {
		return true
	}
	key := string(tag[:])
	if a, ok := o.seen[key]; ok {
		return a
	}
	a := askRun(tag)
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	o.seen[key] = a
	return a
}

// askRun finds out whether the lock of a run is held.
func askRun(tag [4]byte) bool {
	dir, err := stateDir()
	if err != nil {
		return true
	}
	f, err := openLock(lockPath(dir, tag), unix.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		return true
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return true
	}
	_ = os.Remove(f.Name()) // the run is over; if it stays, the next one asks again
	return false
}

func lockPath(dir string, tag [4]byte) string {
	return filepath.Join(dir, "run-"+hex.EncodeToString(tag[:])+".lock")
}

// openLock opens a file that serves as a lock. Others can remove it while it is open, which
// package os does not permit on Windows.
func openLock(path string, flags int) (*os.File, error) {
	fd, err := openAt(unix.AT_FDCWD, path, flags|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// stateDir returns the directory for locks, made if need be. It must be ours
// alone: whoever can remove a lock can make this user's temporaries stale.
func stateDir() (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(home, ".local", "state")
	}
	dir := filepath.Join(base, "gosync")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return "", &fs.PathError{Op: "lstat", Path: dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != unix.Geteuid() || st.Mode&0o022 != 0 {
		return "", &fs.PathError{Op: "use", Path: dir, Err: errors.New("it belongs to or can be written by somebody else")}
	}
	return dir, nil
}

// hostTag stands for this machine.
func hostTag() [2]byte {
	h := fnv.New32a()
	id, _ := os.ReadFile("/etc/machine-id") // the host name does where there is none
	name, _ := os.Hostname()
	_, _ = h.Write(append(id, name...)) // a hash cannot fail
	s := h.Sum32()
	return [2]byte{byte(s), byte(s >> 8)}
}

// RemoveStale implements [engine.Dest].
func (t *Tree) RemoveStale(ctx context.Context, path string, all bool) (removed bool, err error) {
	err = t.change(ctx, "remove", path, func(d *dir, name string) (err error) {
		switch {
		case !manifest.Temporary(name):
			return nil
		case strings.HasSuffix(name, manifest.PartialSuffix):
			removed, err = t.removeStalePartial(d, name, all)
		case strings.HasSuffix(name, manifest.SidecarSuffix):
			removed, err = t.removeStaleSidecar(d, name)
		default:
			removed, err = t.removeStaleTemp(d, name)
		}
		return err
	})
	return removed, err
}

// removeStaleTemp removes a file in the making whose run is over.
func (t *Tree) removeStaleTemp(d *dir, name string) (bool, error) {
	var tag [4]byte
	if _, err := hex.Decode(tag[:], []byte(name[len(tempPrefix):len(tempPrefix)+2*len(tag)])); err != nil {
		return false, nil //nolint:nilerr // not one of ours
	}
	var st unix.Stat_t
	if err := fstatAt(d.fd, name, &st); err != nil {
		return false, ignoreGone(err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return int(st.Uid) == unix.Geteuid() && unix.OwnedAt(d.fd, name) && t.stale(tag, &st) && removeProbe(d.fd, name), nil
	}
	if !isRemovable(d.fd, name, &st) || !t.stale(tag, &st) {
		return false, nil
	}
	err := again(func() error { return unix.Unlinkat(d.fd, name, 0) })
	return err == nil, ignoreGone(err)
}

// removeStalePartial removes a partial, with its sidecar, that is old or, with all,
// that no run holds.
func (t *Tree) removeStalePartial(d *dir, name string, all bool) (bool, error) {
	var st unix.Stat_t
	if err := fstatAt(d.fd, name, &st); err != nil {
		return false, ignoreGone(err)
	}
	if !isUsual(d.fd, name, &st) || !all && !t.owner.isOld(&st) {
		return false, nil
	}
	if held, err := t.beside(d, name).removeUnused(); err != nil || held {
		return false, err
	}
	return true, d.removeOwn(manifest.SidecarOf(name))
}

// removeStaleSidecar removes a sidecar that has outlived its partial. The mark of a
// file that is written in place stays as long as the file, however old it is: what
// the file holds is known to nobody.
func (t *Tree) removeStaleSidecar(d *dir, name string) (bool, error) {
	var st unix.Stat_t
	base := strings.TrimSuffix(name, manifest.SidecarSuffix)
	if fstatAt(d.fd, base+manifest.PartialSuffix, &st) == nil {
		return false, nil // it goes with its partial
	}
	if fstatAt(d.fd, name, &st) != nil || !isUsual(d.fd, name, &st) {
		return false, nil // it is gone, or not one of ours
	}
	keep := !t.owner.isOld(&st) // unless it says that it is of no use
	if fd, err := openTrusted(d.fd, name, &st); err == nil {
		s, err := checkpoint.Read(&openFile{t, fd}, "")
		_ = unix.Close(fd) // it was only read
		if err == nil {
			keep = t.stands(d, manifest.SidecarOwner(s.Name, s.InPlace))
		}
	}
	if keep {
		return false, nil
	}
	held, err := t.beside(d, name).removeUnused()
	return !held && err == nil, err
}

// stands reports whether something has that name in d.
func (t *Tree) stands(d *dir, name string) bool {
	var st unix.Stat_t
	return checkName(name) == nil && fstatAt(d.fd, name, &st) == nil
}

// isOld reports whether nobody will miss a file that a run has left behind. The
// modification time does not tell: a file that only waits for its name has that of
// its source already.
func (o *ownership) isOld(st *unix.Stat_t) bool {
	now := time.Now
	if o.now != nil {
		now = o.now
	}
	sec, _ := st.Ctim.Unix()
	return now().Sub(time.Unix(sec, 0)) > staleAge
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// stale reports whether the run that made a temporary is over.
func (t *Tree) stale(tag [4]byte, st *unix.Stat_t) bool {
	host := hostTag()
	if [2]byte(tag[:2]) == host && string(tag[2:]) != noRun {
		return !t.owner.alive(tag)
	}
	return t.owner.isOld(st)
}
