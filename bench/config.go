package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config says what is measured. The zero value of a field means its default.
type Config struct {
	Size   int64         // bytes of a large file; 32 MiB
	Files  int           // small files; 10,000
	Rounds int           // 5
	Budget time.Duration // no run begins later than this; 10 minutes
	Limit  time.Duration // a run that takes longer is stopped; a fifteenth of the budget
	Only   []string      // data sets, nil for all
	Tools  []string      // tools, nil for all that are compared by default
	Seed   uint64        // of data, order and resampling

	Shape Shape // of the line to the server in this process

	Host       string   // what the tools call the far side; "" for a server in this process
	Dir        string   // an existing directory there; "" for the one in which a login begins
	Far        Far      // how scripts run there; nil with Host ""
	SSHArgs    []string // options of ssh, scp and sftp that reach the host
	GosyncArgs []string // ... and of gosync

	Gosync  string   // path of the gosync program
	Version string   // what it is
	Argv    []string // the command line that asked for all this, for the report

	Say  func(line string) // is told what happens; nil for nobody
	Step func(Step)        // is told how far it is; nil for nobody
}

// Step is how far a benchmark is.
type Step struct {
	Round, Rounds int
	Run, Runs     int // in this round
	Case, Tool    string
}

// Far runs scripts on the far side. Its methods are called by one goroutine at a time.
type Far interface {
	// Run has sh run a script and returns its standard output. An exit status other than 0 is an error that holds
	// what the script wrote to standard error.
	Run(ctx context.Context, script string) ([]byte, error)

	// RTT measures the round trip.
	RTT(ctx context.Context) (time.Duration, error)
}

// Limits of a configuration.
const (
	leastSize = 64 << 10
	mostSize  = 1 << 40
	mostFiles = 1_000_000
	mostRound = 1000
)

// ErrConfig marks a configuration that cannot be measured with.
var ErrConfig = errors.New("benchmark")

// Supported says why a system cannot measure, as an error that wraps ErrConfig.
func Supported(goos string) error {
	if goos == "windows" {
		return fmt.Errorf("%w: Windows has no sh to prepare destinations with, and its paths cannot be given to scp, sftp and rsync alike; "+
			"run it under WSL, or on another machine", ErrConfig)
	}
	return nil
}

// complete fills in the defaults and checks.
func (c *Config) complete() error {
	c.Size = cmp.Or(c.Size, 32<<20)
	c.Files = cmp.Or(c.Files, 10_000)
	c.Rounds = cmp.Or(c.Rounds, 5)
	c.Budget = cmp.Or(c.Budget, 10*time.Minute)
	c.Limit = cmp.Or(c.Limit, max(c.Budget/15, time.Second))
	c.Seed = cmp.Or(c.Seed, 1)
	if c.Say == nil {
		c.Say = func(string) {}
	}
	if c.Step == nil {
		c.Step = func(Step) {}
	}
	switch {
	case c.Size < leastSize || c.Size > mostSize:
		return fmt.Errorf("%w: a size of %d bytes is not within 64 KiB and 1 TiB", ErrConfig, c.Size)
	case c.Files < 1 || c.Files > mostFiles:
		return fmt.Errorf("%w: %d files are not within 1 and %d", ErrConfig, c.Files, mostFiles)
	case c.Rounds < 1 || c.Rounds > mostRound:
		return fmt.Errorf("%w: %d rounds are not within 1 and %d", ErrConfig, c.Rounds, mostRound)
	case c.Budget < 0 || c.Limit < 0 || c.Shape.RTT < 0 || c.Shape.Rate < 0:
		return fmt.Errorf("%w: times and rates cannot be negative", ErrConfig)
	case c.Host != "" && c.Shape.shaped():
		return fmt.Errorf("%w: the line to %s is as it is; a round trip and a rate are for the server in this process, without a host", ErrConfig, c.Host)
	}
	if err := known("data set", c.Only, CaseNames()); err != nil {
		return err
	}
	return known("tool", c.Tools, ToolNames())
}

// known checks names against those that there are.
func known(what string, names, all []string) error {
	for _, name := range names {
		if !slices.Contains(all, name) {
			return fmt.Errorf("%w: there is no %s %q, only %s", ErrConfig, what, name, strings.Join(all, ", "))
		}
	}
	return nil
}

// picks reports whether a data set was asked for.
func (c *Config) picks(name string) bool { return len(c.Only) == 0 || slices.Contains(c.Only, name) }

// sizeText writes a number of bytes with a binary unit.
func sizeText(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	text := fmt.Sprintf("%.1f", v)
	return strings.TrimSuffix(text, ".0") + " " + units[i]
}
