package manifest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zeebo/blake3"
)

// Type is the kind of a directory entry.
type Type uint8

// The kinds of entries. The numbers are part of the wire protocol.
const (
	Unknown Type = iota
	Regular
	Directory
	Symlink
	Fifo
	Socket
	CharDevice
	BlockDevice
)

// Letter returns the letter that an itemized line shows for the type:
// f, d, L, D (devices) or S (sockets and FIFOs).
func (t Type) Letter() byte {
	switch t {
	case Directory:
		return 'd'
	case Symlink:
		return 'L'
	case CharDevice, BlockDevice:
		return 'D'
	case Fifo, Socket:
		return 'S'
	default:
		return 'f'
	}
}

func (t Type) String() string {
	switch t {
	case Regular:
		return "file"
	case Directory:
		return "directory"
	case Symlink:
		return "symlink"
	case Fifo:
		return "fifo"
	case Socket:
		return "socket"
	case CharDevice:
		return "character device"
	case BlockDevice:
		return "block device"
	default:
		return "unknown"
	}
}

// IsDevice reports whether the type carries a device number.
func (t Type) IsDevice() bool { return t == CharDevice || t == BlockDevice }

// IsSpecial reports whether the type is a FIFO or a socket.
func (t Type) IsSpecial() bool { return t == Fifo || t == Socket }

// Entry describes one name in a directory. It is kept to 64 bytes, because a
// run holds one for each name of the tree; what few entries need is in Ext.
type Entry struct {
	Name string // one component; see ValidName
	Size int64  // bytes of a regular file, length of the target of a symlink, else 0
	Sec  int64  // modification time, seconds since 1970 (may be negative)
	Nsec uint32 // its nanoseconds, 0..999,999,999
	Mode uint16 // the permission bits, 07777
	Type Type
	UID  uint32
	GID  uint32
	Ino  uint64 // inode number on the machine that made the entry; 0 if unknown; not sent
	Ext  *Ext   // nil for most entries
}

// Ext holds what only some entries have.
type Ext struct {
	Link         string // target of a symlink
	Major, Minor uint32 // device number of a device
	Dev          uint64 // device that holds the inode, where Nlink > 1 or Mount is set; not sent
	Nlink        uint64 // number of hard links, where it is greater than 1; sent only with First
	Mount        bool   // the directory lies on another file system than its parent; not sent

	// Change time (of content or metadata, which nobody can set), where an open
	// file was asked for it; both 0 if unknown; not sent.
	CtimeSec  int64
	CtimeNsec uint32

	// With hard links kept, the first member in walk order of the group that
	// this entry belongs to: the index of its directory plus one (0: this entry
	// is itself the first, or is not linked) and of the entry in that listing.
	LeaderDir, LeaderEntry uint32
	First                  bool // it is the first of a group of Nlink names; some may lie elsewhere

	Kept *Kept // what only some runs keep; nil for nothing
}

// Link returns the target of a symlink, "" for all else.
func (e *Entry) Link() string {
	if e.Ext == nil {
		return ""
	}
	return e.Ext.Link
}

// Device returns the major and minor number of a device.
func (e *Entry) Device() (major, minor uint32) {
	if e.Ext == nil {
		return 0, 0
	}
	return e.Ext.Major, e.Ext.Minor
}

// Leader returns the position of the first member of the entry's hard link
// group, and false where the entry is the first itself or has no group.
func (e *Entry) Leader() (dir, entry int, ok bool) {
	if e.Ext == nil || e.Ext.LeaderDir == 0 {
		return 0, 0, false
	}
	return int(e.Ext.LeaderDir) - 1, int(e.Ext.LeaderEntry), true
}

// IsDir reports whether the entry is a directory.
func (e *Entry) IsDir() bool { return e.Type == Directory }

// IsRegular reports whether the entry is a regular file.
func (e *Entry) IsRegular() bool { return e.Type == Regular }

// MaxName is the greatest length of a name in bytes.
const MaxName = 255

// ErrName marks a name that no entry may have.
var ErrName = errors.New("invalid file name")

// ValidName returns an error that wraps [ErrName] unless name is a single
// component: 1 to 255 bytes, no slash, no NUL, neither "." nor "..".
func ValidName(name string) error {
	switch {
	case name == "" || len(name) > MaxName:
		return fmt.Errorf("%w: %d bytes", ErrName, len(name))
	case name == "." || name == "..":
		return fmt.Errorf("%w: %q", ErrName, name)
	case strings.IndexByte(name, '/') >= 0 || strings.IndexByte(name, 0) >= 0:
		return fmt.Errorf("%w: %q", ErrName, name)
	}
	return nil
}

// Join returns the path of name below dir, where "" is the root.
func Join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// Prefix and form of the names of files in the making. They take part in no
// run: a source does not send them, a destination does not compare them.
const (
	TempPrefix = ".gosync."
	TempDigits = 16
)

// Temporary reports whether a name is that of a file in the making: the prefix,
// 16 lower-case hexadecimal digits, and for files that can be resumed ".part" or
// ".ckpt". The former may have a dot and a name before it, see [ShownName].
func Temporary(name string) bool {
	if n := len(name) - partialLen; n > 0 && name[0] == '.' && strings.HasSuffix(name, PartialSuffix) {
		name = name[n:]
	}
	rest, ok := strings.CutPrefix(name, TempPrefix)
	if !ok || len(rest) < TempDigits {
		return false
	}
	for i := range TempDigits {
		if c := rest[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	switch rest[TempDigits:] {
	case "", PartialSuffix, SidecarSuffix:
		return true
	}
	return false
}

// Names of what is kept of a file that could not be finished: the partial, and
// the sidecar that says what the partial holds. A sidecar without a partial says
// that the file itself is being written in place.
const (
	PartialSuffix = ".part"
	SidecarSuffix = ".ckpt"

	partialLen = len(TempPrefix) + TempDigits + len(PartialSuffix)
	shownMax   = 100 // bytes of a file's name, so that the whole fits where names are as short as with eCryptfs
)

// PartialName returns the name of the partial of a file, SidecarName that of its
// sidecar. They are made from the file's last component only, so they stay right
// when a parent is renamed, and have 29 bytes whatever the name's length.
func PartialName(name string) string { return resumable(name) + PartialSuffix }

// SidecarName: see [PartialName].
func SidecarName(name string) string { return resumable(name) + SidecarSuffix }

// ShownName is [PartialName] where the user is to see what is being received (--partial):
// it begins like rsync's temporaries, with a dot and the file's name, or the beginning
// of that. The sidecar is the same.
func ShownName(name string) string {
	first := name[:min(len(name), shownMax)]
	for len(first) < len(name) && len(first) > 0 && !utf8.RuneStart(name[len(first)]) && utf8.ValidString(name) {
		first = first[:len(first)-1]
	}
	return "." + first + PartialName(name)
}

// PartialNames returns the names that the partial of a file may have, NewPartialName that
// of them which a new one gets.
func PartialNames(name string) []string { return []string{ShownName(name), PartialName(name)} }

// NewPartialName: see [PartialNames]. shown is whether the user is to see it.
func NewPartialName(name string, shown bool) string {
	if shown {
		return ShownName(name)
	}
	return PartialName(name)
}

// SidecarOf returns the name of the sidecar of a partial that has that name, which
// must be one of [PartialName] or [ShownName].
func SidecarOf(partial string) string {
	return strings.TrimSuffix(partial[len(partial)-partialLen:], PartialSuffix) + SidecarSuffix
}

// SidecarOwner returns the name of what the sidecar of the file name goes with where
// there is no partial of [PartialName]: the file itself that is being written in place,
// or the partial that another kind of run has made.
func SidecarOwner(name string, inPlace bool) string {
	if inPlace {
		return name
	}
	return ShownName(name)
}

func resumable(name string) string {
	sum := blake3.Sum256([]byte(name))
	return TempPrefix + hex.EncodeToString(sum[:TempDigits/2])
}

// Sort puts entries into the order of a listing: by the raw bytes of the names.
func Sort(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
}

// Find returns the index of name in sorted entries.
func Find(entries []Entry, name string) (int, bool) {
	return slices.BinarySearchFunc(entries, name, func(e Entry, n string) int { return strings.Compare(e.Name, n) })
}

// Order returns the indices of sorted entries in the order in which a run
// visits and reports them: everything but directories first, then the
// directories, compared as if their names ended in a slash. It is the order of
// rsync's file list.
func Order(entries []Entry) []int {
	order := make([]int, 0, len(entries))
	for i := range entries {
		if !entries[i].IsDir() {
			order = append(order, i)
		}
	}
	return append(order, Dirs(entries)...)
}

// Dirs returns the indices of the directories among sorted entries, in visiting order.
func Dirs(entries []Entry) []int {
	var dirs []int
	for i := range entries {
		if entries[i].IsDir() {
			dirs = append(dirs, i)
		}
	}
	slices.SortStableFunc(dirs, func(a, b int) int { return compareDirNames(entries[a].Name, entries[b].Name) })
	return dirs
}

// compareDirNames compares a+"/" with b+"/" without building them.
func compareDirNames(a, b string) int {
	n := min(len(a), len(b))
	if c := strings.Compare(a[:n], b[:n]); c != 0 {
		return c
	}
	next := func(s string) int {
		if len(s) > n {
			return int(s[n])
		}
		return '/'
	}
	if len(a) == len(b) {
		return 0
	}
	if c := next(a) - next(b); c != 0 {
		return c
	}
	return len(a) - len(b)
}
