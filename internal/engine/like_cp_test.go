package engine_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/internal/engine/memtree"
	"gosync/transport/wire"
)

// likeCp is a job as gosync cp gives it.
func likeCp(dest string, sources ...string) engine.Job {
	job := engine.Job{Sources: sources, Dest: dest}
	job.LikeCp, job.Recursive, job.CopyLinks, job.IgnoreTimes, job.MaxDelete = true, true, true, true, -1
	return job
}

// TestLikeCp: names at the destination, and what may not be replaced.
func TestLikeCp(t *testing.T) {
	for name, x := range map[string]struct {
		sources string
		dest    string
		change  func(*engine.Job)
		want    string // files that are there afterwards, with their content
		code    wire.Code
	}{
		"file, new name":         {sources: "a", dest: "new", want: "new=A"},
		"file, slash":            {sources: "a", dest: "new/", code: wire.CodeSelect},
		"file into":              {sources: "a", dest: "in", want: "in/a=A"},
		"file over file":         {sources: "a", dest: "in/x", want: "in/x=A"},
		"file over directory":    {sources: "x", dest: "clash", code: wire.CodePartial, want: "clash/x/keep=keep"},
		"file over FIFO":         {sources: "a", dest: "pipe", code: wire.CodeSelect},
		"file over FIFO below":   {sources: "pipes/p", dest: "ins", code: wire.CodePartial},
		"file through link":      {sources: "a", dest: "link", want: "in/x=A"},
		"file over dangling":     {sources: "a", dest: "dangling", want: "dangling=A"},
		"into link":              {sources: "a", dest: "linkdir", want: "in/a=A"},
		"directory, new name":    {sources: "d", dest: "new", want: "new/f=F new/s/g=G"},
		"directory, slashes":     {sources: "d//", dest: "new/", want: "new/f=F new/s/g=G"},
		"directory into":         {sources: "d", dest: "in", want: "in/d/f=F in/d/s/g=G in/d/old=old"},
		"directory over file":    {sources: "d", dest: "a", code: wire.CodeSelect, want: "a=A"},
		"directory over file in": {sources: "d", dest: "ins", code: wire.CodePartial, want: "ins/d=file"},
		"content":                {sources: "d/.", dest: "in", want: "in/f=F in/s/g=G in/x=old"},
		"content, new":           {sources: "d/.", dest: "new", want: "new/f=F new/s/g=G"},
		"again":                  {sources: "d", dest: "in/d", change: func(j *engine.Job) { j.ByName = true }, want: "in/d/f=F in/d/s/g=G in/d/old=old"},
		"directory wanted":       {sources: "a", dest: "new", change: func(j *engine.Job) { j.IntoDir = true }, want: "new/a=A"},
		"directory wanted, dir":  {sources: "d", dest: "new", change: func(j *engine.Job) { j.IntoDir = true }, want: "new/d/f=F"},
		"directory wanted, file": {sources: "a", dest: "in/x", change: func(j *engine.Job) { j.IntoDir = true }, code: wire.CodeSelect, want: "in/x=old"},
		"several":                {sources: "a x", dest: "new", want: "new/a=A new/x=X"},
		"several, file":          {sources: "a x", dest: "in/x", code: wire.CodeSelect, want: "in/x=old"},
		"last wins":              {sources: "a e/a", dest: "in", want: "in/a=EA"},
		"last wins below":        {sources: "d e/d", dest: "new", want: "new/d/f=EF new/d/s/g=G"},
		"two kinds":              {sources: "d e/f/d", dest: "new", code: wire.CodePartial, want: "new/d/f=F"},
		"not recursive":          {sources: "d a", dest: "in", change: func(j *engine.Job) { j.Recursive = false }, code: wire.CodePartial, want: "in/a=A"},
		"content, not recursive": {sources: "d/.", dest: "in", change: func(j *engine.Job) { j.Recursive = false }, code: wire.CodePartial},
		"FIFO":                   {sources: "pipe a", dest: "in", code: wire.CodePartial, want: "in/a=A"},
		"missing":                {sources: "none", dest: "new", code: wire.CodePartial},
		"parent missing":         {sources: "a", dest: "no/such", code: wire.CodeSelect},
		"links":                  {sources: "l", dest: "new", code: wire.CodePartial, want: "new/file=A new/dir/f=F new/dir/s/g=G"},
		"link itself":            {sources: "linkd", dest: "new", want: "new/f=F new/s/g=G"},
	} {
		for _, w := range ways() {
			t.Run(name+"/"+string(w), func(t *testing.T) {
				dir := t.TempDir()
				tree(t, dir, map[string]string{
					"a": "A", "x": "X", "d/f": "F", "d/s/g": "G", "e/a": "EA", "e/d/f": "EF", "e/f/d": "file",
					"in/x": "old", "in/d/old": "old", "ins/d": "file", "clash/x/keep": "keep", "link": "->in/x", "linkdir": "->in",
					"dangling": "->none", "linkd": "->d", "l/file": "->../a", "l/dir": "->../d", "l/none": "->none", "l/up": "->..", "pipes/p": "P",
				})
				must(t, makeFifo(filepath.Join(dir, "pipe")))
				must(t, makeFifo(filepath.Join(dir, "ins/p")))
				if name == "links" { // else the copy would be within what is copied
					must(t, os.Remove(filepath.Join(dir, "l/up")))
					must(t, os.Symlink("../l", filepath.Join(dir, "l/up")))
				}
				var sources []string
				for s := range strings.FieldsSeq(x.sources) {
					sources = append(sources, dir+"/"+s)
				}
				job := likeCp(dir+"/"+x.dest, sources...)
				if x.change != nil {
					x.change(&job)
				}
				_, _, err := run(t, w, job)
				if got := engine.ExitCode(err); got != int(x.code) {
					t.Errorf("exit %d (%v), want %d", got, err, x.code)
				}
				for file := range strings.FieldsSeq(x.want) {
					path, content, _ := strings.Cut(file, "=")
					if got, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(got) != content {
						t.Errorf("%s: %q, %v", path, got, err)
					}
				}
				for _, fifo := range []string{"pipe", "ins/p"} {
					if st, err := os.Lstat(filepath.Join(dir, fifo)); err != nil || st.Mode()&fs.ModeNamedPipe == 0 {
						t.Errorf("%s is no FIFO any more: %v", fifo, err)
					}
				}
				if _, err := os.Lstat(filepath.Join(dir, "new")); x.want == "" && err == nil {
					t.Error("something was made")
				}
			})
		}
	}
}

// TestLikeCpSetID: rights of the owner do not come along, since the owner does not.
func TestLikeCpSetID(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, map[string]string{"a": "A"})
	must(t, os.Chmod(dir+"/a", 0o755|fs.ModeSetuid|fs.ModeSetgid))
	for _, perms := range []bool{false, true} {
		job := likeCp(dir+"/new", dir+"/a")
		job.Perms = perms
		trial{way: push, job: job}.must(t)
		if st, err := os.Stat(dir + "/new"); err != nil || st.Mode().Perm() != 0o755 || st.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
			t.Errorf("perms %v: %v, %v", perms, st.Mode(), err)
		}
	}
}

// TestLikeCpSettled: both ends know in time what the destination is, for a job that
// has to be done again.
func TestLikeCpSettled(t *testing.T) {
	for _, w := range ways() {
		for dest, named := range map[string]bool{"new": true, "in": false} {
			dir := t.TempDir()
			tree(t, dir, map[string]string{"d/f": "F", "in/x": "old"})
			rep := engine.Report{Progress: new(engine.Progress)}
			job := likeCp(dir+"/"+dest, dir+"/d")
			must(t, reported(t, w, job, rep))
			if !rep.Progress.Settled.Load() || rep.Progress.Named.Load() != named {
				t.Errorf("%s %s: settled %v, named %v", w, dest, rep.Progress.Settled.Load(), rep.Progress.Named.Load())
			}
		}
	}
}

// TestCopyLinksUnknown: a tree that cannot follow symlinks says so, and nothing is
// taken for what it is not.
func TestCopyLinksUnknown(t *testing.T) {
	h := memtree.New(memtree.Options{}).Host()
	job := likeCp("/dst", "/")
	job.LikeCp = false
	_, err := engine.Copy(t.Context(), h, job, engine.Report{Event: func(e engine.Event) {
		if bad, ok := e.(engine.ErrorEvent); ok && !errors.Is(bad.Err, errors.ErrUnsupported) {
			t.Errorf("%v", bad.Err)
		}
	}})
	if engine.ExitCode(err) != int(wire.CodePartial) {
		t.Errorf("%v", err)
	}
}

// reported carries out a job with a report of the test's.
func reported(t *testing.T, w way, job engine.Job, rep engine.Report) error {
	t.Helper()
	if w == local {
		_, err := engine.Copy(t.Context(), host(), job, rep)
		return err
	}
	near, far := wire.Pipe()
	served := make(chan error, 1)
	go func() { served <- engine.Serve(t.Context(), host(), far, slog.New(slog.DiscardHandler)) }()
	var err error
	if w == push {
		_, err = engine.Send(t.Context(), host(), near, job, rep)
	} else {
		_, err = engine.Receive(t.Context(), host(), near, job, rep)
	}
	return errors.Join(err, <-served)
}
