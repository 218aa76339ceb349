package engine_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// TestLinksCarry: the content of a file with several names goes by way of the first name
// under which there is a file already, else the last. The others become links to that
// one, which whoever started the run is told. All is as rsync's -i has it.
func TestLinksCarry(t *testing.T) {
	const file = "the content of the file"
	for _, x := range []struct {
		name    string
		dst     string // what is there, "=" for the same file, "~" for one of another size, "/" for a directory, ">" for a newer one
		set     func(j *engine.Job)
		outside bool   // one more name lies outside of the transfer
		alt     string // as dst, of an alternate directory
		more    bool   // there is a file "e", too
		carrier string // how the content arrives
		links   string // the names that become links, and to what
	}{
		{name: "nothing there", carrier: "d/c", links: "a=d/c b=d/c"},
		{name: "nothing there, another outside", outside: true, carrier: "d/c", links: "a=d/c b=d/c"},
		{name: "first there", dst: "a=", links: "b=a d/c=a"},
		{name: "second there", dst: "b=", links: "a=b d/c=b"},
		{name: "last there", dst: "d/c=", links: "a=d/c b=d/c"},
		{name: "last there, another outside", dst: "d/c=", outside: true, links: "a=d/c b=d/c"},
		{name: "second there in another state", dst: "b~ d/c=", carrier: "b", links: "a=b d/c=b"},
		{name: "a new directory", dst: "a~", carrier: "a", links: "b=a d/c=a"},
		{name: "last newer", dst: "d/c>", set: func(j *engine.Job) { j.Update = true }, carrier: "b", links: "a=b"},
		{name: "last newer, before", dst: "d/c>", set: func(j *engine.Job) { j.Update, j.Delete, j.DeleteBefore = true, true, true }, carrier: "b", links: "a=b"},
		{name: "second newer, another outside", dst: "b>", outside: true, set: func(j *engine.Job) { j.Update = true }, carrier: "d/c", links: "a=d/c"},
		{name: "existing only", dst: "b~ e/", set: func(j *engine.Job) { j.Existing = true }, carrier: "b"},
		{name: "a directory in the way of the first", dst: "a/", set: func(j *engine.Job) { j.Delete = true }, carrier: "d/c", links: "b=d/c a=d/c"},
		{name: "a directory in the way of the last", dst: "d/c/", set: func(j *engine.Job) { j.Delete = true }, carrier: "d/c", links: "b=d/c a=d/c"},
		{name: "an empty directory in the way of the last", dst: "d/c/", carrier: "d/c", links: "b=d/c a=d/c"},
		{name: "directories in the way of all", dst: "a/ b/ d/c/", set: func(j *engine.Job) { j.Delete = true }, carrier: "d/c", links: "b=d/c a=d/c"},
		{name: "a directory that stays in the way of the last", dst: "d/c/ d/c/kept=", carrier: "b", links: "a=b"},
		{name: "last not to be appended to", dst: "d/c>", set: func(j *engine.Job) { j.Append = true }, carrier: "b", links: "a=b"},
		{name: "last not to be appended to, another outside", dst: "d/c>", outside: true, set: func(j *engine.Job) { j.Append = true }, carrier: "b", links: "a=b"},
		{name: "last elsewhere", alt: "d/ d/c=", set: func(j *engine.Job) { j.AltKind = engine.AltCompare }, carrier: "b", links: "a=b"},
		{name: "last elsewhere, to link", alt: "d/ d/c=", set: func(j *engine.Job) { j.AltKind = engine.AltLink }, links: "a=d/c b=d/c"},
		{name: "renames, another outside", dst: "z~", outside: true, set: func(j *engine.Job) { j.DetectRenames = true }, carrier: "d/c e", links: "a=d/c b=d/c", more: true},
		{name: "renames, last newer", dst: "z~ d/c>", set: func(j *engine.Job) { j.DetectRenames, j.Update = true, true }, carrier: "b e", links: "a=b", more: true},
		{name: "dry run", dst: "b~", set: func(j *engine.Job) { j.DryRun = true }, carrier: "b", links: "a=b d/c=b"},
	} {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, map[string]string{"a": file, "d/": ""}, map[string]string{})
				then := time.Unix(1_600_000_000, 0)
				must(t, os.Chtimes(filepath.Join(src, "a"), then, then))
				names := []string{"b", "d/c"}
				if x.outside {
					names = append(names, "../outside")
				}
				for _, name := range names {
					must(t, os.Link(filepath.Join(src, "a"), filepath.Join(src, name)))
				}
				if x.more {
					must(t, os.WriteFile(filepath.Join(src, "e"), []byte("another"), 0o644))
				}
				have := func(at, what string) {
					for _, is := range strings.Fields(what) {
						name, kind := filepath.Join(at, is[:len(is)-1]), is[len(is)-1]
						if kind == '/' {
							must(t, os.MkdirAll(name, 0o755))
							continue
						}
						must(t, os.MkdirAll(filepath.Dir(name), 0o755))
						must(t, os.WriteFile(name, []byte(file+map[byte]string{'~': "~", '>': ">"}[kind]), 0o644))
						at := then.Add(map[byte]time.Duration{'>': time.Hour, '~': -time.Hour}[kind])
						must(t, os.Chtimes(name, at, at))
					}
				}
				have(dst, x.dst)
				c := trial{way: w, job: jobFor(src, dst)}
				c.job.HardLinks, c.job.Itemize, c.job.Recursive = true, true, true
				if x.set != nil {
					x.set(&c.job)
				}
				if x.alt != "" {
					alt := filepath.Join(filepath.Dir(dst), "alt")
					have(alt, x.alt)
					c.job.AltDirs.Add(alt)
				}
				out := c.do(t.Context())
				out.wantExit(t, map[bool]wire.Code{true: wire.CodePartial}[strings.Contains(x.dst, "kept")])
				carriers, links := []string{}, map[string]string{}
				for _, ev := range out.events {
					it, ok := ev.(engine.ItemEvent)
					switch {
					case !ok:
					case it.Change&manifest.ChangeTransfer != 0:
						carriers = append(carriers, it.Path)
					case it.Change&manifest.ChangeHardLink != 0 && it.Link != "":
						links[it.Path] = it.Link
					}
				}
				want := map[string]string{}
				for _, l := range strings.Fields(x.links) {
					name, to, _ := strings.Cut(l, "=")
					want[name] = to
				}
				slices.Sort(carriers)
				if !slices.Equal(carriers, strings.Fields(x.carrier)) || !maps.Equal(links, want) {
					t.Errorf("%q are sent and %v linked, want %q and %v (%v)", carriers, links, x.carrier, want, out.err)
				}
				for name, to := range want {
					if !c.job.DryRun && !linked(t, filepath.Join(dst, name), filepath.Join(dst, to)) {
						t.Errorf("%s is no link to %s", name, to)
					}
				}
			})
		})
	}
}
