package main

import (
	"path"
	"strings"
)

// backupFlags are the options about what is kept of what is replaced or removed.
func backupFlags() []flag {
	return []flag{
		{
			name: "backup", short: "b", negate: true, category: catDelete, doc: "keep what is replaced or removed under another name",
			long: "The name gets the suffix ~, or that of --suffix. With --delete such names are protected, unless --delete-excluded is given, and times of directories are not kept, unless --backup-dir is given.",
			set:  on(func(s *settings) *bool { return &s.Backup }),
		},
		{
			name: "backup-dir", arg: "DIR", kind: valueDestDir, category: catDelete, doc: "... below DIR, at the path that it has at the destination",
			long: "A relative DIR is one of the destination. Inside of it DIR is left alone by --delete, and no symlink on the way there is followed. It may be on another file system, to which what is kept is copied. It implies --backup.",
			set: func(s *settings, _ bool, text string) error {
				if text == "" {
					text = "." // as rsync takes it, and refuses it without a suffix
				}
				s.Backup, s.BackupDir = true, text
				return nil
			},
		},
		{
			name: "suffix", arg: "SUFFIX", category: catDelete, doc: "... with SUFFIX behind its name (~, with --backup-dir nothing)",
			set: func(s *settings, _ bool, text string) error {
				if strings.Contains(text, "/") {
					return usageErrorf("%q has a slash", text)
				}
				s.Suffix, s.suffixGiven = text, true
				return nil
			},
		},
	}
}

// finishBackup settles where backups are kept and how they are called, and protects
// those that lie beside their files from --delete.
func (s *settings) finishBackup() error {
	if s.BackupDir != "" {
		if s.BackupDir = path.Clean(s.BackupDir); s.BackupDir == "." {
			s.BackupDir = "" // the destination itself
			s.suffixGiven = true
		}
	}
	if !s.suffixGiven && s.BackupDir == "" {
		s.Suffix = "~"
	}
	if s.Suffix == "" && s.BackupDir == "" {
		return usageErrorf("--suffix cannot be empty without a --backup-dir that is not the destination itself")
	}
	if !s.Backup {
		s.BackupDir, s.Suffix = "", "" // of no use to the far side
		return nil
	}
	if s.BackupDir == "" && s.Delete && !s.deletes.excluded {
		s.rules = append(s.rules, rule{kind: ruleFilter, text: "P *" + literalPattern(s.Suffix)})
	}
	return nil
}
