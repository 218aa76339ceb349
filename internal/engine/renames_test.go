package engine_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/wire"
)

// stamp gives files one time.
func stamp(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		when := time.Unix(1_500_000_000, 5_000_000)
		must(t, os.Chtimes(filepath.Join(dir, name), when, when))
	}
}

// renameJob is a job of a source and a destination whose files all have one time.
func renameJob(t *testing.T, src, dst map[string]string) (job engine.Job, srcDir, dstDir string) {
	t.Helper()
	srcDir, dstDir = dirs(t, src, dst)
	for name := range src {
		stamp(t, srcDir, name)
	}
	for name := range dst {
		stamp(t, dstDir, name)
	}
	job = jobFor(srcDir, dstDir)
	job.DetectRenames = true
	return job, srcDir, dstDir
}

// TestRenamedDirectory moves a directory with many files, and renames some of them:
// nothing is sent, and with deletions nothing is copied either.
func TestRenamedDirectory(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		for _, del := range []bool{true, false} {
			src, dst := map[string]string{"stays": "stays"}, map[string]string{"stays": "stays"}
			for i := range 400 {
				text := fmt.Sprintf("content %03d", i)
				dst[fmt.Sprintf("z/old/d%d/f%d", i%7, i)] = text
				src[fmt.Sprintf("a/b/d%d/f%d", i%7, i)] = text
			}
			src["renamed"], dst["old name"] = random(1, 300_000), random(1, 300_000)
			job, srcDir, dstDir := renameJob(t, src, dst)
			job.Delete, job.ForceDelete = del, del
			before := inode(t, filepath.Join(dstDir, "z/old/d0/f0")).Ino
			dry := job
			dry.DryRun, dry.Itemize = true, true
			told := items(trial{way: w, job: dry}.must(t))
			job.Itemize = true
			out := trial{way: w, job: job}.must(t)
			if out.sum.Literal != 0 || out.sum.Transferred != 0 {
				t.Errorf("delete %t: %d bytes of %d files were sent", del, out.sum.Literal, out.sum.Transferred)
			}
			if done := items(out); !slices.Equal(told, done) {
				t.Errorf("delete %t: a dry run tells\n%s\nand the run\n%s", del, strings.Join(told, "\n"), strings.Join(done, "\n"))
			}
			if !del {
				if !exists(filepath.Join(dstDir, "z/old/d0/f0")) {
					t.Error("a file is gone that nobody wanted to be deleted")
				}
				must(t, os.RemoveAll(filepath.Join(dstDir, "z")))
				must(t, os.Remove(filepath.Join(dstDir, "old name")))
				st, err := os.Stat(srcDir)
				must(t, err)
				must(t, os.Chtimes(dstDir, st.ModTime(), st.ModTime()))
			}
			equalTrees(t, srcDir, dstDir)
			after := inode(t, filepath.Join(dstDir, "a/b/d0/f0"))
			if moved := after.Ino == before; moved != del || after.Nlink != 1 {
				t.Errorf("delete %t: moved is %t, %d links", del, moved, after.Nlink)
			}
			noTemporaries(t, dstDir)
		}
	})
}

// items returns what a run tells of entries, sorted.
func items(out outcome) (lines []string) {
	for _, ev := range out.events {
		if it, ok := ev.(engine.ItemEvent); ok {
			lines = append(lines, fmt.Sprintf("%s %b", it.Path, it.Change))
		}
	}
	slices.Sort(lines)
	return lines
}

// TestRenamesThatAreNone have size and time of another file, or cannot be moved.
func TestRenamesThatAreNone(t *testing.T) {
	big := func(seed uint64) string { return random(seed, 100_000) }
	each(t, func(t *testing.T, w way) {
		for _, x := range []struct {
			name     string
			src, dst map[string]string
			literal  int64
			set      func(t *testing.T, job *engine.Job, srcDir, dstDir string)
			check    func(t *testing.T, dstDir string)
		}{
			{name: "other content", src: map[string]string{"new": big(1)}, dst: map[string]string{"old": big(2)}, literal: 100_000},
			{name: "other content, same name", src: map[string]string{"d/f": big(1)}, dst: map[string]string{"e/f": big(2)}, literal: 100_000},
			{
				name: "the second of two", src: map[string]string{"new": big(1)}, dst: map[string]string{"a": big(2), "b": big(1)},
			},
			{
				name: "two of one", src: map[string]string{"n1": big(1), "d/n2": big(1)}, dst: map[string]string{"old": big(1)},
				check: func(t *testing.T, dstDir string) {
					if a, b := inode(t, dstDir+"/n1"), inode(t, dstDir+"/d/n2"); a.Ino == b.Ino || a.Nlink != 1 || b.Nlink != 1 {
						t.Error("two files are one")
					}
				},
			},
			{
				name: "a hard link", src: map[string]string{"new": big(1), "kept": big(1)}, dst: map[string]string{"old": big(1)},
				set: func(t *testing.T, _ *engine.Job, _, dstDir string) { must(t, os.Link(dstDir+"/old", dstDir+"/kept")) },
				check: func(t *testing.T, dstDir string) {
					if a, b := inode(t, dstDir+"/new"), inode(t, dstDir+"/kept"); a.Ino == b.Ino {
						t.Error("two files are one")
					}
				},
			},
			{
				name: "with backups", src: map[string]string{"new": big(1)}, dst: map[string]string{"old": big(1)},
				set: func(_ *testing.T, job *engine.Job, _, _ string) {
					job.Backup, job.Suffix, job.BackupDir = true, "", "../backups"
				},
				check: func(t *testing.T, dstDir string) {
					if content(t, filepath.Dir(dstDir)+"/backups/old") != big(1) {
						t.Error("there is no backup")
					}
				},
			},
			{
				name: "attributes", src: map[string]string{"new": big(1)}, dst: map[string]string{"old": big(1)},
				set: func(t *testing.T, _ *engine.Job, srcDir, _ string) { must(t, os.Chmod(srcDir+"/new", 0o751)) },
			},
		} {
			t.Run(x.name, func(t *testing.T) {
				job, srcDir, dstDir := renameJob(t, x.src, x.dst)
				job.Delete = true
				if x.set != nil {
					x.set(t, &job, srcDir, dstDir)
				}
				out := trial{way: w, job: job}.must(t)
				if w != local && out.sum.Literal != x.literal {
					t.Errorf("%d bytes were sent, want %d", out.sum.Literal, x.literal)
				}
				equalTrees(t, srcDir, dstDir)
				if x.check != nil {
					x.check(t, dstDir)
				}
				noTemporaries(t, dstDir)
			})
		}
	})
}

// TestRenameDeletionRefused keeps the old name where nothing is deleted after all.
func TestRenameDeletionRefused(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		text := random(3, 50_000)
		job, srcDir, dstDir := renameJob(t, map[string]string{"new": text}, map[string]string{"old": text})
		job.Delete, job.MaxDelete = true, 0
		trial{way: w, job: job}.do(t.Context()).wantExit(t, 25)
		if content(t, dstDir+"/old") != text || content(t, dstDir+"/new") != text || inode(t, dstDir+"/old").Nlink != 1 {
			t.Error("the old file is gone, or not by itself")
		}
		_ = srcDir
	})
}

// TestRenameChanged writes to a file of the destination after its digest was found
// right: what arrives is the source's all the same.
func TestRenameChanged(t *testing.T) {
	for _, del := range []bool{true, false} {
		text := random(4, 50_000)
		job, srcDir, dstDir := renameJob(t, map[string]string{"new": text}, map[string]string{"old": text})
		job.Delete = del
		changed := false
		out := trial{way: push, job: job, dest: func(s io.ReadWriteCloser) io.ReadWriteCloser {
			return &meddler{ReadWriteCloser: s, change: func(typ wire.Type, _ []byte) {
				if typ == wire.TypeSame {
					changed = true
					must(t, os.WriteFile(dstDir+"/old", []byte("somebody's"), 0o644))
				}
			}}
		}}.must(t)
		if !changed || out.sum.Literal != int64(len(text)) {
			t.Errorf("changed is %t, %d bytes were sent", changed, out.sum.Literal)
		}
		if content(t, dstDir+"/new") != content(t, srcDir+"/new") {
			t.Error("the file is wrong")
		}
	}
}
