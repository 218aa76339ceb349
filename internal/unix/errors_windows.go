package unix

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// The kernel's words for what the calls of package windows have other ones for.
const (
	statusFileDeleted     = windows.NTStatus(0xC0000123)
	statusInvalidInfo     = windows.STATUS_INVALID_INFO_CLASS
	statusStoppedOnLink   = windows.STATUS_STOPPED_ON_SYMLINK
	statusReparseRefused  = windows.NTStatus(0xC000050B)
	statusIsDirectory     = windows.STATUS_FILE_IS_A_DIRECTORY
	statusNotDirectory    = windows.STATUS_NOT_A_DIRECTORY
	statusDeletePending   = windows.STATUS_DELETE_PENDING
	statusTooManyLinks    = windows.STATUS_TOO_MANY_LINKS
	statusNotSupported    = windows.STATUS_NOT_SUPPORTED
	statusInvalidRequest  = windows.STATUS_INVALID_DEVICE_REQUEST
	statusInvalidArgument = windows.STATUS_INVALID_PARAMETER
)

// errno returns the error of POSIX for one of the system's, or that as it is; one of POSIX
// stays. Package syscall has ENOENT and ENOTDIR for two of the system's.
func errno(err error) error {
	if err == nil {
		return nil
	}
	var status windows.NTStatus
	if errors.As(err, &status) {
		switch status {
		case statusDeletePending, statusFileDeleted, windows.STATUS_OBJECT_NAME_NOT_FOUND, windows.STATUS_OBJECT_PATH_NOT_FOUND:
			return ENOENT
		case statusIsDirectory:
			return EISDIR
		case statusNotDirectory:
			return ENOTDIR
		case statusReparseRefused, statusStoppedOnLink:
			return ELOOP
		case statusTooManyLinks:
			return EMLINK
		case statusNotSupported, statusInvalidRequest, statusInvalidInfo, windows.STATUS_NOT_IMPLEMENTED:
			return ENOTSUP
		}
		err = status.Errno()
	}
	var code syscall.Errno
	if !errors.As(err, &code) {
		return err
	}
	switch code {
	case windows.ERROR_ALREADY_EXISTS, windows.ERROR_FILE_EXISTS:
		return EEXIST
	case windows.ERROR_ACCESS_DENIED:
		return EACCES
	case windows.ERROR_DIRECTORY:
		return ENOTDIR
	case windows.ERROR_DIR_NOT_EMPTY:
		return syscall.ENOTEMPTY
	case windows.ERROR_NOT_SAME_DEVICE:
		return EXDEV
	case windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL:
		return syscall.ENOSPC
	case windows.ERROR_WRITE_PROTECT:
		return EROFS
	case windows.ERROR_LOCK_VIOLATION:
		return EWOULDBLOCK
	case windows.ERROR_NOT_SUPPORTED, windows.ERROR_INVALID_FUNCTION:
		return ENOTSUP
	case windows.ERROR_INVALID_HANDLE:
		return EBADF
	case windows.ERROR_PRIVILEGE_NOT_HELD:
		return errNoRight
	}
	return code
}

// noRight is about symlinks, which not everybody may make.
type noRight struct{}

var errNoRight = noRight{}

func (noRight) Error() string {
	return "Windows lets only administrators make symlinks, and everybody where Developer Mode is on: run gosync elevated, or leave symlinks out with --no-links"
}

// Unwrap returns the system's error for the case.
func (noRight) Unwrap() error { return EPERM }
