package transport

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"gosync/transport/wire"
)

// deployPatience is how long nothing may move while an agent is deployed. What
// fills a buffer of a slow line counts as moved, so that it is not short.
const deployPatience = 2 * time.Minute

// An exchange is a script that runs on the far side, and its answer. It is
// closed when nothing moves for too long.
type exchange struct {
	Stream
	answer *answer
	timer  *time.Timer
	limit  atomic.Int64 // of the timer
	late   atomic.Bool
}

// newExchange watches s. Where connecting belongs to starting the command, somebody may be typing a password: then the
// first byte may take as long as first says, 0 for any time.
func newExchange(s Stream, connected bool, first time.Duration) *exchange {
	x := &exchange{Stream: s}
	x.answer = newAnswer(x)
	if connected {
		first = deployPatience
	}
	x.limit.Store(int64(first))
	if first <= 0 {
		first = math.MaxInt64
	}
	x.timer = time.AfterFunc(first, func() {
		x.late.Store(true)
		_ = s.Close() // what counts is that it was late
	})
	return x
}

// Read implements io.Reader.
func (x *exchange) Read(p []byte) (int, error) {
	n, err := x.Stream.Read(p)
	return n, x.moved(n, err)
}

// Write implements io.Writer.
func (x *exchange) Write(p []byte) (int, error) {
	n, err := x.Stream.Write(p)
	return n, x.moved(n, err)
}

func (x *exchange) moved(n int, err error) error {
	if n > 0 {
		x.limit.Store(int64(deployPatience))
		x.timer.Reset(deployPatience)
	}
	if err != nil && x.late.Load() {
		err = fmt.Errorf("%w: nothing has moved for %v", wire.ErrTimeout, time.Duration(x.limit.Load()))
	}
	return err
}

// Close implements io.Closer.
func (x *exchange) Close() error {
	x.timer.Stop()
	return x.Stream.Close()
}

// begin skips to the answer, once.
func (x *exchange) begin() error {
	if x.answer.marked {
		return nil
	}
	if err := x.answer.begin(); err != nil {
		return x.failed(err)
	}
	return nil
}

// values reads the answer up to a line with the key last, or to its end. What
// it says to have failed is the error.
func (x *exchange) values(last string) (map[string]string, error) {
	if err := x.begin(); err != nil {
		return nil, err
	}
	v, err := x.answer.values(last)
	if err != nil {
		return nil, x.failed(err)
	}
	if what, ok := v["fail"]; ok {
		_, _ = endStatus(x.Stream) // then its messages are complete
		word, path, _ := strings.Cut(what, " ")
		return nil, deployFailure(word, path, lastLine(x.StderrTail()))
	}
	if _, ok := v[last]; last != "" && !ok {
		return nil, x.failed(fmt.Errorf("%w: it ends without %q", errNoAnswer, last))
	}
	return v, nil
}

// failed ends the exchange and says why there is no answer: a line that broke is
// no reason to try other ways, a far side that runs no commands is.
func (x *exchange) failed(err error) error {
	x.timer.Stop()
	var status int
	if errors.Is(err, errEnded) {
		status, _ = endStatus(x.Stream)
	}
	_ = x.Close() // how it ended is known by now
	last := lastLine(x.StderrTail())
	if !errors.Is(err, errNoAnswer) {
		if last != "" {
			err = fmt.Errorf("%w: %s", err, last)
		}
		return err
	}
	e := &DeployError{Kind: DeployRefused, Reason: "the far side runs no commands of sh", Detail: last, Err: err}
	switch said := x.answer.prelude; {
	case x.answer.marked:
		e.Reason = "the far side stopped in the midst of it (" + err.Error() + ")"
	case len(said) > 0 && len(bytes.TrimSpace(said)) > 0:
		e.Detail = joined(e.Detail, "it printed "+quoted(string(escape(nil, said))))
	}
	if status != 0 {
		e.Detail = joined(e.Detail, statusText(status))
	}
	return e
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
