package engine

import (
	"fmt"

	"gosync/transport/wire"
)

const (
	nameLimit = 256 << 20 // bytes of memory that the names of --files-from may take at a server
	nameCost  = 16        // ... of which a name takes so many beside its own
)

// names packs the names of --files-from into messages.
func names(files []string) (msgs []wire.Msg) {
	m := &wire.Names{}
	size := 0
	for _, n := range files {
		if size += len(n) + 5; size > wire.MaxFrame/2 {
			msgs, m, size = append(msgs, m), &wire.Names{}, len(n)
		}
		m.Names = append(m.Names, n)
	}
	m.Last = true
	return append(msgs, m)
}

// nameList is what has come of the names of --files-from.
type nameList struct {
	files  []string
	size   int
	room   int // for size
	limits Limits
}

// take adds names, if there is room for them.
func (l *nameList) take(names []string) error {
	for _, n := range names {
		l.size += len(n) + nameCost
	}
	if l.size > l.room {
		return wire.Errorf(wire.CodeMemory, "the names of --files-from take more than %d bytes", l.room)
	}
	l.files = append(l.files, names...)
	return l.limits.count(int64(len(l.files)))
}

// readNames reads the names that follow a job.
func readNames(c *wire.Conn, limits Limits) ([]string, error) {
	l := nameList{files: []string{}, room: nameLimit, limits: limits}
	for {
		m := new(wire.Names)
		if err := readOne(c, m); err != nil {
			return nil, err
		}
		if err := l.take(m.Names); err != nil {
			return nil, err
		}
		if m.Last {
			return l.files, nil
		}
	}
}

// readOne reads a message of one type.
func readOne(c *wire.Conn, m wire.Msg) error {
	f, err := c.Next()
	if err != nil {
		return err
	}
	payload, err := f.Payload()
	if err != nil {
		return err
	}
	if f.Type != m.Type() {
		return fmt.Errorf("%w: message %d in place of %d", wire.ErrProtocol, f.Type, m.Type())
	}
	return wire.DecodeInto(m, payload)
}

// readJob reads what a client wants, unless it names more files than it may.
func readJob(c *wire.Conn, limits Limits) (*Job, bool, error) {
	m := new(wire.Job)
	if err := readOne(c, m); err != nil {
		return nil, false, err
	}
	job, err := decodeJob(m)
	if err == nil && m.Source && m.HasFiles {
		job.Files, err = readNames(c, limits)
	}
	return job, m.Source, err
}
