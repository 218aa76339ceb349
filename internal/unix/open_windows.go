package unix

import (
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Nobody is kept from anything by a file that is open here, as on other systems.
const shareAll = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE

// What is asked for in each case.
const (
	toLook   = windows.FILE_READ_ATTRIBUTES | windows.READ_CONTROL
	toRead   = toLook | windows.FILE_READ_DATA | windows.FILE_READ_EA
	toWrite  = toLook | windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | windows.FILE_WRITE_ATTRIBUTES
	toList   = toLook | windows.FILE_LIST_DIRECTORY | windows.FILE_TRAVERSE
	toChange = windows.FILE_READ_ATTRIBUTES | windows.FILE_WRITE_ATTRIBUTES
)

// AT_FDCWD stands for no directory: its names are paths as programs of Windows have them.

// Openat opens a path from AT_FDCWD, or a single name, "." included, in an open directory.
func Openat(dirfd int, path string, flags int, mode uint32) (fd int, err error) {
	var access, options uint32
	switch flags & (O_RDONLY | O_WRONLY | O_RDWR) {
	case O_WRONLY:
		access = toWrite
	case O_RDWR:
		access = toRead | toWrite
	default:
		access = toRead
	}
	if flags&O_APPEND != 0 {
		access &^= windows.FILE_WRITE_DATA
	}
	if flags&O_DIRECTORY != 0 {
		access, options = toList, windows.FILE_DIRECTORY_FILE
	}
	disposition := uint32(windows.FILE_OPEN)
	switch {
	case flags&(O_CREAT|O_EXCL) == O_CREAT|O_EXCL:
		disposition = windows.FILE_CREATE
	case flags&O_CREAT != 0:
		disposition = windows.FILE_OPEN_IF
	}
	if disposition != windows.FILE_OPEN {
		options |= windows.FILE_NON_DIRECTORY_FILE
	}
	if flags&(O_NOFOLLOW|O_EXCL) != 0 {
		options |= windows.FILE_OPEN_REPARSE_POINT
	}
	h, err := create(dirfd, path, access, disposition, options)
	if err == nil && flags&O_NOFOLLOW != 0 {
		h, err = notLink(h, dirfd, path, access, options)
	}
	if err == nil {
		err = named(h, path)
	}
	if err != nil {
		if h != windows.InvalidHandle {
			_ = windows.CloseHandle(h)
		}
		return -1, err
	}
	return int(h), nil
}

// create opens or makes what a path or name stands for.
func create(dirfd int, path string, access, disposition, options uint32) (windows.Handle, error) {
	object, err := objectAt(dirfd, path)
	if err != nil {
		return windows.InvalidHandle, err
	}
	var h windows.Handle
	options |= windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_OPEN_FOR_BACKUP_INTENT
	err = windows.NtCreateFile(&h, access|windows.SYNCHRONIZE, object, new(windows.IO_STATUS_BLOCK), nil,
		windows.FILE_ATTRIBUTE_NORMAL, shareAll, disposition, options, 0, 0)
	if err != nil {
		return windows.InvalidHandle, errno(err)
	}
	return h, nil
}

// objectAt names what is opened as the kernel wants it. A name in a directory that is no
// single component, or stands for something else, ends here.
func objectAt(dirfd int, path string) (*windows.OBJECT_ATTRIBUTES, error) {
	object := &windows.OBJECT_ATTRIBUTES{Attributes: windows.OBJ_CASE_INSENSITIVE}
	object.Length = uint32(unsafe.Sizeof(*object))
	switch {
	case dirfd == AT_FDCWD:
		var err error
		if path, err = kernelPath(path); err != nil {
			return nil, err
		}
	case path == ".":
		object.RootDirectory, path = windows.Handle(dirfd), "" // the directory itself
	case BadName(path) != "":
		return nil, nameError{BadName(path)}
	default:
		object.RootDirectory = windows.Handle(dirfd)
	}
	name, err := windows.NewNTUnicodeString(path)
	object.ObjectName = name
	return object, err
}

// nameError is about a name that Windows cannot hold.
type nameError struct{ why string }

func (e nameError) Error() string { return e.why }

// Unwrap returns the system's error for the case.
func (nameError) Unwrap() error { return EINVAL }

// kernelPath returns a path as the kernel knows it.
func kernelPath(path string) (string, error) {
	if len(path) == 2 && path[1] == ':' {
		path += `\` // what is left of a path to the drive's root
	}
	full, err := syscall.FullPath(path)
	if err != nil {
		return "", errno(err)
	}
	if rest, ok := strings.CutPrefix(full, `\\?\`); ok {
		return `\??\` + rest, nil
	}
	if rest, ok := strings.CutPrefix(full, `\\.\`); ok {
		return `\??\` + rest, nil
	}
	if rest, ok := strings.CutPrefix(full, `\\`); ok {
		return `\??\UNC\` + rest, nil
	}
	return `\??\` + full, nil
}

// tagOf returns the attributes of an open file, and what stands in the place of its content:
// 0 for the content itself.
func tagOf(h windows.Handle) (attributes, tag uint32, err error) {
	var info struct{ attributes, tag uint32 }
	err = windows.GetFileInformationByHandleEx(h, windows.FileAttributeTagInfo, (*byte)(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if info.attributes&windows.FILE_ATTRIBUTE_REPARSE_POINT == 0 {
		info.tag = 0
	}
	return info.attributes, info.tag, errno(err)
}

// isLink reports whether a tag stands for another file or directory: a symlink or a junction.
func isLink(tag uint32) bool { return tag&0x20000000 != 0 }

// notLink fails for a symlink or junction that was opened itself. What the system fetches from
// elsewhere, deduplicated or kept in a cloud, is opened again for its content; between the two
// nobody has put something else there.
func notLink(h windows.Handle, dirfd int, path string, access, options uint32) (windows.Handle, error) {
	_, tag, err := tagOf(h)
	if err == ENOTSUP || err == EINVAL { // a file system that has neither
		return h, nil
	}
	if err != nil || tag == 0 {
		return h, err
	}
	if isLink(tag) {
		return h, ELOOP
	}
	again, err := create(dirfd, path, access, windows.FILE_OPEN, options&^windows.FILE_OPEN_REPARSE_POINT)
	if err != nil {
		return h, err
	}
	var a, b windows.ByHandleFileInformation
	errA, errB := windows.GetFileInformationByHandle(h, &a), windows.GetFileInformationByHandle(again, &b)
	_ = windows.CloseHandle(h) // it was only looked at
	if errA != nil || errB != nil || a.VolumeSerialNumber != b.VolumeSerialNumber || a.FileIndexHigh != b.FileIndexHigh || a.FileIndexLow != b.FileIndexLow {
		return again, ELOOP
	}
	return again, nil
}

// shortName is about a name that stands for a file with another one.
type shortName struct{}

func (shortName) Error() string {
	return "on this disk it is the short name of another file: rename one of them"
}

// Unwrap returns the system's error for the case.
func (shortName) Unwrap() error { return EEXIST }

// named fails where what was opened has another name than the one it was opened by, but for
// the case of letters: the short one that some disks give each file.
func named(h windows.Handle, name string) error {
	if !isShort(name) {
		return nil
	}
	path, err := Path(int(h))
	if err != nil {
		return nil //nolint:nilerr // a file system that cannot say has no short names either
	}
	if own := path[strings.LastIndexByte(path, '\\')+1:]; !strings.EqualFold(own, name) {
		return shortName{}
	}
	return nil
}

// Path returns where an open file or directory is.
func Path(fd int) (string, error) {
	buf := make([]uint16, 512)
	for {
		n, err := windows.GetFinalPathNameByHandle(windows.Handle(fd), &buf[0], uint32(len(buf)), 0)
		if err != nil {
			return "", errno(err)
		}
		if int(n) < len(buf) {
			return windows.UTF16ToString(buf[:n]), nil
		}
		buf = make([]uint16, n+1)
	}
}

// reopened calls f with an open file that may be used in another way, too.
func reopened(fd int, access uint32, f func(windows.Handle) error) error {
	h, err := create(fd, ".", access, windows.FILE_OPEN, windows.FILE_OPEN_REPARSE_POINT)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(h) }()
	return errno(f(h))
}

// at calls f with what a name stands for, which is not followed.
func at(dirfd int, name string, access uint32, f func(windows.Handle) error) error {
	h, err := create(dirfd, name, access, windows.FILE_OPEN, windows.FILE_OPEN_REPARSE_POINT)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(h) }()
	if err := named(h, name); err != nil {
		return err
	}
	return errno(f(h))
}
