package sftpfs

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"

	"github.com/pkg/sftp"

	"gosync/walker/manifest"
)

// Extensions that are used where the server offers them.
const (
	extPosixRename = "posix-rename@openssh.com"
	extFsync       = "fsync@openssh.com"
	extHardlink    = "hardlink@openssh.com"
	extStatvfs     = "statvfs@openssh.com"
	extLimits      = "limits@openssh.com"
	extLsetstat    = "lsetstat@openssh.com"
	extExpand      = "expand-path@openssh.com"
	extCopy        = "copy-data"
)

// offers reports whether the server has an extension.
func (h *Host) offers(name string) bool {
	if h.opts.without(name) {
		return false
	}
	_, ok := h.s.client.HasExtension(name)
	return ok
}

// inOrder reports whether the server does one request after another, as OpenSSH
// does, which is known by its extensions: others have some of them, not all. The
// protocol permits that a request overtakes another: a change of a file's time could come
// before what was written, say. There each has to be waited for.
func (h *Host) inOrder() bool {
	return h.offers(extLsetstat) && h.offers(extLimits) && h.offers(extExpand)
}

// learnLimits finds out how much one request may carry.
func (h *Host) learnLimits(ctx context.Context) error {
	h.readSize, h.writeSize = 32<<10, 32<<10 // every server takes that
	if !h.offers(extLimits) {
		return nil
	}
	b, err := h.s.call(ctx, fxpExtended, func(b []byte) []byte { return appendString(b, extLimits) }, fxpExtReply)
	var status *statusError
	if errors.As(err, &status) {
		return nil // it has none after all
	}
	if err != nil {
		return err
	}
	d := decoder{b: b}
	packet, read, write := d.u64(), d.u64(), d.u64()
	if d.err != nil {
		h.s.fail(d.err)
		return d.err
	}
	h.readSize, h.writeSize = within(read, packet), within(write, packet)
	return nil
}

// within returns the size of a block: a power of two, so that blocks make chunks.
// What the server calls its limit has to hold, 0 meaning that it has none.
func within(limit, packet uint64) int {
	if limit == 0 && packet > 1024 {
		limit = packet - 1024
	}
	size := 32 << 10
	for size < maxBlock && (limit == 0 || uint64(size)*2 <= limit) {
		size *= 2
	}
	return size
}

// maxBlock is what one READ or WRITE carries at the most. OpenSSH would take
// 255 KiB, which does not divide a chunk.
const maxBlock = 128 << 10

func (h *Host) open(ctx context.Context, path string, flags, perm uint32) (handle string, err error) {
	a := attrs{}
	if flags&flagCreat != 0 {
		a.flags, a.perm = attrPerm, perm
	}
	b, err := h.s.call(ctx, fxpOpen, func(b []byte) []byte {
		b = binary.BigEndian.AppendUint32(appendString(b, path), flags)
		return a.append(b)
	}, fxpHandle)
	if err != nil {
		return "", err
	}
	d := decoder{b: b}
	return d.string(maxHandle), nil
}

func onHandle(handle string) func(b []byte) []byte {
	return func(b []byte) []byte { return appendString(b, handle) }
}

// forget closes a handle without waiting for an answer, which is of no interest.
func (h *Host) forget(handle string) {
	_, _ = h.s.start(context.Background(), fxpClose, onHandle(handle), nil)
}

func decodeAttrs(b []byte, err error) (attrs, error) {
	if err != nil {
		return attrs{}, err
	}
	d := decoder{b: b}
	a := d.attrs()
	return a, d.err
}

func (h *Host) lstat(ctx context.Context, path string) (attrs, error) {
	return decodeAttrs(h.s.call(ctx, fxpLstat, onHandle(path), fxpAttrs))
}

func (h *Host) stat(ctx context.Context, path string) (attrs, error) {
	return decodeAttrs(h.s.call(ctx, fxpStat, onHandle(path), fxpAttrs))
}

func (h *Host) fstat(ctx context.Context, handle string) (attrs, error) {
	return decodeAttrs(h.s.call(ctx, fxpFstat, onHandle(handle), fxpAttrs))
}

// change is a request that a status answers.
type change struct {
	kind byte
	fill func(b []byte) []byte
}

func setstat(kind byte, on string, a attrs) change {
	return change{kind, func(b []byte) []byte { return a.append(appendString(b, on)) }}
}

func lsetstat(path string, a attrs) change {
	return change{fxpExtended, func(b []byte) []byte { return a.append(appendString(appendString(b, extLsetstat), path)) }}
}

func fsync(handle string) change {
	return change{fxpExtended, func(b []byte) []byte { return appendString(appendString(b, extFsync), handle) }}
}

func closing(handle string) change { return change{fxpClose, onHandle(handle)} }

// batch makes several changes of one file, which servers make in order, and waits
// for all. It returns the error of each.
func (h *Host) batch(ctx context.Context, changes ...change) []error {
	errs := make([]error, len(changes))
	requests := make([]*request, len(changes))
	for i, c := range changes {
		requests[i], errs[i] = h.s.start(ctx, c.kind, c.fill, nil)
	}
	for i, r := range requests {
		if r != nil {
			_, errs[i] = r.want(ctx, fxpStatus)
		}
	}
	return errs
}

func (h *Host) make(ctx context.Context, c change) error {
	_, err := h.s.call(ctx, c.kind, c.fill, fxpStatus)
	return err
}

func (h *Host) remove(ctx context.Context, path string) error {
	return h.make(ctx, change{fxpRemove, onHandle(path)})
}

func (h *Host) mkdir(ctx context.Context, path string, a attrs) error {
	err := h.make(ctx, change{fxpMkdir, func(b []byte) []byte { return a.append(appendString(b, path)) }})
	return h.explainTaken(ctx, path, err)
}

// explainTaken finds out whether a failure to make something is due to its name.
func (h *Host) explainTaken(ctx context.Context, path string, err error) error {
	if isFailure(err) {
		if _, serr := h.lstat(ctx, path); serr == nil {
			return &statusError{code: codeExists, text: fs.ErrExist.Error()}
		}
	}
	return err
}

func (h *Host) rmdir(ctx context.Context, path string) error {
	return h.s.do(ctx, func(c *sftp.Client) error { return pathless(c.RemoveDirectory(path)) })
}

// pathless takes away the path that package sftp has put around an error.
func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (h *Host) realpath(ctx context.Context, path string) (real string, err error) {
	err = h.s.do(ctx, func(c *sftp.Client) (err error) {
		real, err = c.RealPath(path)
		return err
	})
	if err == nil && (len(real) == 0 || len(real) > maxString || hasNUL(real)) {
		err = breach("a path of %d bytes", len(real))
	}
	return real, err
}

// expandPath has the server expand ~ and ~user.
func (h *Host) expandPath(ctx context.Context, path string) (string, error) {
	b, err := h.s.call(ctx, fxpExtended, func(b []byte) []byte { return appendString(appendString(b, extExpand), path) }, fxpName)
	if err != nil {
		return "", err
	}
	return onlyName(b, maxString)
}

// startReadlink asks for the target of a symlink.
func (h *Host) startReadlink(ctx context.Context, path string) (*request, error) {
	return h.s.start(ctx, fxpReadlink, onHandle(path), nil)
}

func decodeLink(ctx context.Context, r *request) (string, error) {
	b, err := r.want(ctx, fxpName)
	if err != nil {
		return "", err
	}
	return onlyName(b, maxLink)
}

func (h *Host) readlink(ctx context.Context, path string) (string, error) {
	r, err := h.startReadlink(ctx, path)
	if err != nil {
		return "", err
	}
	return decodeLink(ctx, r)
}

// onlyName takes the single name of a NAME packet.
func onlyName(b []byte, limit int) (string, error) {
	var all []string
	d := decoder{b: b}
	err := d.names(func(n named) error {
		all = append(all, n.name)
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case len(all) != 1:
		return "", breach("%d names in place of one", len(all))
	case all[0] == "" || len(all[0]) > limit || hasNUL(all[0]):
		return "", breach("a path of %d bytes, or with a NUL", len(all[0]))
	}
	return all[0], nil
}

func hasNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}

// rename gives a file a name that something may have, except where fresh is set.
func (h *Host) rename(ctx context.Context, from, to string, fresh bool) error {
	if fresh {
		if _, err := h.lstat(ctx, to); err == nil { // some servers replace it all the same
			return &statusError{code: codeExists, text: fs.ErrExist.Error()}
		}
	}
	if !fresh && h.offers(extPosixRename) {
		return h.s.do(ctx, func(c *sftp.Client) error { return c.PosixRename(from, to) })
	}
	err := h.s.do(ctx, func(c *sftp.Client) error { return c.Rename(from, to) })
	if fresh {
		return h.explainTaken(ctx, to, err)
	}
	if !isFailure(err) && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return h.renameOver(ctx, from, to, err)
}

// renameOver replaces a file on a server that cannot do it in one step: for a
// moment neither is there.
func (h *Host) renameOver(ctx context.Context, from, to string, failure error) error {
	a, err := h.lstat(ctx, to)
	if err != nil || typeOf(a.perm) == manifest.Directory {
		return failure // nothing is in the way that could be taken away
	}
	h.unsafe.Do(func() {
		h.log.Warn("the SFTP server cannot replace a file in one step: each one is removed before the new one gets its name, so a crash in between leaves a temporary only")
	})
	if err := h.remove(ctx, to); err != nil {
		return err
	}
	if err := h.s.do(context.WithoutCancel(ctx), func(c *sftp.Client) error { return c.Rename(from, to) }); err != nil {
		return &strandedError{err, from}
	}
	return nil
}

// strandedError says where the content of a file is that lost its name.
type strandedError struct {
	err  error
	left string
}

func (e *strandedError) Error() string {
	return e.err.Error() + " (the old file is gone, the new content lies in " + e.left + ")"
}

func (e *strandedError) Unwrap() error { return e.err }

// space returns how many bytes are free at path, false if that is not known.
func (h *Host) space(ctx context.Context, path string) (int64, bool) {
	if !h.offers(extStatvfs) {
		return 0, false
	}
	var free uint64
	err := h.s.do(ctx, func(c *sftp.Client) error {
		v, err := c.StatVFS(path)
		if err == nil {
			free = v.Bavail
			if v.Frsize > 0 && free > maxSize/v.Frsize {
				free = maxSize
			} else {
				free *= v.Frsize
			}
		}
		return err
	})
	return int64(min(free, maxSize)), err == nil
}

// copyData has the server copy a file up to its end.
func (h *Host) copyData(ctx context.Context, from, to string) error {
	return h.make(ctx, change{fxpExtended, func(b []byte) []byte {
		b = appendString(appendString(b, extCopy), from)
		b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, 0), 0) // from the start, to the end
		return binary.BigEndian.AppendUint64(appendString(b, to), 0)
	}})
}

// startRead asks for a range of a file.
func (h *Host) startRead(ctx context.Context, handle string, off int64, n int, finish func()) (*request, error) {
	return h.s.start(ctx, fxpRead, func(b []byte) []byte {
		b = binary.BigEndian.AppendUint64(appendString(b, handle), uint64(off))
		return binary.BigEndian.AppendUint32(b, uint32(n))
	}, finish)
}

// decodeData returns what was read, of at most n bytes; io.EOF at the end.
func decodeData(ctx context.Context, r *request, n int) ([]byte, error) {
	b, err := r.want(ctx, fxpData)
	if err != nil {
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, io.EOF
		}
		return nil, err
	}
	d := decoder{b: b}
	p := d.bytes(maxPacket)
	if len(p) == 0 || len(p) > n {
		err := breach("%d bytes where %d were to be read", len(p), n)
		r.s.fail(err)
		return nil, err
	}
	return p, nil
}

// startWrite writes a block.
func (h *Host) startWrite(ctx context.Context, handle string, off int64, p []byte, finish func()) (*request, error) {
	return h.s.start(ctx, fxpWrite, func(b []byte) []byte {
		b = binary.BigEndian.AppendUint64(appendString(b, handle), uint64(off))
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		return append(b, p...)
	}, finish)
}
