package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// A file that the destination does not have may be one of its others under a new name,
// or much like one: with --fuzzy such a file is the basis of a delta. Which one it is
// changes nothing but how much is sent.

// maxLike is how many names a new one is compared with at the most: those that stand
// around it in order.
const maxLike = 2048

// likeness is what the files of a directory are found by that others may be made from.
type likeness struct {
	tree   Source
	dir    string
	files  []*manifest.Entry // by name
	bySize map[int64][]*manifest.Entry
}

func newLikeness(tree Source, dir string, entries []manifest.Entry, take func(e *manifest.Entry) bool) *likeness {
	l := &likeness{tree: tree, dir: dir, bySize: map[int64][]*manifest.Entry{}}
	for i := range entries {
		e := &entries[i]
		if e.IsRegular() && e.Size >= minDelta && !manifest.Temporary(e.Name) && take(e) {
			l.files = append(l.files, e)
			l.bySize[e.Size] = append(l.bySize[e.Size], e)
		}
	}
	return l
}

// likenesses returns where a basis may be for files of dir that are new, in the order
// in which they are looked at.
func (p *planner) likenesses(ctx context.Context, dir *destDir) []*likeness {
	if dir.like != nil {
		return dir.like
	}
	d := p.d
	dir.like = []*likeness{newLikeness(d.tree, dir.path, dir.dst, func(e *manifest.Entry) bool {
		if !d.job.InPlace {
			return true
		}
		_, sent := manifest.Find(dir.entries, e.Name) // it may be written to while it is read
		return !sent
	})}
	if d.job.Fuzzy > 1 {
		for j, entries := range p.alternates(ctx, dir) {
			dir.like = append(dir.like, newLikeness(d.alts[j].tree, dir.path, entries, func(*manifest.Entry) bool { return true }))
		}
	}
	return dir.like
}

// fuzzy looks for a basis for a file that is about to be asked for and that nothing
// stands for at the destination.
func (p *planner) fuzzy(ctx context.Context, dir *destDir, i int, e *manifest.Entry) {
	if p.d.job.DryRun {
		return
	}
	if where, like := p.like(ctx, dir, e); like != nil {
		p.noteLike(dir, i, where, like)
	}
}

// like returns the basis that a file has, nil for none: as in rsync one of the same size
// and time, or else that with the most similar name.
func (p *planner) like(ctx context.Context, dir *destDir, e *manifest.Entry) (*likeness, *manifest.Entry) {
	d := p.d
	if d.job.Fuzzy == 0 || d.job.WholeFile || d.distant() || d.tree == nil || e.Size < minDelta {
		return nil, nil
	}
	all := p.likenesses(ctx, dir)
	for _, l := range all {
		for _, c := range l.bySize[e.Size] {
			if d.clock.SameTime(e, c) {
				return l, c
			}
		}
	}
	var best *manifest.Entry
	var where *likeness
	least := maxUnlike
	for _, l := range all {
		for _, c := range l.around(e.Name) {
			if n := unlikeness(e.Name, c.Name, least); n < least {
				best, where, least = c, l, n
			}
		}
	}
	return where, best
}

func (p *planner) noteLike(dir *destDir, i int, l *likeness, c *manifest.Entry) {
	if p.d.job.Remarks {
		p.d.rep.post(SkipEvent{Path: shownPath(dir, &dir.entries[i]), Reason: FuzzyBasis + manifest.Join(l.dir, c.Name)})
	}
	p.d.addBasis(wire.ID{Dir: dir.index, Entry: i}, &altBasis{l.tree, manifest.Join(l.dir, c.Name), c.Size})
}

// around returns the files whose names stand around one.
func (l *likeness) around(name string) []*manifest.Entry {
	if len(l.files) <= maxLike {
		return l.files
	}
	at, _ := slices.BinarySearchFunc(l.files, name, func(e *manifest.Entry, name string) int { return cmp.Compare(e.Name, name) })
	first := min(max(at-maxLike/2, 0), len(l.files)-maxLike)
	return l.files[first : first+maxLike]
}

// Of two names the suffixes tell more than the rest.
const (
	suffixWeight = 10
	maxUnlike    = 26 // names that differ by so much have nothing to do with each other
)

// unlikeness tells how much two names differ; what is not below limit is limit.
func unlikeness(a, b string, limit int) int {
	n := edits(a, b, limit)
	if n >= limit {
		return limit
	}
	return min(n+suffixWeight*edits(suffix(a), suffix(b), limit), limit)
}

// suffix returns what follows the last dot of a name, of which the endings of backups
// and numbers are left out.
func suffix(name string) string {
	for {
		short := strings.TrimRight(name, "~")
		for _, end := range []string{".bak", ".old", ".orig"} {
			short = strings.TrimSuffix(short, end)
		}
		i := strings.LastIndexByte(short, '.')
		switch {
		case i <= 0:
			return ""
		case strings.Trim(short[i+1:], "0123456789~") == "":
			name = short[:i]
		default:
			return short[i+1:]
		}
	}
}

// edits is the least number of bytes to insert, delete or replace between two names;
// what is not below limit is limit.
func edits(a, b string, limit int) int {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal, least := row[0], i+1
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
			least = min(least, row[j+1])
		}
		if least >= limit {
			return limit
		}
	}
	return min(row[len(b)], limit)
}
