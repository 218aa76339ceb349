package localfs

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Names of files in the making: the prefix, 64 random bits, and for what a
// later run may resume a suffix.
const (
	tempPrefix = ".gosync."
	tempDigits = 16
)

// tempTries is how many random names are tried; that one is taken means that
// something is wrong with the randomness or that somebody plays with us.
const tempTries = 8

// Temporary implements [engine.Dest].
func (t *Tree) Temporary(name string) bool {
	rest, ok := strings.CutPrefix(name, tempPrefix)
	if !ok || len(rest) < tempDigits {
		return false
	}
	for i := range tempDigits {
		if c := rest[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	switch rest[tempDigits:] {
	case "", ".part", ".ckpt":
		return true
	}
	return false
}

// withTemp calls f with names for a temporary until one is not taken.
func withTemp(f func(name string) error) error {
	var bits [tempDigits / 2]byte
	name := make([]byte, len(tempPrefix)+tempDigits)
	copy(name, tempPrefix)
	err := error(unix.EEXIST)
	for i := 0; i < tempTries && err == unix.EEXIST; i++ {
		_, _ = rand.Read(bits[:]) // never fails
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
