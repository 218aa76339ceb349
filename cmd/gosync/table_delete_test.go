package main

import (
	"slices"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport"
)

// TestDeleteOptions checks what the options about deleting and backups come to.
func TestDeleteOptions(t *testing.T) {
	t.Parallel()
	const protect = "P *~"
	for line, want := range map[string]struct {
		change func(o *engine.Options)
		rules  []string
	}{
		"-b":                               {func(o *engine.Options) { o.Backup, o.Suffix = true, "~" }, nil},
		"-b --no-backup":                   {func(*engine.Options) {}, nil},
		"--suffix=.x":                      {func(*engine.Options) {}, nil},
		"-b --suffix=.x":                   {func(o *engine.Options) { o.Backup, o.Suffix = true, ".x" }, nil},
		"--backup-dir=a//b/":               {func(o *engine.Options) { o.Backup, o.BackupDir = true, "a/b" }, nil},
		"--backup-dir=. --suffix=.x":       {func(o *engine.Options) { o.Backup, o.Suffix = true, ".x" }, nil},
		"-b -r --delete":                   {func(o *engine.Options) { o.Backup, o.Suffix, o.Recursive, o.Delete = true, "~", true, true }, []string{protect}},
		"-b -r --delete-excluded":          {func(o *engine.Options) { o.Backup, o.Suffix, o.Recursive, o.Delete = true, "~", true, true }, nil},
		"-r --del --backup-dir=x":          {func(o *engine.Options) { o.Backup, o.BackupDir, o.Recursive, o.Delete = true, "x", true, true }, nil},
		"-r --delete-during":               {func(o *engine.Options) { o.Recursive, o.Delete = true, true }, nil},
		"-r --delete-delay":                {func(o *engine.Options) { o.Recursive, o.Delete, o.DeleteAfter = true, true, true }, nil},
		"-r --delete-delay --del":          {func(o *engine.Options) { o.Recursive, o.Delete = true, true }, nil},
		"-r --delete-after":                {func(o *engine.Options) { o.Recursive, o.Delete, o.DeleteAfter, o.JudgeAfter = true, true, true, true }, nil},
		"-r --delete-before":               {func(o *engine.Options) { o.Recursive, o.Delete, o.DeleteBefore = true, true, true }, nil},
		"--force --ignore-errors":          {func(o *engine.Options) { o.Force, o.IgnoreErrors = true, true }, nil},
		"--force --no-force":               {func(*engine.Options) {}, nil},
		"--remove-source-files -T d":       {func(o *engine.Options) { o.RemoveSource, o.TempDir = true, "d" }, nil},
		"--remove-sent-files":              {func(o *engine.Options) { o.RemoveSource = true }, nil},
		"--max-delete=-1":                  {func(o *engine.Options) { o.MaxDelete = 0 }, nil},
		"--delay-updates":                  {func(o *engine.Options) { o.DelayUpdates, o.PartialDir = true, ".~tmp~" }, []string{"-p .~tmp~/"}},
		"--delay-updates --partial-dir=p":  {func(o *engine.Options) { o.DelayUpdates, o.Partial, o.PartialDir = true, true, "p" }, []string{"-p p/"}},
		"--delay-updates --no-delay-updat": {nil, nil},
	} {
		s, _, err := parseArgs(strings.Fields("--no-W "+line), false)
		if err == nil {
			err = s.finish(true)
		}
		if want.change == nil {
			if err == nil {
				t.Errorf("%s is accepted", line)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		o := engine.Options{MaxDelete: -1, Timeout: defaultTimeout}
		if want.change(&o); s.Options != o {
			t.Errorf("%s:\n%+v, want\n%+v", line, s.Options, o)
		}
		var rules []string
		for _, r := range s.rules {
			rules = append(rules, r.text)
		}
		if !slices.Equal(rules, want.rules) {
			t.Errorf("%s: rules %q, want %q", line, rules, want.rules)
		}
	}
}

// TestMovingDoesNotRetry wants no second attempt where it would delete what the first has moved.
func TestMovingDoesNotRetry(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int{"-a --remove-source-files": 5, "-a --remove-source-files --delete": 0} {
		s, _, err := parseArgs(strings.Fields(line), false)
		if err == nil {
			err = s.finish(false)
		}
		if err != nil || s.retries != want {
			t.Errorf("%s: %d retries, %v; want %d", line, s.retries, err, want)
		}
	}
}

// TestSFTPRefusesPlaces wants what SFTP has nothing for to be refused by name, and not left out.
func TestSFTPRefusesPlaces(t *testing.T) {
	t.Parallel()
	to := fars{destEnd: &transport.Far{Via: transport.ViaSFTP}}
	job := engine.Job{Options: engine.Options{Backup: true, TempDir: "t", DelayUpdates: true}}
	if got, want := sftpRefuses(&job, to), []string{"--backup there", "--temp-dir there", "--delay-updates there"}; !slices.Equal(got, want) {
		t.Errorf("refused: %q, want %q", got, want)
	}
	job = engine.Job{Options: engine.Options{Backup: true, RemoveSource: true, Force: true, TempDir: "t", DelayUpdates: true}}
	if got, want := engine.StreamRefuses(&job, false), []string{"--backup", "--remove-source-files", "--force", "--temp-dir", "--delay-updates"}; !slices.Equal(got, want) {
		t.Errorf("refused: %q, want %q", got, want)
	}
}
