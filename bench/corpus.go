package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	treeName  = "tree" // what is copied: a directory of this name
	largeName = "large.bin"
	smallSize = 4 << 10 // bytes of a small file
	perDir    = 100     // small files in a directory
	editSize  = 4 << 10 // bytes that one scattered edit changes
	editPart  = 100     // a hundredth of the file is changed
)

// The data sets.
const (
	caseRandom       = "random"
	caseCompressible = "compressible"
	caseSmall        = "small"
	caseEdits        = "edits"
	caseInsert       = "insert"
	caseUnchanged    = "unchanged"
	caseResume       = "resume"
	caseRenamed      = "renamed"
)

// before says what the destination holds when a run begins.
type before int

const (
	empty       before = iota // nothing
	basis                     // an older state of the tree
	itself                    // what the same tool has copied before
	interrupted               // what the same tool had sent when it was cut off
)

// Case is a data set, and what the destination has of it.
type Case struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	Files  int    `json:"files"`           // in the source
	Bytes  int64  `json:"bytes"`           // ... and their content
	Change int64  `json:"change_bytes"`    // bytes of content that the destination does not have in any place
	Basis  string `json:"basis,omitempty"` // what the destination has

	tree  string // name of the source's data set on the disk
	older string // name of the basis', "" for none
	state before
}

// CaseNames lists the data sets in the order of the report.
func CaseNames() []string {
	return []string{caseRandom, caseCompressible, caseSmall, caseEdits, caseInsert, caseUnchanged, caseResume, caseRenamed}
}

// insertSize is how much is put in front of a file: a mebibyte, less for small ones.
func insertSize(size int64) int64 { return max(1, min(1<<20, size/16)) }

// edits is how many places of a file are changed.
func edits(size int64) int64 { return max(1, size/editPart/editSize) }

// cases describes the data sets of a configuration.
func cases(c *Config) []Case {
	size, files := c.Size, c.Files
	small := int64(files) * smallSize
	mib := sizeText(size)
	all := []Case{
		{Name: caseRandom, Title: "one file of random bytes, " + mib, Files: 1, Bytes: size, Change: size, tree: "random"},
		{Name: caseCompressible, Title: "one file of text, " + mib, Files: 1, Bytes: size, Change: size, tree: "text"},
		{Name: caseSmall, Title: fmt.Sprintf("%d files of 4 KiB", files), Files: files, Bytes: small, Change: small, tree: "small"},
		{
			Name: caseEdits, Title: "1 % of a file changed, scattered, " + mib, Files: 1, Bytes: size, Change: min(size, edits(size)*editSize),
			Basis: "the file before the changes", tree: "edits", older: "random", state: basis,
		},
		{
			Name: caseInsert, Title: sizeText(insertSize(size)) + " inserted at the front of a file of " + mib, Files: 1, Bytes: size + insertSize(size),
			Change: insertSize(size), Basis: "the file before the insertion", tree: "insert", older: "random", state: basis,
		},
		{
			Name: caseUnchanged, Title: fmt.Sprintf("nothing changed, %d files of 4 KiB", files), Files: files, Bytes: small,
			Basis: "all of it, copied by the same tool", tree: "small", state: itself,
		},
		{
			Name: caseResume, Title: "interrupted at 50 % and resumed, " + mib, Files: 1, Bytes: size, Change: size - size/2,
			Basis: "what the tool had sent when it was interrupted", tree: "random", state: interrupted,
		},
		{
			Name: caseRenamed, Title: fmt.Sprintf("every directory renamed, %d files of 4 KiB", files), Files: files, Bytes: small,
			Basis: "the same files under other names", tree: "renamed", older: "small", state: basis,
		},
	}
	var picked []Case
	for _, one := range all {
		if c.picks(one.Name) {
			picked = append(picked, one)
		}
	}
	return picked
}

// makeData makes one data set in dir, which must not exist. The same seed makes the same bytes.
func makeData(ctx context.Context, name, dir string, c *Config) error {
	tree := filepath.Join(dir, treeName)
	if err := os.MkdirAll(tree, 0o700); err != nil {
		return err
	}
	large := filepath.Join(tree, largeName)
	switch name {
	case "random":
		return writeFile(ctx, large, 0, c.Size, randomBytes(c.Seed, 1))
	case "text":
		return writeFile(ctx, large, 0, c.Size, newText(c.Seed))
	case "edits":
		return makeEdited(ctx, large, c)
	case "insert":
		more := insertSize(c.Size)
		front := io.LimitReader(randomBytes(c.Seed, 2), more)
		return writeFile(ctx, large, 1, more+c.Size, io.MultiReader(front, randomBytes(c.Seed, 1)))
	case "small":
		return makeSmall(ctx, tree, "dir", c)
	case "renamed":
		return makeSmall(ctx, tree, "moved", c)
	}
	return fmt.Errorf("no data set %q", name)
}

// randomBytes is an endless stream that follows from a seed and a number.
func randomBytes(seed uint64, stream byte) io.Reader {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	key[8] = stream
	return rand.NewChaCha8(key)
}

// writeFile writes size bytes of r. Its time follows from step, so that what a tool sees of a file follows from the
// seed, too: later steps are newer.
func writeFile(ctx context.Context, name string, step, size int64, r io.Reader) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, until(ctx, r), size)
	if end := f.Close(); err == nil {
		err = end
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	at := time.Unix(1_700_000_000+60*step, 0)
	return os.Chtimes(name, at, at)
}

// makeEdited writes the random file with places changed that are scattered over it: one in each of as many equal
// parts, so that none overlap.
func makeEdited(ctx context.Context, name string, c *Config) error {
	if err := writeFile(ctx, name, 1, c.Size, randomBytes(c.Seed, 1)); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close() // a second time
	fresh, random := randomBytes(c.Seed, 3), rand.New(rand.NewPCG(c.Seed, 3))
	n := edits(c.Size)
	part := c.Size / n
	block := make([]byte, min(editSize, part))
	for i := range n {
		_, _ = fresh.Read(block) // never fails
		if _, err := f.WriteAt(block, i*part+random.Int64N(part-int64(len(block))+1)); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	at := time.Unix(1_700_000_060, 0)
	return os.Chtimes(name, at, at)
}

// makeSmall writes many small files. Their content and their times do not depend on what the directories are called.
func makeSmall(ctx context.Context, tree, prefix string, c *Config) error {
	content := randomBytes(c.Seed, 4)
	for i := range c.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir := filepath.Join(tree, prefix+fmt.Sprintf("%04d", i/perDir))
		if i%perDir == 0 {
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
		}
		if err := writeFile(ctx, filepath.Join(dir, fmt.Sprintf("file%05d", i)), int64(i), smallSize, content); err != nil {
			return err
		}
	}
	return nil
}

// text is an endless stream of lines like those of a log, which compress to about a fifth.
type text struct {
	random *rand.Rand
	left   []byte
	line   int64
}

func newText(seed uint64) io.Reader {
	return bufio.NewReader(&text{random: rand.New(rand.NewPCG(seed, 5))})
}

// Read implements io.Reader.
func (t *text) Read(p []byte) (int, error) {
	if len(t.left) == 0 {
		t.left = t.next()
	}
	n := copy(p, t.left)
	t.left = t.left[n:]
	return n, nil
}

// next makes a line.
func (t *text) next() []byte {
	words := [...]string{"request", "answer", "of", "the", "disk", "network", "took", "was", "opened", "closed", "error", "retry", "user", "file", "with", "from"}
	t.line += t.random.Int64N(3000)
	b := time.Unix(1_700_000_000, t.line*1e6).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z ")
	for range 4 + t.random.IntN(8) {
		b = append(b, words[t.random.IntN(len(words))]...)
		b = append(b, ' ')
	}
	b = append(b, "id="...)
	b = strconv.AppendUint(b, t.random.Uint64()>>32, 16)
	return append(b, '\n')
}
