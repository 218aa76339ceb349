package engine_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// TestEvilNames has a source that adds a name of its own choice to what it was
// asked for.
func TestEvilNames(t *testing.T) {
	relative := func(j *engine.Job) { j.Relative = true }
	literal := func(j *engine.Job) { j.LiteralPaths = true }
	filesFrom := func(names ...string) func(j *engine.Job) {
		return func(j *engine.Job) { j.Files, j.Relative = names, true }
	}
	for _, x := range []struct {
		name    string
		sources []string
		set     func(j *engine.Job)
		honest  string // in the root
		evil    string
	}{
		{"a directory", []string{"photos"}, nil, "photos", ".bashrc"},
		{"a directory elsewhere", []string{"/srv/photos"}, nil, "photos", "srv"},
		{"several", []string{"a", "b/c"}, nil, "c", "b"},
		{"wildcard", []string{"p/*.jpg"}, nil, "x.jpg", "x.png"},
		{"wildcard and a hidden name", []string{"p/*"}, nil, "x", ".bashrc"},
		{"class", []string{"p/[a-c]x"}, nil, "bx", "dx"},
		{"class turned round", []string{"p/[!a-c]x"}, nil, "dx", "bx"},
		{"a quoted wildcard", []string{`p/\*`}, nil, "*", "x"},
		{"a literal wildcard", []string{"p/*.jpg"}, literal, "*.jpg", "x.jpg"},
		{"a literal class", []string{"p/[a]"}, literal, "[a]", "a"},
		{"a literal backslash", []string{`p/\*`}, literal, `\*`, "*"},
		{"a literal tilde", []string{"~"}, literal, "~", "x"},
		{"below the home directory", []string{"~/photos"}, nil, "photos", ".bashrc"},
		{"with parents", []string{"p/q/r"}, relative, "p", "q"},
		{"with parents from a dot", []string{"p/./q/r"}, relative, "q", "p"},
		{"with parents, absolute", []string{"/p/q"}, relative, "p", "q"},
		{"with parents and wildcards", []string{"p*/q"}, relative, "p1", "q"},
		{"a list", []string{"p"}, filesFrom("q/r", "./s/", "/t/../u"), "u", "t"},
		{"a list without parents", []string{"p"}, func(j *engine.Job) { j.Files = []string{"q/r"} }, "r", "q"},
	} {
		t.Run(x.name, func(t *testing.T) {
			for i := range 4 {
				evil, relayed := i%2 == 1, i >= 2
				_, dst := dirs(t, nil, map[string]string{})
				job := engine.Job{Options: archive(), Sources: x.sources, Dest: dst}
				if x.set != nil {
					x.set(&job)
				}
				name := x.honest
				if evil {
					name = x.evil
				}
				f := script(func(p *peer) {
					p.say(&wire.Roots{Complete: true})
					p.hear(wire.TypeMode)
					p.list(root(directory(name)))
					p.say(&wire.ListEnd{Dirs: 1, Complete: true})
					p.leave()
				})
				end := f.asSource
				if relayed {
					end = f.asRelayedSource
				}
				out := end(t, host(), job)
				if evil {
					out.wantRefused(t)
					wantNames(t, dst, "")
					continue
				}
				out.wantExit(t, wire.CodeOK)
				wantNames(t, dst, name)
			}
		})
	}
}

// TestEvilContent has a source that says that the content of a directory was
// asked for, so that all that the destination has beside it is too much.
func TestEvilContent(t *testing.T) {
	for _, x := range []struct {
		source  string
		content bool
	}{
		{"photos", false},
		{"photos/", true},
		{"photos/.", true},
		{"photos/*", false},
		{"~/photos", false},
		{"~/", true},
	} {
		for _, relayed := range []bool{false, true} {
			t.Run(fmt.Sprint(strings.ReplaceAll(x.source, "/", "_"), " relayed ", relayed), func(t *testing.T) {
				_, dst := dirs(t, nil, map[string]string{"keep": ""})
				job := engine.Job{Options: archive(), Sources: []string{x.source}, Dest: dst}
				job.Delete, job.DeleteEmptySource, job.ItemizeAll = true, true, true
				f := script(func(p *peer) {
					p.say(&wire.Roots{Complete: true, HasRoot: true, Root: directory("")})
					p.hear(wire.TypeMode)
					p.list(root())
					p.say(&wire.ListEnd{Dirs: 1, Complete: true})
					p.leave()
				})
				end := f.asSource
				if relayed {
					end = f.asRelayedSource
				}
				out := end(t, host(), job)
				if x.content {
					out.wantExit(t, wire.CodeOK)
					wantNames(t, dst, "")
					return
				}
				out.wantRefused(t)
				wantNames(t, dst, "keep")
			})
		}
	}
}

// TestEvilHome has a source that takes the home directory that was asked for, whose name only it knows, for an excuse to
// send all that it likes, and one that says of a directory, of which a part was asked for, that it is listed wholly.
func TestEvilHome(t *testing.T) {
	relative := func(o *engine.Options) { o.Relative = true }
	for _, x := range []struct {
		name    string
		source  string // or several, divided by spaces
		set     func(o *engine.Options)
		roots   wire.Roots
		tree    []*wire.ListingRecord
		refused bool
	}{
		{"home", "~", nil, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("ann")), {Dir: 1}}, false},
		{"two homes", "~", nil, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("ann"), directory("keep"))}, true},
		{"the content of a home", "~bob", nil, wire.Roots{Complete: true, HasRoot: true, Root: directory("")}, []*wire.ListingRecord{root()}, true},
		{"below a home", "~/x", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep")), {Dir: 1, Incomplete: true, Entries: []manifest.Entry{directory("x")}}, {Dir: 2, Parent: 1}}, false},
		{"below a home, and beside it", "~/x", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep")), {Dir: 1, Incomplete: true, Entries: []manifest.Entry{directory("w"), directory("x")}}, {Dir: 2, Parent: 1, Incomplete: true}, {Dir: 3, Parent: 1, Entry: 1}}, false},
		{"below a home, and beside it twice", "~/x", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep")), {Dir: 1, Incomplete: true, Entries: []manifest.Entry{directory("v"), directory("w"), directory("x")}}, {Dir: 2, Parent: 1}, {Dir: 3, Parent: 1, Entry: 1}, {Dir: 4, Parent: 1, Entry: 2}}, true},
		{"matches below a home", "~/a*/b", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep")), {Dir: 1, Incomplete: true, Entries: []manifest.Entry{directory("a1"), directory("a2"), directory("z")}}, {Dir: 2, Parent: 1, Incomplete: true, Entries: []manifest.Entry{directory("b")}}}, false},
		{"matches below a home, and beside them", "~/a*/b", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep")), {Dir: 1, Incomplete: true, Entries: []manifest.Entry{directory("a1"), directory("a2"), directory("y"), directory("z")}}}, true},
		{"matches below a home, and more in them", "~/a*/b", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep")), {Dir: 1, Incomplete: true, Entries: []manifest.Entry{directory("a1")}}, {Dir: 2, Parent: 1, Incomplete: true, Entries: []manifest.Entry{directory("b"), directory("y"), directory("z")}}}, true},
		{"a file that matches on the way", "~/a*/b", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep")), {Dir: 1, Incomplete: true, Entries: []manifest.Entry{file("a1", 0)}}}, true},
		{"a home beside what was asked for", "keep/q/r ~/x", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep")), {Dir: 1, Incomplete: true, Entries: []manifest.Entry{directory("q"), directory("x")}}, {Dir: 2, Parent: 1, Incomplete: true, Entries: []manifest.Entry{directory("r")}}}, false},
		{"a home beside what was asked for, and another", "keep/q/r ~/x", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep"), directory("z")), {Dir: 1, Incomplete: true, Entries: []manifest.Entry{directory("q"), directory("x")}}}, true},
		{"names that begin like homes", "~*", nil, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("~a"), directory("~b"))}, false},
		{"a name that does not", "~*", nil, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep"))}, true},
		{"below a home that is the root", "~/x/y", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("x")), {Dir: 1, Incomplete: true, Entries: []manifest.Entry{directory("y")}}, {Dir: 2, Parent: 1, Entries: []manifest.Entry{directory("1"), directory("2")}}}, false},
		{"a home as the whole", "~/x", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep")), {Dir: 1, Entries: []manifest.Entry{directory("x")}}, {Dir: 2, Parent: 1}}, true},
		{"a part, honest", "keep/x", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep")), {Dir: 1, Incomplete: true, Entries: []manifest.Entry{directory("x")}}, {Dir: 2, Parent: 1}}, false},
		{"a part as the whole", "keep/x", relative, wire.Roots{Complete: true}, []*wire.ListingRecord{root(directory("keep")), {Dir: 1, Entries: []manifest.Entry{directory("x")}}, {Dir: 2, Parent: 1}}, true},
	} {
		for _, relayed := range []bool{false, true} {
			t.Run(fmt.Sprint(x.name, " relayed ", relayed), func(t *testing.T) {
				_, dst := dirs(t, nil, map[string]string{"keep/y": ""})
				job := engine.Job{Options: archive(), Sources: strings.Fields(x.source), Dest: dst}
				job.Delete, job.DeleteEmptySource, job.ForceDelete, job.ItemizeAll = true, true, true, true
				if x.set != nil {
					x.set(&job.Options)
				}
				f := script(func(p *peer) {
					p.say(&x.roots)
					p.hear(wire.TypeMode)
					p.list(x.tree...)
					p.say(&wire.ListEnd{Dirs: len(x.tree), Complete: true})
					p.leave()
				})
				end := f.asSource
				if relayed {
					end = f.asRelayedSource
				}
				out := end(t, host(), job)
				if _, err := os.Lstat(filepath.Join(dst, "keep/y")); err != nil {
					t.Error(err)
				}
				switch {
				case !x.refused:
					out.wantExit(t, wire.CodeOK)
				case relayed || x.source != "keep/x" && x.name != "a home as the whole": // the destination itself knows better, and deletes nothing
					out.wantRefused(t)
				}
			})
		}
	}
}

// TestEvilExcluded has a source that sends what the rules exclude.
func TestEvilExcluded(t *testing.T) {
	for _, x := range []struct{ rule, honest, evil string }{
		{"- *.key", "a", "a.key"},
		{"- /d/x", "y", "x"},
		{"- d/x", "y", "x"},
		{"- x/", "y", "x"},
	} {
		t.Run(x.rule, func(t *testing.T) {
			for i := range 4 {
				evil, relayed := i%2 == 1, i >= 2
				_, dst := dirs(t, nil, map[string]string{})
				job := engine.Job{Options: archive(), Sources: []string{"src/"}, Dest: dst}
				job.Filter = rules(t, x.rule)
				name := x.honest
				if evil {
					name = x.evil
				}
				f := script(func(p *peer) {
					p.say(&wire.Roots{Complete: true, HasRoot: true, Root: directory("")})
					p.hear(wire.TypeMode)
					p.list(root(directory("d")), &wire.ListingRecord{Dir: 1, Parent: 0, Entries: []manifest.Entry{directory(name)}})
					p.say(&wire.ListEnd{Dirs: 2, Complete: true})
					p.leave()
				})
				end := f.asSource
				if relayed {
					end = f.asRelayedSource
				}
				out := end(t, host(), job)
				if evil {
					out.wantRefused(t)
					if exists(filepath.Join(dst, "d", name)) {
						t.Error("it is there")
					}
					continue
				}
				out.wantExit(t, wire.CodeOK)
				wantNames(t, dst, "d d/"+name)
			}
		})
	}
}

// TestPullForms asks an honest source in all forms that there are: nothing that
// it sends may be taken for what was not asked for.
func TestPullForms(t *testing.T) {
	top := t.TempDir()
	tree(t, top, map[string]string{
		"s/a": "a", "s/b.o": "b", "s/d/e": "e", "s/d/f.o": "f", "s/.hidden": "h", "s/x*y": "x", "s/back\\slash": "b", "s/é": "e", "s/caf\xe9": "latin",
		"s/d/.rules": "+ f.o\n- e\n", "s/[z]": "z", "home/s/a": "a", "home/.profile": "p",
	})
	t.Chdir(top)
	t.Setenv("HOME", filepath.Join(top, "home"))
	t.Setenv("XDG_STATE_HOME", t.TempDir()) // else the lock of the run itself may be listed
	inHome := strings.TrimPrefix(top, "/") + "/home"
	type row struct {
		source string // or several, divided by spaces
		files  string // ... of --files-from
		set    func(o *engine.Options)
		want   string // files at the destination
	}
	relative := func(o *engine.Options) { o.Relative = true }
	filtered := func(rs ...string) func(o *engine.Options) {
		return func(o *engine.Options) { o.Filter = rules(t, rs...) }
	}
	both := func(fs ...func(o *engine.Options)) func(o *engine.Options) {
		return func(o *engine.Options) {
			for _, f := range fs {
				f(o)
			}
		}
	}
	const all = ".hidden [z] a b.o back\\slash caf\xe9 d/.rules d/e d/f.o x*y é"
	below := func(dir, names string) string {
		var out []string
		for _, n := range strings.Fields(names) {
			out = append(out, dir+n)
		}
		return strings.Join(out, " ")
	}
	rows := []row{
		{source: "s/a", want: "a"},
		{source: "s/a s/d", want: "a d/.rules d/e d/f.o"},
		{source: "s/", want: all},
		{source: "s/.", want: all},
		{source: "s/d/..", want: all},
		{source: "s//d/", want: ".rules e f.o"},
		{source: "./s/d", want: "d/.rules d/e d/f.o"},
		{source: top + "/s/d", want: "d/.rules d/e d/f.o"},
		{source: "s/d/*", want: "e f.o"},
		{source: "s/d/.*", want: ".rules"},
		{source: "s/?", want: "a d/.rules d/e d/f.o é"},
		{source: "s/[!b]", want: "a d/.rules d/e d/f.o é"},
		{source: "s/[^b]", want: "a d/.rules d/e d/f.o é"},
		{source: "s/*.o", want: "b.o"},
		{source: "s/x\\*y", want: "x*y"},
		{source: "s/x*y", want: "x*y"},
		{source: "s/[[]z]", want: "[z]"},
		{source: "s/[z]", want: "[z]"},
		{source: "s/back\\slash", want: "back\\slash"},
		{source: "s/back*", want: "back\\slash"},
		{source: "s/caf?", want: "caf\xe9"},
		{source: "s/caf*", want: "caf\xe9"},
		{source: "s/caf\xe9", want: "caf\xe9"},
		{source: "*/d", want: "d/.rules d/e d/f.o"},
		{source: "s/*/", want: ".rules e f.o"},
		{source: "~/s", want: "s/a"},
		{source: "~", want: "home/.profile home/s/a"},
		{source: "~/", want: ".profile s/a"},
		{source: "~/*", want: "s/a"},
		{source: "s/d/e", set: relative, want: "s/d/e"},
		{source: "./s/d/e", set: relative, want: "s/d/e"},
		{source: "s/./d/e", set: relative, want: "d/e"},
		{source: "./s/./d/e", set: relative, want: "d/e"},
		{source: "s/./", set: relative, want: all},
		{source: "s/d/", set: relative, want: "s/d/.rules s/d/e s/d/f.o"},
		{source: "s/d/.", set: relative, want: "s/d/.rules s/d/e s/d/f.o"},
		{source: ".//s//a", set: relative, want: "s/a"},
		{source: "s/*.o", set: relative, want: "s/b.o"},
		{source: "./*/a", set: relative, want: "s/a"},
		{source: "s/./[d]/*", set: relative, want: "d/e d/f.o"},
		{source: top + "/./s/a", set: relative, want: "s/a"},
		{source: "~/s/a", set: relative, want: inHome + "/s/a"},
		{source: "~/./s", set: relative, want: "s/a"},
		{source: "s", files: "a d/e /b.o ../a ./d/f.o", set: relative, want: "a b.o d/e d/f.o"},
		{source: "s", files: "d d/../a", set: relative, want: "a d/.rules d/e d/f.o"},
		{source: "s", files: "d/ .", set: relative, want: all},
		{source: "s", files: "d/e a", want: "a e"},
		{source: "s", files: "d/", want: ".rules e f.o"},
		{source: "s/", files: "x*y [z] back\\slash caf\xe9", set: relative, want: "[z] back\\slash caf\xe9 x*y"},
		{source: "s", set: filtered("- *.o"), want: below("s/", strings.NewReplacer(" b.o", "", " d/f.o", "").Replace(all))},
		{source: "s/", set: filtered("- /d"), want: strings.ReplaceAll(all, " d/.rules d/e d/f.o", "")},
		{source: "s", set: filtered("- /s/d"), want: below("s/", strings.ReplaceAll(all, " d/.rules d/e d/f.o", ""))},
		{source: "s s/d", set: filtered("- s"), want: "d/.rules d/e d/f.o"},
		{source: "s/a s/b.o", set: filtered("- *.o"), want: "a"},
		{source: "s/d/e s/a", set: both(relative, filtered("- d")), want: "s/a s/d/e"},
		{source: "s/d", set: filtered("dir-merge .rules", "- *.o"), want: "d/.rules d/f.o"},
		{source: "s/d", set: filtered("+ f.o", "- *.o"), want: "d/.rules d/e d/f.o"},
		{source: "s/", set: filtered("hide *.o"), want: strings.NewReplacer(" b.o", "", " d/f.o", "").Replace(all)},
		{source: "s/", set: filtered("protect *.o"), want: all},
		{source: "s", files: "a b.o d/f.o", set: both(relative, filtered("- *.o")), want: "a"},
		{source: "s", files: "a d/e", set: both(relative, filtered("- d/")), want: "a d/e"},
	}
	rows = append(rows, row{source: "s/d/e s/a", set: both(relative, filtered("- d")), want: "?"}, row{source: "s", files: "a d/e", set: both(relative, filtered("- d/")), want: "?"})
	for _, x := range rows {
		t.Run(strings.ReplaceAll(x.source+" "+x.files, "/", "|"), func(t *testing.T) {
			dst := filepath.Join(t.TempDir(), "dst")
			must(t, os.Mkdir(dst, 0o755))
			job := engine.Job{Options: archive(), Sources: strings.Fields(x.source), Dest: dst}
			if x.files != "" {
				job.Files = strings.Fields(x.files)
			}
			if x.set != nil {
				x.set(&job.Options)
			}
			out := trial{way: pull, job: job}.do(t.Context())
			if out.err != nil {
				t.Errorf("%v (server: %v) %v", out.err, out.served, out.fileErrors())
			}
			if x.want == "?" {
				return // what comes is the source's business, as long as it is taken
			}
			want := strings.Fields(x.want)
			slices.Sort(want)
			if got := slices.Sorted(maps.Keys(contents(t, dst))); !slices.Equal(got, want) {
				t.Errorf("have %q\nwant %q", got, want)
			}
		})
	}
}

// TestPullHomes asks an honest source for what lies in home directories.
func TestPullHomes(t *testing.T) {
	top := t.TempDir()
	tree(t, top, map[string]string{"home/a1/b": "1", "home/a2/b": "2", "home/c/d/e": "e", "home/c/d/f": "f", "home/other": "", "~x": "x", "~y": "y"})
	t.Chdir(top)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	rel := strings.TrimPrefix(top, "/") + "/home/"
	for _, x := range []struct {
		home, source string // the latter is one or several, divided by spaces
		relative     bool
		want         string // files at the destination
		code         wire.Code
	}{
		{"home", "~/a*/b", true, rel + "a1/b " + rel + "a2/b", 0},
		{"home", "~/*/b", true, rel + "a1/b " + rel + "a2/b", 0},
		{"home", "~/[ac]*/*", true, rel + "a1/b " + rel + "a2/b " + rel + "c/d/e " + rel + "c/d/f", 0},
		{"home", top + "/home/a1/b ~/a2/b", true, rel + "a1/b " + rel + "a2/b", 0},
		{"home", top + "/home/a1/b ~/c/d", true, rel + "a1/b " + rel + "c/d/e " + rel + "c/d/f", 0},
		{"home", top + "/*/a1/b ~/a2/b", true, rel + "a1/b " + rel + "a2/b", 0},
		{"home/c", top + "/home/a1/b ~", true, rel + "a1/b " + rel + "c/d/e " + rel + "c/d/f", 0},
		{"home/c", "~/d ~/../a2", true, "", wire.CodeUsage},
		{"", "~" + top + "/home/a*/b", true, rel + "a1/b " + rel + "a2/b", 0},
		{"", "~" + top + "/home/c", true, rel + "c/d/e " + rel + "c/d/f", 0},
		{"", "~" + top + "/home/c", false, "c/d/e c/d/f", 0},
		{"", "~", false, "", wire.CodeSelect},
		{"", "~", true, "", wire.CodeSelect},
		{"home", "~?", false, "~x ~y", 0},
		{"home", "~?", true, "~x ~y", 0},
		{"home", "~[x]", false, "~x", 0},
		{"home", "~x", false, "~x", 0},
		{"home", "~x", true, "~x", 0},
	} {
		t.Run(strings.ReplaceAll(fmt.Sprint(x.source, " relative ", x.relative, " in ", x.home), "/", "|"), func(t *testing.T) {
			for _, w := range []way{pull, relay} {
				home := "/"
				if x.home != "" {
					home = filepath.Join(top, x.home)
				}
				t.Setenv("HOME", home)
				dst := filepath.Join(t.TempDir(), "dst")
				must(t, os.Mkdir(dst, 0o755))
				job := engine.Job{Options: archive(), Sources: strings.Fields(x.source), Dest: dst}
				job.Relative = x.relative
				out := trial{way: w, job: job}.do(t.Context())
				out.wantExit(t, x.code)
				want := strings.Fields(x.want)
				if got := slices.Sorted(maps.Keys(contents(t, dst))); !slices.Equal(got, want) {
					t.Errorf("%s: have %q\nwant %q", w, got, want)
				}
			}
		})
	}
}

// TestEvilParents has a source that adds to the parents of what it was asked
// for, or wants what lies beside it to be deleted.
func TestEvilParents(t *testing.T) {
	for _, x := range []struct {
		name  string
		names []string // in "p", of which "p/q" was asked for
		evil  bool
	}{
		{"as asked for", []string{"q"}, false},
		{"a name beside", []string{".bashrc", "q"}, true},
		{"nothing", nil, false},
	} {
		for _, how := range []string{"-R", "--files-from"} {
			t.Run(x.name+" "+how, func(t *testing.T) {
				_, dst := dirs(t, nil, map[string]string{"p/keep": "", "p/q/gone": ""})
				job := engine.Job{Options: archive(), Sources: []string{"p/q"}, Dest: dst}
				if job.Relative, job.Delete, job.ItemizeAll = true, true, true; how == "--files-from" {
					job.Sources, job.Files = []string{"src"}, []string{"p/q"}
				}
				var entries []manifest.Entry
				for _, n := range x.names {
					entries = append(entries, directory(n))
				}
				out := script(func(p *peer) {
					p.say(&wire.Roots{Complete: true})
					p.hear(wire.TypeMode)
					p.list(root(directory("p")), &wire.ListingRecord{Dir: 1, Parent: 0, Entries: entries})
					p.say(&wire.ListEnd{Dirs: 2, Complete: true})
					p.leave()
				}).asSource(t, host(), job)
				if x.evil {
					out.wantRefused(t)
				} else {
					out.wantExit(t, wire.CodeOK)
				}
				wantNames(t, dst, "p p/keep p/q p/q/gone") // the listing of p/q did not come
			})
		}
	}
}
