package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	random "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const cleanTime = 30 * time.Second // how long tidying up may take when a benchmark was interrupted

// run is one benchmark.
type run struct {
	c       *Config
	end     *end
	work    string // the private directory of the benchmark
	data    string // ... in it, of the data sets
	scratch string // ... of what tools need
	environ []string
	sets    []Case
	sums    map[string]sums // of data sets, by name
	pairs   []*pair
	begin   time.Time
	report  *Report
}

// Run measures. The report is not nil wherever anything was measured, also beside an error: ctx's cause when that was
// cancelled. Nothing of the benchmark is left on either side then, processes included.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	b := &run{c: &c, begin: time.Now(), sums: map[string]sums{}}
	err := b.all(ctx)
	if b.report == nil || len(b.report.Samples) == 0 {
		return nil, err
	}
	b.report.Interrupted = ctx.Err() != nil
	b.report.finish()
	return b.report, err
}

// all is the benchmark from its directories to their removal.
func (b *run) all(ctx context.Context) (err error) {
	if b.work, err = os.MkdirTemp("", "gosync-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.work)) }()
	if strings.ContainsAny(b.work, "\"'\\ \t\n%$*?[") {
		return fmt.Errorf("%w: the temporary directory %s has characters in its path that not every tool can be given; set TMPDIR", ErrConfig, b.work)
	}
	b.data, b.scratch = filepath.Join(b.work, "data"), filepath.Join(b.work, "scratch")
	for _, dir := range []string{b.data, b.scratch} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	if err := b.nameProgram(); err != nil {
		return err
	}
	b.environ = append(slices.DeleteFunc(os.Environ(), changesTools), "XDG_CONFIG_HOME="+filepath.Join(b.scratch, "config"))
	name := "gosync-bench-" + rand.Text()[:12]
	if b.c.Host == "" {
		b.end, err = openLoopback(ctx, b.c, b.work)
	} else {
		b.end, err = openHost(ctx, b.c, name)
	}
	if err != nil {
		return err
	}
	defer func() {
		tidy := ctx
		if ctx.Err() != nil { // who interrupts does not want to wait for ever
			var cancel context.CancelFunc
			tidy, cancel = context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
			defer cancel()
		}
		left := errors.Join(b.end.remove(tidy, name), b.end.close())
		if left != nil {
			b.say("%v", left) // an interrupt would hide it
		}
		err = errors.Join(err, left)
	}()
	return b.measure(ctx)
}

// nameProgram gives the gosync that is measured a directory of its own, and its name, whatever it was started as: the
// server in this process finds it by that.
func (b *run) nameProgram() error {
	bin := filepath.Join(b.work, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return err
	}
	name := filepath.Join(bin, "gosync")
	if err := os.Symlink(b.c.Gosync, name); err != nil {
		return err
	}
	b.c.Gosync = name
	return nil
}

// changesTools reports whether a variable of the environment has tools do something else than they do for others. So
// would a configuration of gosync's.
func changesTools(variable string) bool {
	return strings.HasPrefix(variable, "RSYNC_") || strings.HasPrefix(variable, "GOSYNC_") || strings.HasPrefix(variable, "XDG_CONFIG_HOME=")
}

// measure does everything that needs both ends.
func (b *run) measure(ctx context.Context) error {
	b.sets = cases(b.c)
	b.report = newReport(b.c, b.sets, b.begin)
	if err := b.describe(ctx); err != nil {
		return err
	}
	usable, err := b.find(ctx)
	if err != nil {
		return err
	}
	if len(usable) == 0 {
		return errors.New("none of the tools can be used")
	}
	for i := range b.sets {
		for j := range usable {
			b.pairs = append(b.pairs, &pair{set: &b.sets[i], tool: &usable[j]})
		}
	}
	b.say("%d data sets x %d tools x %d rounds: %s", len(b.sets), len(usable), b.c.Rounds, b.forecast())
	if err := b.makeSets(ctx); err != nil {
		return err
	}
	err = b.rounds(ctx)
	b.report.Here.LoadAfter = load()
	return err
}

func (b *run) say(format string, args ...any) { b.c.Say(fmt.Sprintf(format, args...)) }

// find returns the tools that can be used, and tells of the others.
func (b *run) find(ctx context.Context) (usable []tool, err error) {
	tree := filepath.Join(b.data, "warm", treeName)
	if err := os.MkdirAll(tree, 0o700); err != nil {
		return nil, err
	}
	if err := writeFile(ctx, filepath.Join(tree, "file"), 0, smallSize, randomBytes(b.c.Seed, 6)); err != nil {
		return nil, err
	}
	if b.sums["warm"], err = sumTree(ctx, tree); err != nil {
		return nil, err
	}
	told := map[string]bool{}
	for _, t := range b.c.picked() {
		note := ToolNote{Name: t.name, Title: t.title}
		note.Missing, note.Get = b.missing(ctx, &t)
		if note.Missing == "" {
			note.Missing = b.warmUp(ctx, &t, &note)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		b.report.Tools = append(b.report.Tools, note)
		if note.Missing != "" {
			b.say("%s is left out: %s", t.name, note.Missing)
			if note.Get != "" && !told[note.Get] {
				told[note.Get] = true
				b.say("  to have it: %s", note.Get)
			}
			continue
		}
		usable = append(usable, t)
	}
	return usable, nil
}

// missing names the program that a tool lacks, and how to get it; "" for none.
func (b *run) missing(ctx context.Context, t *tool) (what, get string) {
	for _, program := range t.here {
		if _, err := exec.LookPath(program); err != nil {
			return "no " + program + " on this machine", getting(program)
		}
	}
	for _, program := range t.there {
		if _, err := b.end.far.Run(ctx, "command -v "+program+" >/dev/null\n"); err == nil {
			continue
		} else if b.end.loopback() {
			return "no " + program + " on this machine, which is the far side, too", getting(program)
		}
		return "no " + program + " on " + b.end.name, "on " + b.end.name + ": " + getting(program)
	}
	return "", ""
}

// warmUp has a tool copy one small file, which is not measured: programs get into the caches, gosync to the far side. It
// returns why the tool cannot be used.
func (b *run) warmUp(ctx context.Context, t *tool, note *ToolNote) string {
	p := &pair{set: &Case{Name: "warm", tree: "warm"}, tool: t}
	s, err := b.sample(ctx, p)
	note.Argv, note.failed = s.Argv, s.Status == Failed
	if err != nil {
		return firstLine(err.Error())
	}
	return s.Error
}

// makeSets makes the data, and takes what destinations begin with to the far side.
func (b *run) makeSets(ctx context.Context) error {
	b.say("making data: %s at each end, in %s", sizeText(b.room()), b.work)
	for _, set := range b.sets {
		for _, name := range []string{set.tree, set.older} {
			if name == "" || b.sums[name] != nil {
				continue
			}
			dir := filepath.Join(b.data, name)
			if err := makeData(ctx, name, dir, b.c); err != nil {
				return fmt.Errorf("making the data set %s: %w", name, err)
			}
			var err error
			if b.sums[name], err = sumTree(ctx, filepath.Join(dir, treeName)); err != nil {
				return err
			}
		}
	}
	for _, set := range b.sets {
		if set.older == "" {
			continue
		}
		if err := b.takeBasis(ctx, set.older); err != nil {
			return fmt.Errorf("what is to be there before the runs, %s: %w", set.older, err)
		}
	}
	return nil
}

// basis is where the far side keeps what destinations begin with.
func (b *run) basis(data string) string { return b.end.dir + "/basis/" + data + "/" + treeName }

// takeBasis takes a data set to the far side; in this process, past the line.
func (b *run) takeBasis(ctx context.Context, data string) error {
	parent := filepath.Dir(b.basis(data))
	if _, err := b.end.far.Run(ctx, "mkdir -p "+quote(parent)+"\n"); err != nil {
		return err
	}
	argv := append([]string{b.end.gosync, "-a", "--no-config"}, b.end.gosyncArgs...)
	to := b.end.name + ":" + parent + "/"
	if b.end.loopback() {
		argv, to = argv[:2], parent+"/"
	}
	_, err := execute(ctx, append(argv, b.source(data), to), b.environ, 10*b.c.Budget)
	return err
}

// room is how many bytes the data sets take at each end, about.
func (b *run) room() int64 {
	var n int64
	for _, set := range b.sets {
		n += set.Bytes
	}
	return n
}

// leaveHopeless takes out pairs that would only be stopped.
func (b *run) leaveHopeless() {
	for _, p := range b.pairs {
		if !b.hopeless(p) {
			continue
		}
		p.gone = true
		s := Sample{
			Case: p.set.Name, Tool: p.tool.name, Round: 1, Status: Stopped, Argv: []string{},
			Error: fmt.Sprintf("before it began, for it would take about %v (--limit is %v)", roughly(b.guessAlone(p)), b.c.Limit),
		}
		b.report.Samples = append(b.report.Samples, s)
		b.say("%s by %s is %s %s", s.Case, s.Tool, s.Status, s.Error)
	}
}

// rounds runs all pairs in turn, each round in another order.
func (b *run) rounds(ctx context.Context) error {
	order := random.New(random.NewPCG(b.c.Seed, 7))
	b.leaveHopeless()
	for round := 1; round <= b.c.Rounds; round++ {
		live := slices.DeleteFunc(slices.Clone(b.pairs), func(p *pair) bool { return p.gone })
		order.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
		begin := time.Now()
		for i, p := range live {
			if time.Since(b.begin) > b.c.Budget {
				b.report.Budget = fmt.Sprintf("the budget of %v ended in round %d of %d, after %d of its %d runs", b.c.Budget, round, b.c.Rounds, i, len(live))
				b.say("%s", b.report.Budget)
				return nil
			}
			b.c.Step(Step{Round: round, Rounds: b.c.Rounds, Run: i + 1, Runs: len(live), Case: p.set.Name, Tool: p.tool.name})
			s, err := b.sample(ctx, p)
			if err != nil {
				return err
			}
			s.Round, s.Order = round, i+1
			b.report.Samples = append(b.report.Samples, s)
			if s.Status != OK {
				b.say("%s by %s %s and is not run again: %s", s.Case, s.Tool, s.Status, s.Error)
			}
		}
		if round == 1 && b.c.Rounds > 1 {
			took := time.Since(begin)
			b.say("the first round took %v; all of them will take about %v, within a budget of %v", took.Round(time.Second),
				(time.Since(b.begin) + time.Duration(b.c.Rounds-1)*took).Round(time.Second), b.c.Budget)
		}
	}
	return nil
}
