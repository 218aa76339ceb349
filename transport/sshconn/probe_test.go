package sshconn_test

import (
	"testing"
	"time"

	"gosync/internal/sshserver"
	"gosync/transport/sshconn"
)

// TestProbe: what an answer has taken once is not taken for the round trip.
func TestProbe(t *testing.T) {
	t.Parallel()
	srv := serve(t, sshserver.Options{Password: "open sesame"})
	f := &clientFiles{agent: "none", answers: []string{"open sesame"}}
	client, err := sshconn.Dial(t.Context(), f.config(t, srv.Addr(), srv.Files().KnownHosts))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.Probe(time.Hour)
	if rtt := client.RTT(); rtt <= 0 || rtt > time.Minute {
		t.Errorf("the round trip is %v", rtt)
	}
}
