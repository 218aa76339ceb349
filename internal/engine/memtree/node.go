package memtree

import (
	"fmt"
	"strings"

	"gosync/walker/manifest"
)

// Node is a file of any kind, as tests put it on a disk and find it there.
type Node struct {
	Type         manifest.Type
	Mode         uint16
	UID, GID     uint32
	Sec          int64
	Nsec         uint32
	Data         []byte // of a regular file; must not be changed
	Link         string // of a symlink
	Major, Minor uint32 // of a device

	// Ino and Nlink are set by Tree only.
	Ino   uint64
	Nlink int
}

// Put puts a file at an absolute path, whose directory must exist, in place of
// what is there. No gate is asked, here and by the methods below. An existing directory
// only gets the attributes.
func (d *Disk) Put(path string, n Node) error {
	return d.fix(path, func(dir *inode, name string) error {
		e, there := d.child(dir, name)
		i := e.ino
		if !there || n.Type != manifest.Directory || i.kind != manifest.Directory {
			i = d.make(n.Type, n.Mode)
			i.link, i.major, i.minor = n.Link, n.Major, n.Minor
			i.data, i.shared = n.Data, true
			d.alter(dir, naming{name, i})
		}
		i.now = state{n.Mode, n.UID, n.GID, n.Sec, n.Nsec, int64(len(i.data))}
		i.note()
		return nil
	})
}

// Update changes the content of the regular file at path, in place, and gives it
// the time of now unless quiet.
func (d *Disk) Update(path string, data []byte, quiet bool) error {
	return d.fix(path, func(dir *inode, name string) error {
		e, ok := d.child(dir, name)
		if !ok || e.ino.kind != manifest.Regular {
			return fmt.Errorf("%s is no regular file", path)
		}
		e.ino.data, e.ino.shared = data, true
		if quiet {
			e.ino.note()
		} else {
			d.touch(e.ino)
		}
		return nil
	})
}

// Link gives the file at old the name path, too.
func (d *Disk) Link(path, old string) error {
	return d.fix(path, func(dir *inode, name string) error {
		i, err := d.resolve(old, false)
		if err == nil {
			d.alter(dir, naming{name, i})
		}
		return err
	})
}

// Drop removes what is at path, with all that is below.
func (d *Disk) Drop(path string) error {
	return d.fix(path, func(dir *inode, name string) error {
		d.alter(dir, naming{name, nil})
		return nil
	})
}

// fix changes the disk for a test.
func (d *Disk) fix(path string, f func(dir *inode, name string) error) error {
	err := d.locked(func() error {
		dir, name, err := d.dirOf(d.root, strings.TrimPrefix(path, "/"))
		if err != nil {
			return err
		}
		return f(dir, name)
	})
	if err != nil {
		return fmt.Errorf("changing %s: %w", path, err)
	}
	return nil
}

// Settle makes everything durable.
func (d *Disk) Settle() {
	_ = d.locked(func() error { d.root.settle(); return nil })
}

// Tree returns what is at an absolute path and below, by paths relative to it, ""
// being the path itself; nil if nothing is there.
func (d *Disk) Tree(path string) map[string]Node {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.find(d.root, strings.TrimPrefix(path, "/"))
	if err != nil {
		return nil
	}
	nodes := map[string]Node{}
	i.collect(nodes, "")
	return nodes
}

func (i *inode) collect(nodes map[string]Node, path string) {
	i.shared = true
	nodes[path] = Node{
		Type: i.kind, Mode: i.now.mode, UID: i.now.uid, GID: i.now.gid, Sec: i.now.sec, Nsec: i.now.nsec,
		Data: i.data, Link: i.link, Major: i.major, Minor: i.minor, Ino: i.number, Nlink: i.nlink,
	}
	for _, e := range i.names {
		e.ino.collect(nodes, manifest.Join(path, e.name))
	}
}
