package memtree

import (
	"bytes"

	"gosync/walker/manifest"
)

// inode is a file of any kind. All fields are guarded by Disk.mu.
type inode struct {
	number       uint64
	kind         manifest.Type
	link         string
	major, minor uint32
	nlink        int
	holder       *tree // the run that has locked it

	now    state
	states []state // since the last sync, the durable one first, that of now last

	data   []byte
	shared bool   // data is used elsewhere, too, and must not be changed
	safe   []byte // what is durable of the content; never changed
	lost   bool   // a sync has failed: what is not durable never will be

	parent    *inode
	names     map[string]entry // by key
	safeNames map[string]entry // as they are durable
	pending   [][]naming       // changes since
}

// state is what a disk keeps of a file in one block.
type state struct {
	mode     uint16
	uid, gid uint32
	sec      int64
	nsec     uint32
	size     int64
}

// entry is a name with the form that it was given.
type entry struct {
	name string
	ino  *inode
}

// naming gives a name to an inode, or takes it away.
type naming struct {
	name string
	ino  *inode
}

// maxStates is how many states since the last sync are kept.
const maxStates = 32

// note records a new state.
func (i *inode) note() {
	if i.kind == manifest.Regular {
		i.now.size = int64(len(i.data))
	}
	if n := len(i.states); n >= maxStates {
		i.states = append(i.states[:n/2], i.states[n/2+1:]...)
	}
	i.states = append(i.states, i.now)
}

// own makes the content changeable.
func (i *inode) own() {
	if i.shared {
		i.data, i.shared = bytes.Clone(i.data), false
	}
}

func (i *inode) write(p []byte, off int64) {
	i.own()
	if end := off + int64(len(p)); end > int64(len(i.data)) {
		i.resize(end)
	}
	copy(i.data[off:], p)
}

func (i *inode) resize(size int64) {
	i.own()
	if size <= int64(len(i.data)) {
		i.data = i.data[:size]
		return
	}
	old := len(i.data)
	if size > int64(cap(i.data)) {
		i.data = append(make([]byte, 0, max(size, int64(2*old))), i.data...)
	}
	i.data = i.data[:size]
	clear(i.data[old:])
}

// sync makes the content and the attributes durable.
func (i *inode) sync() {
	i.states = append(i.states[:0], i.now)
	if i.kind == manifest.Regular && !i.lost {
		i.safe, i.shared = i.data, true
	}
}

// syncDir makes a directory durable: its names, its own name, and what belongs to
// it and cannot be synced by itself.
func (i *inode) syncDir(key func(string) string) {
	i.apply(len(i.pending), key)
	i.sync()
	for _, e := range i.names {
		if e.ino.kind != manifest.Regular && e.ino.kind != manifest.Directory {
			e.ino.sync()
		}
	}
	for child := i; child.parent != child; child = child.parent {
		child.parent.applyFor(child, key)
	}
}

// apply makes the first n changes durable.
func (i *inode) apply(n int, key func(string) string) {
	for _, changes := range i.pending[:n] {
		merge(i.safeNames, changes, key)
	}
	i.pending = i.pending[n:]
}

// applyFor makes the changes durable that have made child a child.
func (i *inode) applyFor(child *inode, key func(string) string) {
	for n, changes := range i.pending {
		for _, c := range changes {
			if c.ino == child {
				i.apply(n+1, key)
				return
			}
		}
	}
}

func merge(names map[string]entry, changes []naming, key func(string) string) {
	for _, c := range changes {
		if c.ino == nil {
			delete(names, key(c.name))
		} else {
			names[key(c.name)] = entry(c)
		}
	}
}

// settle makes an inode durable with all that is below.
func (i *inode) settle() {
	i.sync()
	if i.kind != manifest.Directory {
		return
	}
	i.pending = nil
	clear(i.safeNames)
	for key, e := range i.names {
		i.safeNames[key] = e
		e.ino.settle()
	}
}

// entry describes the inode as the system does.
func (i *inode) entry(name string) manifest.Entry {
	e := manifest.Entry{
		Name: name, Type: i.kind, Mode: i.now.mode, UID: i.now.uid, GID: i.now.gid,
		Sec: i.now.sec, Nsec: i.now.nsec, Ino: i.number,
	}
	ext := manifest.Ext{Dev: device}
	switch {
	case i.kind == manifest.Regular:
		e.Size = int64(len(i.data))
	case i.kind == manifest.Symlink:
		e.Size, ext.Link = int64(len(i.link)), i.link
	case i.kind.IsDevice():
		ext.Major, ext.Minor = i.major, i.minor
	}
	if i.nlink > 1 && i.kind != manifest.Directory {
		ext.Nlink = uint64(i.nlink)
	}
	e.Ext = &ext
	return e
}

// device is the number of the disk.
const device = 1
