package meta

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gosync/walker/manifest"
)

// maxTarget is the length of the target of a symlink that a file stands for.
const maxTarget = 4096

// fakeable reports whether a file of this mode can stand for something else.
func fakeable(mode uint32) bool {
	return mode&unix.S_IFMT == unix.S_IFREG || mode&unix.S_IFMT == unix.S_IFDIR
}

// showFake makes of e what it stands for. The permissions, owner and type that it has
// itself count where its attributes say nothing, or what nobody can make anything of.
func (p place) showFake(fd int, name string, e *manifest.Entry) error {
	if !e.IsRegular() && !e.IsDir() {
		return nil
	}
	text, err := sized(func(buf []byte) (int, error) { return p.get(manifest.FakeStatName, buf) })
	if isNone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	s, err := manifest.ParseFakeStat(string(text))
	if err != nil {
		return err
	}
	typ := TypeOf(s.Mode)
	if typ == manifest.Unknown || e.IsDir() != (typ == manifest.Directory) {
		return nil
	}
	e.Type, e.Mode, e.UID, e.GID = typ, uint16(s.Mode&0o7777), s.UID, s.GID
	if !e.IsRegular() && typ != manifest.Symlink {
		e.Size = 0
	}
	ext := manifest.Ext{}
	if e.Ext != nil {
		ext = *e.Ext
	}
	switch {
	case typ.IsDevice():
		ext.Major, ext.Minor = s.Major, s.Minor
	case typ == manifest.Symlink:
		if ext.Link, err = targetOf(p, fd, name); err != nil {
			return err
		}
		e.Size = int64(len(ext.Link))
	default:
		return nil
	}
	e.Ext = &ext
	return nil
}

// targetOf reads the target of a symlink that a file stands for.
func targetOf(p place, fd int, name string) (string, error) {
	at, path := fd, name
	flags := unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	if p.follow { // the descriptor may be a mere reference
		at, path, flags = unix.AT_FDCWD, p.path, flags&^unix.O_NOFOLLOW
	}
	in, err := unix.Openat(at, path, flags, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(in)
	buf := make([]byte, maxTarget)
	for n := 0; n < len(buf); {
		m, err := unix.Pread(in, buf[n:], int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return "", err
		case m == 0:
			return string(buf[:n]), nil
		default:
			n += m
		}
	}
	return "", unix.ENAMETOOLONG
}

// shownXattrs are the attributes of a file that others stand for: a source tells of
// these by their own names.
func shownXattrs(xattrs []manifest.Xattr, d manifest.Detail) []manifest.Xattr {
	xattrs = slices.DeleteFunc(xattrs, func(x manifest.Xattr) bool { return isFakeName(x.Name) })
	if d&manifest.DetailSource == 0 {
		return xattrs
	}
	for i := range xattrs {
		if name, ok := strings.CutPrefix(xattrs[i].Name, manifest.FakePrefix); ok && !strings.HasPrefix(name, "%") {
			xattrs[i].Name = name
		}
	}
	slices.SortStableFunc(xattrs, func(a, b manifest.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(xattrs, func(a, b manifest.Xattr) bool { return a.Name == b.Name || a.Name == "" })
}

// isFakeName reports whether an attribute says what its file stands for.
func isFakeName(name string) bool {
	return name == manifest.FakeStatName || name == manifest.FakeAccessName || name == manifest.FakeDefaultName
}

// fakeName returns the attribute that stands for a list.
func fakeName(list string) string {
	if list == aclDefault {
		return manifest.FakeDefaultName
	}
	return manifest.FakeAccessName
}

// fakeACL is acl for a list that an attribute stands for.
func (p place) fakeACL(name string) (manifest.ACL, error) {
	blob, err := sized(func(buf []byte) (int, error) { return p.get(fakeName(name), buf) })
	if isNone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return manifest.ParseFakeACL(blob)
}

// faked is a file that is to stand for something, and what it is itself.
type faked struct {
	t  *Target
	p  place
	st unix.Stat_t
	is manifest.Entry // what it has stood for so far
}

// fake returns t where it can stand for something and is to, else nil.
func (t *Target) fake() *faked {
	if t.Detail&manifest.DetailFake == 0 {
		return nil
	}
	f := &faked{t: t, p: xattrsAt(t.FD, t.Name)}
	err := unix.Fstatat(t.FD, t.Name, &f.st, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || !fakeable(f.st.Mode) {
		return nil
	}
	Entry(&f.is, &f.st)
	_ = f.p.showFake(t.FD, t.Name, &f.is) // what is damaged is written anew
	return f
}

// apply has the file stand for e as far as attrs says, and tells note what has failed.
func (f *faked) apply(e *manifest.Entry, attrs manifest.Attrs, note func(op string, err error)) {
	w := f.is
	w.Type = e.Type
	if attrs&manifest.AttrMode != 0 {
		w.Mode = e.Mode
	}
	if w.Type == manifest.Symlink {
		w.Mode = 0o777
	}
	if attrs&manifest.AttrOwner != 0 {
		w.UID = e.UID
	}
	if attrs&manifest.AttrGroup != 0 {
		w.GID = e.GID
	}
	if is := &f.is; w.Type != is.Type || w.Mode != is.Mode || w.UID != is.UID || w.GID != is.GID || w.Type.IsDevice() {
		f.stand(&w, e, note)
	}
	if attrs&manifest.AttrACL != 0 {
		note("set ACL", f.setACLs(e, w.Mode))
	}
}

// stand has the file stand for w, a device with the number of e. It gets the permissions
// itself, too, and those that its owner needs.
func (f *faked) stand(w, e *manifest.Entry, note func(op string, err error)) {
	mode := uint32(w.Mode&0o777) | 0o600
	if w.IsDir() {
		mode |= 0o700
	}
	if f.st.Mode&0o7777 != mode {
		note("chmod", f.t.chmod(mode))
	}
	s := manifest.FakeStat{Mode: Mode(w.Type) | uint32(w.Mode), UID: w.UID, GID: w.GID}
	if w.Type.IsDevice() {
		s.Major, s.Minor = e.Device()
	}
	own := manifest.FakeStat{Mode: f.st.Mode&unix.S_IFMT | mode, UID: f.st.Uid, GID: f.st.Gid}
	if s == own {
		note("set xattr", named(manifest.FakeStatName, f.drop(manifest.FakeStatName)))
	} else {
		note("set xattr", named(manifest.FakeStatName, f.put(manifest.FakeStatName, s.String())))
	}
}

func (f *faked) setACLs(e *manifest.Entry, mode uint16) error {
	if f.t.Type == manifest.Symlink {
		return nil
	}
	var access string
	k := e.Kept()
	if k.Access != nil {
		mask := manifest.ACLEntry{Tag: manifest.ACLMask, Perm: uint8(mode >> 3 & 7)}
		access = string(append(slices.Clip(k.Access), mask).FakeBlob())
	}
	err := f.list(manifest.FakeAccessName, access)
	if f.is.IsDir() {
		list := ""
		if k.Default != nil {
			list = string(k.Default.FakeBlob())
		}
		err = errors.Join(err, f.list(manifest.FakeDefaultName, list))
	}
	return err
}

func (f *faked) list(name, value string) error {
	if value == "" {
		return f.drop(name)
	}
	return f.put(name, value)
}

// put sets an attribute that has not that value yet.
func (f *faked) put(name, value string) error {
	buf := make([]byte, len(value)+1)
	if n, err := f.p.get(name, buf); err == nil && string(buf[:n]) == value {
		return nil
	}
	return f.p.set(name, value)
}

// drop removes an attribute; where there can be none, there is none.
func (f *faked) drop(name string) error {
	if _, err := f.p.get(name, nil); isNone(err) {
		return nil
	}
	return f.p.remove(name)
}
