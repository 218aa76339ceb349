package unix

import (
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Stat_t is what the system tells of a file.
type Stat_t struct {
	Dev, Ino         uint64
	Nlink            uint64
	Mode             uint32
	Uid, Gid         uint32
	Rdev             uint64
	Size             int64
	Atim, Mtim, Ctim Timespec
}

// Timespec is a time, with nanoseconds from 0 to 999,999,999.
type Timespec struct{ Sec, Nsec int64 }

// Unix returns the two parts.
func (t *Timespec) Unix() (sec, nsec int64) { return t.Sec, t.Nsec }

// epoch is the start of 1970 in the system's units of 100 ns, which count from 1601 on.
const (
	epoch   = 116444736000000000
	perUnit = 100
	perSec  = int64(time.Second) / perUnit
)

func timespec(units int64) Timespec {
	units -= epoch
	sec, rest := units/perSec, units%perSec
	if rest < 0 {
		sec, rest = sec-1, rest+perSec
	}
	return Timespec{sec, rest * perUnit}
}

// filetime returns a time in the system's units. Those before 1601 cannot be kept.
func filetime(sec int64, nsec uint32) (int64, error) {
	const last = (1<<63-1)/perSec - epoch/perSec - 1
	if sec <= -epoch/perSec || sec > last {
		return 0, EINVAL
	}
	return sec*perSec + int64(nsec)/perUnit + epoch, nil
}

// basicInfo is FILE_BASIC_INFO.
type basicInfo struct {
	created, accessed, written, changed int64
	attributes                          uint32
	_                                   uint32
}

// standardInfo is FILE_STANDARD_INFO.
type standardInfo struct {
	allocated, size    int64
	links              uint32
	deleted, directory byte
	_                  [2]byte
}

// Fstat describes an open file.
func Fstat(fd int, st *Stat_t) error {
	h := windows.Handle(fd)
	if kind, _ := windows.GetFileType(h); kind != windows.FILE_TYPE_DISK {
		*st = Stat_t{Mode: S_IFCHR | 0o666, Nlink: 1}
		return nil
	}
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return errno(err)
	}
	var basic basicInfo
	err := windows.GetFileInformationByHandleEx(h, windows.FileBasicInfo, (*byte)(unsafe.Pointer(&basic)), uint32(unsafe.Sizeof(basic)))
	if err != nil {
		return errno(err)
	}
	*st = Stat_t{
		Dev:   uint64(info.VolumeSerialNumber),
		Ino:   uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow),
		Nlink: uint64(info.NumberOfLinks),
		Size:  int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow),
		Atim:  timespec(basic.accessed), Mtim: timespec(basic.written), Ctim: timespec(basic.changed),
	}
	tag := uint32(0)
	if info.FileAttributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 {
		if _, tag, err = tagOf(h); err != nil {
			return err
		}
	}
	st.Mode = modeOf(info.FileAttributes, tag)
	if st.Mode&S_IFMT == S_IFDIR {
		st.Size = 0
		var standard standardInfo // of a directory that was removed while it was open
		err := windows.GetFileInformationByHandleEx(h, windows.FileStandardInfo, (*byte)(unsafe.Pointer(&standard)), uint32(unsafe.Sizeof(standard)))
		if err == nil && standard.deleted != 0 {
			st.Nlink = 0
		}
	}
	return nil
}

// Tags of what is neither a file nor a directory.
const (
	tagSocket = 0x80000023
	tagFifo   = 0x80000024
)

// modeOf makes a mode of what Windows keeps. A junction has none: it is a directory that is
// mounted from elsewhere, and neither entered nor copied.
func modeOf(attributes, tag uint32) uint32 {
	switch {
	case tag == windows.IO_REPARSE_TAG_SYMLINK:
		return S_IFLNK | 0o777
	case isLink(tag):
		return 0
	case tag == tagSocket:
		return S_IFSOCK | 0o644
	case tag == tagFifo:
		return S_IFIFO | 0o644
	case attributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0:
		return S_IFDIR | 0o755 // the attribute says something else there
	case attributes&windows.FILE_ATTRIBUTE_READONLY != 0:
		return S_IFREG | 0o444
	}
	return S_IFREG | 0o644
}

// Fstatat describes what a path from AT_FDCWD, or a name in an open directory, stands for.
func Fstatat(dirfd int, path string, st *Stat_t, flags int) error {
	options := uint32(0)
	if flags&AT_SYMLINK_NOFOLLOW != 0 {
		options = windows.FILE_OPEN_REPARSE_POINT
	}
	h, err := create(dirfd, path, windows.FILE_READ_ATTRIBUTES, windows.FILE_OPEN, options)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(h) }()
	return Fstat(int(h), st)
}

// Lstat describes what a path names.
func Lstat(path string, st *Stat_t) error { return Fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW) }

// SetTime sets the modification time of an open file.
func SetTime(fd int, sec int64, nsec uint32) error {
	written, err := filetime(sec, nsec)
	if err != nil {
		return err
	}
	return reopened(fd, toChange, func(h windows.Handle) error { return setBasic(h, &basicInfo{written: written}) })
}

// SetTimeAt sets the modification time of what a name stands for, a symlink's own included.
func SetTimeAt(dirfd int, name string, sec int64, nsec uint32) error {
	written, err := filetime(sec, nsec)
	if err != nil {
		return err
	}
	return at(dirfd, name, toChange, func(h windows.Handle) error { return setBasic(h, &basicInfo{written: written}) })
}

// setBasic sets what is not 0.
func setBasic(h windows.Handle, info *basicInfo) error {
	return windows.SetFileInformationByHandle(h, windows.FileBasicInfo, (*byte)(unsafe.Pointer(info)), uint32(unsafe.Sizeof(*info)))
}

// Fchmod makes an open file read-only, or not, as its owner's right to write says.
func Fchmod(fd int, mode uint32) error {
	return reopened(fd, toChange, func(h windows.Handle) error { return chmod(h, mode) })
}

// Fchmodat does it for what a name stands for, which is not followed.
func Fchmodat(dirfd int, name string, mode uint32, _ int) error {
	return at(dirfd, name, toChange, func(h windows.Handle) error { return chmod(h, mode) })
}

func chmod(h windows.Handle, mode uint32) error {
	attributes, _, err := tagOf(h)
	if err != nil || attributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0 {
		return err
	}
	want := attributes &^ windows.FILE_ATTRIBUTE_READONLY
	if mode&0o200 == 0 {
		want |= windows.FILE_ATTRIBUTE_READONLY
	}
	if want == attributes {
		return nil
	}
	if want == 0 {
		want = windows.FILE_ATTRIBUTE_NORMAL
	}
	return setBasic(h, &basicInfo{attributes: want})
}

// Fchown cannot set an owner.
func Fchown(fd, uid, gid int) error { return ENOTSUP }

// Fchownat cannot set an owner.
func Fchownat(dirfd int, name string, uid, gid, flags int) error { return ENOTSUP }

// Geteuid is the user that files are made for, and the owner of all of them.
func Geteuid() int { return 0 }

// Owned reports whether an open file belongs to this user, or to the administrators, whose
// the files of a user are who runs with their rights.
func Owned(fd int) bool {
	sd, err := windows.GetSecurityInfo(windows.Handle(fd), windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return false
	}
	owner, _, err := sd.Owner()
	if err != nil || owner == nil {
		return false
	}
	if owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) || owner.IsWellKnown(windows.WinLocalSystemSid) {
		return true
	}
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	return err == nil && owner.Equals(me.User.Sid)
}

// OwnedAt is [Owned] for what has a name in an open directory, which is not followed. What
// cannot be asked is not owned.
func OwnedAt(dirfd int, name string) bool {
	h, err := create(dirfd, name, windows.READ_CONTROL|windows.FILE_READ_ATTRIBUTES, windows.FILE_OPEN, windows.FILE_OPEN_REPARSE_POINT)
	if err != nil {
		return false
	}
	defer func() { _ = windows.CloseHandle(h) }()
	return Owned(int(h))
}

// Major is the first part of a device number.
func Major(dev uint64) uint32 { return uint32(dev >> 32) }

// Minor is the second part of a device number.
func Minor(dev uint64) uint32 { return uint32(dev) }

// Mkdev makes a device number.
func Mkdev(major, minor uint32) uint64 { return uint64(major)<<32 | uint64(minor) }
