package bench

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed page.html
var pageText string

// page is what the template of bench.html gets.
type page struct {
	Title      string
	Line       string
	Argv       string
	Figures    []figure
	LeftOut    []string
	Warnings   []string
	Facts      []fact
	Paragraphs []string
}

// figure is the plot and the table of a data set.
type figure struct {
	Name, Title, Basis string
	Heads              []string
	Rows               []row
	Plots              []plot
	Ticks              []tick
}

// plot is the line of a tool in a figure. Places are in percent of the width.
type plot struct {
	Tool, Value string
	Own         bool // it is gosync
	Has         bool // it has times
	Label       string
	Median      string
	Low, Wide   string // of the interval
	Dots        []dot
}

type dot struct {
	X, Label string
	Outlier  bool
}

type tick struct{ X, Label, Anchor string }

// writePage writes bench.html.
func (r *Report) writePage(w io.Writer) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	p := page{
		Title: "gosync bench", Line: r.lineText(), Argv: strings.Join(r.Argv, " "),
		LeftOut: r.leftOut(), Warnings: r.Warnings, Facts: r.facts(), Paragraphs: r.paragraphs(),
	}
	for _, set := range r.Cases {
		p.Figures = append(p.Figures, r.figure(&set))
	}
	return t.Execute(w, p)
}

// figure draws a data set.
func (r *Report) figure(set *Case) figure {
	f := figure{Name: set.Name, Title: set.Title, Basis: orNothing(set.Basis), Heads: heads().cells(), Rows: r.shown(set.Name)}
	most := 0.0
	for _, res := range r.Results {
		if res.Case == set.Name && res.Seconds != nil {
			most = max(most, res.Seconds.Max)
		}
	}
	step, end := scale(most)
	for i := range 64 {
		v := float64(i) * step
		if v > end*1.001 {
			break
		}
		f.Ticks = append(f.Ticks, tick{place(v, end), fmt.Sprintf("%.4g", v), anchor(v, end)})
	}
	for _, res := range r.Results {
		if res.Case == set.Name {
			f.Plots = append(f.Plots, r.plot(&res, end))
		}
	}
	return f
}

// plot draws a result.
func (r *Report) plot(res *Result, end float64) plot {
	p := plot{Tool: res.Tool, Own: strings.HasPrefix(res.Tool, "gosync"), Value: res.Note}
	s := res.Seconds
	if s == nil {
		p.Label = res.Tool + ": " + res.Note
		return p
	}
	p.Has, p.Value = true, secs(s.Median)+" s"
	p.Median, p.Low, p.Wide = place(s.Median, end), place(s.Low, end), place(s.High-s.Low, end)
	p.Label = fmt.Sprintf("%s: median %s s, %d runs from %s to %s s", res.Tool, secs(s.Median), res.Runs, secs(s.Min), secs(s.Max))
	far := map[int]bool{}
	for _, round := range res.Outliers {
		far[round] = true
	}
	for _, one := range r.Samples {
		if one.Case == res.Case && one.Tool == res.Tool && one.Status == OK {
			p.Dots = append(p.Dots, dot{place(one.Seconds, end), fmt.Sprintf("round %d: %s s", one.Round, secs(one.Seconds)), far[one.Round]})
		}
	}
	return p
}

// scale returns the distance of the marks of an axis that begins at 0 and shows most, and its end.
func scale(most float64) (step, end float64) {
	if most <= 0 || math.IsNaN(most) || math.IsInf(most, 0) {
		return 0.5, 1
	}
	step = math.Pow(10, math.Floor(math.Log10(most)))
	for _, part := range []float64{0.1, 0.2, 0.5, 1, 2} {
		if most/(step*part) <= 5 {
			step *= part
			break
		}
	}
	return step, step * math.Ceil(most/step*1.0001)
}

// place is where a value lies, as a percentage.
func place(v, end float64) string { return fmt.Sprintf("%.3f%%", 100*v/end) }

// anchor keeps the labels at the ends of an axis within the figure.
func anchor(v, end float64) string {
	switch {
	case v == 0:
		return "start"
	case v > 0.97*end:
		return "end"
	}
	return "middle"
}
