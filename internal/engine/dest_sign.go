package engine

import (
	"context"
	"runtime"

	"gosync/delta"
	"gosync/transport/wire"
)

// signBeside signs on a goroutine of its own until the signature has gone or stop is
// called, which waits for it. The context of what is received lives on: the file is
// committed with others.
func (p *patch) signBeside(ctx context.Context) (stop func()) {
	signing, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	p.d.group.Go(func() error {
		defer close(done)
		return ignoreCancelled(p.sign(signing), ctx)
	})
	return func() {
		cancel()
		<-done
	}
}

// longBasis is the size in bytes above which it takes long to sign a basis.
const longBasis = 64 << 20

// overlaps reports whether the source may send the file while the basis is signed:
// that pays where there is more than one segment.
func (p *patch) overlaps() bool {
	return p.params.BasisSize > longBasis && p.in.e.Size > segmentSize
}

// announce begins the delta at the source.
func (p *patch) announce(ctx context.Context) error {
	params, err := p.params.AppendBinary(nil)
	if err != nil {
		return err
	}
	m := &wire.Basis{ID: p.in.id, Size: p.params.BasisSize, Chunks: len(p.in.held), Params: params}
	if err := p.d.conn.Send(ctx, m); err != nil || !p.overlaps() {
		return err
	}
	return p.d.conn.Send(ctx, wire.NewSigPart(p.in.id, false, nil)) // the source need not wait for the last
}

// sign sends the signature of the basis. Where segments are written meanwhile it
// takes no place among the computations, which are short: it waits for the disk, and
// slots bounds how many there are.
func (p *patch) sign(ctx context.Context) error {
	d := p.d
	workers := 1
	if p.params.BasisSize > longBasis {
		workers = runtime.GOMAXPROCS(0)
	}
	left := p.params.SignatureSize()
	sign := func() error {
		return delta.Sign(ctx, p.basis, p.params, workers, func(part []byte) error {
			left -= int64(len(part))
			return p.sendPart(ctx, part, left == 0)
		})
	}
	var err error
	if p.overlaps() {
		defer d.conn.Work()()
		err = sign()
	} else {
		err = d.cpu.do(ctx, sign)
	}
	if err != nil || p.params.BasisSize > 0 {
		return err
	}
	return p.sendPart(ctx, nil, true)
}

func (p *patch) sendPart(ctx context.Context, part []byte, last bool) error {
	if last {
		p.signed.Store(true)
	}
	return p.d.conn.Send(ctx, wire.NewSigPart(p.in.id, last, part))
}
