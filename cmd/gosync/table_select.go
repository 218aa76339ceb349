package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gosync/internal/engine"
)

// selectFlags are the options that leave entries alone by what they are, or by what
// the destination has.
func selectFlags() []flag {
	return []flag{
		{
			name: "existing", alias: []string{"ignore-non-existing"}, category: catWork, doc: "make nothing that the destination does not have",
			set: on(func(s *settings) *bool { return &s.Existing }),
		},
		{
			name: "ignore-existing", category: catWork, doc: "change nothing that the destination has",
			long: "Directories are still entered, and keep the source's attributes.",
			set:  on(func(s *settings) *bool { return &s.IgnoreExisting }),
		},
		{
			name: "max-size", arg: "SIZE", category: catWork, doc: "leave out files of more than SIZE bytes (1.5m, 2GB, 1k-1)",
			long: "With --server --restrict-to it is an error of a client to send one.",
			set:  func(s *settings, _ bool, text string) error { return s.setMaxSize(text) },
		},
		{
			name: "min-size", arg: "SIZE", category: catWork, doc: "leave out files of fewer than SIZE bytes",
			set: func(s *settings, _ bool, text string) (err error) {
				s.MinSize, err = parseSize(text, 'b')
				return err
			},
		},
		{
			name: "modify-window", short: "@", arg: "N", category: catEqual, doc: "times up to N seconds apart are equal; -1: nanoseconds count",
			set: func(s *settings, _ bool, text string) (err error) {
				s.ModifyWindow, err = parseWindow(text)
				return err
			},
		},
		{
			name: "one-file-system", short: "x", negate: true, category: catWork, doc: "leave out what is mounted in the sources; -xx: the places, too",
			set: func(s *settings, on bool, _ string) error {
				if s.OneFileSystem = min(s.OneFileSystem+1, 2); !on {
					s.OneFileSystem = 0
				}
				return nil
			},
		},
		{
			name: "ignore-missing-args", category: catWork, doc: "a source that does not exist is no error",
			set: on(func(s *settings) *bool { return &s.IgnoreMissing }),
		},
		{
			name: "mkpath", negate: true, category: catWork, doc: "make the parents of the destination that are missing",
			set: on(func(s *settings) *bool { return &s.MakePath }),
		},
		{
			name: "link-dest", arg: "DIR", kind: valueDestDir, many: true, category: catMove, doc: "hard-link what DIR has unchanged, as an earlier backup may",
			long: "DIR is on the destination's machine, relative to the destination or absolute. A file that has the same content, time, permissions and owner there becomes a link to it; one with other attributes is copied from there; one with other content is sent as a delta. May be repeated up to 20 times: the best match counts.",
			set:  alternateFlag(engine.AltLink),
		},
		{
			name: "copy-dest", arg: "DIR", kind: valueDestDir, many: true, category: catMove, doc: "... copy it from there",
			set: alternateFlag(engine.AltCopy),
		},
		{
			name: "compare-dest", arg: "DIR", kind: valueDestDir, many: true, category: catMove, doc: "... do not make it at all",
			set: alternateFlag(engine.AltCompare),
		},
	}
}

// moreSelectFlags are options about directories without files, names that do not exist
// and files of like names.
func moreSelectFlags() []flag {
	return []flag{
		{
			name: "prune-empty-dirs", short: "m", negate: true, category: catWork, doc: "leave out directories in which no file is, at any depth",
			long: "A rule that protects such a directory at the destination keeps it: --filter='P name/'. With --delete the destination's are removed.",
			set:  on(func(s *settings) *bool { return &s.PruneEmpty }),
		},
		{
			name: "implied-dirs", alias: []string{"i-d"}, negate: true, category: catWork, doc: "with -R, directories on the way are kept as well (the default)",
			long: "With --no-implied-dirs they stay as they are at the destination, where a symlink may stand for one as long as it does not lead out of it; what is missing is made as a new directory.",
			set:  func(s *settings, on bool, _ string) error { s.NoImplied = !on; return nil },
		},
		{
			name: "delete-missing-args", category: catDelete, doc: "remove what is named as a source and does not exist there",
			long: "It is removed from the destination, whatever else is deleted; a directory that is not empty only with --delete or --force.",
			set:  on(func(s *settings) *bool { return &s.DeleteMissing }),
		},
		{
			name: "fuzzy", short: "y", counts: true, negate: true, category: catMove, doc: "send new files as changes of files with like names",
			long: "What lies in the same directory and has the same size and time, or else the most similar name, is compared with. -yy: in alternate directories, too. It needs what deltas need: gosync on the far side.",
			set: func(s *settings, on bool, _ string) error {
				if s.Fuzzy = min(s.Fuzzy+1, 2); !on {
					s.Fuzzy = 0
				}
				return nil
			},
		},
		{
			name: "preallocate", rare: true, category: catMove, doc: "accepted: room for large files is always reserved first",
			set: func(*settings, bool, string) error { return nil },
		},
		{
			name: "iconv", arg: "CHARSETS", negate: true, rare: true, category: catNames, doc: "accepted where nothing is to be converted; else status 4",
			long: "Names are bytes to gosync and arrive as they are. So --iconv=-, --iconv=. (what each machine has, taken for the same) and one and the same character set twice, such as utf8,utf8, are what is done anyway.",
			set: func(s *settings, on bool, text string) error {
				s.iconv = ""
				if on {
					s.iconv = text
				}
				return nil
			},
		},
	}
}

// checkIconv refuses to convert names.
func (s *settings) checkIconv(getenv func(string) string) error {
	from := "--iconv="
	text := s.iconv
	if text == "" && !s.iconvGiven() {
		from, text = "RSYNC_ICONV=", getenv("RSYNC_ICONV")
	}
	here, there, two := strings.Cut(strings.ToLower(strings.ReplaceAll(text, "-", "")), ",")
	if !two && (here == "" || here == ".") || two && here == there {
		return nil
	}
	return withCode(exitUnsupported, fmt.Errorf("%s%s: gosync does not convert names from one character set to another: leave it out", from, text))
}

// iconvGiven reports whether the command line says something of --iconv, so that the
// environment does not count.
func (s *settings) iconvGiven() bool {
	return slices.ContainsFunc(s.given, func(g givenFlag) bool { return g.flag.name == "iconv" })
}

// alternateFlag makes the set function of an option that names an alternate directory.
func alternateFlag(kind engine.Alternates) func(*settings, bool, string) error {
	return func(s *settings, _ bool, text string) error {
		switch {
		case text == "":
			return usageErrorf("the value is empty")
		case s.AltKind != engine.AltNone && s.AltKind != kind:
			return usageErrorf("--compare-dest, --copy-dest and --link-dest exclude each other")
		case !s.AltDirs.Add(text):
			return usageErrorf("it may be given %d times at the most", engine.MaxAlternates)
		}
		s.AltKind = kind
		return nil
	}
}

// setMaxSize takes the value of --max-size, for the client and for a server: which
// of them this is shows when all options are known.
func (s *settings) setMaxSize(text string) error {
	n, err := parseSize(text, 'b')
	if err != nil {
		return err
	}
	if n == math.MaxInt64 {
		n--
	}
	s.TooLarge = n + 1
	s.restrict.limits.MaxSize, s.restrict.sized = n, true
	return nil
}

// parseWindow reads the value of --modify-window. As for rsync all that is negative
// means nanoseconds.
func parseWindow(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, usageErrorf("%q is not a number of seconds", text)
	}
	return max(n, -1), nil
}
