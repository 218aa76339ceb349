package snapshot_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/internal/snapshot"
	"gosync/transport/localfs"
	"gosync/walker/manifest"
)

// unreadable is a directory of which some things cannot be read.
type unreadable struct {
	snapshot.Files
	dir, file string
}

func (u *unreadable) List(ctx context.Context, dir string) ([]manifest.Entry, error) {
	if u.dir != "" && dir == u.dir {
		return nil, syscall.EIO
	}
	return u.Files.List(ctx, dir)
}

func (u *unreadable) Open(ctx context.Context, path string) (engine.File, error) {
	if path == u.file {
		return nil, syscall.EIO
	}
	return u.Files.Open(ctx, path)
}

// TestCheckOfWhatCannotBeRead: a directory or file that cannot be read is told, but what is in it does not count as
// missing, so that a snapshot is not removed for it; and it does not make one good that was found bad.
func TestCheckOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	name := add(t, dir, c, map[string]string{"d/e/a": "1", "d/b": "2", "c": "3", "dd": "4"})
	check := func(unreadDir, unreadFile string) (found []snapshot.Found, bad bool) {
		t.Helper()
		tree, err := localfs.Open(dir, engine.DestOptions{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := snapshot.NewStore(&unreadable{tree, unreadDir, unreadFile}, time.Now)
		defer s.Close()
		if err := s.Check(t.Context(), []string{name}, func(f snapshot.Found) { found = append(found, f) }); err != nil {
			t.Fatal(err)
		}
		all, err := s.List(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return found, all[0].Bad
	}
	for _, path := range []string{"d", "d/e"} {
		if found, bad := check(name+"/"+path, ""); len(found) != 1 || found[0].Path != path || !errors.Is(found[0].Err, syscall.EIO) || bad {
			t.Errorf("%s cannot be read: %+v, bad %v", path, found, bad)
		}
	}
	if err := os.Remove(filepath.Join(dir, name, "dd")); err != nil {
		t.Fatal(err)
	}
	if found, bad := check(name+"/d", ""); len(found) != 2 || !bad {
		t.Errorf("with another file missing: %+v, bad %v", found, bad)
	}
	write(t, filepath.Join(dir, name, "dd"), "4")
	write(t, filepath.Join(dir, name, "c"), "damaged")
	if found, bad := check("", ""); len(found) != 1 || found[0].Kind != snapshot.Changed || !bad {
		t.Errorf("a damaged file: %+v, bad %v", found, bad)
	}
	if found, bad := check("", name+"/c"); len(found) != 1 || found[0].Err == nil || !bad {
		t.Errorf("... that cannot be read any more: %+v, bad %v", found, bad)
	}
	write(t, filepath.Join(dir, name, "c"), "3")
	if found, bad := check("", ""); len(found) != 0 || bad {
		t.Errorf("... that was mended: %+v, bad %v", found, bad)
	}
}

// TestNoteToSilence: a far side that takes nothing does not keep who notes.
func TestNoteToSilence(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		// It reads what opens the directory, and nothing more.
		buf := make([]byte, 4096)
		if _, err := far.Write([]byte(snapshot.Greeting + "\n")); err == nil {
			_, _ = far.Read(buf)
			_, _ = far.Write([]byte("{\"end\":true}\n"))
		}
	}()
	k, err := snapshot.Dial(t.Context(), near, "d", false, snapshot.Patience{First: time.Minute, Silence: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := k.Note([]snapshot.Landed{{Path: "a"}}); !errors.Is(err, snapshot.ErrSilent) {
		t.Error(err)
	}
}

// TestBeginTwice: what was begun is not begun again, which would lose what was noted.
func TestBeginTwice(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), newClock())
	if _, err := s.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(t.Context()); err == nil {
		t.Error("it begins twice")
	}
}
