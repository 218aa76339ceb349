package evilpeer

import (
	"fmt"
	"os"
	"path/filepath"
)

// kept returns a check that files of the destination are still there.
func kept(names ...string) func(dst string) error {
	return func(dst string) error {
		for _, n := range names {
			if _, err := os.Lstat(filepath.Join(dst, n)); err != nil {
				return fmt.Errorf("it is gone: %w", err)
			}
		}
		return nil
	}
}

// absent returns a check that files of the destination are not there.
func absent(names ...string) func(dst string) error {
	return func(dst string) error {
		for _, n := range names {
			if _, err := os.Lstat(filepath.Join(dst, n)); err == nil {
				return fmt.Errorf("%q is there", n)
			}
		}
		return nil
	}
}
