package main

import (
	"slices"

	"gosync/internal/engine"
)

// privilege says what an end does about what only root may do.
type privilege uint8

const (
	privilegeUsual privilege = iota // root does it, others do not
	privilegeSuper                  // it is tried
	privilegeNone                   // it is left out
	privilegeFake                   // it stands in extended attributes
)

// superFlags are the options about what only root may do; the last one counts.
func superFlags() []flag {
	return []flag{
		{
			name: "super", negate: true, category: catKeep, doc: "do at the destination what only root may do",
			long: "Owners, devices and the attributes of root are tried even when root does not run it, or left out even when root does.",
			set: func(s *settings, on bool, _ string) error {
				if s.super = privilegeNone; on {
					s.super = privilegeSuper
				}
				return nil
			},
		},
		{
			name: "fake-super", category: catKeep, doc: "keep what only root may set in xattrs, as rsync does",
			long: "Owner, special permissions, devices and access lists then stand in the user.rsync.* attributes of ordinary files, and a source that was written so is read so. It is for this machine: -M--fake-super has the far side do it, or the destination of a local copy. The last of --super, --no-super and --fake-super counts.",
			set: func(s *settings, _ bool, _ string) error {
				s.super = privilegeFake
				return nil
			},
		},
	}
}

// takeFarSuper takes out of the options of -M those that say what the far side may do.
// It learns that from the job.
func (s *settings) takeFarSuper() {
	s.farOptions = slices.DeleteFunc(s.farOptions, func(text string) bool {
		p, ok := map[string]privilege{"--super": privilegeSuper, "--no-super": privilegeNone, "--fake-super": privilegeFake}[text]
		if ok {
			s.farSuper = p
		}
		return ok
	})
}

// supers says which ends do what only root may do. Of a local copy the far side is the
// destination, and does as this side does unless it is told otherwise.
func (s *settings) supers(job *engine.Job, r *route) {
	source, dest := s.super, s.super
	if r.pull() {
		source = s.farSuper
	}
	if r.push() && s.super == privilegeFake {
		dest = privilegeUsual
	}
	if !r.pull() || r.push() {
		if s.farSuper != privilegeUsual {
			dest = s.farSuper
		}
	}
	job.FakeSource, job.FakeDest = source == privilegeFake, dest == privilegeFake
	job.Super, job.NoSuper = dest == privilegeSuper, dest == privilegeNone
}
