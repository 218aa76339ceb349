package bench

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// table returns the rows of the first Markdown table behind a heading, cells by the names
// of their columns.
func table(t *testing.T, text, heading string) []map[string]string {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("no heading %q", heading)
	}
	var names []string
	var rows []map[string]string
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if names != nil {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case names == nil:
			names = cells
		case strings.HasPrefix(cells[0], "--"):
		case len(cells) != len(names):
			t.Fatalf("%d cells, not %d: %s", len(cells), len(names), line)
		default:
			row := map[string]string{}
			for i, name := range names {
				row[name] = cells[i]
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// number reads a cell; one that is empty is 0.
func number(t *testing.T, cell string) float64 {
	t.Helper()
	cell = strings.ReplaceAll(cell, ",", "")
	if cell == "" {
		return 0
	}
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestModel holds docs/performance.md to its own figures: what it predicts for each run
// follows from its costs, and is not far from what was measured, be it a run that the costs
// were fitted to or one that was measured afterwards.
func TestModel(t *testing.T) {
	b, err := os.ReadFile("../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	cost := map[string]float64{}
	for _, row := range table(t, text, "Costs") {
		cost[row["cost"]] = number(t, row["value"])
	}
	for heading, least := range map[string]int{"Predicted and measured": 10, "Predicted, and not fitted": 4} {
		points := table(t, text, heading)
		if len(points) < least {
			t.Errorf("%s: %d points, want %d", heading, len(points), least)
		}
		for _, row := range points {
			checkPoint(t, cost, row)
		}
	}
}

func checkPoint(t *testing.T, cost map[string]float64, row map[string]string) {
	t.Helper()
	const most = 0.25 // that a prediction may be off
	n := func(name string) float64 { return number(t, row[name]) }
	want := predict(cost, n)
	if said := n("predicted s"); math.Abs(said-want) > 0.006+want/100 {
		t.Errorf("%s: predicted are %.2f s, not %.2f", row["run"], want, said)
	}
	if got := n("measured s"); math.Abs(want-got) > most*got {
		t.Errorf("%s: predicted are %.2f s, measured were %.2f", row["run"], want, got)
	}
}

// predict is the model: the longer of what the processors and what the line need, and
// what must be waited for. Columns and costs are those of docs/performance.md.
func predict(cost map[string]float64, n func(string) float64) float64 {
	local := n("Mbit/s") == 0 && n("RTT ms") == 0 && n("ssh") == 0
	var cpu, wait float64
	if local {
		cpu = n("MB")*cost["local MB"] + n("new files")*cost["local new file"] + n("files")*cost["local entry"]
		wait = cost["local start"]
	} else {
		cpu = n("MB")*cost["MB"] + n("basis MB")*cost["basis MB"] + n("new files")*cost["new file"] + n("files")*cost["entry"]
		trips := cost["round trips"]
		if n("basis MB") > 0 {
			cpu += n("MB") * cost["unmatched MB"]
			trips += cost["delta round trips"]
		}
		if n("line MB") > 20 {
			trips += cost["window round trips"]
		}
		wait = cost["start"] + trips*n("RTT ms")*1000
	}
	seconds := cpu / (n("cores") * cost["use"]) / 1e6
	if rate := n("Mbit/s"); rate > 0 {
		seconds = max(seconds, (n("line MB")*8/rate)*cost["framing"])
	}
	return seconds + wait/1e6
}
