package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gosync/walker/manifest"
)

// elsewhere runs tests of another package, or of this one, which are those that show a row. All that the pattern names
// must be there and pass; with -short, which is for a run of all tests, they only must be there.
func elsewhere(t *testing.T, c *tally, pkg, pattern string, env ...string) {
	t.Helper()
	if testing.Short() {
		areDeclared(t, pkg, pattern)
		c.remark("%s: %s, not run by this row", pkg, strings.ReplaceAll(pattern, "|", ", "))
		return
	}
	args := []string{"-test.v", "-test.run", "^(" + pattern + ")$", "-test.timeout", "2h"}
	program, err := os.Executable()
	if pkg != "cmd/gosync" {
		if program, err = exec.LookPath("go"); err != nil {
			c.remark("no go command to run the tests of %s", pkg)
			t.SkipNow()
		}
		for i := range args {
			args[i] = strings.Replace(args[i], "-test.", "-", 1)
		}
		args = append([]string{"test"}, append(args, "../../"+pkg)...)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		out = regexp.MustCompile(`(?m)^( *--- (PASS|SKIP)|=== ).*\n`).ReplaceAll(out, nil)
		t.Errorf("%s %q: %v\n%s", program, args, err, out[max(0, len(out)-20_000):])
		return
	}
	for name := range strings.SplitSeq(pattern, "|") {
		if !bytes.Contains(out, []byte("--- PASS: "+name+" ")) {
			t.Errorf("%s %q does not say that %s has passed:\n%s", program, args, name, out[max(0, len(out)-2000):])
		}
	}
	passed := regexp.MustCompile(`(?m)^ *--- PASS: `).FindAll(out, -1)
	c.count(len(passed))
	c.remark("%s: %s", pkg, strings.ReplaceAll(pattern, "|", ", "))
}

// areDeclared looks for tests in the files of a package.
func areDeclared(t *testing.T, pkg, pattern string) {
	t.Helper()
	names, err := filepath.Glob("../../" + pkg + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	for name := range strings.SplitSeq(pattern, "|") {
		if !bytes.Contains(all, []byte("func "+name+"(t *testing.T)")) {
			t.Errorf("%s has no %s", pkg, name)
		}
	}
}

// damagedFrames is row 11.
func damagedFrames(t *testing.T, c *tally) {
	const rounds = 250_000 // of four streams each
	if longRun() {
		c.remark("%s damaged streams", numbers(1).count(4*rounds))
		elsewhere(t, c, "internal/engine", "TestDamage|TestHostile|TestEvilPeers", fmt.Sprint("GOSYNC_HOSTILE=", rounds))
	} else {
		elsewhere(t, c, "internal/engine", "TestDamage|TestHostile")
	}
}

// otherVersions is row 13.
func otherVersions(t *testing.T, c *tally) {
	elsewhere(t, c, "transport/wire", "TestVersions|TestLaterHello")
	elsewhere(t, c, "cmd/gosync", "TestVersion")
}

// jumpingClocks is row 51. The clock of a Go program cannot be changed from the outside; what is shown is that no time
// is measured on it. How files that are dated in the future or just now are compared is shown by the engine.
func jumpingClocks(t *testing.T, c *tally) {
	elsewhere(t, c, "transport/wire", "TestMonotonic|TestSilenceAfterTraffic|TestPingsKeepAlive")
}

// damagedCheckpoints is row 54: every byte of a record, in the package that keeps it; and records on disk, damaged
// between two runs.
func damagedCheckpoints(t *testing.T, c *tally) {
	elsewhere(t, c, "delta/checkpoint", "TestEveryByte|TestHostile")
	r := rand.New(rand.NewPCG(peerSeeds(t, 1, 1)[0], 54))
	for i := range cases(6, 60) {
		b := newFaultBench(t)
		b.file(t, "dst/big", 100)
		b.file(t, "src/big", 1)
		if err := os.WriteFile(b.path("src/big"), noise(r, 12<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		way := faultWays()[i%3]
		cmd, output := b.command(b.with(way, "-a", "-W", "--partial", "--bwlimit=20000")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		part := b.path("dst/" + manifest.ShownName("big"))
		waitFor(t, "some of it has arrived", func() bool {
			info, err := os.Stat(part)
			return err == nil && info.Size() > 4<<20
		})
		_ = cmd.Process.Signal(os.Interrupt)
		b.wait(t, cmd, output, time.Minute)
		name := filepath.Base(part)
		if r.IntN(4) > 0 {
			name = manifest.SidecarName("big")
		}
		b.damage(t, r, "dst/"+name)
		b.want(t, 0, "", b.with(way, "-a", "-W", "--partial")...)
		b.same(t, "src", "dst")
		c.count(1)
	}
}

// damage flips a bit of a file, cuts it off or lengthens it.
func (b *faultBench) damage(t *testing.T, r *rand.Rand, name string) {
	t.Helper()
	data, err := os.ReadFile(b.path(name))
	if err != nil {
		t.Fatal(err)
	}
	switch r.IntN(4) {
	case 0:
		data = data[:r.IntN(len(data)+1)]
	case 1:
		data = append(data, noise(r, 1+r.IntN(100))...)
	case 2:
		data = append(data, make([]byte, 1+r.IntN(100))...)
	default:
		data[r.IntN(len(data))] ^= 1 << r.IntN(8)
	}
	if err := os.WriteFile(b.path(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}
