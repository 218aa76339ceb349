package localfs

import (
	"crypto/rand"
	"encoding/binary"
)

// Seed returns 64 random bits.
func (h *Host) Seed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it cannot fail: crypto/rand ends the process instead
	return binary.LittleEndian.Uint64(b[:])
}
