package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gosync/internal/config"
	"gosync/transport"
)

const runUsage = `Usage: gosync run JOB [OPTION]...
       gosync run --list

Starts a job of the configuration file, ~/.config/gosync/config.toml: its sources, its
destination and its options, and on top of them those that are given here, such as
--dry-run. --list shows what there is, each job with its command line. The exit status is
that of the job. gosync help config describes the file.

`

// jobSettings are the options of gosync run alone.
type jobSettings struct {
	list bool
}

func jobFlags(o *jobSettings) []flag {
	return []flag{{
		name: "list", lineOnly: true, doc: "list the jobs, and do nothing",
		set: func(_ *settings, on bool, _ string) error { o.list = on; return nil },
	}}
}

// runJob is gosync run.
func runJob(ctx context.Context, args []string, e *env) error {
	var o jobSettings
	line := newSettings()
	// Which of these options the job has is known when it is found.
	own := slices.Concat(jobFlags(&o), snapshotFlags(new(snapshotSettings)), verifyFlags(new(verifySettings)))
	operands, err := parseWith("run", own, line, args)
	switch {
	case err != nil:
		return err
	case line.help:
		e.events = nil
		return e.text(ownHelp(runUsage, jobFlags(&o)))
	case !o.list && len(operands) != 1:
		return usageErrorf("gosync run takes the name of one job, not %d operands; gosync run --list names them", len(operands))
	case o.list && line.json:
		return usageErrorf("gosync run --list does not go with --json")
	case o.list && len(operands) > 0:
		return usageErrorf("gosync run --list takes no job")
	}
	file, err := e.jobFile(line)
	if err != nil {
		return err
	}
	if o.list {
		return e.listJobs(file)
	}
	j := file.Job(operands[0])
	if j == nil {
		return noJob(operands[0], file)
	}
	return e.startJob(ctx, file, j, line.given)
}

// jobFile reads the configuration, which must be there.
func (e *env) jobFile(line *settings) (*config.File, error) {
	file, err := e.configFile(line)
	switch {
	case err != nil:
		return nil, err
	case file != nil:
		return file, nil
	case line.noConfig:
		return nil, usageErrorf("gosync run reads its jobs from the configuration, and does not go with --no-config")
	}
	return nil, usageErrorf("there is no configuration file %s; gosync help config describes it", configName(e.getenv))
}

// noJob says that there is no such job, and which there are.
func noJob(name string, file *config.File) error {
	var names []string
	for _, j := range file.Jobs {
		names = append(names, j.Name)
	}
	switch guess := nearest(name, names); {
	case guess != "":
		return usageErrorf("%s has no job %s; did you mean %s?", file.Name, name, guess)
	case len(names) == 0:
		return usageErrorf("%s has no jobs", file.Name)
	}
	return usageErrorf("%s has no job %s; it has %s", file.Name, name, strings.Join(names, ", "))
}

// startJob runs a job with further options on top.
func (e *env) startJob(ctx context.Context, file *config.File, j *config.Job, given []givenFlag) error {
	operands, err := e.jobOperands(j)
	if err != nil {
		return err
	}
	s := newSettings()
	given = slices.DeleteFunc(slices.Clone(given), func(g givenFlag) bool { return g.flag.category == catConfig })
	switch j.Command {
	case "":
		if err := e.layJob(&layers{env: e, s: s, table: flagTable()}, file.Defaults, j, given); err != nil {
			return err
		}
		e.keepEvents(s)
		return e.sync(ctx, s, operands)
	case "snapshot":
		r := &snapshotRun{env: e, s: s, operands: operands}
		s.setArchive()
		if err := e.layJob(&layers{env: e, s: s, table: slices.Concat(snapshotFlags(&r.o), flagTable())}, nil, j, given); err != nil {
			return err
		}
		return r.run(ctx, (*snapshotRun).make)
	}
	var v verifySettings
	s.setArchive()
	if err := e.layJob(&layers{env: e, s: s, table: slices.Concat(verifyFlags(&v), flagTable())}, nil, j, given); err != nil {
		return err
	}
	return e.verify(ctx, &v, s, operands)
}

// layJob puts together the settings of a job.
func (e *env) layJob(l *layers, defaults config.Settings, j *config.Job, given []givenFlag) error {
	if err := l.file(defaults); err != nil {
		return err
	}
	if err := l.file(j.Settings); err != nil {
		return err
	}
	return l.line(given)
}

// jobOperands returns the operands of a job.
func (e *env) jobOperands(j *config.Job) ([]string, error) {
	fail := func(err error) error {
		return &usageError{text: (&config.Error{At: j.At, Err: fmt.Errorf("job %s: %w", j.Name, err)}).Error()}
	}
	switch j.Command {
	case "copy":
		j.Command = ""
	case "", "snapshot", "verify":
	default:
		known := []string{"copy", "snapshot", "verify"}
		if guess := nearest(j.Command, known); guess != "" {
			return nil, fail(usageErrorf("unknown command %q; did you mean %s?", j.Command, guess))
		}
		return nil, fail(usageErrorf("unknown command %q; it is one of %s", j.Command, strings.Join(known, ", ")))
	}
	var operands []string
	all := slices.Clone(j.Sources)
	if j.Dest != "" {
		all = append(all, j.Dest)
	}
	for _, text := range all {
		t, err := transport.ParseTarget(text)
		if err != nil {
			return nil, fail(err)
		}
		if !t.Remote {
			if text, err = e.ownPath(text); err != nil {
				return nil, fail(err)
			}
		}
		operands = append(operands, text)
	}
	return operands, nil
}

// listJobs prints all jobs, and says what is wrong with them.
func (e *env) listJobs(file *config.File) error {
	var b strings.Builder
	var wrong []error
	for i := range file.Jobs {
		j := &file.Jobs[i]
		text, err := e.jobLine(j)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		b.WriteString(display(j.Name))
		if j.About != "" {
			b.WriteString(": " + display(j.About))
		}
		b.WriteString("\n    " + display(text) + "\n")
	}
	if err := e.text(b.String()); err != nil {
		return err
	}
	for _, err := range wrong[min(1, len(wrong)):] {
		_, _ = fmt.Fprintln(e.stderr, "gosync: "+display(err.Error())) // the first one is the last line
	}
	if len(wrong) > 0 {
		return wrong[0]
	}
	return nil
}

// jobLine is the command line that does the same as a job.
func (e *env) jobLine(j *config.Job) (string, error) {
	operands, err := e.jobOperands(j)
	if err != nil {
		return "", err
	}
	words := []string{"gosync"}
	table := flagTable()
	switch j.Command {
	case "snapshot":
		words, table = append(words, j.Command), slices.Concat(snapshotFlags(new(snapshotSettings)), table)
	case "verify":
		words, table = append(words, j.Command), slices.Concat(verifyFlags(new(verifySettings)), table)
	}
	l := &layers{env: e, s: newSettings(), table: table}
	if err := l.file(j.Settings); err != nil {
		return "", err
	}
	for i := range l.s.given {
		words = append(words, shellQuote(l.s.given[i].arg()))
	}
	for _, o := range operands {
		words = append(words, shellQuote(o))
	}
	return strings.Join(words, " "), nil
}
