package wire

import (
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestLevel: a level that is asked for is the one of the encoder, whatever the line.
func TestLevel(t *testing.T) {
	t.Parallel()
	content := make([]byte, 0, 1<<20)
	for i := range 1 << 17 {
		content = append(content, byte(i), byte(i>>8), byte(i*i>>5), 'a', byte(i%251), 'b', byte(i>>3), 0)
	}
	size := map[int]int{}
	for _, level := range []int{0, 1, 22} {
		p := press{level: level}
		e, err := p.encoder()
		if err != nil {
			t.Fatal(err)
		}
		size[level] = len(e.EncodeAll(content, nil))
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if size[22] >= size[1] {
		t.Errorf("level 22 gives %d bytes, level 1 %d", size[22], size[1])
	}
	if zstd.EncoderLevelFromZstd(22) == zstd.EncoderLevelFromZstd(1) {
		t.Error("the levels are the same")
	}
}
