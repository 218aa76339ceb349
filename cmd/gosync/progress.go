package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"gosync/internal/engine"
)

const (
	frameEvery = 200 * time.Millisecond // on a terminal
	eventEvery = time.Second            // with --json
	lineEvery  = 30 * time.Second       // elsewhere
	rateWindow = 2 * time.Minute        // what rate and ETA are computed over
	rateLeast  = 5 * time.Second        // no ETA before data have moved for so long
	etaLeast   = 1 << 20                // bytes: nor before so many, or a hundredth of the rest
	barWidth   = 12
	nameLeast  = 12 // columns: no name is shown in fewer
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
	data    time.Time // when the first data had moved; zero: none have
	best    int64     // permille shown so far: the line never goes back
	samples []sample
}

// sample is what was moved and dealt with at one moment. What an earlier run had left
// there is no part of it: it says nothing about how long the rest will take.
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

// meterOptions say to whom a meter shows what.
type meterOptions struct {
	shown bool             // progress is asked for
	width func() int       // of the terminal that it is shown on; nil for none
	ask   <-chan os.Signal // somebody wants one line now; nil for nobody
}

// startMeter begins to show progress until the function that it returns is
// called, with whether all that could be done was. That function waits for the last line.
func startMeter(con *console, counts *engine.Progress, o meterOptions) func(complete bool) {
	if !o.shown {
		o.width = nil
	}
	m := newMeter(con, counts, o.width, time.Now)
	m.sample()
	counts.Watched = counts.Watched || o.width != nil
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { m.run(o, quit) })
	return func(complete bool) {
		close(quit)
		wg.Wait()
		m.tell(complete)
		if o.shown {
			m.show(complete)
		}
		if m.bar != nil {
			m.con.progress([]byte("\n"))
		}
	}
}

// run shows progress until quit is closed.
func (m *meter) run(o meterOptions, quit <-chan struct{}) {
	every := lineEvery
	if m.bar != nil {
		every = frameEvery
	}
	frames, stopFrames := ticks(o.shown, every)
	defer stopFrames()
	events, stopEvents := ticks(m.con.events != nil, eventEvery)
	defer stopEvents()
	for {
		select {
		case <-frames:
			m.show(false)
		case <-events:
			m.tell(false)
		case <-o.ask:
			m.sample()
			m.con.message(m.line(false))
		case <-quit:
			return
		}
	}
}

// ticks is a ticker where there is to be one; its channel is nil where not.
func ticks(wanted bool, every time.Duration) (at <-chan time.Time, stop func()) {
	if !wanted {
		return nil, func() {}
	}
	t := time.NewTicker(every)
	return t.C, t.Stop
}

// show draws one line. complete says that the run has ended well.
func (m *meter) show(complete bool) {
	m.sample()
	permille := m.permille(complete)
	switch {
	case m.bar == nil && complete && m.con.events == nil: // a result, which scripts find where rsync's is
		m.con.print(m.line(complete) + "\n")
	case m.bar == nil:
		m.con.message(m.line(complete))
	case m.scanning(complete):
		m.con.progress([]byte("\r" + fit(m.text(complete), m.width()-1) + "\x1b[K"))
	default:
		m.draw(permille, complete)
	}
}

// line is what is shown where there is no terminal, and to whoever asks.
func (m *meter) line(complete bool) string {
	if m.scanning(complete) {
		return m.text(complete)
	}
	return fmt.Sprintf("%3d%%  %s", m.permille(complete)/10, m.text(complete))
}

// tell makes an event of --json.
func (m *meter) tell(complete bool) {
	if m.con.events == nil {
		return
	}
	m.sample()
	c := m.counts
	if m.scanning(complete) {
		m.con.tell(&scanJSON{Entries: c.Seen.Load()})
		return
	}
	d := m.dealt(complete)
	ev := &progressJSON{
		Percent:   float64(m.permille(complete)) / 10,
		BytesDone: d.bytes, BytesTotal: d.bytesTotal, BytesMoved: c.MovedBytes.Load(), FilesDone: d.files, FilesTotal: d.filesTotal,
		Rate: int64(m.rate(func(s sample) int64 { return s.moved })), Elapsed: seconds(m.now().Sub(m.began)),
	}
	if complete {
		ev.Rate = m.meanRate()
	}
	if left, ok := m.left(); ok {
		eta := seconds(left)
		ev.ETA = &eta
	}
	m.con.tell(ev)
}

// draw has the bar render one frame. The bar renders whenever its number or
// its text is set; only the frame that has both goes to the screen. Once it has
// reached its end it does not render again, so then the number is set last.
func (m *meter) draw(permille int64, complete bool) {
	room := m.width() - barWidth - len("100% || ") - 3
	text := fitFields(m.fields(complete), room)
	if path := m.counts.Current.Load(); path != nil && !complete {
		if left := room - len(text) - 2; left >= nameLeast {
			text += "  " + lastColumns(strings.ReplaceAll(display(*path), "\t", `\#011`), left)
		}
	}
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

// text returns the line behind the percentage.
func (m *meter) text(complete bool) string { return strings.Join(m.fields(complete), fieldGap) }

// fields returns the fields of that line: bytes, files, rate, and the time that is left.
func (m *meter) fields(complete bool) []string {
	c := m.counts
	rate := bytesIEC(int64(m.rate(func(s sample) int64 { return s.moved }))) + "/s"
	if m.scanning(complete) {
		return []string{
			"scanning: " + group(fmt.Sprint(c.Seen.Load())) + " entries", group(fmt.Sprint(c.DoneFiles.Load())) + " files done",
			bytesIEC(c.MovedBytes.Load()) + " moved", rate,
		}
	}
	last := "ETA -"
	if left, ok := m.left(); ok {
		last = "ETA " + clock(left)
	}
	if complete {
		rate, last = bytesIEC(m.meanRate())+"/s", "in "+clock(m.now().Sub(m.began))
	}
	d := m.dealt(complete)
	if complete && d.filesTotal == 0 && d.bytesTotal == 0 {
		return []string{"no files to copy", last}
	}
	unit := binaryUnit(d.bytesTotal)
	return []string{
		fmt.Sprintf("%s/%s %s", inUnit(d.bytes, unit), inUnit(d.bytesTotal, unit), binaryUnits()[unit]),
		fmt.Sprintf("%s/%s files", group(fmt.Sprint(d.files)), group(fmt.Sprint(d.filesTotal))), rate, last,
	}
}

// dealt is how much is done of what.
type dealt struct{ bytes, bytesTotal, files, filesTotal int64 }

// dealt returns how much is done: all of it when the run is complete, although of content
// that passes this machine from one host to another it is known only roughly.
func (m *meter) dealt(complete bool) dealt {
	c := m.counts
	d := dealt{bytesTotal: c.TotalBytes.Load(), filesTotal: c.TotalFiles.Load()}
	d.bytes, d.files = min(c.DoneBytes.Load(), d.bytesTotal), min(c.DoneFiles.Load(), d.filesTotal)
	if complete {
		d.bytes, d.files = d.bytesTotal, d.filesTotal
	}
	return d
}

// sample remembers where the run is, once a second at most, for rateWindow, which
// begins when data do.
func (m *meter) sample() {
	s := sample{at: m.now(), moved: m.counts.MovedBytes.Load(), done: m.counts.DoneBytes.Load() - m.counts.HeldBytes.Load()}
	n := len(m.samples)
	if n > 0 && s.at.Sub(m.samples[n-1].at) < time.Second {
		return
	}
	if m.data.IsZero() && n > 0 {
		m.samples = m.samples[n-1:]
		if s.done > 0 {
			m.data = m.samples[0].at
		}
	}
	m.samples = append(m.samples, s)
	for len(m.samples) > 2 && s.at.Sub(m.samples[0].at) > rateWindow {
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

// meanRate returns how many bytes have moved per second of the whole run.
func (m *meter) meanRate() int64 {
	return int64(float64(m.counts.MovedBytes.Load()) / max(m.now().Sub(m.began).Seconds(), 1e-3))
}

// left returns how long the rest will take; ok is false while that is a guess.
func (m *meter) left() (left time.Duration, ok bool) {
	rate := m.rate(func(s sample) int64 { return s.done })
	if rate <= 0 || m.data.IsZero() || m.now().Sub(m.data) < rateLeast || !m.counts.Planned.Load() {
		return 0, false
	}
	rest := float64(m.counts.TotalBytes.Load() - m.counts.DoneBytes.Load())
	if float64(m.samples[len(m.samples)-1].done) < min(etaLeast, rest/100) {
		return 0, false
	}
	if s := max(rest, 0) / rate; s < 1e6 {
		return time.Duration(s * float64(time.Second)), true
	}
	return 0, false
}
