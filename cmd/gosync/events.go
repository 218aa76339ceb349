package main

import (
	"bufio"
	"io"
	"slices"
	"sync"
	"time"

	"gosync/internal/shell"
)

// eventsVersion is the version of the events of --json. What is added to them leaves
// it as it is; a field that goes away or means something else makes it a new one.
const eventsVersion = 1

// eventLog writes what --json tells, one object a line: docs/json.md describes them, and
// docs/json.schema.json defines them. Its methods may be called from any goroutine, and
// of a nil *eventLog, which tells nothing.
type eventLog struct {
	mu      sync.Mutex
	out     *bufio.Writer
	now     func() time.Time
	started bool // start was told
	failed  error
}

func newEvents(out io.Writer) *eventLog {
	return &eventLog{out: bufio.NewWriterSize(out, 32<<10), now: time.Now}
}

// head is what all events begin with.
type head struct {
	V     int    `json:"v"`
	Event string `json:"event"`
	Time  string `json:"time"`
}

func (h *head) fill(event, time string) { h.V, h.Event, h.Time = eventsVersion, event, time }

// event is one of the objects; its struct begins with a head.
type event interface {
	fill(event, time string)
	name() string
}

// tell writes an event. Those of single entries wait for others, or for a second at most,
// since whoever shows progress tells of that. The error is the first one of all.
func (v *eventLog) tell(ev event) error {
	if v == nil {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	name := ev.name()
	if name == "start" {
		if v.started { // a comparison looks in a second place
			return v.failed
		}
		v.started = true
	}
	ev.fill(name, v.now().UTC().Format("2006-01-02T15:04:05.000Z"))
	_, err := v.out.WriteString(shell.JSONLine(ev))
	if err == nil && name != "item" {
		err = v.out.Flush()
	}
	if v.failed == nil {
		v.failed = err
	}
	return v.failed
}

// wantsEvents reports whether --json is among the options, for the event about a command
// line that cannot be understood.
func wantsEvents(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json")
}
