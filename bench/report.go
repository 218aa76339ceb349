package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// SchemaVersion is that of bench.json: it changes when a reader of the old form would go wrong.
const SchemaVersion = 1

// Report is what a benchmark has found: bench.json.
type Report struct {
	Schema      int         `json:"schema_version"`
	Started     time.Time   `json:"started"`
	Seconds     float64     `json:"seconds"`
	Interrupted bool        `json:"interrupted"`
	Budget      string      `json:"budget_note,omitempty"` // why not all rounds were run
	Argv        []string    `json:"argv"`
	Settings    Settings    `json:"settings"`
	Program     Program     `json:"program"`
	Here        Environment `json:"here"`
	There       Environment `json:"there"`
	Line        Line        `json:"line"`
	Tools       []ToolNote  `json:"tools"`
	Cases       []Case      `json:"cases"`
	Results     []Result    `json:"results"`
	Warnings    []string    `json:"warnings"`
	Samples     []Sample    `json:"samples"`
}

// Settings are those that make a benchmark the same again.
type Settings struct {
	Seed   uint64  `json:"seed"`
	Size   int64   `json:"size_bytes"`
	Files  int     `json:"files"`
	Rounds int     `json:"rounds"`
	Budget float64 `json:"budget_seconds"`
	Limit  float64 `json:"limit_seconds"`
}

// ToolNote is a tool that was asked for.
type ToolNote struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Missing string   `json:"left_out_because,omitempty"`
	Get     string   `json:"get_it_by,omitempty"`
	Argv    []string `json:"warm_up_argv,omitempty"`

	failed bool // to copy one small file
}

// Result is what the runs of a tool with a data set come to.
type Result struct {
	Case     string   `json:"case"`
	Tool     string   `json:"tool"`
	Runs     int      `json:"runs"` // that count
	Seconds  *Spread  `json:"seconds,omitempty"`
	Up       *float64 `json:"bytes_up,omitempty"` // medians
	Down     *float64 `json:"bytes_down,omitempty"`
	CPUHere  *float64 `json:"cpu_here_seconds,omitempty"`
	CPUFar   *float64 `json:"cpu_there_seconds,omitempty"`
	Outliers []int    `json:"outliers,omitempty"` // rounds
	Against  string   `json:"against,omitempty"`  // the tool that it is compared with
	Verdict  Verdict  `json:"verdict"`
	Times    float64  `json:"times,omitempty"`        // how many times faster, or slower; 0 where no difference is shown
	Held     *float64 `json:"bytes_before,omitempty"` // median of what an interrupted copy had left
	Note     string   `json:"note,omitempty"`         // why there is no time, or why not of all rounds: it is not compared then
}

func newReport(c *Config, sets []Case, begin time.Time) *Report {
	r := &Report{
		Schema: SchemaVersion, Started: begin.UTC().Truncate(time.Second), Argv: c.Argv, Cases: sets,
		Settings: Settings{Seed: c.Seed, Size: c.Size, Files: c.Files, Rounds: c.Rounds, Budget: c.Budget.Seconds(), Limit: c.Limit.Seconds()},
		Tools:    []ToolNote{}, Results: []Result{}, Warnings: []string{}, Samples: []Sample{},
	}
	if r.Argv == nil {
		r.Argv = []string{}
	}
	r.Line = Line{Kind: lineLoopback, RTT: float64(c.Shape.RTT) / float64(time.Millisecond), Rate: c.Shape.Rate * 8 / 1e6}
	switch {
	case c.Host != "":
		r.Line = Line{Kind: lineHost, Host: c.Host}
	case c.Shape.shaped():
		r.Line.Kind = lineShaped
	}
	if c.Shape.Rate > 0 {
		r.Line.Queue = c.Shape.queue()
	}
	return r
}

// finish computes the results and the warnings from the samples.
func (r *Report) finish() {
	r.Seconds = time.Since(r.Started).Round(time.Second).Seconds()
	r.Results = r.Results[:0]
	for _, set := range r.Cases {
		first := len(r.Results)
		for _, t := range r.Tools {
			if t.Missing == "" {
				r.Results = append(r.Results, r.result(set.Name, t.Name))
			}
		}
		r.judge(r.Results[first:])
	}
	r.warn()
}

// notRun is the note of a pair that its turn never came to.
const notRun = "not run: it was over before"

// result sums up the runs of a pair.
func (r *Report) result(set, tool string) Result {
	res := Result{Case: set, Tool: tool, Verdict: NotCompared}
	var took, up, down, here, far, held []float64
	var rounds []int
	add := func(to *[]float64, v *float64) {
		if v != nil {
			*to = append(*to, *v)
		}
	}
	for _, s := range r.Samples {
		if s.Case != set || s.Tool != tool {
			continue
		}
		if s.Status != OK {
			res.Note = string(s.Status) + ": " + s.Error
			continue
		}
		took, rounds = append(took, s.Seconds), append(rounds, s.Round)
		add(&up, float(s.Up))
		add(&down, float(s.Down))
		add(&here, s.CPUHere)
		add(&far, s.CPUFar)
		add(&held, float(s.Held))
	}
	res.Runs = len(took)
	res.Up, res.Down, res.CPUHere, res.CPUFar, res.Held = middle(up), middle(down), middle(here), middle(far), middle(held)
	if len(took) > 0 {
		s := spread(took, r.Settings.Seed)
		res.Seconds = &s
		for _, i := range outliers(took) {
			res.Outliers = append(res.Outliers, rounds[i])
		}
	} else if res.Note == "" {
		res.Note = notRun
	}
	return res
}

func float(n *int64) *float64 {
	if n == nil {
		return nil
	}
	return new(float64(*n))
}

// middle is the median, nil of none.
func middle(values []float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	return new(median(values))
}

// reference is the tool that the others are compared with: the first of these that has times of all its rounds.
func reference(results []Result) *Result {
	for _, name := range []string{scp, rsync, sftp, scpLegacy, rsyncZ} {
		i := slices.IndexFunc(results, func(r Result) bool { return r.Tool == name && r.Seconds != nil && r.Note == "" })
		if i >= 0 {
			return &results[i]
		}
	}
	return nil
}

// judge compares the results of a data set. Without a line there is nothing to compare: what counts is then only how
// fast processors are that both ends share, and a ratio would be taken for one of copies over a network.
func (r *Report) judge(results []Result) {
	ref := reference(results)
	if ref == nil || r.Line.Kind == lineLoopback {
		return
	}
	for i := range results {
		res := &results[i]
		if res.Seconds == nil || res.Note != "" || res.Tool == ref.Tool {
			continue
		}
		res.Against = ref.Tool
		res.Verdict = compare(*res.Seconds, res.Runs, *ref.Seconds, ref.Runs)
		switch res.Verdict {
		case Faster:
			res.Times = ref.Seconds.Median / res.Seconds.Median
		case Slower:
			res.Times = res.Seconds.Median / ref.Seconds.Median
		}
	}
}

// unsteady is the deviation, as a part of the median, from which a time is said to be uncertain.
const unsteady = 0.10

// warn says what makes the figures worth less.
func (r *Report) warn() {
	r.Warnings = []string{}
	add := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	if r.Interrupted {
		add("It was interrupted: the figures are of what was measured until then.")
	}
	if r.Budget != "" {
		add("Not all rounds were run: %s. A larger --budget, or less with --only, --tools, --size and --files, changes that.", r.Budget)
	}
	if r.Line.Kind == lineLoopback {
		add("There is no line between the ends: these are times of processors and disks that both ends share, and say nothing about a copy over a network. --rtt and --rate put a line there.")
	}
	if least := r.leastRuns(); least < 5 {
		add("The fewest runs behind a time are %d: such an interval is narrower than what is not known.", least)
	}
	r.warnLoad(add)
	unrun := 0
	for _, res := range r.Results {
		switch s := res.Seconds; {
		case s == nil && res.Note == notRun:
			unrun++
		case s == nil:
			add("%s by %s has no time: %s.", res.Case, res.Tool, res.Note)
		case res.Note != "":
			add("%s by %s is of %d of its rounds, and not compared: %s.", res.Case, res.Tool, res.Runs, res.Note)
		case len(res.Outliers) > 0:
			add("%s by %s: %s far from the others (%.2f to %.2f s).", res.Case, res.Tool, roundsText(res.Outliers), s.Min, s.Max)
		case s.Median > 0 && s.MAD/s.Median > unsteady:
			add("%s by %s is unsteady: the median deviation is %.0f %% of the median.", res.Case, res.Tool, 100*s.MAD/s.Median)
		}
	}
	r.warnHeld(add)
	if unrun > 0 {
		add("%d of %d pairs of a data set and a tool were not run.", unrun, len(r.Results))
	}
}

// warnHeld tells of copies that did not go on from half.
func (r *Report) warnHeld(add func(string, ...any)) {
	for _, res := range r.Results {
		i := slices.IndexFunc(r.Cases, func(c Case) bool { return c.Name == res.Case })
		if res.Held == nil || i < 0 || !resumes(res.Tool) {
			continue
		}
		if part := *res.Held / float64(r.Cases[i].Bytes); part < 0.3 || part > 0.7 {
			add("%s by %s went on from %.0f %% of the file and not from half.", res.Case, res.Tool, 100*part)
		}
	}
}

// Failed names the data sets and tools of which a copy failed, or was not equal to its source.
func (r *Report) Failed() []string {
	var pairs []string
	for _, t := range r.Tools {
		if t.failed {
			pairs = append(pairs, "one small file by "+t.Name)
		}
	}
	for _, s := range r.Samples {
		if s.Status == Failed {
			pairs = append(pairs, s.Case+" by "+s.Tool)
		}
	}
	return pairs
}

// warnLoad tells of other work on this machine.
func (r *Report) warnLoad(add func(string, ...any)) {
	cores := float64(r.Here.Cores)
	if cores == 0 {
		return
	}
	if l := r.Here.LoadBefore; l != nil && *l > cores/2 {
		add("This machine was at work before: its load was %.1f, with %d cores.", *l, r.Here.Cores)
	}
	most := 0.0
	for _, s := range r.Samples {
		if s.Load != nil {
			most = max(most, *s.Load)
		}
	}
	if most > cores {
		text := "."
		if r.Line.Kind != lineHost {
			text = "; both ends run here, which is part of it."
		}
		add("The load rose to %.1f, with %d cores%s", most, r.Here.Cores, text)
	}
	if l := r.There.LoadBefore; r.Line.Kind == lineHost && l != nil && r.There.Cores > 0 && *l > float64(r.There.Cores)/2 {
		add("The far side was at work before: its load was %.1f, with %d cores.", *l, r.There.Cores)
	}
}

// leastRuns is the smallest number of runs of a result that has any.
func (r *Report) leastRuns() int {
	least := r.Settings.Rounds
	for _, res := range r.Results {
		if res.Runs > 0 {
			least = min(least, res.Runs)
		}
	}
	return least
}

func roundsText(rounds []int) string {
	var text []string
	for _, n := range rounds {
		text = append(text, fmt.Sprint(n))
	}
	if len(text) == 1 {
		return "round " + text[0] + " lies"
	}
	return "rounds " + strings.Join(text, ", ") + " lie"
}

// says puts the verdict of a result into words.
func (r *Result) says() string {
	switch r.Verdict {
	case Faster, Slower:
		return fmt.Sprintf("%.1f times %s than %s", r.Times, r.Verdict, r.Against)
	case NoDifference:
		return string(NoDifference) + " to " + r.Against
	}
	return ""
}
