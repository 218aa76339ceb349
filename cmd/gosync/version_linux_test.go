package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gosync/transport/wire"
)

// A release is a gosync that speaks a range of protocols.
type release struct {
	least, greatest int
	path            string
}

// speaks reports whether two releases have a protocol in common.
func (r *release) speaks(o *release) bool { return r.least <= o.greatest && o.least <= r.greatest }

func (r *release) String() string { return fmt.Sprintf("%d to %d", r.least, r.greatest) }

// buildRelease builds this program with other protocol numbers and nothing else
// changed. Its file is in dir.
func buildRelease(t *testing.T, dir string, least, greatest int) *release {
	t.Helper()
	source, err := filepath.Abs("../../transport/wire/hello.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"Version": greatest, "MinVersion": least} {
		line := regexp.MustCompile(`(?m)^\t` + name + `\s+= \d+$`)
		if len(line.FindAll(text, -1)) != 1 {
			t.Fatalf("%s does not set %s in a line of its own", source, name)
		}
		text = line.ReplaceAll(text, fmt.Appendf(nil, "\t%s = %d", name, n))
	}
	r := &release{least, greatest, filepath.Join(dir, fmt.Sprintf("gosync-%d-%d", least, greatest))}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {source: r.path + ".go"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{r.path + ".go": text, r.path + ".json": overlay} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-overlay", r.path+".json", "-o", r.path, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building protocol %v: %v\n%s", r, err, out)
	}
	return r
}

// TestVersion runs every two of some releases with each other: this one, the one
// before, one that speaks this one's protocol and the next and, without -short, the one after. They
// do the job, or end with 2, name both ranges and leave the destination alone.
func TestVersion(t *testing.T) {
	t.Parallel()
	requireTool(t, "go")
	b := newFaultBench(t)
	const oldest, newest = wire.MinVersion, wire.Version
	releases := []*release{
		{oldest, newest, b.gosync},
		buildRelease(t, b.dir, oldest-1, oldest-1),
		buildRelease(t, b.dir, newest, newest+1),
	}
	nothing := 2 // pairs without a protocol in common: the one before with all others
	if !testing.Short() {
		releases = append(releases, buildRelease(t, b.dir, newest+1, newest+1))
		nothing = 4 // and this one with the next
	}
	b.file(t, "src/new", 1000)
	refused := 0
	for _, client := range releases {
		for _, server := range releases {
			for way, operands := range map[string][]string{
				"push": {"src/", "host:" + b.path("dst")},
				"pull": {"host:" + b.path("src") + "/", "dst"},
			} {
				t.Run(fmt.Sprintf("%s of %v by %v", way, server, client), func(t *testing.T) {
					f := &faultBench{dir: b.dir, gosync: client.path}
					args := append([]string{"-a", "--delete", "--via=agent", "--no-deploy", "-e", b.rsh, "--gosync-path=" + server.path}, operands...)
					if !f.meet(t, client, server, args) {
						refused++
					}
				})
			}
		}
	}
	if want := nothing * 2 * 2; refused != want {
		t.Errorf("%d of %d runs were refused, want %d", refused, 2*len(releases)*len(releases), want)
	}
}

// meet runs a client with a server over a destination that holds an old file. It
// reports whether they came to terms.
func (b *faultBench) meet(t *testing.T, client, server *release, args []string) bool {
	t.Helper()
	if err := os.RemoveAll(b.path("dst")); err != nil {
		t.Fatal(err)
	}
	b.file(t, "dst/old", 10)
	before := destState(t, b.path("dst"))
	if client.speaks(server) {
		b.want(t, 0, "", args...)
		b.same(t, "src", "dst")
		return true
	}
	cmd, output := b.command(args...)
	_ = cmd.Run() // the exit status tells
	lines := strings.Split(strings.TrimSpace(output.String()), "\n")
	last := lines[len(lines)-1] // the server may have said the same before
	if got := cmd.ProcessState.ExitCode(); got != exitProtocol || !strings.Contains(last, fmt.Sprintf("the far side speaks protocol %v (", server)) ||
		!strings.Contains(last, fmt.Sprintf("), this one %v: install the same release on both (exit %d)", client, exitProtocol)) {
		t.Errorf("gosync %q: exit %d\n%s", args, got, output)
	}
	if after := destState(t, b.path("dst")); after != before {
		t.Errorf("the destination was\n%s\nand is\n%s", before, after)
	}
	return false
}

// destState describes a directory and the files in it, times included.
func destState(t *testing.T, dir string) string {
	t.Helper()
	var state strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintf(&state, "%s %v %d %v\n", path, info.Mode(), info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return state.String()
}
