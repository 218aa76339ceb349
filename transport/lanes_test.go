package transport

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestOfferLanes: who connects in time is handed over, and nothing is left behind, whether
// the offer is ended or its time is over.
func TestOfferLanes(t *testing.T) {
	for name, within := range map[string]time.Duration{"stopped": time.Hour, "late": 200 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			joined := make(chan io.ReadWriteCloser, 1)
			ticket, stop, err := offerLanes(within, func(rw io.ReadWriteCloser) { joined <- rw })
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			dir := filepath.Dir(string(ticket))
			if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
				t.Errorf("%v %v", st, err)
			}
			conn, err := net.Dial("unix", string(ticket))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			rw := <-joined
			defer rw.Close()
			if name == "stopped" {
				stop()
			}
			for {
				if _, err := os.Stat(dir); os.IsNotExist(err) {
					break
				}
				time.Sleep(10 * time.Millisecond) // until the test's time is over
			}
			if _, err := net.Dial("unix", string(ticket)); err == nil {
				t.Error("a lane can still join")
			}
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Errorf("the lane that has joined: %v", err)
			}
		})
	}
}
