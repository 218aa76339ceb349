package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"gosync/walker/manifest"
)

// Landed is the digest of a file that has come into the next snapshot.
type Landed struct {
	Path string // below the snapshot
	Size int64
	Sec  int64 // the modification time that it has
	Nsec uint32
	Sum  Sum
}

// Note writes down digests that the copy has seen, so that these files need not be read
// again. A file with another size or time than is noted is.
func (s *Store) Note(landed []Landed) error {
	if s.journal == nil {
		return errors.New("no snapshot was begun")
	}
	var b bytes.Buffer
	for i := range landed {
		l := &landed[i]
		line := Line{l.Sum, l.Path}
		fmt.Fprintf(&b, "%d %d %d %s", l.Size, l.Sec, l.Nsec, line.text())
	}
	_, err := s.journal.Write(b.Bytes())
	return err
}

// maxJournal bounds a journal that is read.
const maxJournal = 4 << 30

// readJournal returns what was noted; of several notes of a file the last counts. A line that
// was not written to its end, or is no such line, says nothing.
func (s *Store) readJournal(ctx context.Context) (map[string]Landed, error) {
	data, err := s.files.ReadFile(ctx, journalFile, maxJournal)
	if err != nil {
		return nil, err
	}
	return parseJournal(data), nil
}

func parseJournal(data []byte) map[string]Landed {
	noted := map[string]Landed{}
	for len(data) > 0 {
		text, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		if l, ok := parseLanded(text); ok && whole {
			noted[l.Path] = l
		}
	}
	return noted
}

func parseLanded(text []byte) (l Landed, ok bool) {
	var rest []byte
	fields := bytes.SplitN(text, []byte(" "), 4)
	if len(fields) < 4 {
		return l, false
	}
	if n, err := fmt.Sscan(string(bytes.Join(fields[:3], []byte(" "))), &l.Size, &l.Sec, &l.Nsec); n != 3 || err != nil {
		return l, false
	}
	rest = fields[3]
	line, err := parseLine(rest)
	l.Path, l.Sum = line.Path, line.Sum
	return l, err == nil
}

// Landing returns what is to be noted of a file with the metadata of e.
func Landing(path string, e *manifest.Entry, size int64, sum Sum) Landed {
	return Landed{Path: path, Size: size, Sec: e.Sec, Nsec: e.Nsec, Sum: sum}
}
