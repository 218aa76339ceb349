package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// example is a report with all that one can hold.
func example(shape Shape, host string) *Report {
	c := Config{
		Size: 1 << 20, Files: 300, Only: []string{caseRandom, caseSmall, caseEdits}, Shape: shape, Host: host,
		Argv: []string{"gosync", "bench", "--rtt", "40ms"}, Version: "devel",
	}
	if err := c.complete(); err != nil {
		panic(err)
	}
	r := newReport(&c, cases(&c), time.Now())
	r.Program = Program{Gosync: "devel", Go: "go1.26", MaxProcs: 2}
	r.Here = Environment{OS: "Linux 6.1", Machine: "x86_64", CPU: "a processor", Cores: 2, FileSystem: "ext2/ext3", LoadBefore: new(0.2), LoadAfter: new(1.9)}
	r.There = r.Here
	for _, t := range toolTable() {
		if !t.extra {
			r.Tools = append(r.Tools, ToolNote{Name: t.name, Title: t.title})
		}
	}
	last := &r.Tools[len(r.Tools)-1]
	last.Missing, last.Get = "no rsync on this machine", getting(rsync)
	base := map[string]float64{toolAgent: 1, toolSFTP: 1.9, toolSCP: 2.1, scp: 2, scpLegacy: 2.3, sftp: 2.05, rsync: 1.1}
	for _, set := range r.Cases {
		for _, t := range r.Tools {
			for round := 1; round <= 5 && t.Missing == ""; round++ {
				s := Sample{
					Case: set.Name, Tool: t.Name, Round: round, Order: 1, Status: OK, Seconds: base[t.Name] * (1 + 0.01*float64(round*round%7)),
					Up: new(int64(1_100_000)), Down: new(int64(9000)), Counted: countedByRelay, CPUHere: new(0.1), CPUFar: new(0.2), Load: new(1.5),
					Argv: []string{t.Name, "tree", "box:there/"},
				}
				switch {
				case t.Name == sftp && set.Name == caseSmall:
					s.Status, s.Error, s.Seconds = Stopped, "it took longer than 40s", 40
					round = 5
				case t.Name == scpLegacy && set.Name == caseEdits:
					s.Status, s.Error = Failed, `exit status 1: <script>alert("x")</script> | pipe & [link](http://example.org)`
					round = 5
				case t.Name == scp && set.Name == caseEdits && round == 4:
					s.Seconds *= 2
				}
				r.Samples = append(r.Samples, s)
			}
		}
	}
	r.finish()
	return r
}

// find returns a result.
func (r *Report) find(t *testing.T, set, tool string) Result {
	t.Helper()
	for _, res := range r.Results {
		if res.Case == set && res.Tool == tool {
			return res
		}
	}
	t.Fatalf("no result of %s by %s", set, tool)
	return Result{}
}

func TestResults(t *testing.T) {
	t.Parallel()
	r := example(Shape{RTT: 40 * time.Millisecond, Rate: 12.5e6}, "")
	for _, c := range []struct {
		set, tool string
		verdict   Verdict
		runs      int
		says      string
	}{
		{caseRandom, toolAgent, Faster, 5, "2.0 times faster than scp"},
		{caseRandom, sftp, NoDifference, 5, "no difference shown to scp"},
		{caseRandom, scpLegacy, Slower, 5, "1.1 times slower than scp"},
		{caseRandom, scp, NotCompared, 5, ""}, // with itself
		{caseSmall, sftp, NotCompared, 0, ""},
		{caseEdits, scpLegacy, NotCompared, 0, ""},
	} {
		res := r.find(t, c.set, c.tool)
		if res.Verdict != c.verdict || res.Runs != c.runs || res.says() != c.says {
			t.Errorf("%s by %s: %s, %d runs, %q; want %s, %d, %q", c.set, c.tool, res.Verdict, res.Runs, res.says(), c.verdict, c.runs, c.says)
		}
	}
	warnings := strings.Join(r.Warnings, "\n")
	for _, want := range []string{
		"small by sftp has no time: stopped: it took longer than 40s",
		"edits by scp: round 4 lies far from the others",
		"edits by scp-O has no time: failed",
	} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning %q in\n%s", want, warnings)
		}
	}
	if strings.Contains(warnings, "load") {
		t.Errorf("a load that was low is warned of:\n%s", warnings)
	}
	if left := r.leftOut(); len(left) != 1 || !strings.Contains(left[0], "apt-get install -y --no-install-recommends rsync") {
		t.Errorf("left out: %q", left)
	}
}

// TestNotAllRounds: a tool that fails in a later round has times of those before, and is compared with nothing; nor is
// anything compared with it.
func TestNotAllRounds(t *testing.T) {
	t.Parallel()
	r := example(Shape{RTT: 40 * time.Millisecond, Rate: 12.5e6}, "")
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Case == caseRandom && s.Round == 5 && (s.Tool == toolAgent || s.Tool == scp) {
			s.Status, s.Error = Failed, "the destination differs"
		}
	}
	r.finish()
	for _, tool := range []string{toolAgent, scp} {
		if res := r.find(t, caseRandom, tool); res.Seconds == nil || res.Runs != 4 || res.Verdict != NotCompared || res.Times != 0 || res.Against != "" {
			t.Errorf("%s: %+v", tool, res)
		}
	}
	if res := r.find(t, caseRandom, toolSCP); res.Against != rsync {
		t.Errorf("compared with %s", res.Against)
	}
	warnings := strings.Join(r.Warnings, "\n")
	if want := "random by gosync is of 4 of its rounds, and not compared: failed: the destination differs."; !strings.Contains(warnings, want) {
		t.Errorf("no warning %q in\n%s", want, warnings)
	}
	r.Tools[0].failed = true // in its warm-up
	if got := strings.Join(r.Failed(), ", "); got != "one small file by "+r.Tools[0].Name+", random by gosync, random by scp, edits by scp-O" {
		t.Errorf("failed: %s", got)
	}
}

// TestHalfIsWarnedOf: copies that went on from less than about half are told of, those of tools that begin anew are not.
func TestHalfIsWarnedOf(t *testing.T) {
	t.Parallel()
	r := example(Shape{RTT: time.Millisecond}, "")
	r.Cases = append(r.Cases, Case{Name: caseResume, Title: "resume", Files: 1, Bytes: 1000})
	for tool, held := range map[string]int64{toolAgent: 500, toolSFTP: 100, scp: 0} {
		r.Samples = append(r.Samples, Sample{Case: caseResume, Tool: tool, Round: 1, Order: 1, Status: OK, Seconds: 1, Held: new(held), Argv: []string{tool}})
	}
	r.finish()
	if res := r.find(t, caseResume, toolAgent); res.Held == nil || *res.Held != 500 {
		t.Errorf("%+v", res)
	}
	warnings := strings.Join(r.Warnings, "\n")
	if strings.Count(warnings, "went on from") != 1 || !strings.Contains(warnings, "resume by gosync-sftp went on from 10 % of the file and not from half.") {
		t.Error(warnings)
	}
	r.There.DiskWrite = new(123.4)
	if !strings.Contains(r.Text(), "The destination's disk makes 123 MiB a second durable") || !strings.Contains(r.Markdown(), "| disk, durable |  | 123 MiB/s |") {
		t.Errorf("the disk is not told of:\n%s", r.Markdown())
	}
}

func TestLoadAndRoundsAreWarnedOf(t *testing.T) {
	t.Parallel()
	r := example(Shape{RTT: time.Millisecond}, "")
	r.Here.LoadBefore = new(1.2)
	r.Samples = r.Samples[:0]
	for round := range 2 {
		r.Samples = append(r.Samples, Sample{Case: caseRandom, Tool: scp, Round: round + 1, Order: 1, Status: OK, Seconds: 1 + float64(round), Load: new(4.5)})
	}
	r.finish()
	warnings := strings.Join(r.Warnings, "\n")
	for _, want := range []string{"its load was 1.2", "The load rose to 4.5", "The fewest runs behind a time are 2", "random by scp is unsteady", "20 of 21 pairs of a data set and a tool were not run."} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning %q in\n%s", want, warnings)
		}
	}
}

// TestLoopbackIsNotCompared checks that times without a line between the ends never become a ratio.
func TestLoopbackIsNotCompared(t *testing.T) {
	t.Parallel()
	r := example(Shape{}, "")
	var html bytes.Buffer
	if err := r.writePage(&html); err != nil {
		t.Fatal(err)
	}
	for _, res := range r.Results {
		if res.Verdict != NotCompared || res.Times != 0 {
			t.Errorf("%s by %s is %s by %v", res.Case, res.Tool, res.Verdict, res.Times)
		}
	}
	for name, text := range map[string]string{"text": r.Text(), "Markdown": r.Markdown(), "page": html.String()} {
		if strings.Contains(text, " times ") && (strings.Contains(text, "faster than") || strings.Contains(text, "slower than")) {
			t.Errorf("the %s tells of a ratio:\n%s", name, text)
		}
		if !strings.Contains(text, "There is no line between the ends") {
			t.Errorf("the %s does not say that there is no line", name)
		}
	}
}

// TestHostileText checks that what a tool has said stays text.
func TestHostileText(t *testing.T) {
	t.Parallel()
	r := example(Shape{RTT: time.Millisecond}, "")
	var html bytes.Buffer
	if err := r.writePage(&html); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"Markdown": r.Markdown(), "page": html.String()} {
		if !strings.Contains(text, "alert(") || strings.Contains(text, "<script") {
			t.Errorf("the %s holds a script, or not what the tool has said", name)
		}
	}
	for line := range strings.Lines(r.Markdown()) {
		if strings.HasPrefix(line, "| scp-O ") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != len(heads().cells())+1 {
			t.Errorf("a cell became two: %s", line)
		}
	}
}

// schema is the published one.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.Open("../docs/bench.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	doc, err := jsonschema.UnmarshalJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("bench.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("bench.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON returns a report as a reader of bench.json gets it.
func asJSON(t *testing.T, r *Report) map[string]any {
	t.Helper()
	dir := t.TempDir()
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(dir + "/" + JSONName)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

// TestSchema holds reports to the schema in docs, and the schema to refusing what is no report.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := schema(t)
	for name, r := range map[string]*Report{
		"loopback": example(Shape{}, ""),
		"shaped":   example(Shape{RTT: time.Millisecond, Rate: 1e6}, ""),
		"host":     example(Shape{}, "user@example.org"),
	} {
		if err := s.Validate(asJSON(t, r)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, spoil := range map[string]func(map[string]any){
		"another version":   func(v map[string]any) { v["schema_version"] = json.Number("2") },
		"no samples":        func(v map[string]any) { delete(v, "samples") },
		"an unknown member": func(v map[string]any) { v["more"] = true },
		"a negative time":   func(v map[string]any) { v["samples"].([]any)[0].(map[string]any)["seconds"] = json.Number("-1") },
		"another verdict":   func(v map[string]any) { v["results"].([]any)[0].(map[string]any)["verdict"] = "better" },
		"a failure without a word": func(v map[string]any) {
			v["samples"].([]any)[0].(map[string]any)["status"] = "failed"
		},
	} {
		v := asJSON(t, example(Shape{RTT: time.Millisecond}, ""))
		spoil(v)
		if s.Validate(v) == nil {
			t.Errorf("%s is valid", name)
		}
	}
}

// TestRoundTrip reads a report again: nothing of it may get lost.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	want := example(Shape{RTT: time.Millisecond}, "")
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&got)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, again) {
		t.Errorf("%s\nbecame\n%s", data, again)
	}
}
