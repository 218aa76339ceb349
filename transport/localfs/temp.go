package localfs

import (
	"crypto/rand"
	"encoding/hex"
	"sync"

	"gosync/internal/unix"
	"gosync/walker/manifest"
)

// Names of files in the making: the prefix, 16 hexadecimal digits, and for what
// a later run may resume a suffix. Of the digits the first four stand for the
// machine, the next four for the run (see ownership), the rest is random. A name
// that somebody has guessed and planted costs another try, nothing else: the
// files are created with O_EXCL.
const (
	tempPrefix = manifest.TempPrefix
	tempDigits = manifest.TempDigits
)

// tempTries is how many random names are tried; that one is taken means that
// something is wrong with the randomness or that somebody plays with us.
const tempTries = 8

// withTemp calls f with names for a temporary until one is not taken.
func (t *Tree) withTemp(f func(name string) error) error {
	var bits [tempDigits / 2]byte
	tag := t.owner.tag()
	copy(bits[:], tag[:])
	name := make([]byte, len(tempPrefix)+tempDigits)
	copy(name, tempPrefix)
	err := error(unix.EEXIST)
	for i := 0; i < tempTries && err == unix.EEXIST; i++ {
		_, _ = rand.Read(bits[len(tag):]) // never fails
		hex.Encode(name[len(tempPrefix):], bits[:])
		err = f(string(name))
	}
	return err
}

// live knows the files in the making, so that none is left behind.
type live struct {
	mu    sync.Mutex
	files map[*newFile]struct{}
}

func (l *live) init() { l.files = make(map[*newFile]struct{}) }

func (l *live) add(f *newFile) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files[f] = struct{}{}
}

// end takes f out, and reports whether it was there: the caller ends it.
func (l *live) end(f *newFile) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.files[f]
	delete(l.files, f)
	return ok
}

func (l *live) all() []*newFile {
	l.mu.Lock()
	defer l.mu.Unlock()
	files := make([]*newFile, 0, len(l.files))
	for f := range l.files {
		files = append(files, f)
	}
	return files
}
