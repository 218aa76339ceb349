package engine

import (
	"fmt"
	"strconv"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Meta is the part of [Options] that says more exactly what is kept of metadata.
type Meta struct {
	Chmod      string // changes of the source's modes: see [manifest.ParseModes]; "" for none
	ChmodUmask uint16 // the umask of who has asked for them

	UserMap, GroupMap string // owners that become others: see [ParseIDMap]; "" for none

	Executability bool // without Perms: files keep whether they can be executed
	OmitDirTimes  bool // Times is not for directories
	OmitLinkTimes bool // ... nor for symlinks
	Super         bool // try what only root may do, whoever runs the destination
	NoSuper       bool // ... or do not, even as root

	FakeSource bool // what stands in extended attributes of the source's files is what they are: see [manifest.FakeStat]
	FakeDest   bool // ... and the destination keeps there what only root may set

	Atimes      bool // keep access times
	OpenNoatime bool // the source does not change them by reading
	Xattrs      bool // keep extended attributes
	AllXattrs   bool // ... those, too, that say what a file stands for
	ACLs        bool // keep access control lists

	SafeLinks       bool // leave symlinks out that lead out of the transfer
	CopyUnsafeLinks bool // ... or copy what they lead to
	CopyDirLinks    bool // copy the directories that symlinks lead to
	KeepDirLinks    bool // symlinks of the destination stand for the directories that they lead to
	MungeLinks      bool // symlinks that are made lead nowhere
	UnmungeLinks    bool // ... and those that do are sent as they were
}

// flags returns the boolean options of m with their names in a job frame.
func (m *Meta) flags() []metaOption[bool] {
	return []metaOption[bool]{
		{"executability", &m.Executability},
		{"omit-dir-times", &m.OmitDirTimes},
		{"omit-link-times", &m.OmitLinkTimes},
		{"super", &m.Super},
		{"no-super", &m.NoSuper},
		{"fake-source", &m.FakeSource},
		{"fake-dest", &m.FakeDest},
		{"atimes", &m.Atimes},
		{"open-noatime", &m.OpenNoatime},
		{"xattrs", &m.Xattrs},
		{"all-xattrs", &m.AllXattrs},
		{"acls", &m.ACLs},
		{"safe-links", &m.SafeLinks},
		{"copy-unsafe-links", &m.CopyUnsafeLinks},
		{"copy-dirlinks", &m.CopyDirLinks},
		{"keep-dirlinks", &m.KeepDirLinks},
		{"munge-links", &m.MungeLinks},
		{"unmunge-links", &m.UnmungeLinks},
	}
}

// texts returns the options of m that are text.
func (m *Meta) texts() []metaOption[string] {
	return []metaOption[string]{{"usermap", &m.UserMap}, {"groupmap", &m.GroupMap}}
}

type metaOption[T any] struct {
	name  string
	value *T
}

// encode returns m as options of a job frame.
func (m *Meta) encode() (options []string) {
	for _, o := range m.flags() {
		if *o.value {
			options = append(options, o.name+"=1")
		}
	}
	for _, o := range m.texts() {
		if *o.value != "" {
			options = append(options, o.name+"="+*o.value)
		}
	}
	if m.Chmod != "" {
		options = append(options, fmt.Sprintf("chmod=%03o:%s", m.ChmodUmask&0o777, m.Chmod))
	}
	return options
}

// setOption is the reverse of encode for one option, and reports whether it is one of m's.
func (m *Meta) setOption(name, value string) (known bool, err error) {
	for _, o := range m.flags() {
		if o.name == name {
			*o.value = value == "1"
			return true, nil
		}
	}
	for _, o := range m.texts() {
		if o.name != name {
			continue
		}
		if _, err := ParseIDMap(value); err != nil {
			return true, wire.Errorf(wire.CodeUsage, "--%s: %w", name, err)
		}
		*o.value = value
		return true, nil
	}
	if name != "chmod" {
		return false, nil
	}
	const digits = 3
	if len(value) <= digits || value[digits] != ':' {
		return true, fmt.Errorf("%w: --chmod without a umask", wire.ErrProtocol)
	}
	umask, err := strconv.ParseUint(value[:digits], 8, 16)
	if err != nil {
		return true, fmt.Errorf("%w: the umask of --chmod: %w", wire.ErrProtocol, err)
	}
	m.Chmod, m.ChmodUmask = value[digits+1:], uint16(umask)
	if _, err := m.modes(); err != nil {
		return true, wire.Errorf(wire.CodeUsage, "--chmod: %w", err)
	}
	return true, nil
}

// modes returns what is done to the modes of the source.
func (m *Meta) modes() (manifest.ModeChanges, error) {
	if m.Chmod == "" {
		return nil, nil
	}
	return manifest.ParseModes(m.Chmod, m.ChmodUmask)
}

// needsListings reports whether equal digests would not mean that there is nothing to do.
func (m *Meta) needsListings() bool {
	return m.Executability || m.Atimes || m.SafeLinks || m.KeepDirLinks || m.MungeLinks || m.UserMap != "" || m.GroupMap != ""
}

// keepsTimes reports whether entries of a type keep their modification times.
func (o *Options) keepsTimes(t manifest.Type) bool {
	return o.Times && !(o.OmitDirTimes && t == manifest.Directory) && !(o.OmitLinkTimes && t == manifest.Symlink)
}

// isSuper reports whether the destination tries what only root may do.
func (o *Options) isSuper(ids IDs) bool { return o.FakeDest || o.Super || !o.NoSuper && ids.Root() }

// executable returns the mode of a file that stays at the destination, where modes
// are not kept but the right to execute is: it is taken away, or given to all who may
// read, where the source's says so.
func executable(src, dst uint16) uint16 {
	switch {
	case src&0o111 == 0:
		return dst &^ 0o111
	case dst&0o111 == 0:
		return dst | dst&0o444>>2
	}
	return dst
}
