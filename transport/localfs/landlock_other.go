//go:build !linux

package localfs

// Confine reports that this system has no Landlock: there is nothing to do.
func (h *Restricted) Confine() error { return ErrNoLandlock }
