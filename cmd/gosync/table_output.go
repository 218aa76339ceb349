package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// outputFlags are the everyday options about output.
func outputFlags() []flag {
	return []flag{
		{
			name: "verbose", short: "v", counts: true, negate: true, category: catOutput, doc: "name what is copied, and sum up at the end; -vv more",
			set: count(func(s *settings) *int { return &s.verbose }),
		},
		{name: "quiet", short: "q", negate: true, category: catOutput, doc: "print errors only", set: on(func(s *settings) *bool { return &s.quiet })},
		{
			name: "itemize-changes", short: "i", counts: true, negate: true, category: catOutput, doc: "say in eleven characters what changes; -ii also what does not",
			long: "First < sent, > received, c made here, h hard link, . attributes only, *deleting. Then the type: f, d, L, D, S. Then c content, s size, t time, p permissions, o owner, g group, u access time, a access control lists, x extended attributes; + stands for a new entry.",
			set:  count(func(s *settings) *int { return &s.itemize }),
		},
		{name: "stats", category: catOutput, doc: "print totals at the end", set: on(func(s *settings) *bool { return &s.stats })},
		{
			name: "progress", negate: true, category: catOutput, doc: "show how far the whole run is",
			long: "One line on a terminal, else a line every 30 seconds, on standard error, and the last one on standard output. SIGUSR1, and SIGINFO where there is one, prints a line at any time, also without this option.",
			set:  on(func(s *settings) *bool { return &s.progress }),
		},
		{
			name: "human-readable", short: "h", counts: true, negate: true, category: catOutput, doc: "numbers with units; -hh with units of 1024",
			long: "-h with nothing else is the short help.",
			set:  count(func(s *settings) *int { return &s.human }),
		},
		{
			name: "version", short: "V", lineOnly: true, category: catOutput, doc: "print the version; -VV as JSON, with what this gosync can do",
			set: count(func(s *settings) *int { return &s.version }),
		},
		{name: "help", lineOnly: true, category: catOutput, doc: "explain all options; -h alone is shorter", set: on(func(s *settings) *bool { return &s.help })},
	}
}

// moreOutputFlags are the options about output beside the everyday ones.
func moreOutputFlags() []flag {
	return append(lineFlags(), []flag{
		{
			name: "list-only", category: catOutput, doc: "list the source, as ls -l does, and copy nothing",
			long: "It is what a single operand means, too. Directories are listed one level deep without -r, and their size is shown as 0. With -l or -a it is said where symlinks point.",
			set:  on(func(s *settings) *bool { return &s.listOnly }),
		},
		{
			name: "8-bit-output", short: "8", negate: true, rare: true, category: catOutput, doc: "print bytes of names that are no UTF-8 as they are",
			long: `Without it they are written as \#ooo, in octal digits. What could do harm on a terminal always is.`,
			set:  on(func(s *settings) *bool { return &s.eightBit }),
		},
		{
			name: "outbuf", arg: "MODE", values: fixed("N", "L", "B"), rare: true, category: catOutput, doc: "hand on output at once (N, L) or in blocks (B, the default)",
			set: func(s *settings, _ bool, text string) error {
				if text == "" || !strings.Contains("NULB", strings.ToUpper(text[:1])) {
					return usageErrorf("%q is none of N, L, B", text)
				}
				s.lineBuffered = strings.ToUpper(text[:1]) != "B"
				return nil
			},
		},
		{
			name: "stderr", arg: "WHICH", values: fixed("errors", "all", "client"), rare: true, category: catOutput, doc: "what goes to standard error: errors (the default), all, client",
			long: "client is the same as errors: what the far side has to say is always told by this one.",
			set: func(s *settings, _ bool, text string) error {
				for _, mode := range []string{"errors", "all", "client"} {
					if text != "" && strings.HasPrefix(mode, text) {
						s.allToStderr = mode == "all"
						return nil
					}
				}
				return usageErrorf("%q is none of errors, all, client", text)
			},
		},
		{
			name: "msgs2stderr", negate: true, rare: true, category: catOutput, doc: "the same as --stderr=all",
			set: on(func(s *settings) *bool { return &s.allToStderr }),
		},
	}...)
}

// lineFlags are the options about what is told of the run, and in which words.
func lineFlags() []flag {
	return []flag{
		{
			name: "info", arg: "WORDS", values: infoValues, list: true, many: true, category: catOutput, doc: "tell about WORDS: progress2,name0,...; help lists them",
			long: "The words and what -v adds are rsync's. What is said of a word here wins over -v, --stats and --progress, wherever it stands.",
			set: func(s *settings, _ bool, text string) error {
				help, err := s.infoSaid.parse("info", infoWords(), text)
				if help {
					s.wordHelp = infoHelp()
				}
				return err
			},
		},
		{
			name: "debug", arg: "WORDS", values: debugValues, list: true, many: true, rare: true, category: catOutput, doc: "log what only those need who look for a fault; help lists WORDS",
			set: func(s *settings, _ bool, text string) error {
				help, err := s.debugSaid.parse("debug", debugWords(), text)
				if help {
					s.wordHelp = debugHelp()
				}
				return err
			},
		},
		{
			name: "out-format", alias: []string{"log-format"}, arg: "FORMAT", category: catOutput, doc: "what is said of a change: '%i %n%L'",
			long: "%n name, %L target of a link with an arrow, %f name with its source's path, %l size, %i the eleven characters of -i, %o send, recv or del., %M time, %B permissions, %U %G owner and group, %t time now, %p process, %% a percent sign. " +
				"Between the % and the letter may stand quotes, for numbers with commas ('), units of 1000 (two) or of 1024 (three), and a width, to the left if it is negative: %-30n. A line is printed when it is decided what is done, before the content has moved: %b is the size of a file whose content is to move, and %c (0) and %C (blank) tell nothing; --stats has the totals.",
			set: func(s *settings, _ bool, text string) error {
				s.outFormat = lineFormat{text: text, set: true}
				return nil
			},
		},
		{
			name: "json", negate: true, category: catOutput, doc: "tell all as JSON, one event a line, on standard output",
			long: "docs/json.md describes the events. All that is printed there without it, of -v, -i, --out-format and --stats too, goes to standard error, as far as it is asked for. -ii has what does not change as well. It does not go with --direct, nor with --list-only: gosync ls has a --json of its own.",
			set:  on(func(s *settings) *bool { return &s.json }),
		},
		{
			name: "log-file", arg: "FILE", kind: valueFile, category: catOutput, doc: "append to FILE what is done, each line with the time",
			set: text(func(s *settings) *string { return &s.logName }),
		},
		{
			name: "log-file-format", arg: "FORMAT", rare: true, category: catOutput, doc: "the form of its lines, as of --out-format ('%i %n%L')",
			long: "An empty FORMAT leaves the lines of single entries out.",
			set: func(s *settings, _ bool, text string) error {
				s.logLine = lineFormat{text: text, set: true}
				return nil
			},
		},
	}
}

// tuningFlags are rsync's options that say how something is done, and never what comes of it.
func tuningFlags() []flag {
	nothing := func(*settings, bool, string) error { return nil }
	return append(compressFlags(), []flag{
		{
			name: "inc-recursive", alias: []string{"i-r"}, negate: true, rare: true, category: catMove, doc: "list while copying (the default)",
			long: "gosync always does. With --no-inc-recursive -v says so in other words.",
			set:  func(s *settings, on bool, _ string) error { s.scanFirst = !on; return nil },
		},
		{
			name: "old-dirs", alias: []string{"old-d"}, rare: true, category: catWork, doc: "-r with what is below the first level excluded",
			set: on(func(s *settings) *bool { return &s.oldDirs }),
		},
		{
			name: "block-size", short: "B", arg: "SIZE", rare: true, category: catMove, doc: "find differences by blocks of about SIZE bytes, up to 128k",
			long: "It is rounded up to a power of two from 512 on; 0 is the default, by the size of each file. Files of up to 64 KiB have blocks of 512 bytes.",
			set: func(s *settings, _ bool, text string) (err error) {
				s.BlockSize, err = parseSize(text, 'b')
				if err == nil && s.BlockSize > 128<<10 {
					err = usageErrorf("%q is too large: the most is 128k", text)
				}
				return err
			},
		},
		{
			name: "checksum-choice", alias: []string{"cc"}, arg: "NAMES", values: checksumValues, list: true, rare: true, category: catMove, doc: "accepted: content is always checked with BLAKE3",
			long: "Names that rsync knows are accepted, since the choice changes no result.",
			set:  func(_ *settings, _ bool, text string) error { return checkNames("checksum", text, checksumNames(), 2) },
		},
		{
			name: "checksum-seed", arg: "NUMBER", rare: true, category: catMove, doc: "the seed of the sums of blocks, in place of a random one",
			set: func(s *settings, _ bool, text string) (err error) {
				s.Seed, err = checkNumber(text)
				return err
			},
		},
		{
			name: "max-alloc", arg: "SIZE", rare: true, category: catMove, doc: "accepted: no single allocation depends on what is copied",
			set: func(_ *settings, _ bool, text string) error {
				n, err := parseSize(text, 'b')
				if err == nil && n != 0 && n < 1<<20 {
					err = usageErrorf("%q is too small: the least is 1m", text)
				}
				return err
			},
		},
		{
			name: "trust-sender", rare: true, category: catMove, doc: "accepted: what the far side sends is checked nevertheless",
			set: nothing,
		},
		{
			name: "blocking-io", negate: true, rare: true, category: catRemote, doc: "accepted: every remote shell is spoken to in a way that suits it",
			set: nothing,
		},
		{
			name: "stop-after", alias: []string{"time-limit"}, arg: "MINUTES", category: catMove, doc: "end the run after MINUTES, with exit status 30",
			long: "It ends in an orderly way, as when it is interrupted: the next run goes on there.",
			set: func(s *settings, _ bool, text string) (err error) {
				s.stop, err = parseStopAfter(text)
				return err
			},
		},
		{
			name: "stop-at", arg: "TIME", rare: true, category: catMove, doc: "... at a time such as 2027-1-31T23:59, T23:59 or :30",
			set: func(s *settings, _ bool, text string) (err error) {
				s.stop, err = parseStopAt(text, time.Now())
				return err
			},
		},
	}...)
}

// compressFlags are the options about compression beside -z.
func compressFlags() []flag {
	return []flag{
		{
			name: "compress-choice", alias: []string{"zc"}, arg: "NAME", values: compressValues, rare: true, category: catMove, doc: "zstd, or none; implies -z unless it is none or auto",
			long: "rsync's lz4, zlibx and zlib are accepted and mean zstd, which no result shows.",
			set: func(s *settings, _ bool, text string) error {
				if err := checkNames("compress", text, compressNames(), 1); err != nil || strings.EqualFold(text, "auto") {
					return err
				}
				s.NoCompress = strings.EqualFold(text, "none")
				s.Compress = !s.NoCompress
				return nil
			},
		},
		{
			name: "compress-level", alias: []string{"zl"}, arg: "LEVEL", rare: true, category: catMove, doc: "of zstd, from 1 (fast) to 22 (small); implies -z",
			long: "There are four steps behind the numbers. Without it, or with 0, the level suits the line.",
			set: func(s *settings, _ bool, text string) (err error) {
				s.Level, err = checkNumber(text)
				s.Compress, s.NoCompress = true, false
				return err
			},
		},
		{
			name: "skip-compress", arg: "LIST", rare: true, category: catMove, doc: "accepted: what does not compress is noticed, whatever its name",
			set: func(*settings, bool, string) error { return nil },
		},
		{
			name: "compress-threads", alias: []string{"zt"}, arg: "NUMBER", rare: true, category: catMove, doc: "accepted: each stream is compressed by two",
			set: func(_ *settings, _ bool, text string) error { _, err := checkNumber(text); return err },
		},
	}
}

func checkNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, usageErrorf("%q is not a number", text)
	}
	return n, nil
}

// checkNames refuses names of algorithms that are not in the list; auto always is. most is how many there may be.
func checkNames(kind, text string, names []string, most int) error {
	given := strings.Split(strings.ToLower(text), ",")
	if len(given) > most {
		return usageErrorf("%q is more than %d", text, most)
	}
	for _, name := range given {
		if name != "auto" && !slices.Contains(names, name) {
			return withCode(exitUnsupported, fmt.Errorf("%q is no %s that gosync knows: it takes auto, %s", name, kind, strings.Join(names, ", ")))
		}
	}
	return nil
}
