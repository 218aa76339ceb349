package engine

import "context"

// heldRequest is what is to be asked for in a directory, and compared, when everything was removed.
type heldRequest struct {
	dir    *destDir
	wants  []int
	checks []held
	alts   []*alternate
	late   bool // see planner.requestLate
}

// holds keeps what is to be asked for in dir until everything was removed, where it
// is removed before anything is transferred: that may be for its room.
func (p *planner) holds(dir *destDir, late bool) bool {
	if !p.d.job.DeleteBefore || p.removed {
		return false
	}
	p.held = append(p.held, heldRequest{dir, p.wants, p.checks, p.alts, late})
	p.wants, p.checks, p.alts = nil, nil, nil
	return true
}

// removeFirst removes what was judged, where that comes before everything else, and
// asks for what has waited for it. The source has listed everything by then, so this
// is no less safe than at the end.
func (p *planner) removeFirst(ctx context.Context) error {
	d := p.d
	if !d.job.DeleteBefore {
		return nil
	}
	p.removed = true
	if err := d.remove(ctx); err != nil {
		return err
	}
	d.dead = nil
	for _, h := range p.held {
		p.wants, p.checks, p.alts = h.wants, h.checks, h.alts
		request := p.request
		if h.late {
			request = p.requestLate
		}
		if err := request(ctx, h.dir); err != nil {
			return err
		}
	}
	p.held = nil
	return nil
}
