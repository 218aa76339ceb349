package snapshot

import "time"

// nameLayout is how the names of snapshots are written: they sort by time, and have no
// colon, which would look like a host.
const nameLayout = "2006-01-02T150405Z"

// Name returns the name of a snapshot that is made at t.
func Name(t time.Time) string { return t.UTC().Format(nameLayout) }

// ParseName returns the time that a snapshot's name stands for.
func ParseName(name string) (time.Time, bool) {
	t, err := time.Parse(nameLayout, name)
	return t, err == nil && Name(t) == name
}
