package localfs

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Bounds of a group. Bytes and time say how much work a kill may lose; the
// number of files bounds memory.
const (
	groupBytes = 64 << 20
	groupTime  = 5 * time.Second
	groupFiles = 16 << 10

	// groupOpen is up to how many files a group keeps open, to make each of
	// them durable; fewer where the process may open few files. In larger
	// groups they are closed, and the whole file system is made durable at once.
	groupOpen = 64

	// openShare is the part of the files that the process may open that the
	// files of one group may be. There are up to three groups, and a file may
	// hold its directory and its sidecar as well.
	openShare = 16

	groupsAtOnce = 2  // groups that are made durable while the next one is filled
	syncers      = 16 // files of a group that are made durable at once
)

// group is a number of files that are made durable and appear together.
type group struct {
	t        *Tree
	files    []*newFile
	bytes    int64
	closed   bool          // descriptors are closed as files come in
	before   *group        // the one that was filled before
	begun    chan struct{} // it has got its place among groupsAtOnce
	appeared chan struct{} // it has appeared, and its files were told so
	timer    *time.Timer
	expired  chan struct{} // the timer's function has ended
}

// groups is the pipeline that groups go through: one is filled while up to
// groupsAtOnce are made durable. They appear in the order in which they were filled.
type groups struct {
	t     *Tree
	slots chan struct{}
	wait  time.Duration // how long a group is filled
	open  int           // up to how many files a group keeps open

	mu   sync.Mutex
	cur  *group
	last *group // the last one that was filled
}

func (g *groups) init(t *Tree) {
	g.t, g.slots, g.wait, g.open = t, make(chan struct{}, groupsAtOnce), groupTime, few(groupOpen, openShare)
	g.last = newGroup(t)
	close(g.last.begun)
	close(g.last.appeared)
}

// add puts a file into the current group. If that is full then, and the
// groups before are not durable yet, it waits for one of them.
func (g *groups) add(ctx context.Context, f *newFile, size int64) {
	g.mu.Lock()
	if g.cur == nil {
		g.begin()
	}
	c := g.cur
	c.add(f, size)
	full := c.bytes >= groupBytes || len(c.files) >= groupFiles || len(c.files) >= g.open && !g.t.syncfs
	if full {
		g.take()
	}
	g.mu.Unlock()
	if full {
		c.disarm()
		g.send(ctx, c)
	}
}

func newGroup(t *Tree) *group {
	return &group{
		t: t, begun: make(chan struct{}), appeared: make(chan struct{}), expired: make(chan struct{}),
	}
}

// begin opens a group. It ends by itself after a while.
func (g *groups) begin() {
	c := newGroup(g.t)
	c.timer = time.AfterFunc(g.wait, func() {
		defer close(c.expired)
		g.mu.Lock()
		mine := g.cur == c
		if mine {
			g.take()
		}
		g.mu.Unlock()
		if mine {
			g.send(context.Background(), c)
		}
	})
	g.cur = c
}

// take closes the current group, which has its place in the order now.
func (g *groups) take() *group {
	c := g.cur
	g.cur = nil
	if c != nil {
		c.before, g.last = g.last, c
	}
	return c
}

// disarm returns when the timer will do nothing any more.
func (c *group) disarm() {
	if !c.timer.Stop() {
		<-c.expired
	}
}

// send makes a group durable on a goroutine of its own, which finish waits for.
// Groups begin in order, so that none waits for one that cannot begin.
func (g *groups) send(ctx context.Context, c *group) {
	<-c.before.begun
	select {
	case g.slots <- struct{}{}:
		close(c.begun)
		go func() {
			c.run()
			<-g.slots
			c.end()
		}()
	case <-ctx.Done():
		close(c.begun)
		for _, f := range c.files {
			f.waits = f.resumable && f.failed == nil
		}
		c.fail(context.Cause(ctx))
		<-c.before.appeared
		c.conclude()
		c.end()
	}
}

// end lets the next group appear.
func (c *group) end() {
	c.before = nil // or the memory of all groups would hang together
	close(c.appeared)
}

// finish closes the current group and waits until all that were closed so far
// have appeared.
func (g *groups) finish(ctx context.Context) error {
	g.mu.Lock()
	c := g.take()
	last := g.last
	g.mu.Unlock()
	if c != nil {
		c.disarm()
		g.send(ctx, c)
	}
	select {
	case <-last.appeared:
		return context.Cause(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *group) add(f *newFile, size int64) {
	c.files = append(c.files, f)
	c.bytes += size
	switch {
	case c.closed:
		f.part()
	case len(c.files) > c.t.groups.open:
		c.closed = true
		for _, f := range c.files {
			f.part()
		}
	}
}

// part closes a file that waits for its group, and lets go of its directory.
// What is not on the file system that the group will make durable is made so now.
func (f *newFile) part() {
	if f.d.dev != f.t.dev {
		f.failed = f.pathError("fsync", f.t.fsync(f.fd))
	}
	// The lock of a partial ends with the descriptor. A large one stays open, as
	// few others do; what is small is not worth resuming from here on.
	if f.resumable && (f.end.Load() > largeFile || f.forget()) {
		return
	}
	if err := f.close(); f.failed == nil {
		f.failed = f.pathError("close", err)
	}
	f.release()
}

// run takes a group all the way.
func (c *group) run() {
	if c.closed {
		c.syncAll()
	} else {
		c.each(func(f *newFile) {
			if f.failed == nil {
				f.failed = f.pathError("fsync", c.t.fsync(f.fd))
			}
		})
	}
	<-c.before.appeared
	if c.t.delayed != nil {
		c.t.delayed.put(c.files...)
		c.files = nil
		return
	}
	for _, f := range c.files {
		f.appear()
	}
	c.fail(c.t.dirty.flush())
	c.conclude()
}

// syncAll makes the file system durable. A loss concerns all files that were
// begun before it was found.
func (c *group) syncAll() {
	lost, err := c.t.dirty.syncData()
	for _, f := range c.files {
		if f.failed == nil && f.lost != lost {
			f.failed = f.pathError("syncfs", err)
		}
	}
}

// fail notes err for all files that have not failed.
func (c *group) fail(err error) {
	if err == nil {
		return
	}
	for _, f := range c.files {
		if f.failed == nil {
			f.failed = f.t.fail("sync", f.path, err)
		}
	}
}

// conclude ends the files of the group.
func (c *group) conclude() {
	for _, f := range c.files {
		f.conclude()
	}
	c.files = nil
}

// each calls f for all files, several at once.
func (c *group) each(f func(*newFile)) {
	var all errgroup.Group
	all.SetLimit(syncers)
	for _, file := range c.files {
		all.Go(func() error { f(file); return nil })
	}
	_ = all.Wait()
}
