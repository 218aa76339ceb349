package engine_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestSetgidEarly: directories have the setgid bit that they are to have while things are made in them, for root and
// others, and no other permissions that they do not have yet: these wait for the owner and the group.
func TestSetgidEarly(t *testing.T) {
	for _, c := range []struct {
		name       string
		have, want fs.FileMode
		amid       fs.FileMode
	}{
		{"goes", 0o500 | fs.ModeSetgid, 0o750, 0o700},
		{"comes", 0o500, 0o750 | fs.ModeSetgid, 0o700 | fs.ModeSetgid},
		{"goes from what is open", 0o755 | fs.ModeSetgid, 0o770, 0o755},
		{"comes to what is open", 0o755, 0o770 | fs.ModeSetgid, 0o755 | fs.ModeSetgid},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, map[string]string{"a": "1", "d/b": "2"}, map[string]string{"d/old": "3"})
				for _, d := range []string{"", "d"} {
					must(t, os.Chmod(filepath.Join(src, d), c.want))
					must(t, os.Chmod(filepath.Join(dst, d), c.have))
				}
				var mu sync.Mutex
				made := 0
				h := &hookHost{userHost{host()}, &hooks{fail: func(op, path string) error {
					if !strings.HasPrefix(op, "dst create") {
						return nil
					}
					st, err := os.Stat(filepath.Join(dst, filepath.Dir(path)))
					mu.Lock()
					defer mu.Unlock()
					if made++; err != nil || st.Mode()&^fs.ModeDir != c.amid {
						t.Errorf("%s is made where the directory has %v, want %v: %v", path, st.Mode(), c.amid, err)
					}
					return nil
				}}}
				out := trial{way: w, job: jobFor(src, dst), host: h}.do(t.Context())
				out.wantExit(t, 0)
				if made != 2 {
					t.Errorf("%d files were made, want 2", made)
				}
				for _, d := range []string{"", "d"} {
					if st, err := os.Stat(filepath.Join(dst, d)); err != nil || st.Mode()&^fs.ModeDir != c.want {
						t.Errorf("%q has %v in the end, want %v: %v", d, st.Mode(), c.want, err)
					}
				}
			})
		})
	}
}

// TestSetgidInherited: whoever cannot set the groups of what is made has a new directory lose the setgid bit of its parent
// before anything is made in it.
func TestSetgidInherited(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"d/new/b": "2"}, map[string]string{"d/old": "3"})
		must(t, os.Chmod(filepath.Join(src, "d"), 0o755|fs.ModeSetgid))
		must(t, os.Chmod(filepath.Join(dst, "d"), 0o755|fs.ModeSetgid))
		var made atomic.Int64
		h := &hookHost{userHost{host()}, &hooks{fail: func(op, path string) error {
			if strings.HasPrefix(op, "dst create") {
				made.Add(1)
				if st, err := os.Stat(filepath.Join(dst, filepath.Dir(path))); err != nil || st.Mode()&fs.ModeSetgid != 0 {
					t.Errorf("%s is made where the directory has %v: %v", path, st.Mode(), err)
				}
			}
			return nil
		}}}
		out := trial{way: w, job: jobFor(src, dst), host: h}.do(t.Context())
		out.wantExit(t, 0)
		if made.Load() != 1 {
			t.Errorf("%d files were made, want 1", made.Load())
		}
	})
}
