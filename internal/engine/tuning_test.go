package engine

import "testing"

// TestTuningTravels: the numbers that say how something is done come out of the job frame as they went in, also negative
// ones, and are not sent where nothing was asked for.
func TestTuningTravels(t *testing.T) {
	t.Parallel()
	var plain Job
	before := len(plain.encode(false).Options)
	var j Job
	j.BlockSize, j.Level, j.Seed, j.Verbose, j.Dest = 4096, -5, -77, true, "d"
	w := j.encode(false)
	if len(w.Options) != before+4 {
		t.Errorf("options: %q", w.Options)
	}
	got, err := decodeJob(w)
	if err != nil || got.BlockSize != 4096 || got.Level != -5 || got.Seed != -77 || !got.Verbose {
		t.Errorf("%+v, %v", got, err)
	}
	w.Options = append(w.Options, "block-size=x")
	if _, err := decodeJob(w); err == nil {
		t.Error("a block size that is no number is taken")
	}
	for level, want := range map[int64]int{0: 0, -5: -5, 99: 22, -1 << 40: -7} {
		if o := (Options{Level: level}); o.level() != want {
			t.Errorf("level %d becomes %d", level, o.level())
		}
	}
	if d := (&dest{job: &Job{Options: Options{BlockSize: 4096}}}); d.params(1<<20).BlockSize != 4096 {
		t.Error("the block size is not used")
	}
}
