package meta

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gosync/walker/manifest"
)

// Details are those that this system can show.
const Details = manifest.DetailAtime | manifest.DetailXattrs | manifest.DetailACLs | manifest.DetailUser | manifest.DetailSource | manifest.DetailQuiet | manifest.DetailAll | manifest.DetailFake

// Attributes that hold the access control lists.
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

// place is where extended attributes are: the calls of the system want a path, which
// leads by way of a descriptor so that nothing above it can be exchanged. Its last
// component is not followed.
type place struct {
	path   string
	follow bool // the path is a descriptor's own
}

// xattrsAt returns the place of a name in an open directory, or with "" of the file that is
// open itself. A mere reference (O_PATH) will do.
func xattrsAt(fd int, name string) place {
	if name == "" {
		return place{fmt.Sprintf("/proc/self/fd/%d", fd), true}
	}
	return place{fmt.Sprintf("/proc/self/fd/%d/%s", fd, name), false}
}

// errNoProc is about a system without the file system that leads to descriptors.
var errNoProc = errors.New("extended attributes and access control lists are reached by way of /proc/self/fd, which is not there: mount /proc")

// CanDescribe tells why the details d cannot be had on this machine, nil if they can.
func CanDescribe(d manifest.Detail) error { return canDescribe(d, "/proc/self/fd") }

func canDescribe(d manifest.Detail, dir string) error {
	if d&(manifest.DetailXattrs|manifest.DetailACLs) != 0 && unix.Access(dir, unix.X_OK) != nil {
		return errNoProc
	}
	return nil
}

func (p place) list(buf []byte) (int, error) {
	if p.follow {
		return unix.Listxattr(p.path, buf)
	}
	return unix.Llistxattr(p.path, buf)
}

func (p place) get(name string, buf []byte) (int, error) {
	if p.follow {
		return unix.Getxattr(p.path, name, buf)
	}
	return unix.Lgetxattr(p.path, name, buf)
}

func (p place) set(name, value string) error {
	if p.follow {
		return unix.Setxattr(p.path, name, []byte(value), 0)
	}
	return unix.Lsetxattr(p.path, name, []byte(value), 0)
}

func (p place) remove(name string) error {
	remove := unix.Lremovexattr
	if p.follow {
		remove = unix.Removexattr
	}
	err := remove(p.path, name)
	if err == unix.ENODATA {
		return nil
	}
	return err
}

// has reports whether err says that there are no attributes.
func isNone(err error) bool { return err == unix.ENODATA || err == unix.EOPNOTSUPP }

// sized calls read with a buffer that is large enough.
func sized(read func([]byte) (int, error)) ([]byte, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := read(buf)
		switch {
		case err == nil:
			return buf[:n], nil
		case err != unix.ERANGE || size > 1<<20:
			return nil, err
		}
	}
}

// names returns the names of the attributes that d shows, sorted.
func (p place) names(d manifest.Detail) (names []string, err error) {
	list, err := sized(p.list)
	if err != nil {
		if isNone(err) {
			err = nil
		}
		return nil, err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if name != "" && manifest.KeepsXattr(name, d) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// xattrs returns the attributes that d shows.
func (p place) xattrs(d manifest.Detail) (all []manifest.Xattr, err error) {
	names, err := p.names(d)
	if err != nil {
		return nil, err
	}
	size := 0
	for _, name := range names {
		value, err := sized(func(buf []byte) (int, error) { return p.get(name, buf) })
		if err == unix.ENODATA {
			continue // it is gone
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if size += len(name) + len(value); size > manifest.MaxXattrBytes || len(all) == manifest.MaxXattrs || len(value) > manifest.MaxXattrValue {
			return nil, fmt.Errorf("more than %d bytes of extended attributes: %w", manifest.MaxXattrBytes, unix.E2BIG)
		}
		all = append(all, manifest.Xattr{Name: name, Value: string(value)})
	}
	return all, nil
}

func (p place) acl(name string) (manifest.ACL, error) {
	blob, err := sized(func(buf []byte) (int, error) { return p.get(name, buf) })
	if isNone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return manifest.ParseACL(blob)
}

// Describe adds the details d to e, which is at a name of an open directory, or with
// "" the open file itself. st is what is known of it.
func Describe(fd int, name string, d manifest.Detail, e *manifest.Entry, st *unix.Stat_t) error {
	p := xattrsAt(fd, name)
	k := &manifest.Kept{}
	if d&manifest.DetailFake != 0 {
		if err := p.showFake(fd, name, e); err != nil {
			return err
		}
	}
	if d&manifest.DetailAtime != 0 && e.Type != manifest.Symlink && !e.IsDir() {
		k.HasAtime, k.Atime = true, int64(st.Atim.Sec)
	}
	var err, err2, err3 error
	if d&manifest.DetailXattrs != 0 {
		k.Xattrs, err = p.xattrs(d)
		if d&manifest.DetailFake != 0 {
			k.Xattrs = shownXattrs(k.Xattrs, d)
		}
	}
	if d&manifest.DetailACLs != 0 && e.Type != manifest.Symlink {
		list := p.acl
		if d&manifest.DetailFake != 0 && fakeable(uint32(st.Mode)) {
			list = p.fakeACL
		}
		if k.Access, err2 = list(aclAccess); err2 == nil {
			k.Access = k.Access.Trim()
		}
		if e.IsDir() {
			k.Default, err3 = list(aclDefault)
		}
	}
	if k.HasAtime || k.Xattrs != nil || k.Access != nil || k.Default != nil {
		e.Keep(k)
	}
	return errors.Join(err, err2, err3)
}

// setACLs gives t the lists of e.
func (t *Target) setACLs(e *manifest.Entry) error {
	if t.Type == manifest.Symlink {
		return nil
	}
	p, k := xattrsAt(t.FD, t.Name), e.Kept()
	set := func(name string, l manifest.ACL) error {
		if l == nil {
			err := p.remove(name)
			if err == unix.EOPNOTSUPP {
				return nil // it can have none
			}
			return err
		}
		return p.set(name, string(l.Blob()))
	}
	var err error
	if k.Access == nil {
		err = set(aclAccess, nil)
	} else {
		err = set(aclAccess, k.Access.Whole(e.Mode))
	}
	if t.Type == manifest.Directory {
		err = errors.Join(err, set(aclDefault, k.Default))
	}
	return err
}

// setXattrs gives t the extended attributes of e, and no others that its details show.
func (t *Target) setXattrs(e *manifest.Entry) error {
	p, want := xattrsAt(t.FD, t.Name), e.Kept().Xattrs
	has, err := p.names(t.Detail)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range has {
		if t.Detail&manifest.DetailFake != 0 && isFakeName(name) {
			continue
		}
		if _, ok := findXattr(want, name); !ok {
			errs = append(errs, named(name, p.remove(name)))
		}
	}
	for _, x := range want {
		buf := make([]byte, len(x.Value)+1)
		if n, err := p.get(x.Name, buf); err == nil && string(buf[:n]) == x.Value {
			continue
		}
		errs = append(errs, named(x.Name, p.set(x.Name, x.Value)))
	}
	return errors.Join(errs...)
}

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

func findXattr(all []manifest.Xattr, name string) (int, bool) {
	return slices.BinarySearchFunc(all, name, func(x manifest.Xattr, n string) int { return strings.Compare(x.Name, n) })
}

// DefaultMode returns the permissions that the default access list of an open directory
// leaves to what is made in it, and false where there is no list.
func DefaultMode(fd int) (mode uint16, ok bool) {
	l, err := xattrsAt(fd, "").acl(aclDefault)
	if err != nil || len(l) == 0 {
		return 0, false
	}
	return l.Mode(), true
}
