package main

// flagTable returns all options, in the order in which the help shows them.
func flagTable() []flag {
	var table []flag
	table = append(table, workFlags()...)
	table = append(table, keepFlags()...)
	table = append(table, metaFlags()...)
	table = append(table, selectFlags()...)
	table = append(table, moreSelectFlags()...)
	table = append(table, pathFlags()...)
	table = append(table, equalFlags()...)
	table = append(table, moveFlags()...)
	table = append(table, deleteFlags()...)
	table = append(table, placeFlags()...)
	table = append(table, whenFlags()...)
	table = append(table, backupFlags()...)
	table = append(table, nameFlags()...)
	table = append(table, beyondFlags()...)
	table = append(table, outputFlags()...)
	table = append(table, moreOutputFlags()...)
	table = append(table, tuningFlags()...)
	table = append(table, configFlags()...)
	return append(append(table, farFlags()...), remoteFlags()...)
}

// on makes the set function of a switch that is a single field.
func on(field func(*settings) *bool) func(*settings, bool, string) error {
	return func(s *settings, on bool, _ string) error {
		*field(s) = on
		return nil
	}
}

// either makes the set function of a switch with a default of its own.
func either(field func(*settings) *choice) func(*settings, bool, string) error {
	return func(s *settings, on bool, _ string) error {
		*field(s) = choose(on)
		return nil
	}
}

// count makes the set function of a switch that counts.
func count(field func(*settings) *int) func(*settings, bool, string) error {
	return func(s *settings, on bool, _ string) error {
		if on {
			*field(s)++
		} else {
			*field(s) = 0
		}
		return nil
	}
}

// text makes the set function of an option whose value is taken as it is.
func text(field func(*settings) *string) func(*settings, bool, string) error {
	return func(s *settings, _ bool, text string) error {
		if text == "" {
			return usageErrorf("the value is empty")
		}
		*field(s) = text
		return nil
	}
}

// appends makes the set function of an option that may stand several times.
func appends(field func(*settings) *[]string) func(*settings, bool, string) error {
	return func(s *settings, _ bool, text string) error {
		if text == "" {
			return usageErrorf("the value is empty")
		}
		*field(s) = append(*field(s), text)
		return nil
	}
}

// selects makes the set function of an option that adds a filter rule.
func selects(kind ruleKind) func(*settings, bool, string) error {
	return func(s *settings, _ bool, text string) error {
		s.rules = append(s.rules, rule{kind: kind, text: text, nul: s.from0})
		return nil
	}
}

func workFlags() []flag {
	return []flag{
		{
			name: "archive", short: "a", category: catWork, doc: "everything a backup needs: -rlptgoD",
			long: "Hard links are not included; add -H for them. What comes later on the command line takes parts away again: -a --no-o.",
			set:  func(s *settings, _ bool, _ string) error { s.setArchive(); return nil },
		},
		{
			name: "recursive", short: "r", negate: true, category: catWork, doc: "enter directories",
			set: either(func(s *settings) *choice { return &s.recursive }),
		},
		{
			name: "dirs", short: "d", negate: true, category: catWork, doc: "take directories without entering them",
			long: "A source directory with a trailing slash gives its content, one level deep.",
			set:  either(func(s *settings) *choice { return &s.dirs }),
		},
		{
			name: "relative", short: "R", negate: true, category: catWork, doc: "keep the source's path at the destination",
			long: "With /./ in a source the part that is kept begins there: a/./b/c arrives as b/c.",
			set:  either(func(s *settings) *choice { return &s.relative }),
		},
		{
			name: "update", short: "u", negate: true, category: catWork, doc: "leave destination files that are newer alone",
			set: on(func(s *settings) *bool { return &s.Update }),
		},
		{
			name: "dry-run", short: "n", category: catWork, doc: "say what would be done and change nothing",
			set: on(func(s *settings) *bool { return &s.DryRun }),
		},
	}
}

func keepFlags() []flag {
	return []flag{
		{
			name: "links", short: "l", negate: true, category: catKeep, doc: "copy symlinks as symlinks",
			long: "Without it symlinks are left out; gosync never follows one below a source or destination, unless --copy-links asks for it.",
			set:  on(func(s *settings) *bool { return &s.Links }),
		},
		{
			name: "copy-links", short: "L", negate: true, category: catKeep, doc: "copy what symlinks lead to in their place",
			long: "They are followed wherever they lead, inside of the source or not. One that leads nowhere, or to a directory that it lies in, is an error.",
			set:  on(func(s *settings) *bool { return &s.CopyLinks }),
		},
		{
			name: "hard-links", short: "H", negate: true, category: catKeep, doc: "reproduce hard links among the copied files",
			set: on(func(s *settings) *bool { return &s.HardLinks }),
		},
		{
			name: "perms", short: "p", negate: true, category: catKeep, doc: "keep permissions",
			long: "The port of a remote host is --port, not -p.",
			set:  on(func(s *settings) *bool { return &s.Perms }),
		},
		{
			name: "times", short: "t", negate: true, category: catKeep, doc: "keep modification times",
			set: on(func(s *settings) *bool { return &s.Times }),
		},
		{
			name: "owner", short: "o", negate: true, category: catKeep, doc: "keep the owner (root only)",
			set: on(func(s *settings) *bool { return &s.Owner }),
		},
		{
			name: "group", short: "g", negate: true, category: catKeep, doc: "keep the group",
			set: on(func(s *settings) *bool { return &s.Group }),
		},
		{
			short: "D", negate: true, category: catKeep, doc: "the same as --devices --specials",
			set: func(s *settings, on bool, _ string) error {
				s.Devices, s.Specials = on, on
				return nil
			},
		},
		{
			name: "devices", negate: true, category: catKeep, doc: "copy device nodes (root only)",
			set: on(func(s *settings) *bool { return &s.Devices }),
		},
		{
			name: "specials", negate: true, category: catKeep, doc: "copy FIFOs and sockets",
			set: on(func(s *settings) *bool { return &s.Specials }),
		},
		{
			name: "numeric-ids", negate: true, category: catKeep, doc: "keep owners by number, not by name",
			set: on(func(s *settings) *bool { return &s.NumericIDs }),
		},
		{
			name: "sparse", short: "S", negate: true, category: catKeep, doc: "make holes where the source has holes or zeros",
			set: on(func(s *settings) *bool { return &s.Sparse }),
		},
	}
}

func equalFlags() []flag {
	return []flag{
		{
			name: "checksum", short: "c", negate: true, category: catEqual, doc: "compare files by content, not by size and time",
			set: on(func(s *settings) *bool { return &s.Checksum }),
		},
		{
			name: "ignore-times", short: "I", negate: true, category: catEqual, doc: "take no two files for equal",
			set: on(func(s *settings) *bool { return &s.IgnoreTimes }),
		},
		{
			name: "size-only", negate: true, category: catEqual, doc: "take files of equal size for equal",
			set: on(func(s *settings) *bool { return &s.SizeOnly }),
		},
	}
}
