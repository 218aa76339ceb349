package main

import (
	"os"
	"sync"
)

// interrupts decides what an interrupt means: the end of the run, unless something
// has taken them, as an interactive session does for the command that runs.
type interrupts struct {
	mu      sync.Mutex
	handler func()
}

// take has handler called for each interrupt until release is called.
func (i *interrupts) take(handler func()) (release func()) {
	i.set(handler)
	return func() { i.set(nil) }
}

func (i *interrupts) set(handler func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handler = handler
}

// taken hands an interrupt to whoever has taken them.
func (i *interrupts) taken() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.handler == nil {
		return false
	}
	i.handler()
	return true
}

// next waits for a signal that ends the run; ok is false when done comes first.
func (i *interrupts) next(signals <-chan os.Signal, done <-chan struct{}) (sig os.Signal, ok bool) {
	for {
		select {
		case sig := <-signals:
			if sig != os.Interrupt || !i.taken() {
				return sig, true
			}
		case <-done:
			return nil, false
		}
	}
}
