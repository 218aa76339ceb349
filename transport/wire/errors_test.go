package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// TestKinds sends errors across the wire: errors.Is finds the same afterwards.
func TestKinds(t *testing.T) {
	seen := map[Kind]bool{}
	for _, c := range []struct {
		err  error
		kind Kind
		is   []error
	}{
		{errors.New("odd"), KindOther, nil},
		{fs.ErrNotExist, KindNotExist, []error{fs.ErrNotExist}},
		{syscall.ENOENT, KindNotExist, []error{fs.ErrNotExist}},
		{fs.ErrExist, KindExist, []error{fs.ErrExist}},
		{syscall.EEXIST, KindExist, []error{fs.ErrExist}},
		{syscall.EACCES, KindPermission, []error{fs.ErrPermission}},
		{syscall.EPERM, KindPermission, []error{fs.ErrPermission}},
		{syscall.ENOSPC, KindNoSpace, []error{syscall.ENOSPC}},
		{syscall.EROFS, KindReadOnly, []error{syscall.EROFS}},
		{syscall.ENOTDIR, KindNotDirectory, []error{syscall.ENOTDIR}},
		{syscall.EISDIR, KindIsDirectory, []error{syscall.EISDIR}},
		{syscall.ENOTEMPTY, KindNotEmpty, []error{syscall.ENOTEMPTY, fs.ErrExist}},
		{syscall.ENAMETOOLONG, KindTooLong, []error{syscall.ENAMETOOLONG}},
		{syscall.EIO, KindIO, []error{syscall.EIO}},
		{syscall.EDQUOT, KindQuota, []error{syscall.EDQUOT}},
		{context.Canceled, KindCanceled, []error{context.Canceled}},
		{ErrTimeout, KindTimeout, []error{ErrTimeout}},
		{&Error{Kind: KindVanished}, KindVanished, nil},
		{&Error{Kind: KindChanged}, KindChanged, nil},
		{&Error{Kind: KindContent}, KindContent, nil},
	} {
		seen[c.kind] = true
		err := fmt.Errorf("wrapped: %w", c.err)
		if _, ours := c.err.(*Error); !ours {
			err = &os.PathError{Op: "open", Path: "dir/file", Err: c.err}
		}
		if got := KindOf(err); got != c.kind {
			t.Errorf("%v is of kind %d, not %d", c.err, got, c.kind)
			continue
		}
		for _, m := range []Msg{
			&Fatal{Error{CodeFile, KindOf(err), "open", "dir/file", "what happened"}},
			&Trouble{Err: Error{CodeFile, KindOf(err), "open", "dir/file", "what happened"}},
		} {
			got, derr := Decode(m.Type(), m.append(nil))
			if derr != nil {
				t.Fatal(derr)
			}
			var far *Error
			switch got := got.(type) {
			case *Fatal:
				far = &got.Err
			case *Trouble:
				far = &got.Err
			}
			var e *Error
			if wrapped := fmt.Errorf("far side: %w", far); !errors.As(wrapped, &e) || e.Code != CodeFile || KindOf(wrapped) != c.kind {
				t.Errorf("%v arrives as %+v", c.err, far)
			}
			for _, is := range c.is {
				if !errors.Is(far, is) {
					t.Errorf("%v arrives as %v, which is not %v", c.err, far, is)
				}
			}
			if len(c.is) == 0 && far.Unwrap() != nil {
				t.Errorf("%v arrives as %v", c.err, far.Unwrap())
			}
		}
	}
	for k := range kindEnd {
		if !seen[k] {
			t.Errorf("kind %d is not tested", k)
		}
	}
}

func TestUnknownKind(t *testing.T) {
	for k := kindEnd; k != 0; k++ { // up to 255
		m, err := Decode(TypeFatal, (&Fatal{Error{Kind: k, Text: "later"}}).append(nil))
		if err != nil || m.(*Fatal).Err.Kind != KindOther || m.(*Fatal).Err.Text != "later" {
			t.Fatalf("kind %d: %+v, %v", k, m, err)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		err  Error
		want string
	}{
		{Error{Text: "no room"}, "no room"},
		{Error{Op: "write", Text: "no room"}, "write: no room"},
		{Error{Path: "a/b", Text: "no room"}, "a/b: no room"},
		{Error{Op: "write", Path: "a/b", Text: "no room"}, "write a/b: no room"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	err := Errorf(CodeFile, "making room: %w", syscall.ENOSPC)
	if err.Code != CodeFile || !errors.Is(err, syscall.ENOSPC) || err.Error() != "making room: "+syscall.ENOSPC.Error() {
		t.Errorf("%+v", err)
	}
}
