package main

// nameFlags are the options about which names take part.
func nameFlags() []flag {
	return []flag{
		{
			name: "exclude", arg: "PATTERN", many: true, category: catNames, doc: "leave out names that match",
			long: "The first rule that matches a name decides, in the order of the command line. A pattern without a slash matches the last component, one with a leading slash is anchored at the top of the transfer, one with a trailing slash matches directories.",
			set:  selects(ruleExclude),
		},
		{name: "include", arg: "PATTERN", many: true, category: catNames, doc: "take names that match", set: selects(ruleInclude)},
		{
			name: "filter", short: "f", arg: "RULE", many: true, category: catNames, doc: "add a filter rule: '- *.o', '+ /src/', '. FILE', ...",
			set: selects(ruleFilter),
		},
		{
			short: "F", category: catNames, doc: "rules are in .rsync-filter files; -FF: which are not copied",
			long: "Such files count in the directories that are copied, not in those above.",
			set:  func(s *settings, _ bool, _ string) error { s.addPerDirectory(); return nil },
		},
		{name: "exclude-from", arg: "FILE", kind: valueFile, many: true, category: catNames, doc: "read patterns to leave out from FILE (- for stdin)", set: selects(ruleExcludeFrom)},
		{name: "include-from", arg: "FILE", kind: valueFile, many: true, category: catNames, doc: "read patterns to take from FILE (- for stdin)", set: selects(ruleIncludeFrom)},
		{
			name: "files-from", arg: "FILE", kind: valueFile, category: catNames, doc: "take exactly the names listed in FILE (- for stdin)",
			long: "Names are below the source and one per line; lines that begin with # or ; are comments. HOST:FILE, or :FILE, is a file on the host of the copy. It implies --relative and --dirs, and -a does not imply -r with it.",
			set:  text(func(s *settings) *string { return &s.filesFrom }),
		},
		{
			name: "from0", short: "0", negate: true, category: catNames, doc: "names in *-from files end with a zero byte, not a newline",
			set: on(func(s *settings) *bool { return &s.from0 }),
		},
	}
}
