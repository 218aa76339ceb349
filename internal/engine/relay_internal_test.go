package engine

import (
	"testing"

	"gosync/transport/wire"
)

// TestRelaySettles: what has passed of a file that failed is not taken for content of the next one, of which most is at the
// destination already.
func TestRelaySettles(t *testing.T) {
	t.Parallel()
	r := &relay{prog: new(Progress)}
	pass := func(n int64) {
		r.prog.DoneBytes.Add(n)
		r.loose += n
	}
	pass(300)
	r.settles(&wire.FileEnd{Failed: true, Size: 300})
	pass(10)
	r.settles(&wire.FileEnd{Size: 1000})
	if got := r.prog.DoneBytes.Load(); got != 1300 || r.loose != 0 {
		t.Errorf("%d bytes are done, %d are nobody's; want 1300 and 0", got, r.loose)
	}
	r.settles(&wire.FileEnd{Failed: true}) // of an older source, which does not say
	r.settles(&wire.FileEnd{Size: 5})
	if got := r.prog.DoneBytes.Load(); got != 1305 {
		t.Errorf("%d bytes are done, want 1305", got)
	}
}
