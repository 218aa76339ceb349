package main

import (
	"errors"

	"gosync/internal/engine"
)

// beyondSettings is what options say that rsync does not have.
type beyondSettings struct {
	gitignore bool // --gitignore
}

// beyondFlags are options that rsync does not have.
func beyondFlags() []flag {
	return []flag{
		{
			name: "gitignore", negate: true, category: catNames, doc: "leave out what git ignores (.gitignore, info/exclude)",
			long: "The files of the source decide as git would, with its patterns, and at both ends: what they ignore stays at the destination, too, unless --delete-excluded is given. Each source, and each repository below it, is the root of its own rules; what lies above a source, the user's core.excludesFile and the index are not looked at. All other rules come first, so --include=NAME takes a name back. .git itself is not ignored.",
			set:  on(func(s *settings) *bool { return &s.gitignore }),
		},
		{
			name: "shard", arg: "I/N", negate: true, category: catWork, doc: "copy the Ith of N parts of the tree, for N runs that share it",
			long: "The parts are chosen by directory, by a hash of its path: every run makes the directories that it needs, and copies, and with --delete removes, what lies in those of its own part. All N together do what one run without the option does. I counts from 1, or from 0: N and 0 are the same part. Give all runs the same other options and sources. Hard links would cross parts, so it does not go with -H.",
			set: func(s *settings, on bool, text string) (err error) {
				s.Shard = engine.Shard{}
				if !on {
					return nil
				}
				if s.Shard, err = engine.ParseShard(text); err != nil {
					return usageErrorf("%v", err)
				}
				return nil
			},
		},
		{
			name: "detect-renames", negate: true, category: catMove, doc: "move at the destination what was moved at the source",
			long: "A new file of the same size and time as one that the source does not have (any more) is compared with that by digest. What is equal is moved, where --delete would remove it, else copied, and not sent. New files wait for that until everything is listed. It needs gosync on both machines, and does not go with --delete-before.",
			set:  on(func(s *settings) *bool { return &s.DetectRenames }),
		},
	}
}

// finishBeyond refuses what these options cannot do with others.
func (s *settings) finishBeyond() error {
	if s.DetectRenames && s.DeleteBefore {
		return usageErrorf("--detect-renames needs what --delete-before removes: use --delete")
	}
	if s.Shard.Count > 1 {
		for _, c := range []struct {
			on   bool
			name string
		}{{s.HardLinks, "--hard-links"}, {s.Clean, "--clean"}, {s.Force, "--force"}} {
			if c.on {
				return withCode(exitUnsupported, errors.New("--shard does not go with "+c.name+": leave it out, or do it in one run"))
			}
		}
	}
	return nil
}
