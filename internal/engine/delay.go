package engine

import "gosync/transport/wire"

// TempDirer is a [Dest] that can make files in another directory than their own.
type TempDirer interface {
	// UseTempDir has Create, from now on, make files in a directory, which must exist:
	// a path relative to the tree's root or an absolute one. Files that can be resumed,
	// and what is written in place, are not made there. From another file system a
	// file is copied beside its final name before it appears.
	UseTempDir(dir string) error
}

// Delayer is a [Dest] that can hold files back until all are there.
type Delayer interface {
	// DelayUpdates has files, from now on, appear when Sync is called.
	DelayUpdates()
}

// startDelays has the tree make files elsewhere, and show them in the end.
func (d *dest) startDelays(t Dest) error {
	if d.job.Clean {
		return nil
	}
	if d.job.TempDir != "" {
		u, ok := capability[TempDirer](t)
		if !ok {
			return wire.Errorf(wire.CodeUnsupported, "the destination cannot make files in another directory: --temp-dir needs gosync on its machine")
		}
		if err := u.UseTempDir(d.job.TempDir); err != nil {
			return &wire.Error{Code: wire.CodeUsage, Kind: wire.KindOf(err), Op: "use --temp-dir", Path: d.job.TempDir, Text: text(err)}
		}
	}
	if d.job.DelayUpdates {
		u, ok := capability[Delayer](t)
		if !ok {
			return wire.Errorf(wire.CodeUnsupported, "the destination cannot hold files back: --delay-updates needs gosync on its machine")
		}
		u.DelayUpdates()
	}
	return nil
}
