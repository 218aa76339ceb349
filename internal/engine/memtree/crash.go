package memtree

import (
	"math/rand/v2"

	"gosync/walker/manifest"
)

// Loss says what a power cut may do to content that was never synced.
type Loss uint8

// The kinds of file systems.
const (
	Ordered Loss = iota // a file grows when its data is on the disk, not before
	Weak                // a file may have its length before it has its data: zeros
)

// pageSize is what reaches a disk or does not.
const pageSize = 4 << 10

// Kill ends all processes of the machine and returns the disk with everything
// that they have written. d is dead then.
func (d *Disk) Kill() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	n := d.successor()
	n.root = copyTree(d.root, map[*inode]*inode{}, func(from, to *inode) map[string]entry {
		to.data, to.shared, to.now = from.data, true, from.now
		return from.names
	})
	n.root.parent = n.root
	n.root.settle()
	return n
}

// Crash cuts the power and returns the disk as the machine may find it again. d is
// dead then.
func (d *Disk) Crash(rng *rand.Rand, loss Loss) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	return d.afterCrash(rng, loss)
}

// Glimpse returns the disk as it would be after a power cut now, which does not
// happen.
func (d *Disk) Glimpse(rng *rand.Rand, loss Loss) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.afterCrash(rng, loss)
}

func (d *Disk) afterCrash(rng *rand.Rand, loss Loss) *Disk {
	n := d.successor()
	n.root = copyTree(d.root, map[*inode]*inode{}, func(from, to *inode) map[string]entry {
		to.now = from.states[some(rng, len(from.states)-1)]
		switch from.kind {
		case manifest.Regular:
			to.data = from.survivor(rng, loss, &to.now)
		case manifest.Directory:
			return from.survivors(rng, d.key)
		}
		return nil
	})
	n.root.parent = n.root
	n.root.settle()
	return n
}

// successor returns a disk like d without any file.
func (d *Disk) successor() *Disk {
	o := d.o
	o.Gate = nil
	return &Disk{o: o, last: d.last, temps: d.temps, run: d.run, runs: map[uint32]bool{}, trees: map[*inode]*share{}}
}

// copyTree copies an inode with all that is below. fill fills in the copy and
// returns the names of a directory.
func copyTree(from *inode, known map[*inode]*inode, fill func(from, to *inode) map[string]entry) *inode {
	if to := known[from]; to != nil {
		return to
	}
	to := &inode{number: from.number, kind: from.kind, link: from.link, major: from.major, minor: from.minor}
	known[from] = to
	names := fill(from, to)
	if from.kind != manifest.Directory {
		return to
	}
	to.names, to.safeNames = map[string]entry{}, map[string]entry{} // the latter is filled by settle
	for _, key := range sortedKeys(names) {                         // the order decides what a random source is asked
		child := copyTree(names[key].ino, known, fill)
		child.nlink++
		if child.kind == manifest.Directory {
			child.parent = to
		}
		to.names[key] = entry{names[key].name, child}
	}
	return to
}

// some returns a number of 0..n, often one of the ends.
func some(rng *rand.Rand, n int) int {
	switch rng.IntN(4) {
	case 0:
		return 0
	case 1:
		return n
	}
	return rng.IntN(n + 1)
}

// survivors returns the names that a directory may have after a power cut.
func (i *inode) survivors(rng *rand.Rand, key func(string) string) map[string]entry {
	names := map[string]entry{}
	for k, e := range i.safeNames {
		names[k] = e
	}
	for _, changes := range i.pending[:some(rng, len(i.pending))] {
		merge(names, changes, key)
	}
	return names
}

// survivor returns the content that a file may have after a power cut, and adjusts
// its length.
func (i *inode) survivor(rng *rand.Rand, loss Loss, now *state) []byte {
	size := now.size
	durable := int64(len(i.safe))
	keeps := i.pages(rng)
	if i.lost {
		keeps = func(int64) bool { return false }
	}
	if loss == Ordered && size > durable && !i.lost {
		size = durable + int64(some(rng, int(size-durable)))
	}
	if i.lost && size > durable && loss == Ordered {
		size = durable
	}
	data := make([]byte, size)
	copy(data, i.safe)
	for off := int64(0); off < size; off += pageSize {
		end := min(off+pageSize, size)
		grown := loss == Ordered && off >= durable
		if off >= int64(len(i.data)) || !grown && !keeps(off/pageSize) {
			continue
		}
		copy(data[off:end], i.data[off:])
	}
	if loss == Ordered && size > durable && durable%pageSize != 0 && durable < int64(len(i.data)) {
		copy(data[durable:], i.data[durable:]) // the page in which the file has grown
	}
	now.size = size
	return data
}

// pages decides which of the pages that were written reach the disk.
func (i *inode) pages(rng *rand.Rand) func(int64) bool {
	switch rng.IntN(4) {
	case 0:
		return func(int64) bool { return true }
	case 1:
		return func(int64) bool { return false }
	case 2:
		upTo := rng.Int64N(int64(len(i.data))/pageSize + 1)
		return func(n int64) bool { return n < upTo }
	}
	return func(int64) bool { return rng.IntN(2) == 0 }
}
