package main

import "gosync/internal/engine"

// moveFlags are the options about how content is moved and written, and about the time that it may take.
func moveFlags() []flag {
	return []flag{
		{
			name: "whole-file", short: "W", negate: true, category: catMove, doc: "send files whole, without looking for differences",
			long: "This is the default where both ends are on this machine; --no-whole-file changes that.",
			set:  either(func(s *settings) *choice { return &s.wholeFile }),
		},
		{
			name: "compress", short: "z", negate: true, category: catMove, doc: "compress on the line (zstd)",
			long: "What does not compress is sent as it is. Without the option content is compressed while a long line, or --bwlimit, is slower than that; --no-compress never does.",
			set: func(s *settings, on bool, _ string) error {
				s.Compress, s.NoCompress = on, !on
				return nil
			},
		},
		{
			name: "inplace", negate: true, category: catMove, doc: "write into the destination files themselves",
			long: "A file that is being written is neither old nor new, and stays so when the run is interrupted. Use it where there is no room for a second copy.",
			set:  on(func(s *settings) *bool { return &s.InPlace }),
		},
		{
			name: "partial", negate: true, category: catMove, doc: "keep what was received of small files as well",
			long: "Of files over 64 MiB it is always kept, under a hidden name beside the file, and the next run goes on there; what a run was killed in the middle of is kept as well. --partial does so from 128 KiB on, and gives what is kept its final name where nothing is there yet. --no-partial keeps nothing.",
			set: func(s *settings, on bool, _ string) error {
				s.Partial, s.NoPartial = on, !on
				if !on {
					s.PartialDir = ""
				}
				return nil
			},
		},
		{
			name: "partial-dir", arg: "DIR", kind: valueDestDir, negate: true, category: catMove, doc: "keep unfinished files in DIR (implies --partial)",
			long: "A relative DIR is made in each directory that needs it, and left out of the copy. RSYNC_PARTIAL_DIR in the environment does the same where --partial is given.",
			set: func(s *settings, on bool, text string) (err error) {
				s.PartialDir = ""
				if on {
					s.Partial, s.NoPartial = true, false
					s.PartialDir, err = parsePartialDir(text)
				}
				return err
			},
		},
		{
			name: "append", negate: true, category: catMove, doc: "send only what is behind the end of shorter files",
			long: "What is there is trusted, and the file is written in place. Files that are not shorter are left alone.",
			set: func(s *settings, on bool, _ string) error {
				s.Append, s.AppendVerify = on, false
				return nil
			},
		},
		{
			name: "append-verify", category: catMove, doc: "... and compare what is there, and mend it",
			set: func(s *settings, _ bool, _ string) error {
				s.Append, s.AppendVerify = false, true
				return nil
			},
		},
		{
			short: "P", category: catMove, doc: "the same as --partial --progress",
			set: func(s *settings, _ bool, _ string) error {
				s.Partial, s.NoPartial, s.progress = true, false, true
				return nil
			},
		},
		{
			name: "fsync", arg: "WHEN", values: fixed("run", "each", "none"), optional: "each", category: catMove, doc: "make data durable: run (the default), each, none",
			long: "run: all that was copied survives a power cut once gosync has ended with status 0. each (also --fsync alone): every file before it appears. none: whenever the operating system likes, as rsync does it.",
			set: func(s *settings, _ bool, text string) (err error) {
				s.Durability, err = parseDurability(text)
				return err
			},
		},
		{
			name: "bwlimit", arg: "RATE", negate: true, category: catMove, doc: "limit content to RATE per second (KiB; or 1.5m, 2MB)",
			set: func(s *settings, on bool, text string) (err error) {
				s.BandwidthLimit = 0
				if on {
					s.BandwidthLimit, err = parseRate(text)
				}
				return err
			},
		},
		{
			name: "timeout", arg: "SECONDS", negate: true, category: catMove, doc: "give up when nothing has moved for so long (60; 0: never)",
			long: "Signs of life do not count as movement, unless the far side says that it is at work. When the time is given, the run ends with status 30 then; by default, or with --retries as well, gosync connects again.",
			set: func(s *settings, on bool, text string) (err error) {
				s.Timeout, s.timeoutGiven = 0, on
				if on {
					s.Timeout, err = parseSeconds(text)
				}
				return err
			},
		},
		{
			name: "contimeout", arg: "SECONDS", negate: true, category: catRemote, doc: "give up connecting after so long",
			set: func(s *settings, on bool, text string) (err error) {
				s.connTimeout = 0
				if on {
					s.connTimeout, err = parseSeconds(text)
				}
				return err
			},
		},
		{
			name: "retries", arg: "N", category: catRemote, doc: "reconnect up to N times when the line is cut (5)",
			long: "It goes on where it was. After a file was finished the count begins anew. A refused password or host key is never tried again.",
			set: func(s *settings, _ bool, text string) (err error) {
				s.retriesGiven = true
				s.retries, err = parseRetries(text)
				return err
			},
		},
	}
}

// parseDurability reads the value of --fsync.
func parseDurability(text string) (engine.Durability, error) {
	switch text {
	case "run":
		return engine.SyncRun, nil
	case "each":
		return engine.SyncEach, nil
	case "none":
		return engine.SyncNone, nil
	}
	return 0, usageErrorf("%q is none of run, each, none", text)
}
