package main

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"gosync/internal/engine"
)

const (
	frameEvery = 200 * time.Millisecond // on a terminal
	lineEvery  = 30 * time.Second       // elsewhere
	rateWindow = 2 * time.Minute        // what rate and ETA are computed over
	rateLeast  = 5 * time.Second        // no ETA before so much is known
	barWidth   = 12
)

// meter shows how far a run is: one line for all of it. Totals, rate and ETA
// are its own; the progress bar only draws.
type meter struct {
	con     *console
	counts  *engine.Progress
	now     func() time.Time
	width   func() int // of the terminal, in columns; nil where there is none
	bar     *progressbar.ProgressBar
	frame   *bytes.Buffer
	began   time.Time
	best    int64 // permille shown so far: the line never goes back
	samples []sample
}

// sample is what was moved and dealt with at one moment.
type sample struct {
	at          time.Time
	moved, done int64
}

func newMeter(con *console, counts *engine.Progress, width func() int, now func() time.Time) *meter {
	m := &meter{con: con, counts: counts, now: now, width: width, began: now()}
	if width != nil {
		m.frame = new(bytes.Buffer)
		m.bar = progressbar.NewOptions64(1000,
			progressbar.OptionSetWriter(m.frame),
			progressbar.OptionSetWidth(barWidth),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionShowDescriptionAtLineEnd(),
			progressbar.OptionUseANSICodes(true))
	}
	return m
}

// startMeter begins to show progress until the function that it returns is
// called, with whether all went well. That function waits for the last line.
func startMeter(con *console, counts *engine.Progress, width func() int) func(complete bool) {
	m := newMeter(con, counts, width, time.Now)
	every := lineEvery
	if width != nil {
		every = frameEvery
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				m.show(false)
			case <-quit:
				return
			}
		}
	})
	return func(complete bool) {
		close(quit)
		wg.Wait()
		m.show(complete)
		if m.bar != nil {
			m.con.progress([]byte("\n"))
		}
	}
}

// show draws one line. complete says that the run has ended well.
func (m *meter) show(complete bool) {
	m.sample()
	permille := m.permille(complete)
	switch {
	case m.bar == nil && m.scanning(complete):
		m.con.message(m.text(complete))
	case m.bar == nil && complete: // a result, which scripts find where rsync's is
		m.con.print("100%  " + m.text(complete) + "\n")
	case m.bar == nil:
		m.con.message(fmt.Sprintf("%3d%%  %s", permille/10, m.text(complete)))
	case m.scanning(complete):
		m.con.progress([]byte("\r" + fit(m.text(complete), m.width()-1) + "\x1b[K"))
	default:
		m.draw(permille, m.text(complete))
	}
}

// draw has the bar render one frame. The bar renders whenever its number or
// its text is set; only the frame that has both goes to the screen. Once it has
// reached its end it does not render again, so then the number is set last.
func (m *meter) draw(permille int64, text string) {
	text = fit(text, m.width()-barWidth-len("100% || ")-3)
	first, last := func() { _ = m.bar.Set64(permille) }, func() { m.bar.Describe(text) }
	if permille >= 1000 {
		first, last = last, first
	}
	first()
	m.frame.Reset()
	last()
	m.con.progress(m.frame.Bytes())
}

// scanning reports whether the totals still grow, so that a share of them
// would mean nothing.
func (m *meter) scanning(complete bool) bool {
	return !complete && !m.counts.Planned.Load() && m.best == 0
}

// permille returns how much of the run is done. It is 1000 only at the end: what
// follows the last byte, such as making data durable, belongs to the run.
func (m *meter) permille(complete bool) int64 {
	if complete {
		return 1000
	}
	done, total := m.counts.DoneBytes.Load(), m.counts.TotalBytes.Load()
	if total <= 0 {
		done, total = m.counts.DoneFiles.Load(), m.counts.TotalFiles.Load()
	}
	if m.counts.Planned.Load() && total > 0 {
		share := int64(float64(done) / float64(total) * 1000)
		m.best = max(m.best, min(share, 999))
	}
	return m.best
}

// text returns the fields of the line behind the percentage.
func (m *meter) text(complete bool) string {
	c := m.counts
	rate := bytesIEC(int64(m.rate(func(s sample) int64 { return s.moved }))) + "/s"
	if m.scanning(complete) {
		return fmt.Sprintf("scanning: %s entries  %s files done  %s moved  %s",
			group(fmt.Sprint(c.Seen.Load())), group(fmt.Sprint(c.DoneFiles.Load())), bytesIEC(c.MovedBytes.Load()), rate)
	}
	last := "ETA " + m.eta()
	if complete {
		took := m.now().Sub(m.began)
		rate, last = bytesIEC(int64(float64(c.MovedBytes.Load())/max(took.Seconds(), 1e-3)))+"/s", "in "+clock(took)
	}
	total := c.TotalBytes.Load()
	unit := binaryUnit(total)
	return fmt.Sprintf("%s/%s %s  %s/%s files  %s  %s", inUnit(c.DoneBytes.Load(), unit), inUnit(total, unit), binaryUnits()[unit],
		group(fmt.Sprint(c.DoneFiles.Load())), group(fmt.Sprint(c.TotalFiles.Load())), rate, last)
}

// sample remembers where the run is, once a second at most, for rateWindow.
func (m *meter) sample() {
	now := m.now()
	if n := len(m.samples); n > 0 && now.Sub(m.samples[n-1].at) < time.Second {
		return
	}
	m.samples = append(m.samples, sample{at: now, moved: m.counts.MovedBytes.Load(), done: m.counts.DoneBytes.Load()})
	for len(m.samples) > 2 && now.Sub(m.samples[0].at) > rateWindow {
		m.samples = m.samples[1:]
	}
}

// rate returns how fast a counter has grown, per second, over the window.
func (m *meter) rate(value func(sample) int64) float64 {
	if len(m.samples) < 2 {
		return 0
	}
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	return float64(value(last)-value(first)) / last.at.Sub(first.at).Seconds()
}

// eta returns the time that is left, or "-" while that is a guess.
func (m *meter) eta() string {
	rate := m.rate(func(s sample) int64 { return s.done })
	if rate <= 0 || m.now().Sub(m.began) < rateLeast {
		return "-"
	}
	left := float64(m.counts.TotalBytes.Load() - m.counts.DoneBytes.Load())
	if seconds := left / rate; seconds < 1e6 {
		return clock(time.Duration(max(seconds, 0) * float64(time.Second)))
	}
	return "-"
}

// fit cuts text, which is ASCII, to at most width columns.
func fit(text string, width int) string {
	if width < len(text) {
		return text[:max(width, 0)]
	}
	return text
}
