package engine

import (
	"io/fs"
	"syscall"
	"testing"
)

// TestHolds: what waits for deletions waits with its own directory, alternates as well.
func TestHolds(t *testing.T) {
	p := &planner{d: &dest{job: &Job{Options: Options{DeleteBefore: true}}}}
	a := &destDir{index: 1}
	p.wants, p.alts = []int{1}, []*alternate{{dir: a, entry: 2}}
	if !p.holds(a, false) || len(p.wants)+len(p.checks)+len(p.alts) != 0 {
		t.Fatalf("%v, %v, %v are left for the next directory", p.wants, p.checks, p.alts)
	}
	if h := p.held; len(h) != 1 || h[0].dir != a || len(h[0].alts) != 1 || len(h[0].wants) != 1 {
		t.Errorf("held: %+v", h)
	}
}

// TestLeadsNowhere: only what is known to lead to no directory may be replaced by one.
func TestLeadsNowhere(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.ENOENT: true, syscall.ENOTDIR: true, syscall.ELOOP: true,
		syscall.EMFILE: false, syscall.ENFILE: false, syscall.EACCES: false, syscall.EIO: false,
	} {
		if got := leadsNowhere(&fs.PathError{Op: "open", Path: "x", Err: err}); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
