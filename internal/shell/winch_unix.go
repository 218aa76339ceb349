//go:build unix

package shell

import (
	"os"
	"os/signal"
	"syscall"
)

// watchSize calls resized whenever the size of the terminal changes, until stop is
// called, which waits for a call that is under way.
func watchSize(resized func()) (stop func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-changes:
				resized()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(changes)
		close(done)
		<-ended
	}
}
