package main

import (
	"slices"
	"time"

	"gosync/internal/engine"
	"gosync/transport"
)

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
		s.rules = append(s.rules, rule{kind: kind, text: text})
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
			long: "Names are below the source and one per line; lines that begin with # or ; are comments. It implies --relative and --dirs, and -a does not imply -r with it.",
			set:  text(func(s *settings) *string { return &s.filesFrom }),
		},
		{
			name: "from0", short: "0", negate: true, category: catNames, doc: "names in *-from files end with a zero byte, not a newline",
			set: on(func(s *settings) *bool { return &s.from0 }),
		},
	}
}

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
			long: "One line on a terminal, else a line every 30 seconds, on standard error, and the last one on standard output.",
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

// expandFlag is the option that --direct gives to gosync on the source's machine.
const expandFlag = "expand-sources"

func remoteFlags() []flag {
	return append([]flag{
		{
			name: "rsh", short: "e", arg: "COMMAND", category: catRemote, doc: "reach the host by COMMAND, such as 'ssh -p 2222'",
			long: "The command is split at spaces; ' and \" quote, a doubled quote stands for itself. GOSYNC_RSH and RSYNC_RSH in the environment do the same. Without it gosync speaks SSH itself.",
			set:  text(func(s *settings) *string { return &s.rsh }),
		},
		{
			name: "gosync-path", alias: []string{"rsync-path"}, arg: "PROGRAM", category: catRemote, doc: "the gosync to run on the far side",
			long: "The far side's shell reads it, so it may be a command such as 'sudo gosync'.",
			set:  text(func(s *settings) *string { return &s.remotePath }),
		},
		{
			name: "via", arg: "WAY", values: viaWords, category: catRemote, doc: "auto (default), agent, sftp or scp",
			long: "How the far side is worked with. auto takes the best that is there: gosync; gosync sent there first; the server's SFTP, with whole files that are compared by size and time; scp, which can only be sent everything. Each step down is told. --via=sftp and --via=scp are also the baselines to compare with.",
			set: func(s *settings, _ bool, text string) error {
				if !slices.Contains(transport.Vias(), transport.Via(text)) {
					return usageErrorf("--via=%s is none of auto, agent, sftp, scp", text)
				}
				s.via = transport.Via(text)
				return nil
			},
		},
		{
			name: "no-deploy", category: catRemote, doc: "do not send gosync to a far side that has none",
			long: "Else it is put into ~/.cache/gosync there, checked, and used again the next time.",
			set:  on(func(s *settings) *bool { return &s.noDeploy }),
		},
		{
			name: "agent-dir", arg: "DIR", kind: valueDir, category: catRemote, doc: "where gosync for other systems is, as gosync-OS-ARCH",
			set: text(func(s *settings) *string { return &s.agentDir }),
		},
		{
			name: "direct", category: catRemote, doc: "both sides remote: the source's machine sends by itself",
			long: "Else everything passes this machine, which needs no trust between the two. With --direct the source's machine connects to the other one, with the keys and the ssh configuration that it has itself.",
			set:  on(func(s *settings) *bool { return &s.direct }),
		},
		{
			name: "ssh", arg: "HOW", values: fixed(transport.SSHAuto, transport.SSHNative, transport.SSHCommand), category: catRemote, doc: "auto, native (gosync itself) or command (the ssh program)",
			long: "auto uses a running ssh master (ControlPath), else the client inside gosync, and the ssh program for what only that can do: PKCS#11, Kerberos, host-based logins, KnownHostsCommand, security keys without an agent. -v says which.",
			set: func(s *settings, _ bool, text string) error {
				switch text {
				case transport.SSHAuto, transport.SSHNative, transport.SSHCommand:
					s.ssh = text
					return nil
				}
				return usageErrorf("%q is none of auto, native, command", text)
			},
		},
		{
			name: "identity", arg: "FILE", kind: valueFile, many: true, category: catRemote, doc: "log in with the private key in FILE (may be repeated)",
			set: appends(func(s *settings) *[]string { return &s.identities }),
		},
		{
			name: "ssh-option", arg: "KEYWORD=VALUE", many: true, category: catRemote, doc: "a line of ssh_config that wins over the file (may be repeated)",
			set: appends(func(s *settings) *[]string { return &s.sshOptions }),
		},
		{
			name: "ssh-config", arg: "FILE", kind: valueFile, category: catRemote, doc: "read FILE instead of ~/.ssh/config; none for no file",
			set: text(func(s *settings) *string { return &s.sshConfig }),
		},
		{
			name: "port", arg: "PORT", category: catRemote, doc: "the port of the SSH server",
			set: func(s *settings, _ bool, text string) (err error) {
				s.port, err = parsePort(text)
				return err
			},
		},
		{name: expandFlag, hidden: true, category: catRemote, doc: "expand ~ and wildcards in sources", set: on(func(s *settings) *bool { return &s.expand })},
		{name: "sftp-server", hidden: true, category: catRemote, doc: "be an SFTP server", set: on(func(s *settings) *bool { return &s.sftpServer })},
		{
			name: "heartbeat", arg: "TIME", hidden: true, category: catRemote, doc: "print signs of life",
			set: func(s *settings, _ bool, text string) (err error) {
				s.heartbeat, err = time.ParseDuration(text)
				return err
			},
		},
		{name: "server", hidden: true, category: catRemote, doc: "be the far side", set: on(func(s *settings) *bool { return &s.server })},
	}, restrictFlags()...)
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
