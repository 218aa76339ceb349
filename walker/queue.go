package walker

import "sync"

// job is one directory of a walk, from the moment its parent was listed until
// it is yielded.
type job struct {
	parent   *job
	name     string  // "" for the root
	entry    int     // position in the parent's Entries
	index    int     // position in the walk, once it is yielded
	merged   *merged // nil where the directory comes from the parent's only place
	path     string  // in the transfer; known once the job was begun
	places   []place // what it is made of; known once it is listed
	dirsOnly bool    // only the directories in it take part; known once it was begun
	named    scope   // the scope that judges named children; known once it is listed
	dir      *Dir    // the listing, until it is yielded
	children []job   // the directories below, in order; known once it is listed

	state      state
	ahead      bool // counts as listed ahead
	prev, next *job // in the queue's list, while it is not listed
}

// merged says what a directory is made of where that is not plain.
type merged struct {
	nodes []*Node // named nodes at this place
	from  []int   // indices of the parent's places that hold the directory
}

type state uint8

const (
	idle state = iota // nobody has begun it
	busy              // somebody lists it
	done              // it is listed
)

// queue hands out directories to those who list them. All that are not listed
// yet stand in one list in the order of the walk, a directory's children taking
// its place, so that whoever is free takes the one that is needed soonest.
//
// Workers stop when enough is listed ahead. The yielder never waits for that:
// it lists what it needs next by itself, unless a worker has already begun it.
type queue struct {
	mu      sync.Mutex
	work    sync.Cond // something may be begun, or the queue is closed
	listed  sync.Cond // something was listed
	list    job       // ring of jobs that are not listed; this one is its end
	dirs    int       // listed ahead or about to be
	entries int       // listed ahead
	closed  bool
}

func newQueue(first *job) *queue {
	q := &queue{}
	q.work.L, q.listed.L = &q.mu, &q.mu
	q.list.prev, q.list.next = &q.list, &q.list
	q.insert(first, &q.list)
	return q
}

// insert puts j before at.
func (q *queue) insert(j, at *job) {
	j.prev, j.next = at.prev, at
	at.prev.next, at.prev = j, j
}

// close ends all serve calls after what they have begun.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.work.Broadcast()
}

// serve lists ahead until the queue is closed.
func (q *queue) serve(list func(*job)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed {
		j := q.begin()
		if j == nil {
			q.work.Wait()
			continue
		}
		q.mu.Unlock()
		list(j)
		q.mu.Lock()
		q.finish(j)
	}
}

// begin chooses the first job that nobody has begun, nil where there is none
// or enough is listed. It passes over at most one job per lister.
func (q *queue) begin() *job {
	if q.dirs >= maxAhead || q.entries >= maxAheadEntries {
		return nil
	}
	for j := q.list.next; j != &q.list; j = j.next {
		if j.state == idle {
			j.state, j.ahead = busy, true
			q.dirs++
			return j
		}
	}
	return nil
}

// finish puts the children of a listed job in its place.
func (q *queue) finish(j *job) {
	for i := range j.children {
		q.insert(&j.children[i], j)
	}
	j.prev.next, j.next.prev = j.next, j.prev
	j.prev, j.next = nil, nil
	j.state = done
	if j.ahead {
		q.entries += len(j.dir.Entries)
	}
	q.listed.Signal() // only the yielder waits for it
	if len(j.children) > 0 {
		q.work.Broadcast()
	}
}

// take returns the listing of j, which is made here if nobody has begun it.
func (q *queue) take(j *job, list func(*job)) *Dir {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.state == idle {
		j.state = busy
		q.mu.Unlock()
		list(j)
		q.mu.Lock()
		q.finish(j)
	}
	for j.state != done {
		q.listed.Wait()
	}
	d := j.dir
	j.dir = nil
	if j.ahead {
		q.dirs--
		q.entries -= len(d.Entries)
		q.work.Signal()
	}
	return d
}
