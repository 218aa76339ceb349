package main

import (
	"crypto/rand"
	"fmt"

	"gosync/internal/engine"
)

// list turns a job into a listing of its sources: a dry run into a directory that is not there, of which every entry
// is told as new.
func (s *settings) list(job *engine.Job, r *route) error {
	var name [16]byte
	if _, err := rand.Read(name[:]); err != nil {
		return fmt.Errorf("a random name: %w", err)
	}
	job.Dest = fmt.Sprintf("/.gosync-listing-%x/", name)
	r.dest = target{}
	return nil
}
