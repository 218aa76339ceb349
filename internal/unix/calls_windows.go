package unix

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Close ends a descriptor.
func Close(fd int) error { return errno(windows.CloseHandle(windows.Handle(fd))) }

// Dup returns another descriptor of an open file.
func Dup(fd int) (int, error) {
	var h windows.Handle
	me := windows.CurrentProcess()
	if err := windows.DuplicateHandle(me, windows.Handle(fd), me, &h, 0, false, windows.DUPLICATE_SAME_ACCESS); err != nil {
		return -1, errno(err)
	}
	return int(h), nil
}

// ReadNames calls add for each name in an open directory, from the first one on. It must not
// be called by two goroutines at once. buf holds several names, each as long as can be.
func ReadNames(fd int, buf []byte, add func(name []byte) error) error {
	class := uint32(windows.FileIdBothDirectoryRestartInfo)
	for {
		err := windows.GetFileInformationByHandleEx(windows.Handle(fd), class, &buf[0], uint32(len(buf)))
		if err == windows.ERROR_NO_MORE_FILES || err == windows.ERROR_FILE_NOT_FOUND {
			return nil
		}
		if err != nil {
			return errno(err)
		}
		if err := parseDirInfo(buf, add); err != nil {
			return err
		}
		class = windows.FileIdBothDirectoryInfo
	}
}

// Mkdirat makes a directory.
func Mkdirat(dirfd int, path string, mode uint32) error {
	h, err := create(dirfd, path, toLook, windows.FILE_CREATE, windows.FILE_DIRECTORY_FILE)
	if err != nil {
		return err
	}
	return errno(windows.CloseHandle(h))
}

// rootOf opens a directory once more, for what package os has.
func rootOf(dirfd int) (*os.Root, error) {
	path, err := Path(dirfd)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	var own, opened Stat_t
	err = Fstat(dirfd, &own)
	if err == nil {
		err = statRoot(root, &opened)
	}
	if err == nil && (own.Dev != opened.Dev || own.Ino != opened.Ino) {
		err = ESTALE // somebody has moved it meanwhile
	}
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return root, nil
}

func statRoot(root *os.Root, st *Stat_t) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return Fstat(int(f.Fd()), st)
}

// errFarLink is about a symlink that would have Windows ask another machine, with this user's
// credentials, as soon as somebody looks at it.
var errFarLink = errors.New("a symlink to another machine or to a device is not made on Windows")

// Symlinkat makes a symlink. Whether it is one to a directory, which Windows wants to know, is
// seen where it leads to, inside of the directory.
func Symlinkat(target string, dirfd int, name string) error {
	if why := BadName(name); why != "" {
		return nameError{why}
	}
	native := filepath.FromSlash(target)
	if strings.HasPrefix(native, `\\`) || strings.HasPrefix(native, `\??\`) {
		return errFarLink
	}
	root, err := rootOf(dirfd)
	if err != nil {
		return err
	}
	defer root.Close()
	var link *os.LinkError
	err = root.Symlink(native, name)
	if errors.As(err, &link) {
		err = link.Err
	}
	return errno(err)
}

// Readlinkat reads the target of a symlink, with the slashes of other systems.
func Readlinkat(dirfd int, name string, buf []byte) (n int, err error) {
	target := ""
	if dirfd == AT_FDCWD {
		target, err = os.Readlink(name)
	} else {
		var root *os.Root
		if root, err = rootOf(dirfd); err != nil {
			return 0, err
		}
		defer root.Close()
		target, err = root.Readlink(name)
	}
	if err != nil {
		return 0, errno(err)
	}
	return copy(buf, filepath.ToSlash(target)), nil
}

// Flags of FILE_DISPOSITION_INFORMATION_EX and FILE_RENAME_INFORMATION_EX: with the rules of
// POSIX what is open may be replaced and removed.
const (
	removeFlags = windows.FILE_DISPOSITION_DELETE | windows.FILE_DISPOSITION_POSIX_SEMANTICS | windows.FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE
	renameFlags = windows.FILE_RENAME_REPLACE_IF_EXISTS | windows.FILE_RENAME_POSIX_SEMANTICS | windows.FILE_RENAME_IGNORE_READONLY_ATTRIBUTE
)

// Classes of NtSetInformationFile.
const (
	classRename   = 10
	classLink     = 11
	classDispose  = 13
	classRemoveEx = 64
	classRenameEx = 65
)

// Unlinkat takes a name away: with AT_REMOVEDIR that of an empty directory, else that of
// anything else, a symlink to a directory included.
func Unlinkat(dirfd int, name string, flags int) error {
	return at(dirfd, name, windows.DELETE|windows.FILE_READ_ATTRIBUTES, func(h windows.Handle) error {
		attributes, tag, err := tagOf(h)
		if err != nil {
			return err
		}
		switch isDir := attributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0 && !isLink(tag); {
		case isDir && flags&AT_REMOVEDIR == 0:
			return EISDIR
		case !isDir && flags&AT_REMOVEDIR != 0:
			return ENOTDIR
		}
		return remove(h)
	})
}

func remove(h windows.Handle) error {
	how := uint32(removeFlags)
	err := setInfo(h, classRemoveEx, unsafe.Slice((*byte)(unsafe.Pointer(&how)), 4))
	if !isUnknown(err) {
		return err
	}
	// An older Windows, or a file system such as FAT.
	if attributes, _, err := tagOf(h); err == nil && attributes&windows.FILE_ATTRIBUTE_READONLY != 0 {
		_ = Fchmod(int(h), 0o200) // what follows tells
	}
	return setInfo(h, classDispose, []byte{1})
}

func setInfo(h windows.Handle, class uint32, info []byte) error {
	return windows.NtSetInformationFile(h, new(windows.IO_STATUS_BLOCK), &info[0], uint32(len(info)), class)
}

// isUnknown reports whether the system or the file system does not know what was asked for.
func isUnknown(err error) bool {
	return err == statusInvalidInfo || err == windows.STATUS_NOT_IMPLEMENTED || err == statusInvalidArgument || err == statusNotSupported || err == statusInvalidRequest
}

// nameInfo is FILE_RENAME_INFORMATION, FILE_RENAME_INFORMATION_EX and FILE_LINK_INFORMATION.
func nameInfo(flags uint32, dirfd int, name string) ([]byte, error) {
	if why := BadName(name); why != "" {
		return nil, nameError{why}
	}
	units, err := windows.UTF16FromString(name)
	if err != nil {
		return nil, err
	}
	type header struct {
		flags  uint32
		root   windows.Handle
		length uint32
	}
	const at = unsafe.Offsetof(header{}.length) + 4
	text := unsafe.Slice((*byte)(unsafe.Pointer(&units[0])), 2*(len(units)-1))
	words := make([]uint64, (int(unsafe.Sizeof(header{}))+len(text)+7)/8+1) // aligned
	info := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))
	h := (*header)(unsafe.Pointer(&words[0]))
	h.flags, h.root, h.length = flags, windows.Handle(dirfd), uint32(len(text))
	copy(info[at:], text)
	return info, nil
}

// RenameNew gives a file another name, which must be free.
func RenameNew(olddirfd int, oldname string, newdirfd int, newname string) error {
	info, err := nameInfo(0, newdirfd, newname)
	if err != nil {
		return err
	}
	return at(olddirfd, oldname, windows.DELETE|windows.FILE_READ_ATTRIBUTES, func(h windows.Handle) error {
		return setInfo(h, classRename, info)
	})
}

// Renameat gives a file another name, in the place of what has it.
func Renameat(olddirfd int, oldname string, newdirfd int, newname string) error {
	if err := checkTarget(newdirfd, newname); err != nil {
		return err
	}
	info, err := nameInfo(renameFlags, newdirfd, newname)
	if err != nil {
		return err
	}
	return at(olddirfd, oldname, windows.DELETE|windows.FILE_READ_ATTRIBUTES, func(h windows.Handle) error {
		err := setInfo(h, classRenameEx, info)
		if !isUnknown(err) {
			return err
		}
		var st Stat_t
		if Fstatat(newdirfd, newname, &st, AT_SYMLINK_NOFOLLOW) == nil && st.Mode&(S_IFMT|0o200) == S_IFREG {
			_ = Fchmodat(newdirfd, newname, 0o200, 0) // what is read-only is not replaced
		}
		plain, err := nameInfo(1, newdirfd, newname) // ReplaceIfExists
		if err != nil {
			return err
		}
		return setInfo(h, classRename, plain)
	})
}

// checkTarget fails where a new name is the short one of another file, which would be
// replaced.
func checkTarget(dirfd int, name string) error {
	if !isShort(name) {
		return nil
	}
	err := at(dirfd, name, windows.FILE_READ_ATTRIBUTES, func(windows.Handle) error { return nil })
	if err == ENOENT {
		return nil
	}
	return err
}

// Linkat gives a file a further name, which must be free.
func Linkat(olddirfd int, oldname string, newdirfd int, newname string, _ int) error {
	info, err := nameInfo(0, newdirfd, newname)
	if err != nil {
		return err
	}
	return at(olddirfd, oldname, toChange, func(h windows.Handle) error { return setInfo(h, classLink, info) })
}

func overlapped(off int64) *windows.Overlapped {
	return &windows.Overlapped{Offset: uint32(off), OffsetHigh: uint32(off >> 32)}
}

// Pread reads at an offset; 0 is the end.
func Pread(fd int, p []byte, off int64) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	var done uint32
	err = windows.ReadFile(windows.Handle(fd), p, &done, overlapped(off))
	if err == windows.ERROR_HANDLE_EOF {
		err = nil
	}
	return int(done), errno(err)
}

// Pwrite writes at an offset.
func Pwrite(fd int, p []byte, off int64) (n int, err error) {
	var done uint32
	err = windows.WriteFile(windows.Handle(fd), p, &done, overlapped(off))
	return int(done), errno(err)
}

// Write writes at the descriptor's position.
func Write(fd int, p []byte) (n int, err error) {
	var done uint32
	err = windows.WriteFile(windows.Handle(fd), p, &done, nil)
	return int(done), errno(err)
}

// Ftruncate sets a file's length.
func Ftruncate(fd int, size int64) error { return errno(windows.Ftruncate(windows.Handle(fd), size)) }

// Fsync makes a file durable, or the names in a directory.
func Fsync(fd int) error {
	err := errno(windows.FlushFileBuffers(windows.Handle(fd)))
	if err != EACCES {
		return err
	}
	// It was opened for reading. For a directory the same right is that to make files in it.
	err = reopened(fd, windows.FILE_WRITE_DATA, windows.FlushFileBuffers)
	if err == EACCES {
		return ENOTSUP // it is read-only: there is no way
	}
	return err
}

// lockAt is where locks lie: behind all content, which they would keep others from otherwise.
const lockAt = 1 << 62

// Flock locks a file, without waiting if LOCK_NB says so. A lock that is held already becomes
// the new one.
func Flock(fd int, how int) error {
	flags := uint32(0)
	if how&LOCK_EX != 0 {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	if how&LOCK_NB != 0 {
		flags |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	h := windows.Handle(fd)
	_ = windows.UnlockFileEx(h, 0, 1, 0, overlapped(lockAt)) // most often there is none
	err := windows.LockFileEx(h, flags, 0, 1, 0, overlapped(lockAt))
	if err == windows.ERROR_IO_PENDING {
		return EWOULDBLOCK
	}
	return errno(err)
}

// FileSystem returns the kind of file system that an open file is on, such as NTFS or FAT32.
func FileSystem(fd int) (string, error) {
	var kind [64]uint16
	err := windows.GetVolumeInformationByHandle(windows.Handle(fd), nil, 0, nil, nil, nil, &kind[0], uint32(len(kind)))
	return windows.UTF16ToString(kind[:]), errno(err)
}

// MaxFiles returns how many files this process may have open, and false where that cannot
// be told. Windows has no such limit.
func MaxFiles() (n uint64, ok bool) { return 0, false }
