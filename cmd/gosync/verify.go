package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/pflag"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

const verifyUsage = `Usage: gosync verify [OPTION]... SRC... DST
       gosync verify --manifest=FILE [--write-manifest=FILE] [OPTION]... TREE
       gosync verify --write-manifest=FILE [OPTION]... TREE

Compares without copying. With SRC and DST the content and the metadata of both ends
are compared: one line for each difference, exit status 45 if there is one. Operands
and options are those of the copy (-a is implied; -H, -A and -X compare hard links,
access control lists and extended attributes as well); SRC without a slash at its end
is compared with DST/SRC, or with DST itself where that has no such directory.

With --manifest the regular files of TREE are compared with lines of digests as b3sum
writes and reads them. Either side may be on a host: digests are made where files are.

`

// verifySettings are the options of gosync verify alone.
type verifySettings struct {
	check, write string // files of digests; "" for none
}

func verifyFlags(v *verifySettings) []flag {
	file := func(p *string) func(*settings, bool, string) error {
		return func(_ *settings, _ bool, text string) error {
			if text == "" {
				return usageErrorf("the value is empty")
			}
			*p = text
			return nil
		}
	}
	return []flag{
		{name: "manifest", arg: "FILE", kind: valueFile, doc: "check TREE against the digests in FILE (- for standard input)", set: file(&v.check)},
		{name: "write-manifest", arg: "FILE", kind: valueFile, doc: "write the digests of TREE to FILE (- for standard output)", set: file(&v.write)},
	}
}

// parseWith reads a command line that has options of its own beside those of a copy.
func parseWith(name string, own []flag, s *settings, args []string) ([]string, error) {
	table := slices.Concat(own, flagTable())
	set := pflag.NewFlagSet("gosync "+name, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	for i := range table {
		table[i].register(set, s)
	}
	if err := set.Parse(args); err != nil {
		return nil, explain(err, table)
	}
	if s.server || s.sftpServer || s.version > 0 || s.wordHelp != "" {
		return nil, usageErrorf("gosync %s has no such option", name)
	}
	if s.config != "" && name != "run" {
		return nil, usageErrorf("gosync %s reads no configuration: --config is for copies and gosync run", name)
	}
	return set.Args(), nil
}

// ownHelp is what --help prints for a subcommand whose other options are those of a copy.
func ownHelp(usage string, own []flag) string {
	var b strings.Builder
	b.WriteString(usage)
	for _, f := range own {
		fmt.Fprintf(&b, "  %-26s %s\n", f.usage(), f.doc)
	}
	b.WriteString("\nAll other options are those of gosync itself; gosync --help explains.\n")
	return b.String()
}

// runVerify is gosync verify.
func runVerify(ctx context.Context, args []string, e *env) error {
	var v verifySettings
	s := newSettings()
	s.setArchive()
	operands, err := parseWith("verify", verifyFlags(&v), s, args)
	switch {
	case err != nil:
		return err
	case s.json && (v.check != "" || v.write != ""):
		return usageErrorf("--json does not go with manifests, which b3sum reads")
	case s.help:
		e.events = nil
		return e.text(ownHelp(verifyUsage, verifyFlags(&v)))
	}
	return e.verify(ctx, &v, s, operands)
}

// verify compares what the operands name.
func (e *env) verify(ctx context.Context, v *verifySettings, s *settings, operands []string) error {
	switch {
	case v.check != "" || v.write != "":
		return e.verifyManifest(ctx, v, s, operands)
	case len(operands) < 2:
		return usageErrorf("gosync verify takes SRC and DST, or --manifest or --write-manifest and TREE")
	case s.direct || s.Clean || s.listOnly:
		return usageErrorf("gosync verify does not go with --direct, --clean and --list-only")
	}
	e.keepEvents(s)
	s.Checksum, s.DryRun = true, true
	s.Delete, s.ForceDelete, s.DeleteEmptySource, s.MaxDelete = true, true, true, -1
	// In a second attempt only what the first one has not shown is shown.
	return e.compare(ctx, s, operands)
}

// errOtherRoot ends a comparison with DST/SRC where there is no such thing.
var errOtherRoot = errors.New("the destination has no such directory")

// compare compares what a copy would.
func (e *env) compare(ctx context.Context, s *settings, operands []string) error {
	again, second := s.clone(), slices.Clone(operands)
	c := &comparison{}
	run, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if name := rootName(operands); name != "" {
		c.root = name
		c.other = func() { cancel(errOtherRoot) }
	}
	err := e.compareOnce(run, s, operands, c)
	if c.elsewhere.Load() {
		second[0] += "/"
		c = &comparison{}
		err = e.compareOnce(ctx, again, second, c)
	}
	return c.verdict(ctx, err)
}

// verdict returns the error of a comparison that ended with err.
func (c *comparison) verdict(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if c.count > 0 {
		text := fmt.Sprintf("%d differences", c.count)
		if c.count == 1 {
			text = "1 difference"
		}
		return withCode(exitVerify, errors.New(text))
	}
	return err
}

func (e *env) compareOnce(ctx context.Context, s *settings, operands []string, c *comparison) error {
	sub := *e
	sub.stderr = &gate{w: e.stderr, shut: &c.elsewhere}
	sub.watch = func(p *printer) {
		s.Itemize, p.compares, p.tap = true, true, func(ev engine.Event) bool { return c.event(p, ev) }
	}
	return sub.sync(ctx, s, operands)
}

// clone returns settings that a run may change without changing these.
func (s *settings) clone() *settings {
	c := *s
	c.rules = slices.Clone(s.rules)
	return &c
}

// rootName is the name that the only source has in the destination, "" where there are
// several or where its content is copied.
func rootName(operands []string) string {
	if len(operands) != 2 || strings.HasSuffix(operands[0], "/") {
		return ""
	}
	_, rest, remote := strings.Cut(operands[0], ":")
	if !remote || strings.Contains(operands[0][:len(operands[0])-len(rest)-1], "/") {
		rest = operands[0]
	}
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	if name == "" || name == "." || name == ".." {
		return ""
	}
	return name
}

// gate is a writer that drops everything once it is shut: what ends a run that was given
// up is for nobody.
type gate struct {
	w    io.Writer
	shut *atomic.Bool
}

// Write implements io.Writer.
func (g *gate) Write(p []byte) (int, error) {
	if g.shut.Load() {
		return len(p), nil
	}
	return g.w.Write(p)
}

// comparison turns what a copy would do into what differs.
type comparison struct {
	root      string // the directory that may be missing in the destination; "" for none
	other     func() // ... called then
	elsewhere atomic.Bool
	count     int64

	from, to string          // what the ends are called; "" for source and destination
	changed  map[string]bool // files whose content is known to differ, and was not told of yet
}

// ends returns what the ends are called.
func (c *comparison) ends() (from, to string) {
	if c.from == "" {
		return "the source", "the destination"
	}
	return c.from, c.to
}

// event tells of a difference. What is none is left to the printer.
func (c *comparison) event(p *printer, ev engine.Event) bool {
	if c.elsewhere.Load() {
		return true
	}
	switch ev := ev.(type) {
	case engine.ItemEvent:
		if c.root != "" && ev.Path == c.root && ev.Entry.IsDir() && ev.Change&manifest.ChangeNew != 0 {
			c.elsewhere.Store(true)
			c.other()
			return true
		}
		from, _ := c.ends()
		if c.changed[ev.Path] {
			ev.Change |= manifest.ChangeContent
			delete(c.changed, ev.Path)
		}
		if what := differences(&ev, from); what != "" {
			p.con.tell(differEvent(&ev, what))
			c.tell(p, what, ev.Path, ev.Entry.IsDir())
		}
		return true
	case engine.DeleteEvent:
		_, to := c.ends()
		only := deleteEvent(&ev)
		only.Action = onlyDest
		p.con.tell(only)
		c.tell(p, "only in "+to, ev.Path, ev.Dir)
		return true
	case engine.SkipEvent:
		p.con.tell(namedEvent("skip", ev.Path, ev.Reason))
		p.con.message("gosync: not compared: " + p.name(ev.Path) + ": " + display(ev.Reason))
		return true
	}
	return false
}

func (c *comparison) tell(p *printer, what, name string, dir bool) {
	c.count++
	if dir {
		name = dirName(name)
	}
	p.con.print(what + ": " + p.name(name) + "\n")
}

// differences names what differs about an entry, "" for nothing.
func differences(ev *engine.ItemEvent, from string) string {
	c := ev.Change
	if c&manifest.ChangeNew != 0 {
		return "only in " + from + ", or of another type"
	}
	var what []string
	for _, w := range []struct {
		bit  manifest.Change
		text string
	}{
		{manifest.ChangeContent, "content"},
		{manifest.ChangeSize, "size"},
		{manifest.ChangeTime, "time"},
		{manifest.ChangePerms, "permissions"},
		{manifest.ChangeOwner, "owner"},
		{manifest.ChangeGroup, "group"},
		{manifest.ChangeAccess, "access time"},
		{manifest.ChangeACL, "access control list"},
		{manifest.ChangeXattrs, "extended attributes"},
	} {
		if c&w.bit != 0 {
			what = append(what, w.text)
		}
	}
	switch {
	case len(what) > 0:
	case c&manifest.ChangeTransfer != 0: // equal in size and time, as far as those count
		what = []string{"content"}
	case ev.Link != "" && c&manifest.ChangeHardLink != 0:
		what = []string{"hard link"}
	case c&manifest.ChangeLocal != 0:
		what = []string{"content"}
	default:
		return ""
	}
	return "differs (" + strings.Join(what, ", ") + ")"
}
