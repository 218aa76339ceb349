package sftpfs

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"gosync/internal/engine"
	"gosync/walker/glob"
	"gosync/walker/manifest"
)

// Options of a host. The zero value serves.
type Options struct {
	// Log gets what users should know but is no failure; nil discards it.
	Log *slog.Logger

	// Verify has what an earlier run has kept of a file read back whole before it
	// is gone on with (--checksum). Else what its sidecar says counts, and its
	// last chunk is read.
	Verify bool

	// Compare has an upload over an existing file read that, and write the blocks
	// only that differ at their place (--no-whole-file, --inplace).
	Compare bool

	// Timeout ends the session when the server does not answer for so long; 0 for
	// never.
	Timeout time.Duration

	// FirstAnswer takes the place of Timeout until the server has greeted: where rw
	// connects by itself somebody may be typing a password. 0 for Timeout, negative
	// for never.
	FirstAnswer time.Duration

	// Without are extensions of the server that are not used.
	Without []string

	// Parallel is how many files are dealt with at a time; 0 for 128.
	Parallel int
}

func (o *Options) without(name string) bool { return slices.Contains(o.Without, name) }

// parallel is how many files are dealt with at a time: enough to fill a line of
// 100 ms with small files, and few enough for the handles that a server keeps open.
const parallel = 128

// Bytes that may be on their way in one session without anybody waiting for them.
const (
	aheadBytes  = 32 << 20 // read before they are asked for
	behindBytes = 32 << 20 // written and not answered yet
)

// Host is the machine behind an SFTP session. It implements [engine.Host]; its
// methods may be called from several goroutines. It must be closed.
type Host struct {
	s    *session
	opts Options
	log  *slog.Logger

	readSize, writeSize int // of one request

	ahead, behind *semaphore.Weighted
	unsafe        sync.Once // it was told that files are not replaced in one step

	mu    sync.Mutex
	busy  map[string]bool // files that are being received so that they can be resumed, or in place
	home  attrs           // of the login directory
	skew  time.Duration   // the server's clock against this machine's
	login *owner          // who the session is, once that is known

	mkdirKnown, mkdirDeaf bool // whether the server minds the mode of a new directory
}

// owner is whom new files belong to.
type owner struct{ uid, gid uint32 }

// Interfaces that a Host implements.
var (
	_ engine.Host    = (*Host)(nil)
	_ engine.Distant = (*Host)(nil)
	_ io.Closer      = (*Host)(nil)
)

// New starts an SFTP session on rw, which it owns from now on: what is written
// there goes to an SFTP server, what is read comes from it. ctx bounds the start
// only. The error wraps [ErrProtocol] if no SFTP server is there, and
// io.ErrUnexpectedEOF if the connection ended.
func New(ctx context.Context, rw io.ReadWriteCloser, o Options) (*Host, error) {
	s, err := newSession(ctx, rw, o.Timeout, cmp.Or(o.FirstAnswer, o.Timeout))
	if err != nil {
		return nil, fail("start", "sftp", err)
	}
	h := &Host{
		s: s, opts: o, log: o.Log, busy: map[string]bool{},
		ahead: semaphore.NewWeighted(aheadBytes), behind: semaphore.NewWeighted(behindBytes),
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if err := h.learnLimits(ctx); err != nil {
		s.close()
		return nil, fail("start", "sftp", err)
	}
	h.home, _ = h.stat(ctx, ".") // what cannot be known here shows later
	return h, nil
}

// Close ends the session and everything that uses it.
func (h *Host) Close() error {
	h.s.close()
	return nil
}

// Err returns why the session has ended, nil if it goes on.
func (h *Host) Err() error {
	if !h.s.over() {
		return nil
	}
	return h.s.cause()
}

// Parallel implements [engine.Distant].
func (h *Host) Parallel() int {
	if h.opts.Parallel > 0 {
		return h.opts.Parallel
	}
	return parallel
}

// Source implements [engine.Host].
func (h *Host) Source(ctx context.Context, path string) (engine.Source, error) {
	t, err := h.tree(ctx, path, engine.DestOptions{ReadOnly: true, Durability: engine.SyncNone})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Dest implements [engine.Host]. Exclusive and Wait have an effect on what this
// session does only: SFTP has no locks.
func (h *Host) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	if how.PartialDir != "" {
		return nil, fail("use", how.PartialDir, errPartialDir)
	}
	t, err := h.tree(ctx, path, how)
	if err != nil {
		return nil, err
	}
	if !how.ReadOnly && h.home.uid == 0 && h.home.flags&attrOwner != 0 {
		t.meet(ctx) // it may be root
	}
	return t, nil
}

func (h *Host) tree(ctx context.Context, path string, how engine.DestOptions) (*Tree, error) {
	top, err := h.realpath(ctx, orDot(path))
	if err != nil {
		return nil, fail("open", path, err)
	}
	a, err := h.stat(ctx, top)
	if err == nil && typeOf(a.perm) != manifest.Directory {
		err = &typeError{typeOf(a.perm), manifest.Directory}
	}
	if err != nil {
		return nil, fail("open", path, err)
	}
	return newTree(h, orDot(path), top, how), nil
}

func orDot(path string) string {
	if path == "" {
		return "."
	}
	return path
}

// Lstat implements [engine.Host].
func (h *Host) Lstat(ctx context.Context, path string) (manifest.Entry, error) {
	a, err := h.lstat(ctx, orDot(path))
	return h.described(ctx, "lstat", path, a, err)
}

// Stat implements [engine.Host].
func (h *Host) Stat(ctx context.Context, path string) (manifest.Entry, error) {
	a, err := h.stat(ctx, orDot(path))
	return h.described(ctx, "stat", path, a, err)
}

func (h *Host) described(ctx context.Context, op, path string, a attrs, err error) (e manifest.Entry, _ error) {
	if err == nil {
		e, err = a.entry(lastName(path))
	}
	if err == nil && e.Type == manifest.Symlink {
		err = addLink(&e, func() (string, error) { return h.readlink(ctx, orDot(path)) })
	}
	return e, fail(op, path, err)
}

func addLink(e *manifest.Entry, read func() (string, error)) error {
	target, err := read()
	if err != nil {
		return err
	}
	e.Ext, e.Size = &manifest.Ext{Link: target}, int64(len(target))
	return nil
}

func lastName(path string) string {
	path = strings.TrimRight(path, "/")
	name := path[strings.LastIndexByte(path, '/')+1:]
	if name == "." || name == ".." {
		return ""
	}
	return name
}

// Mkdir implements [engine.Host]. The server chooses the permissions.
func (h *Host) Mkdir(ctx context.Context, path string) error {
	return fail("mkdir", path, h.mkdir(ctx, path, attrs{}))
}

// Expand implements [engine.Host]. Wildcards are looked up by listing; ~user stands
// for itself where the server does not offer to expand it.
func (h *Host) Expand(ctx context.Context, path string) ([]string, error) {
	pattern, err := h.expandHome(ctx, glob.Plain(path))
	if err == nil {
		var found []string
		if found, err = glob.Expand(ctx, afar{ctx, h}, pattern); err == nil && h.s.over() {
			err = h.s.cause() // or there would seem to be nothing
		}
		if err == nil {
			return found, nil
		}
	}
	return nil, fail("expand", path, err)
}

func (h *Host) expandHome(ctx context.Context, path string) (string, error) {
	if !strings.HasPrefix(path, "~") {
		return path, nil
	}
	user, rest, slash := strings.Cut(path, "/")
	var home string
	var err error
	switch {
	case strings.ContainsAny(user, `\*?[`):
		return path, nil
	case h.offers(extExpand):
		home, err = h.expandPath(ctx, user)
	case user == "~":
		home, err = h.realpath(ctx, ".")
	default:
		return path, nil
	}
	if err != nil {
		if h.s.over() || ctx.Err() != nil {
			return "", err
		}
		return path, nil //nolint:nilerr // there is no such user
	}
	home = glob.Escape(home)
	if slash {
		return strings.TrimRight(home, "/") + "/" + rest, nil
	}
	return home, nil
}

// afar is where patterns are looked up.
type afar struct {
	ctx context.Context //nolint:containedctx // for one call
	h   *Host
}

// Exists implements [glob.Names].
func (a afar) Exists(path string) bool {
	_, err := a.h.lstat(a.ctx, path)
	return err == nil
}

// IsDir implements [glob.Names].
func (a afar) IsDir(path string) bool {
	st, err := a.h.stat(a.ctx, path)
	return err == nil && typeOf(st.perm) == manifest.Directory
}

// ReadDir implements [glob.Names].
func (a afar) ReadDir(path string) []fs.DirEntry {
	var found []fs.DirEntry
	l := lister{h: a.h, path: path, max: maxEntries}
	entries, _ := l.list(a.ctx) // what cannot be read has no matches
	for i := range entries {
		found = append(found, dirEntry{&entries[i]})
	}
	return found
}

// dirEntry shows an entry as package glob wants it.
type dirEntry struct{ e *manifest.Entry }

func (d dirEntry) Name() string { return d.e.Name }

func (d dirEntry) IsDir() bool { return d.e.IsDir() }

func (d dirEntry) Type() fs.FileMode {
	switch d.e.Type {
	case manifest.Directory:
		return fs.ModeDir
	case manifest.Symlink:
		return fs.ModeSymlink
	}
	return 0
}

func (dirEntry) Info() (fs.FileInfo, error) { return nil, fs.ErrInvalid }

// Now implements [engine.Host]: the server's clock, as far as it is known.
func (h *Host) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.skew)
}

// Seed implements [engine.Host].
func (h *Host) Seed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it cannot fail: crypto/rand ends the process instead
	return binary.LittleEndian.Uint64(b[:])
}

// IDs implements [engine.Host].
func (h *Host) IDs() engine.IDs { return ids{h} }

// ids are the owners of the server, of which numbers are known only.
type ids struct{ h *Host }

// UserName and the others find no names: SFTP has none.
func (ids) UserName(uint32) string      { return "" }
func (ids) GroupName(uint32) string     { return "" }
func (ids) User(string) (uint32, bool)  { return 0, false }
func (ids) Group(string) (uint32, bool) { return 0, false }

// Root implements [engine.IDs]. It is known once a destination was opened.
func (i ids) Root() bool {
	i.h.mu.Lock()
	defer i.h.mu.Unlock()
	return i.h.login != nil && i.h.login.uid == 0
}

// Member implements [engine.IDs]: the login directory's group is taken for the
// only one that the user has.
func (i ids) Member(gid uint32) bool {
	i.h.mu.Lock()
	defer i.h.mu.Unlock()
	if i.h.login != nil {
		return i.h.login.uid == 0 || i.h.login.gid == gid
	}
	return i.h.home.flags&attrOwner != 0 && i.h.home.gid == gid
}

// Umask implements [engine.IDs]: the one that most have.
func (ids) Umask() uint16 { return 0o022 }
