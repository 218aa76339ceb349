package engine

import (
	"fmt"

	"gosync/transport/wire"
)

// nameLimit bounds the names of --files-from that a server takes, in bytes.
const nameLimit = 256 << 20

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

// readNames reads the names that follow a job.
func readNames(c *wire.Conn) ([]string, error) {
	files, size := []string{}, 0
	for {
		m := new(wire.Names)
		if err := readOne(c, m); err != nil {
			return nil, err
		}
		for _, n := range m.Names {
			size += len(n)
		}
		if files = append(files, m.Names...); size > nameLimit {
			return nil, wire.Errorf(wire.CodeMemory, "the names of --files-from exceed %d bytes", nameLimit)
		}
		if m.Last {
			return files, nil
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

func readJob(c *wire.Conn) (*Job, bool, error) {
	m := new(wire.Job)
	if err := readOne(c, m); err != nil {
		return nil, false, err
	}
	job, err := decodeJob(m)
	if err == nil && m.Source && m.HasFiles {
		job.Files, err = readNames(c)
	}
	return job, m.Source, err
}
