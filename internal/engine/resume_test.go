package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// errStop is what a write of a trial ends with that is to be interrupted.
var errStop = errors.New("stopped by the test")

// stopAt is a host that ends the run when n bytes of a file were written.
type stopAt struct {
	left atomic.Int64
	stop context.CancelCauseFunc
}

func (s *stopAt) host() engine.Host {
	return &hookHost{host(), &hooks{fail: func(op, _ string) error {
		if op == "dst write" && s.left.Add(-1) < 0 {
			s.stop(errStop)
		}
		return nil
	}}}
}

// interrupt runs a job until n writes were made at the destination.
func interrupt(t *testing.T, w way, job engine.Job, n int64) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	s := &stopAt{stop: cancel}
	s.left.Store(n)
	if out := (trial{way: w, host: s.host(), job: job}).do(ctx); out.err == nil || out.hung {
		t.Fatalf("the run was not interrupted: %v", out.err)
	}
}

// partials returns the names of what is kept below dir.
func partials(t *testing.T, dir string) (names []string) {
	t.Helper()
	for p := range fingerprint(t, dir) {
		if strings.HasSuffix(p, manifest.PartialSuffix) || strings.HasSuffix(p, manifest.SidecarSuffix) {
			names = append(names, p)
		}
	}
	return names
}

// bigJob copies one file of 8 MiB and a bit, of which what arrives is kept.
func bigJob(t *testing.T, old string) (job engine.Job, src, dst, content string) {
	t.Helper()
	content = random(1, 8<<20+777)
	files := map[string]string{}
	if old != "" {
		files["big"] = old
	}
	src, dst = dirs(t, map[string]string{"big": content, "small": "small"}, files)
	if old != "" {
		then := time.Unix(1_000_000_000, 0)
		must(t, os.Chtimes(filepath.Join(dst, "big"), then, then))
	}
	job = jobFor(src, dst)
	job.Partial = true
	return job, src, dst, content
}

func TestResume(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		job, src, dst, _ := bigJob(t, "")
		interrupt(t, w, job, 5)
		if !exists(filepath.Join(dst, "big")) {
			t.Error("what was received is not under its own name, where nothing else was")
		}
		out := trial{way: w, job: job}.must(t)
		equalTrees(t, src, dst)
		noTemporaries(t, dst)
		if out.sum.Literal > 5<<20 {
			t.Errorf("%d bytes were sent again", out.sum.Literal)
		}
	})
}

// TestResumeHidden interrupts the copy of a file that replaces another one: that
// stays in place, and what has arrived is kept beside it.
func TestResumeHidden(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		for _, whole := range []bool{true, false} {
			old := random(2, 9<<20)
			job, src, dst, content := bigJob(t, old)
			job.WholeFile = whole
			if !whole { // the second half is that of the old file
				old = random(3, 4<<20) + content[4<<20:]
				must(t, os.WriteFile(filepath.Join(dst, "big"), []byte(old), 0o600))
			}
			interrupt(t, w, job, 3)
			if now, err := os.ReadFile(filepath.Join(dst, "big")); err != nil || string(now) != old {
				t.Fatalf("the old file has changed: %v", err)
			}
			if n := len(partials(t, dst)); n == 0 {
				t.Fatal("nothing was kept")
			}
			out := trial{way: w, job: job}.must(t)
			equalTrees(t, src, dst)
			noTemporaries(t, dst)
			most := int64(6 << 20)
			if !whole {
				most = 3<<20 + 1<<19 // what was not there and is not in the old file
			}
			if out.sum.Literal > most {
				t.Errorf("whole %v: %d bytes were sent again", whole, out.sum.Literal)
			}
		}
	})
}

// TestResumeChanged changes the source between the runs: what was kept is one
// more basis.
func TestResumeChanged(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		job, src, dst, content := bigJob(t, random(2, 5000))
		interrupt(t, w, job, 6)
		changed := "inserted at the front" + content
		must(t, os.WriteFile(filepath.Join(src, "big"), []byte(changed), 0o600))
		out := trial{way: w, job: job}.must(t)
		equalTrees(t, src, dst)
		noTemporaries(t, dst)
		if out.sum.Literal > 4<<20 {
			t.Errorf("%d bytes were sent", out.sum.Literal)
		}
	})
}

// TestResumeDamaged changes what was kept: the chunks that are wrong are sent
// again, whoever may have written them.
func TestResumeDamaged(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		for _, suffix := range []string{manifest.PartialSuffix, manifest.SidecarSuffix} {
			job, src, dst, _ := bigJob(t, random(2, 5000))
			job.WholeFile = true
			interrupt(t, w, job, 6)
			for _, p := range partials(t, dst) {
				if !strings.HasSuffix(p, suffix) {
					continue
				}
				name := filepath.Join(dst, p)
				data, err := os.ReadFile(name)
				must(t, err)
				data[len(data)/2] ^= 1
				must(t, os.WriteFile(name, data, 0o600))
			}
			trial{way: w, job: job}.must(t)
			equalTrees(t, src, dst)
			noTemporaries(t, dst)
		}
	})
}

// TestLeftoverOfEqualFile finds a partial of a file that is equal by now.
func TestLeftoverOfEqualFile(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		job, src, dst, content := bigJob(t, random(2, 5000))
		interrupt(t, w, job, 3)
		must(t, os.WriteFile(filepath.Join(dst, "big"), []byte(content), 0o600))
		info, err := os.Stat(filepath.Join(src, "big"))
		must(t, err)
		must(t, os.Chmod(filepath.Join(dst, "big"), info.Mode()))
		must(t, os.Chtimes(filepath.Join(dst, "big"), info.ModTime(), info.ModTime()))
		trial{way: w, job: job}.must(t)
		equalTrees(t, src, dst)
		noTemporaries(t, dst)
	})
}

// TestNoPartial keeps nothing.
func TestNoPartial(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		job, _, dst, _ := bigJob(t, random(2, 5000))
		job.Partial, job.NoPartial = false, true
		interrupt(t, w, job, 3)
		noTemporaries(t, dst)
	})
}

// TestClean removes what was kept.
func TestClean(t *testing.T) {
	for _, w := range []way{local, push} {
		job, _, dst, _ := bigJob(t, random(2, 5000))
		interrupt(t, w, job, 3)
		if len(partials(t, dst)) == 0 {
			t.Fatal("nothing was kept")
		}
		before, err := os.Stat(dst)
		must(t, err)
		clean := engine.Job{Dest: dst, Options: engine.Options{Clean: true, MaxDelete: -1}}
		out := trial{way: w, job: clean}.must(t)
		noTemporaries(t, dst)
		if out.sum.Deleted == 0 {
			t.Error("no word of what was removed")
		}
		if after, err := os.Stat(dst); err != nil || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("the directory's time has changed: %v", err)
		}
	}
}

// TestSpoiled finds a file that a run has begun to write in place and was killed:
// whatever its size and time say, it is written again.
func TestSpoiled(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		for _, inPlace := range []bool{true, false} {
			job, src, dst, content := bigJob(t, random(2, 8<<20+777))
			job.Partial, job.InPlace, job.WholeFile = false, true, true
			interrupt(t, w, job, 3)
			big := filepath.Join(dst, "big")
			info, err := os.Stat(filepath.Join(src, "big"))
			must(t, err)
			if now, err := os.Stat(big); err != nil || now.ModTime().Equal(info.ModTime()) {
				t.Fatalf("the half written file has the time of the whole one: %v", err)
			}
			// As if the source had the very time that half written files get.
			must(t, os.Truncate(big, info.Size()))
			must(t, os.Chtimes(big, info.ModTime(), info.ModTime()))
			job.InPlace = inPlace
			trial{way: w, job: job}.must(t)
			if string(contentOf(t, big)) != content {
				t.Error("the file is not whole")
			}
			equalTrees(t, src, dst)
			noTemporaries(t, dst)
		}
	})
}

func contentOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}

func TestAppend(t *testing.T) {
	content := random(1, 3<<20+500)
	wrong := bytes.Repeat([]byte{'x'}, 1<<20+100)
	for _, tt := range []struct {
		name   string
		old    string
		verify bool
		want   string // "" for the source's
	}{
		{"right prefix", content[:2<<20+9], false, ""},
		{"right prefix verified", content[:2<<20+9], true, ""},
		{"wrong prefix is kept", string(wrong), false, string(wrong) + content[len(wrong):]},
		{"wrong prefix is found", string(wrong), true, ""},
		{"short", content[:100], false, ""},
		{"wrong and short is kept", "xyz", false, "xyz" + content[3:]},
		{"longer is left alone", content + "more", false, content + "more"},
		{"same length is left alone", strings.Repeat("y", len(content)), true, strings.Repeat("y", len(content))},
	} {
		for _, shared := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, ", other names: ", shared), func(t *testing.T) {
				each(t, func(t *testing.T, w way) {
					src, dst := dirs(t, map[string]string{"f": content, "new": "new"}, map[string]string{"f": tt.old})
					then := time.Now().Add(-time.Hour)
					must(t, os.Chtimes(filepath.Join(dst, "f"), then, then))
					if shared {
						must(t, os.Link(filepath.Join(dst, "f"), filepath.Join(dst, "other")))
					}
					job := jobFor(src, dst)
					job.Append, job.AppendVerify = !tt.verify, tt.verify
					out := trial{way: w, job: job}.must(t)
					want := tt.want
					if want == "" {
						want = content
					}
					if got := string(contentOf(t, filepath.Join(dst, "f"))); got != want {
						t.Errorf("%d bytes, want %d", len(got), len(want))
					}
					if shared && string(contentOf(t, filepath.Join(dst, "other"))) != tt.old {
						t.Error("another name of the file has changed")
					}
					if tt.want == "" && strings.HasPrefix(content, tt.old) && out.sum.Literal > int64(len(content)-len(tt.old))+1<<20+10 {
						t.Errorf("%d bytes were sent", out.sum.Literal)
					}
					if string(contentOf(t, filepath.Join(dst, "new"))) != "new" {
						t.Error("a new file was not copied")
					}
				})
			})
		}
	}
}

// TestAppendSparse goes on at the end of a file that turns out to be another: where the source has a hole, nothing of
// what stood there may remain.
func TestAppendSparse(t *testing.T) {
	begin := random(1, 1<<20)
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"f": begin, "hole": ""}, map[string]string{"f": begin + random(2, 1<<20), "hole": "x"})
		must(t, os.Truncate(filepath.Join(src, "f"), 3<<20))
		must(t, os.Truncate(filepath.Join(src, "hole"), 6000))
		job := jobFor(src, dst)
		job.AppendVerify, job.Sparse = true, true
		trial{way: w, job: job}.must(t)
		for _, name := range []string{"f", "hole"} {
			if !bytes.Equal(contentOf(t, filepath.Join(dst, name)), contentOf(t, filepath.Join(src, name))) {
				t.Errorf("%s holds what was there before", name)
			}
		}
	})
}

// TestBasisGone finds next to nothing in the partial directory, and a file that cannot
// be read: it is sent whole.
func TestBasisGone(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		content := random(1, 1<<20)
		src, dst := dirs(t, map[string]string{"f": content}, map[string]string{"f": random(2, 1<<20+1), ".part/f": "some bytes"})
		job := jobFor(src, dst)
		job.Partial, job.PartialDir = true, ".part"
		trial{way: w, job: job, host: failing("dst open", "f", syscall.EACCES)}.must(t)
		if string(contentOf(t, filepath.Join(dst, "f"))) != content {
			t.Error("the content differs")
		}
	})
}

// TestConfirm asks at the guard against deletions, at whichever end the user is.
func TestConfirm(t *testing.T) {
	many := map[string]string{}
	for i := range 150 {
		many[string(rune('a'+i%26))+strings.Repeat("n", i/26)] = "x"
	}
	each(t, func(t *testing.T, w way) {
		for _, yes := range []bool{true, false} {
			src, dst := dirs(t, map[string]string{"a": "x"}, many)
			job := jobFor(src, dst)
			job.Delete, job.Confirm = true, true
			asked := 0
			out := trial{way: w, job: job, confirm: func(_ context.Context, q string) bool {
				asked++
				if !strings.Contains(q, "149 of 150") {
					t.Errorf("the question is %q", q)
				}
				return yes
			}}.do(t.Context())
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
			if yes {
				out.wantExit(t, 0)
				equalTrees(t, src, dst)
			} else {
				out.wantExit(t, wire.CodeDelete)
				if n := len(fingerprint(t, dst)); n < 150 {
					t.Errorf("only %d entries are left", n)
				}
			}
		}
	})
}

// TestConfirmOnce: where two guards of a run have a question, a user at the far side hears the first,
// and the other is answered with no.
func TestConfirmOnce(t *testing.T) {
	many := map[string]string{}
	for i := range 200 {
		many[fmt.Sprintf("f/%d", i)] = "x"
		many[fmt.Sprintf("gone/%d", i)], many[fmt.Sprintf("gone/too%d", i)] = "x", "x" // listed when the rules are there
	}
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"f": "f", ".rules": "- keep\n"}, many)
		job := jobFor(src, dst)
		job.Delete, job.DeleteAfter, job.JudgeAfter, job.Confirm, job.Filter = true, true, true, true, rules(t, ": .rules")
		var asked atomic.Int64
		out := trial{way: w, job: job, confirm: func(context.Context, string) bool {
			return asked.Add(1) < 3
		}}.do(t.Context())
		if out.err == nil { // the user is where the destination is
			equalTrees(t, src, dst)
			if asked.Load() != 2 {
				t.Errorf("asked %d times", asked.Load())
			}
			return
		}
		out.wantExit(t, wire.CodeDelete)
		if n := len(names(t, dst)); n != 403 || asked.Load() != 1 {
			t.Errorf("asked %d times, %d entries are left", asked.Load(), n)
		}
	})
}
