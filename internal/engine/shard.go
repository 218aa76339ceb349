package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"strconv"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Shard is a part of a tree, so that several runs share the work: what lies in a
// directory is one run's, directories aside. Those each run makes that it has not
// found, because what lies below may be its own.
type Shard struct {
	Index, Count int64 // of Count parts the one whose number is Index modulo Count; the zero value is the whole
}

// MaxShards is the greatest number of parts.
const MaxShards = 1 << 20

// ParseShard reads "I/N". Numbers from 0 and from 1 on name the same parts: the last
// is number N, and number 0.
func ParseShard(text string) (Shard, error) {
	index, count, ok := strings.Cut(text, "/")
	i, err := strconv.ParseInt(index, 10, 64)
	n, errN := strconv.ParseInt(count, 10, 64)
	if !ok || err != nil || errN != nil || n < 1 || n > MaxShards || i < 0 || i > n {
		return Shard{}, fmt.Errorf("%q is no part I/N with I from 1 (or 0) to N, and N up to %d", text, MaxShards)
	}
	return Shard{i, n}, nil
}

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Count) }

// Has reports whether what lies in the directory at a path of the transfer is of the
// part. Both ends, and all runs, compute the same.
func (s Shard) Has(dir string) bool {
	if s.Count <= 1 {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(dir)) // it does not fail
	v := h.Sum64()
	v ^= v >> 32 // the lower bits alone know little of the first letters
	return int64(v%uint64(s.Count)) == s.Index%s.Count
}

// only returns what decides for a walk whether the files of a directory take part;
// nil for all.
func (s Shard) only() func(dir string) bool {
	if s.Count <= 1 {
		return nil
	}
	return s.Has
}

// encode appends the part to the options of a job.
func (s Shard) encode(options []string) []string {
	if s.Count == 0 {
		return options
	}
	return append(options, "shard="+s.String())
}

// set takes an option of a job.
func (s *Shard) set(name, value string) (known bool, err error) {
	if name != "shard" {
		return false, nil
	}
	if *s, err = ParseShard(value); err != nil {
		err = wire.Errorf(wire.CodeUnsupported, "shard: %v", err)
	}
	return true, err
}

// others reports whether the content of a directory is of another part. Another run
// gives it its attributes.
func (d *dest) others(dir *destDir) bool { return !d.job.Shard.Has(dir.shown) }

// checkShare refuses entries that are of another part.
func (p *planner) checkShare(dir *destDir) error {
	if !p.d.others(dir) {
		return nil
	}
	for i := range dir.entries {
		if e := &dir.entries[i]; !e.IsDir() {
			return fmt.Errorf("%w: %q comes, which is not of part %v", wire.ErrProtocol, shownPath(dir, e), p.d.job.Shard)
		}
	}
	return nil
}

// openEarly gives a directory that this run has made, and whose content is of another
// part, the attributes that it is to have at once, but for what would keep others from
// working in it. From here on only its time is this run's, as far as it changes that.
func (d *dest) openEarly(ctx context.Context, dir *destDir) error {
	early, attrs := dir.want, dir.attrs&^manifest.AttrTimes
	early.Mode |= 0o700
	dir.attrs &= manifest.AttrTimes
	if attrs == 0 {
		return nil
	}
	if err := d.tree.SetAttrs(ctx, dir.path, &early, attrs); err != nil {
		return d.fileFailed("set attributes", d.name(dir), err)
	}
	return nil
}

// madeByOther reports whether a directory could not be made because the run of another
// part has made it meanwhile.
func (d *dest) madeByOther(ctx context.Context, dir *destDir, err error) bool {
	if d.job.Shard.Count <= 1 || !errors.Is(err, fs.ErrExist) {
		return false
	}
	st, serr := d.tree.Stat(ctx, dir.path)
	return serr == nil && st.IsDir()
}
