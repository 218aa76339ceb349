package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// The streaming path serves far sides that take and give whole files in a row and
// can do nothing else: they cannot list, compare, seek or remove (SCP). [SendStream]
// and [ReceiveStream] are the two directions. Whatever can do more has a tree.

// StreamHow says how a session with a far side is started.
type StreamHow struct {
	Recursive bool // directories take part
	Perms     bool // permissions are kept as they are sent, whatever the umask
	Times     bool // times are wanted with each entry
	Directory bool // the path must be a directory that is there; to send only
	Literal   bool // the path is a name: no ~ and no wildcards are looked for in it
}

// StreamTo starts sessions that take files.
type StreamTo interface {
	// Sink starts a session. What is sent at its top goes into the directory at
	// path, or becomes path where there is none and how does not ask for one. The
	// error is a *[StreamRefusal] where the far side does not like the path. It must
	// end by itself where the far side does not answer. The session ends with ctx.
	// An error of its methods that is no *StreamRefusal
	// ends it, too.
	Sink(ctx context.Context, path string, how StreamHow) (StreamSink, error)

	// Sessions is how many sessions may be open at a time.
	Sessions() int

	// Traffic is what has crossed the line so far, in bytes.
	Traffic() (sent, received int64)
}

// StreamSink is a session that takes files, in the order of the calls, which one
// goroutine makes. Names are single components.
type StreamSink interface {
	// Dir makes the directory e, or enters it where it is there. What is sent until
	// EndDir goes into it. The error is a *[StreamRefusal] where there is none: it
	// was not entered then. Its time is set by EndDir if times is set.
	Dir(e *manifest.Entry, times bool) error

	// File sends a file of e.Size bytes, which content has to give. Where content
	// ends early or fails, the far side is told that the file is not right. done is
	// called once, by this call or a later one: nil, a *StreamRefusal, or what ended
	// the session.
	File(e *manifest.Entry, times bool, content io.Reader, done func(error)) error

	// EndDir leaves the directory that was entered last.
	EndDir() error

	// Settle waits until all that was sent is dealt with.
	Settle() error

	// Finish is Settle, and waits for the far side to end.
	Finish() error

	// Close frees everything at any time.
	io.Closer
}

// StreamFrom starts sessions that give files.
type StreamFrom interface {
	// Source starts a session that gives what path names, which may be a pattern. It
	// returns when the far side has answered, and must end by itself where that does
	// not. The session ends with ctx.
	Source(ctx context.Context, path string, how StreamHow) (StreamSource, error)

	// Pattern reports whether path may name several things.
	Pattern(path string) bool

	Traffic() (sent, received int64)
}

// StreamSource is a session that gives files, used by one goroutine. It gives
// nothing but what was asked for, with names that are valid, and ends every
// directory that it has begun: the engine need not check that again.
type StreamSource interface {
	// Next returns the next record, io.EOF behind the last one. Content that was
	// not read is dropped.
	Next() (StreamRecord, error)

	// Read reads the content of the file that Next has returned. It ends with
	// io.EOF if the far side says that the file is whole and as it is there, else
	// with a *[StreamRefusal], behind the last byte.
	io.Reader

	io.Closer
}

// StreamRecord is what a [StreamSource] tells.
type StreamRecord struct {
	Kind    StreamKind
	Entry   manifest.Entry // of StreamFile and StreamDir: name, type, size, mode, times
	Times   bool           // the entry has its times
	Warning string         // of StreamWarning: the far side's words
}

// StreamKind says what a record is.
type StreamKind uint8

// The kinds of records.
const (
	StreamFile    StreamKind = iota // a file, whose content follows
	StreamDir                       // a directory begins
	StreamEnd                       // the directory that began last ends
	StreamWarning                   // something could not be sent
)

// StreamRefusal is what a far side says of one entry; the session goes on.
type StreamRefusal struct{ Text string }

func (e *StreamRefusal) Error() string { return e.Text }

// StreamRefuses names the options of a job that cannot be had over a stream and
// whose absence would do something else than was asked for, so that the run must
// be refused. pull says that the sources are behind the stream.
func StreamRefuses(job *Job, pull bool) (names []string) {
	o := &job.Options
	for _, c := range []struct {
		set  bool
		name string
	}{
		{o.DryRun, "--dry-run"},
		{o.Delete, "--delete"},
		{o.Update, "--update"},
		{pull && o.OneFileSystem > 0, "--one-file-system"},
		{pull && o.IgnoreMissing, "--ignore-missing-args"},
		{o.MakePath, "--mkpath"},
		{o.PruneEmpty, "--prune-empty-dirs"},
		{o.NoImplied && o.Relative, "--no-implied-dirs"},
		{o.DeleteMissing, "--delete-missing-args"},
		{o.AltKind != AltNone, o.AltKind.option()},
		{o.Existing, "--existing"},
		{o.IgnoreExisting, "--ignore-existing"},
		{o.MinSize > 0, "--min-size"},
		{o.TooLarge > 0, "--max-size"},
		{o.Checksum, "--checksum"},
		{o.Append, "--append"},
		{o.AppendVerify, "--append-verify"},
		{o.Partial, "--partial"},
		{o.PartialDir != "", "--partial-dir"},
		{o.HardLinks, "--hard-links"},
		{o.Clean, "--clean"},
		{o.Chmod != "", "--chmod"},
		{o.Atimes, "--atimes"},
		{o.OpenNoatime, "--open-noatime"},
		{o.FakeSource || o.FakeDest, "--fake-super"},
		{o.Xattrs, "--xattrs"},
		{o.ACLs, "--acls"},
		{o.CopyUnsafeLinks && !o.CopyLinks, "--copy-unsafe-links"},
		{o.CopyDirLinks && !o.CopyLinks, "--copy-dirlinks"},
		{o.KeepDirLinks, "--keep-dirlinks"},
		{o.SafeLinks, "--safe-links"},
		{o.UserMap != "", "--usermap and --chown"},
		{o.GroupMap != "", "--groupmap and --chown"},
		{o.Executability, "--executability"},
		{o.Backup, "--backup"},
		{o.RemoveSource, "--remove-source-files"},
		{o.Force, "--force"},
		{o.Shard.Count > 1, "--shard"},
		{o.DetectRenames, "--detect-renames"},
		{o.TempDir != "", "--temp-dir"},
		{o.DelayUpdates, "--delay-updates"},
		{pull && job.Files != nil, "--files-from"},
		{pull && o.Relative, "--relative"},
		{pull && o.Dirs && !o.Recursive, "--dirs"},
		{pull && o.Filter != nil && o.Filter.GitIgnores(), "--gitignore"},
		{pull && o.Filter != nil && o.Filter.SideSpecific(), "filter rules for one side, from files of the source or for absolute paths"},
	} {
		if c.set {
			names = append(names, c.name)
		}
	}
	return names
}

// StreamLoses names what a job asks for that does not cross a stream, without harm
// to what does: the caller says it, once, and the run goes on.
func StreamLoses(job *Job, pull bool) (names []string) {
	o := &job.Options
	for _, c := range []struct {
		set  bool
		name string
	}{
		{o.Links && !o.CopyLinks && !pull, "symbolic links are left out"},
		{o.Links && !o.CopyLinks && pull, "symbolic links come as what they lead to"},
		{o.Devices || o.Specials, "devices and special files are left out"},
		{o.Owner || o.Group, "owners and groups are not kept"},
		{o.Compress, "nothing is compressed"},
		{o.Sparse && !pull, "no holes are made"},
		{o.SizeOnly, "files of equal size are sent again"},
		{o.InPlace && !pull, "a file with hard links is changed under all its names"},
		{o.Durability == SyncEach && !pull, "nothing waits until data is durable"},
	} {
		if c.set {
			names = append(names, c.name)
		}
	}
	return names
}

// checkStream refuses a job that a stream cannot do.
func checkStream(job *Job, pull bool) error {
	if names := StreamRefuses(job, pull); len(names) > 0 {
		return wire.Errorf(wire.CodeUnsupported, "%s cannot be had over SCP", names[0])
	}
	return nil
}

// streamLine watches over a line that tells nothing by itself: it ends a run
// on which nothing moves, and keeps it to the bandwidth that it may take.
type streamLine struct {
	traffic func() (sent, received int64)
	away    atomic.Int64 // calls under way that wait for the far side
	limit   *rate.Limiter
}

func newStreamLine(job *Job, traffic func() (sent, received int64)) *streamLine {
	l := &streamLine{traffic: traffic}
	if job.BandwidthLimit > 0 {
		l.limit = rate.NewLimiter(rate.Limit(job.BandwidthLimit), streamPiece)
		l.limit.AllowN(time.Now(), streamPiece)
	}
	return l
}

// streamPiece is how much content is dealt with at once.
const streamPiece = 256 << 10

// wait marks that the far side has to do something, until done is called.
func (l *streamLine) wait() (done func()) {
	l.away.Add(1)
	return func() { l.away.Add(-1) }
}

// watch returns a context that ends when the far side lets this end wait for as
// long as the job permits and nothing moves. stop frees it.
func (l *streamLine) watch(ctx context.Context, limit time.Duration) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	if limit <= 0 {
		return ctx, func() { cancel(context.Canceled) }
	}
	over := make(chan struct{})
	go func() { // stop waits for it
		defer close(over)
		tick := time.NewTicker(max(limit/16, time.Millisecond))
		defer tick.Stop()
		var last int64
		since := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			sent, received := l.traffic()
			if now := sent + received; now != last || l.away.Load() == 0 {
				last, since = now, time.Now()
			} else if time.Since(since) >= limit {
				cancel(fmt.Errorf("%w: nothing has moved for %v", wire.ErrTimeout, limit))
				return
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled); <-over }
}

// startStream starts a session that has to be. One that has just ended may count
// still where there is room for one only, so what follows another is tried again. It is
// no silence of the line, however long it takes: somebody may be typing a password.
func startStream[T any](ctx context.Context, traffic func() (sent, received int64), start func() (T, error)) (T, error) {
	for pause := 20 * time.Millisecond; ; pause *= 4 {
		_, before := traffic()
		s, err := start()
		refused, final := new(StreamRefusal), new(wire.Error)
		if err == nil || errors.As(err, &refused) || errors.As(err, &final) || before == 0 || pause > 2*time.Second {
			return s, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return s, context.Cause(ctx)
		}
	}
}

// streamCause returns why a session ended: what ended the run, if that is known.
func streamCause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
