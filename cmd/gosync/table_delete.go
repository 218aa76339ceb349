package main

// deleteSettings is what the command line says of when and what is deleted.
type deleteSettings struct {
	before, during, after bool // --delete-before; --delete-during or --delete-delay; --delete-after
	delay                 bool // of the second, --delete-delay was given last
	excluded              bool // what the rules exclude, too
}

// deleteFlags are the options about whether anything is deleted, and how much.
func deleteFlags() []flag {
	return []flag{
		{
			name: "delete", category: catDelete, doc: "remove from the destination what the source does not have",
			long: "It stops before the first deletion when the source is empty, or when more than half of the destination (and more than 100 entries) would go; see the next two options and --max-delete.",
			set:  on(func(s *settings) *bool { return &s.Delete }),
		},
		{
			name: "delete-empty-source", category: catDelete, doc: "... even when the source is empty",
			set: on(func(s *settings) *bool { return &s.DeleteEmptySource }),
		},
		{
			name: "force-delete", category: catDelete, doc: "... even when that is most of the destination",
			set: on(func(s *settings) *bool { return &s.ForceDelete }),
		},
		{
			name: "max-delete", arg: "N", category: catDelete, doc: "remove at most N entries; more is exit status 25",
			set: func(s *settings, _ bool, text string) (err error) {
				s.MaxDelete, err = parseMaxDelete(text)
				return err
			},
		},
		{
			name: "clean", category: catDelete, doc: "only remove what interrupted runs have left",
			long: "It takes one operand, the destination, and copies nothing. What is removed are unfinished files under hidden names, which the next run would go on with or remove in time. What a run that is going on uses stays.",
			set:  on(func(s *settings) *bool { return &s.Clean }),
		},
	}
}

// whenFlags are the options about when deletions happen and what keeps them from
// happening.
func whenFlags() []flag {
	when := func(name, doc, long string, alias []string, set func(d *deleteSettings)) flag {
		return flag{
			name: name, alias: alias, category: catDelete, rare: true, doc: doc, long: long,
			set: func(s *settings, _ bool, _ string) error {
				s.Delete = true
				set(&s.deletes)
				return nil
			},
		}
	}
	return []flag{
		when("delete-during", "the same as --delete (also --del)",
			"Nothing is deleted before the source was listed as a whole, without an error, and everything else is in place; what is deleted is told of where it lies.",
			[]string{"del"}, func(d *deleteSettings) { d.during, d.delay = true, false }),
		when("delete-before", "... before anything is transferred, to make room", "", nil, func(d *deleteSettings) { d.before = true }),
		when("delete-delay", "... and tell of it after all else", "", nil, func(d *deleteSettings) { d.during, d.delay = true, true }),
		when("delete-after", "the same as --delete-delay", "", nil, func(d *deleteSettings) { d.after = true }),
		{
			name: "delete-excluded", category: catDelete, doc: "... and what rules exclude at the source",
			long: "Rules that name no side count at the source only then, so that they protect nothing; 'protect' rules do.",
			set: func(s *settings, _ bool, _ string) error {
				s.Delete, s.deletes.excluded = true, true
				return nil
			},
		},
		{
			name: "remove-source-files", alias: []string{"remove-sent-files"}, category: catDelete, doc: "remove at the source what has arrived: move it",
			long: "Files, symlinks and special files are removed when all is in place, verified and durable, and what was there before as well; directories never are, nor what has changed since it was listed.",
			set:  on(func(s *settings) *bool { return &s.RemoveSource }),
		},
		{
			name: "ignore-errors", negate: true, category: catDelete, rare: true, doc: "... although the source could not be read as a whole",
			long: "In a directory of which not everything could be read nothing is deleted all the same.",
			set:  on(func(s *settings) *bool { return &s.IgnoreErrors }),
		},
		{
			name: "force", negate: true, category: catDelete, doc: "remove a directory with what is in it where a file is to be",
			long: "--delete does so, too. What rules protect stays, and so does the directory.",
			set:  on(func(s *settings) *bool { return &s.Force }),
		},
	}
}

// placeFlags are the options about where files are made and when they appear.
func placeFlags() []flag {
	return []flag{
		{
			name: "temp-dir", short: "T", arg: "DIR", kind: valueDestDir, category: catMove, doc: "make files in DIR, then move them to their place",
			long: "A relative DIR is one of the destination; it has to exist. From another file system a file is copied beside its name before it appears. What is unfinished is not kept, unless --partial or --partial-dir is given: files that those keep are made beside their names. What a run that was killed has left there, the next one with this DIR removes.",
			set:  text(func(s *settings) *string { return &s.TempDir }),
		},
		{
			name: "delay-updates", negate: true, category: catMove, doc: "have all files appear together, in the end",
			long: "Deletions and what has no content come as without it. As with rsync, .~tmp~ is the directory for partial files then, where none is given, and left out of the copy. With an absolute --partial-dir all files lie there until they appear.",
			set:  on(func(s *settings) *bool { return &s.DelayUpdates }),
		},
	}
}

// finishDelay settles what depends on files being held back.
func (s *settings) finishDelay() error {
	switch {
	case !s.DelayUpdates:
		return nil
	case s.InPlace:
		return usageErrorf("--inplace does not go with --delay-updates")
	case s.Append || s.AppendVerify:
		return usageErrorf("--append does not go with --delay-updates")
	case s.PartialDir == "":
		s.PartialDir = ".~tmp~"
	}
	return nil
}

// finishDelete settles when deletions happen.
func (s *settings) finishDelete() error {
	d := &s.deletes
	n := 0
	for _, on := range []bool{d.before, d.during, d.after} {
		if on {
			n++
		}
	}
	if n > 1 {
		return usageErrorf("--delete-before, --delete-during and --delete-after exclude each other")
	}
	if s.RemoveSource && s.Delete {
		s.retries = 0 // a second attempt might take what was moved for what is not there
	}
	s.DeleteBefore = d.before
	s.DeleteAfter = d.after || d.during && d.delay
	s.JudgeAfter = d.after
	return nil
}
