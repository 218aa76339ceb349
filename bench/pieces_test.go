package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	c := Config{}
	if err := c.complete(); err != nil || c.Rounds != 5 || c.Size != 32<<20 || c.Files != 10_000 || c.Limit != 40*time.Second {
		t.Errorf("defaults: %+v, %v", c, err)
	}
	for name, c := range map[string]Config{
		"a small size":      {Size: 100},
		"too many files":    {Files: 2_000_000},
		"negative rounds":   {Rounds: -1},
		"negative rate":     {Shape: Shape{Rate: -1}},
		"unknown data":      {Only: []string{"rndom"}},
		"unknown tool":      {Tools: []string{"scp", "cp"}},
		"a host and a line": {Host: "nas", Shape: Shape{RTT: time.Second}},
	} {
		if err := c.complete(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if names := names(Config{}.tools()); slices.Contains(names, toolNoSync) || len(names) != len(ToolNames())-1 {
		t.Errorf("tools by default: %v", names)
	}
	if got := names(Config{Tools: []string{toolNoSync}}.tools()); !slices.Equal(got, []string{toolNoSync}) {
		t.Errorf("tools: %v", got)
	}
}

// TestSupported: where nothing can be measured that is said at once.
func TestSupported(t *testing.T) {
	t.Parallel()
	if err := Supported("windows"); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "WSL") {
		t.Error(err)
	}
	for _, system := range []string{"linux", "darwin", "freebsd"} {
		if err := Supported(system); err != nil {
			t.Errorf("%s: %v", system, err)
		}
	}
}

// tools is picked of a configuration that is no variable.
func (c Config) tools() []tool { return c.picked() }

func names(tools []tool) (names []string) {
	for _, t := range tools {
		names = append(names, t.name)
	}
	return names
}

// TestCommandLines shows what is run.
func TestCommandLines(t *testing.T) {
	t.Parallel()
	c := Config{Files: 1, Size: 1 << 20}
	scratch := t.TempDir()
	e := &end{name: "box", gosync: "/bin/gosync", sshArgs: []string{"-F", "/c's"}, gosyncArgs: []string{"--ssh-config=/c"}}
	for _, want := range []struct {
		tool, set string
		cut       bool
		argv      string
		batch     string
	}{
		{toolAgent, caseRandom, false, "/bin/gosync -a --no-config --via=agent --ssh-config=/c /src/tree box:/dst/", ""},
		{toolAgent, caseRenamed, false, "/bin/gosync -a --no-config --via=agent --ssh-config=/c --delete --force-delete --detect-renames /src/tree box:/dst/", ""},
		{toolNoSync, caseSmall, false, "/bin/gosync -a --no-config --via=agent --fsync=none --ssh-config=/c /src/tree box:/dst/", ""},
		{toolSFTP, caseRenamed, false, "/bin/gosync -a --no-config --via=sftp --ssh-config=/c --delete --force-delete /src/tree box:/dst/", ""},
		{toolSFTP, caseResume, true, "/bin/gosync -a --no-config --via=sftp --ssh-config=/c --partial --retries=0 /src/tree box:/dst/", ""},
		{toolSCP, caseResume, false, "/bin/gosync -a --no-config --via=scp --ssh-config=/c /src/tree box:/dst/", ""},
		{scp, caseRenamed, false, "scp -r -F /c's /src/tree box:/dst/", ""},
		{scpLegacy, caseSmall, false, "scp -r -O -F /c's /src/tree box:/dst/", ""},
		{rsync, caseRenamed, false, "rsync -a --delete -e ssh '-F' '/c''s' /src/tree box:/dst/", ""},
		{rsyncZ, caseResume, false, "rsync -a -z --partial -e ssh '-F' '/c''s' /src/tree box:/dst/", ""},
		{sftp, caseSmall, false, "sftp -b BATCH -F /c's box", "put -r \"/src/tree\" \"/dst\"\n"},
		{sftp, caseResume, true, "sftp -b BATCH -F /c's box", "put -r \"/src/tree\" \"/dst\"\n"},
		{sftp, caseResume, false, "sftp -b BATCH -F /c's box", "reput \"/src/tree/large.bin\" \"/dst/tree/large.bin\"\n"},
	} {
		tools := Config{Tools: []string{want.tool}}.tools()
		sets := c
		sets.Only = []string{want.set}
		set := cases(&sets)[0]
		argv, err := tools[0].argv(&job{end: e, set: &set, src: "/src/tree", parent: "/dst", scratch: scratch, cut: want.cut})
		if err != nil {
			t.Fatal(err)
		}
		batch := filepath.Join(scratch, "batch")
		if got := strings.ReplaceAll(strings.Join(argv, " "), batch, "BATCH"); got != want.argv {
			t.Errorf("%s, %s: %s\nwant %s", want.tool, want.set, got, want.argv)
		}
		if want.batch == "" {
			continue
		}
		if text, err := os.ReadFile(batch); err != nil || string(text) != want.batch {
			t.Errorf("%s, %s: %q, %v", want.tool, want.set, text, err)
		}
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	want := sums{"a": {1}, "d/b": {2}}
	for _, c := range []struct {
		there sums
		more  bool
		err   string
	}{
		{sums{"a": {1}, "d/b": {2}}, false, ""},
		{sums{"a": {1}}, true, "d/b is missing"},
		{sums{"a": {1}, "d/b": {3}}, true, "d/b has other content"},
		{sums{"a": {1}, "d/b": {2}, "c": {}}, false, "c is not in the source"},
		{sums{"a": {1}, "d/b": {2}, "c": {}}, true, ""},
	} {
		err := want.compare(c.there, c.more)
		if c.err == "" && err != nil || c.err != "" && (!errors.Is(err, errDiffers) || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%v: %v, want %q", c.there, err, c.err)
		}
	}
	for _, c := range []struct {
		out  string
		more bool
		ok   bool
	}{
		{"", false, true},
		{"not in the manifest: x\n", true, true},
		{"not in the manifest: x\n", false, false},
		{"not in the manifest: x\nmissing: y\n", true, false},
		{"differs (content): y\n", true, false},
	} {
		if err := farDifferences(c.out, c.more); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.out, err)
		}
	}
	if got := string(want.manifest()); got != "01"+strings.Repeat("00", 31)+"  a\n02"+strings.Repeat("00", 31)+"  d/b\n" {
		t.Errorf("manifest %q", got)
	}
}

// TestCounted reads what tools tell of their bytes.
func TestCounted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		out      string
		up, down int64
		by       string
	}{
		{"Authenticated to box\r\nTransferred: sent 3080, received 2960 bytes, in 0.2 seconds\r\nBytes per second: sent 1.0\n", 3080, 2960, countedBySSH},
		{"Transferred: sent 1, received 2 bytes, in 1 seconds\nTransferred: sent 10, received 20 bytes, in 1 seconds\n", 11, 22, countedBySSH},
		{"Number of files: 3\nTotal bytes sent: 1,234,567\nTotal bytes received: 89\n\nsent 1 bytes", 1234567, 89, countedByGosync},
		{"nothing of use", 0, 0, ""},
	} {
		up, down, by := counted(c.out)
		if by != c.by || by != "" && (*up != c.up || *down != c.down) || by == "" && (up != nil || down != nil) {
			t.Errorf("%q: %v, %v by %q", c.out, up, down, by)
		}
	}
}

func TestReadEnvironment(t *testing.T) {
	t.Parallel()
	e := readEnvironment("os Linux 6.1.0\nmachine x86_64\ncpu A (R) CPU @ 2GHz\ncores 8\nfs ext2/ext3\nload 0.25\nrsync rsync  version 3.2.7  protocol version 31\nssh OpenSSH_9.2p1, OpenSSL\n")
	if e.OS != "Linux 6.1.0" || e.Cores != 8 || e.LoadBefore == nil || *e.LoadBefore != 0.25 || e.FileSystem != "ext2/ext3" || e.OpenSSH != "OpenSSH_9.2p1, OpenSSL" || e.CPU != "A (R) CPU @ 2GHz" {
		t.Errorf("%+v", e)
	}
	// A machine that tells nothing, and one that tells nonsense.
	for _, out := range []string{"os \ncores \nload \n", "cores many\nload NaN\n\xff\n"} {
		if e := readEnvironment(out); e.Cores != 0 || e.LoadBefore != nil {
			t.Errorf("%q: %+v", out, e)
		}
	}
	if e := environment(t.Context(), here{}, t.TempDir()); e.OS == "" || e.Cores == 0 {
		t.Errorf("this machine: %+v", e)
	}
	var l Line
	l.agreed("debug1: kex: algorithm: sntrup\r\ndebug1: kex: host key algorithm: ssh-ed25519\r\ndebug1: kex: server->client cipher: a MAC: b compression: none\r\n" +
		"debug1: kex: client->server cipher: aes128-ctr MAC: hmac-sha2-256 compression: none\r\n")
	if l.Kex != "sntrup" || l.Key != "ssh-ed25519" || l.Crypt != "aes128-ctr" || l.MAC != "hmac-sha2-256" {
		t.Errorf("%+v", l)
	}
}

// TestHopeless checks that a run that would only be stopped is not begun, and said to be so.
func TestHopeless(t *testing.T) {
	t.Parallel()
	c := Config{Shape: Shape{RTT: 40 * time.Millisecond}, Only: []string{caseSmall}, Tools: []string{toolAgent, scp}, Say: func(string) {}}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	set, tools := &cases(&c)[0], c.picked()
	b := &run{c: &c, report: &Report{}}
	for i := range tools {
		b.pairs = append(b.pairs, &pair{set: set, tool: &tools[i]})
	}
	b.leaveHopeless()
	if len(b.report.Samples) != 1 || b.report.Samples[0].Tool != scp || b.report.Samples[0].Status != Stopped || b.report.Samples[0].Argv == nil {
		t.Errorf("%+v", b.report.Samples)
	}
	for _, p := range b.pairs {
		if p.gone != (p.tool.name == scp) || p.gone != (b.guess(p) == 0) {
			t.Errorf("%s: gone %v, guessed %v", p.tool.name, p.gone, b.guess(p))
		}
	}
}

// TestForecast checks that what is said before the start grows with what is to be done.
func TestForecast(t *testing.T) {
	t.Parallel()
	guess := func(shape Shape, size int64, set, tool string) time.Duration {
		c := Config{Size: size, Shape: shape, Only: []string{set}, Tools: []string{tool}}
		if err := c.complete(); err != nil {
			t.Fatal(err)
		}
		b := &run{c: &c}
		return b.guessAlone(&pair{set: &cases(&c)[0], tool: &c.picked()[0]})
	}
	slow, far := Shape{Rate: 12.5e6}, Shape{RTT: 40 * time.Millisecond}
	for name, c := range map[string][2]time.Duration{
		"a larger file":            {guess(slow, 8<<20, caseRandom, scp), guess(slow, 32<<20, caseRandom, scp)},
		"a slower line":            {guess(Shape{}, 8<<20, caseRandom, scp), guess(slow, 8<<20, caseRandom, scp)},
		"a tool without delta":     {guess(slow, 8<<20, caseEdits, rsync), guess(slow, 8<<20, caseEdits, scp)},
		"a tool that starts again": {guess(slow, 8<<20, caseResume, rsync), guess(slow, 8<<20, caseResume, scp)},
		"round trips for files":    {guess(far, 8<<20, caseSmall, toolAgent), guess(far, 8<<20, caseSmall, scp)},
	} {
		if c[0] >= c[1] {
			t.Errorf("%s: %v, and %v", name, c[0], c[1])
		}
	}
	for d, want := range map[time.Duration]string{time.Second: "5s", 52 * time.Second: "50s", 250 * time.Second: "4m0s"} {
		if got := fmt.Sprint(roughly(d)); got != want {
			t.Errorf("%v is roughly %s, want %s", d, got, want)
		}
	}
}
