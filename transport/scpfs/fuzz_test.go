package scpfs_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/localfs"
	"gosync/transport/scpfs"
)

// FuzzSource: whatever a far side says in a whole session, nothing is written outside
// the destination, and the run ends with an error or well.
func FuzzSource(f *testing.F) {
	for _, s := range []string{
		"C0644 2 dir\nhi\x00", "D0755 0 dir\nC0644 2 x\nhi\x00T1 0 1 0\nD0500 0 y\nC0644 0 z\n\x00E\nE\n", "D0755 0 dir\nD0755 0 ..\nC0644 6 canary\nkilled\x00E\nE\n",
		"\x01scp: no\n", "\x02no\n", "D0755 0 dir\nC0644 2 x\nhi\x01bad\nC0644 3 x\nabcE\n",
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, said []byte, recursive bool) {
		top := t.TempDir()
		write(t, filepath.Join(top, "canary"), "alive", 0o640)
		far := &scpfs.Remote{Start: func(context.Context, string) (io.ReadWriteCloser, error) {
			return &script{Reader: strings.NewReader(string(said))}, nil
		}}
		o := engine.Options{Recursive: recursive, Durability: engine.SyncNone, MaxDelete: -1}
		o.Times = true
		_, err := engine.ReceiveStream(t.Context(), localfs.NewHost(), engine.Job{Options: o, Sources: []string{"dir"}, Dest: filepath.Join(top, "dest") + "/"}, far, engine.Report{})
		if code := engine.ExitCode(err); code != 0 && code != 2 && code != 12 && code != 23 && code != 43 && code != 11 {
			t.Errorf("exit %d: %v", code, err)
		}
		entries, err := os.ReadDir(top)
		if err != nil || len(entries) > 2 {
			t.Errorf("beside the destination: %v %v", entries, err)
		}
		if b, err := os.ReadFile(filepath.Join(top, "canary")); err != nil || string(b) != "alive" {
			t.Errorf("the file beside the destination: %q %v", b, err)
		}
	})
}

// FuzzSink: whatever a far side answers, the run ends, and says something if it did
// not end well.
func FuzzSink(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x01scp: no such directory\n"))
	f.Add([]byte("\x00\x00\x01no\n\x02gone\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		src := filepath.Join(t.TempDir(), "src")
		write(t, filepath.Join(src, "a/b"), "content", 0o644)
		write(t, filepath.Join(src, "c"), "", 0o644)
		far := &scpfs.Remote{Start: func(context.Context, string) (io.ReadWriteCloser, error) {
			return &script{Reader: strings.NewReader(string(said))}, nil
		}}
		sum, rec, err := push(t, far, engine.Job{Options: recursive(), Sources: []string{src + "/"}, Dest: "far"})
		if sum.Transferred < 2 && err == nil {
			t.Errorf("%d files went and all is well: %q", sum.Transferred, rec.errs)
		}
	})
}
