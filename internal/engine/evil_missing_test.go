package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/wire"
)

// TestEvilMissing has a source that names, as what it does not have and the destination is to remove, what was not asked
// for, what is no path in the tree, or what it lists as well.
func TestEvilMissing(t *testing.T) {
	const all = "gone keep sub sub/y"
	for _, x := range []struct {
		name    string
		source  string
		set     func(o *engine.Options)
		missing []string
		refused bool
		left    string // at the destination
	}{
		{"what was asked for", "gone", nil, []string{"gone"}, false, "keep sub sub/y"},
		{"twice", "gone", nil, []string{"gone", "gone"}, false, "keep sub sub/y"},
		{"a name beside", "gone", nil, []string{"gone", "keep"}, true, all},
		{"a directory", "gone", nil, []string{"sub"}, true, all},
		{"a name below one beside", "gone", nil, []string{"sub/y"}, true, all},
		{"the tree itself", "gone", nil, []string{""}, true, all},
		{"a dot", "gone", nil, []string{"."}, true, all},
		{"above the tree", "gone", nil, []string{"../keep"}, true, all},
		{"by way of above", "gone", nil, []string{"gone/../keep"}, true, all},
		{"absolute", "gone", nil, []string{"/keep"}, true, all},
		{"an empty component", "gone", nil, []string{"gone//x"}, true, all},
		{"what is listed too", "keep", nil, []string{"keep"}, false, all},
		{"a match", "g*", nil, []string{"gone"}, false, "keep sub sub/y"},
		{"no match", "g*", nil, []string{"keep"}, true, all},
		{"with its parents", "sub/y", func(o *engine.Options) { o.Relative = true }, []string{"sub/y"}, false, "gone keep sub"},
		{"a parent", "sub/y", func(o *engine.Options) { o.Relative = true }, []string{"sub"}, true, all},
		{"where nothing is to be removed", "gone", func(o *engine.Options) { o.DeleteMissing = false }, []string{"gone"}, true, all},
	} {
		for _, relayed := range []bool{false, true} {
			t.Run(fmt.Sprint(x.name, " relayed ", relayed), func(t *testing.T) {
				_, dst := dirs(t, nil, map[string]string{"gone": "", "keep": "", "sub/y": ""})
				job := engine.Job{Options: archive(), Sources: []string{x.source}, Dest: dst}
				job.DeleteMissing, job.ItemizeAll = true, true
				if x.set != nil {
					x.set(&job.Options)
				}
				f := script(func(p *peer) {
					p.say(&wire.Roots{Complete: true, Missing: x.missing})
					p.hear(wire.TypeMode)
					if strings.Contains(x.name, "listed") {
						p.list(root(file("keep", 3)))
					} else {
						p.list(root())
					}
					p.say(&wire.ListEnd{Dirs: 1, Complete: true})
					if strings.Contains(x.name, "listed") {
						p.hear(wire.TypeWant)
						p.say(files("abc"))
					}
					p.leave()
				})
				end := f.asSource
				if relayed {
					end = f.asRelayedSource
				}
				out := end(t, host(), job)
				switch wantNames(t, dst, x.left); {
				case !x.refused:
					out.wantExit(t, wire.CodeOK)
				case !job.DeleteMissing && relayed: // the destination refuses, not this machine
					out.wantExit(t, wire.CodeStream)
				default:
					out.wantRefused(t)
				}
			})
		}
	}
}
