package delta

import (
	"context"
	"errors"
	"fmt"
)

// Cost says what a refinement round costs the caller.
type Cost struct {
	// BytesPerRTT is the number of bytes that the line carries in the time of one
	// round trip, or 0 if other work fills that time. A question must be able to save
	// more: it is better to wait in vain now and then than to send what an answer would
	// have saved.
	BytesPerRTT int64
}

// Expected shares of a gap that a question finds, in percent, and what a byte of
// literals is worth next to a byte of hashes, which do not compress. Measured on
// releases of programs and their sources; they decide about bytes, never about
// correctness.
const (
	sharedFresh     = 40 // a gap that nobody asked about yet
	sharedFound     = 35 // the rest of a gap in which something was found
	sharedLost      = 15 // a gap in which nothing was found, searched once more
	literalWorth    = 50
	leastSample     = 12       // percent that a sample must find
	mostlySame      = 97       // percent above which large sub-blocks do
	minNear         = 96       // bytes of the shortest gap that is compared
	minDense        = 16 << 10 // bytes
	questionFixed   = 6        // bytes of a question, beside its items
	itemFixed       = 3        // bytes of an item, beside its hashes
	searchPerAsk    = 512 << 10
	searchPerAskLog = 2 // or a quarter of the segment: rolling is slow
)

// trial is what was tried on a gap, or on the gap that it is the rest of.
type trial struct {
	near   int   // log2 of the sub-blocks compared last, 0: none
	search int   // log2 of the sub-blocks searched last, 0: none
	found  int64 // percent of the sub-blocks that the last try found
	sample bool  // the last try was a sample
}

func (t *trial) note(it item, found int64) {
	t.found, t.sample = found, it.sample
	if it.search {
		t.search = it.log
	} else {
		t.near = it.log
	}
}

// inherit puts fills into the ops and gives each gap that is left the trials of
// the gap it was part of.
func (s *Segment) inherit(fills []fill) {
	old, trials := s.gaps(), s.trials
	s.Ops = overlay(s.Ops, fills)
	s.trials = nil
	k := 0
	for _, g := range s.gaps() {
		for old[k].at+old[k].n <= g.at {
			k++
		}
		s.trials = append(s.trials, trials[k])
	}
}

// Ask puts a question about the gaps of seg where an answer is expected to save
// more than it costs. It is nil, nil if none pays or MaxRounds have been asked. The
// gaps are read from the target again. A target that has become shorter is
// io.ErrUnexpectedEOF. The answer must go to seg.Refine before the next Ask.
func (m *Matcher) Ask(ctx context.Context, seg *Segment, cost Cost) (*Question, error) {
	switch {
	case seg.asked != nil:
		return nil, errors.New("asking: the last question has no answer yet")
	case seg.rounds >= MaxRounds:
		return nil, nil
	}
	q := newQuestion(seg)
	if len(q.gaps) == 0 {
		return nil, nil
	}
	if seg.trials == nil {
		seg.trials = make([]trial, len(q.gaps))
	}
	if !q.plan(cost) {
		return nil, nil
	}
	r, _ := m.gaps.Get().(*gapReader)
	if r == nil {
		r = &gapReader{near: NewNearby(m.target)}
	}
	defer m.gaps.Put(r)
	if err := q.hash(ctx, r); err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	seg.rounds++
	seg.asked = q
	return q, nil
}

// plan chooses the items and the widths; it is false if the question does not pay.
func (q *Question) plan(cost Cost) bool {
	budget := max(searchPerAsk, q.seg.Len>>searchPerAskLog)
	var near, search int64 // comparisons
	var worth, most int64  // bytes that are saved, as expected and at the most
	for i, g := range q.gaps {
		it, share := q.seg.trials[i].choose(g, q.seg.p.BlockSize)
		lot := int64(0) // bytes searched on a guess
		if it.search && !it.sample && !q.seg.trials[i].sample {
			lot = g.n
		}
		if share == 0 || lot > budget {
			continue
		}
		it.gap = i
		n := it.layout(g).count
		offsets := int64(2)
		if it.search {
			offsets = searchOffsets(g.n)
		} else if g.aligned() {
			offsets = 1
		}
		hashes := n*int64(hashWidth(n*offsets)+4)/8 + itemFixed
		gain := g.n*share*literalWorth/10000 - hashes
		if gain <= 0 {
			continue
		}
		worth += gain
		if it.sample { // the next question would save it
			most += gain
		} else {
			most += g.n - hashes
		}
		q.items = append(q.items, it)
		if it.search {
			search += n * offsets
			budget -= lot
		} else {
			near += n * offsets
		}
	}
	if near > 0 {
		q.near.width = hashWidth(near)
	}
	if search > 0 {
		q.search.width = hashWidth(search)
	}
	return worth > questionFixed && most > questionFixed+cost.BytesPerRTT
}

// choose decides what to try on a gap next and which share of it, in percent, it is
// expected to find; 0 means nothing.
func (t trial) choose(g gap, blockSize int64) (it item, share int64) {
	finer := item{log: subLog(g.n/16, nearMinLog, nearMaxLog)}
	search := item{log: subLog(g.n/32, searchMinLog, searchMaxLog), search: true}
	switch {
	case g.n < minNear:
		return it, 0
	case t.near == 0 && t.search == 0:
		if g.dense(blockSize) {
			return item{log: searchMinLog, search: true, sample: true}, sharedFresh
		}
		finer.sample = g.n > wholeGap
		return finer, sharedFresh
	case t.sample:
		return t.chooseSampled(g)
	case t.found > 0 && (g.aligned() || t.search != 0):
		if t.near != 0 && finer.log >= t.near && t.search == 0 {
			return it, 0
		}
		return finer, sharedFound
	case t.search != 0 || g.n > searchPiece || g.n < 2<<searchMinLog:
		return it, 0
	case t.found > 0:
		return search, sharedFound
	}
	return search, sharedLost
}

// chooseSampled goes on where a sample found enough.
func (t trial) chooseSampled(g gap) (it item, share int64) {
	switch {
	case t.found < leastSample || g.n < 2<<searchMinLog:
		return it, 0
	case t.search == 0:
		return item{log: nearMaxLog}, t.found
	case t.found > mostlySame && g.n >= 1<<searchMaxLog:
		return item{log: searchMaxLog, search: true}, t.found
	}
	return item{log: searchMinLog, search: true}, t.found
}

// dense tells that the gap is too long for one edit: either it holds many small
// ones, which only small sub-blocks find, or it is new. A sample decides.
func (g gap) dense(blockSize int64) bool {
	spread := g.left - g.right
	return g.leftKnown && g.rightKnown && g.n > max(minDense, 4*blockSize) &&
		max(spread, -spread) <= searchSpread(g.n)
}

// subLog is log2 of n, rounded down, within low and high.
func subLog(n int64, low, high int) int {
	return min(max(log2(n+1)-1, low), high)
}
