//go:build !linux

package meta

import (
	"errors"

	"gosync/internal/unix"
	"gosync/walker/manifest"
)

// Details are those that this system can show.
const Details manifest.Detail = 0

// CanDescribe tells why details cannot be had.
func CanDescribe(manifest.Detail) error { return nil }

// Describe adds details to e; here there are none.
func Describe(int, string, manifest.Detail, *manifest.Entry, *unix.Stat_t) error {
	return errors.ErrUnsupported
}

func (t *Target) setACLs(*manifest.Entry) error   { return errors.ErrUnsupported }
func (t *Target) setXattrs(*manifest.Entry) error { return errors.ErrUnsupported }

// faked is what only root may set, kept otherwise; here nothing is.
type faked struct{}

func (t *Target) fake() *faked { return nil }

func (*faked) apply(*manifest.Entry, manifest.Attrs, func(string, error)) {}

// DefaultMode returns the permissions that a directory leaves to what is made in it; here the umask decides.
func DefaultMode(int) (mode uint16, ok bool) { return 0, false }
