package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

func TestPipe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := Pipe()
		want := pattern(0, rapid.IntRange(0, 2*halfSize).Draw(t, "bytes"))
		steps := rapid.SliceOfN(rapid.IntRange(1, halfSize+1), 1, 10).Draw(t, "writes")
		done := make(chan error, 1)
		go func() {
			rest := want
			for i := 0; len(rest) > 0; i++ {
				n := min(len(rest), steps[i%len(steps)])
				if k, err := a.Write(rest[:n]); err != nil || k != n {
					done <- errors.Join(err, io.ErrShortWrite)
					return
				}
				rest = rest[n:]
			}
			done <- a.Close()
		}()
		var got []byte
		reads := rapid.SliceOfN(rapid.IntRange(1, halfSize+1), 1, 10).Draw(t, "reads")
		buf := make([]byte, halfSize+1)
		for i := 0; ; i++ {
			n, err := b.Read(buf[:reads[i%len(reads)]])
			got = append(got, buf[:n]...)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				break
			}
			if n == 0 {
				t.Fatal("a read of nothing")
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes of %d arrived, or others", len(got), len(want))
		}
	})
}

func TestPipeBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		written, end := 0, error(nil)
		go func() {
			for end == nil {
				var n int
				n, end = a.Write(make([]byte, 1000))
				written += n
			}
		}()
		synctest.Wait()
		if written/1000 != halfSize/1000 {
			t.Errorf("a pipe holds %d bytes, expected %d", written, halfSize)
		}
		if n, err := b.Read(make([]byte, halfSize/2)); n != halfSize/2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		synctest.Wait()
		if written/1000 != 3*halfSize/2/1000 {
			t.Errorf("room was made and %d bytes written in all", written)
		}
		must(t, b.Close())
		synctest.Wait()
		if !errors.Is(end, io.ErrClosedPipe) {
			t.Errorf("Write: %v", end)
		}
		if n, err := io.Copy(io.Discard, b); n != halfSize || err != nil {
			t.Errorf("%d bytes were left, %v", n, err)
		}
	})
}

func TestPipeClose(t *testing.T) {
	for what, closeA := range map[string]bool{"this end": true, "the other": false} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := Pipe()
				_, err := b.Write([]byte("last words"))
				must(t, err)
				var errs [2]error
				go func() { _, errs[0] = b.Read(make([]byte, 1)) }()
				synctest.Wait()
				if closeA {
					must(t, a.Close())
				} else {
					must(t, b.Close())
				}
				must(t, errors.Join(a.Close(), b.Close())) // again
				synctest.Wait()
				if !errors.Is(errs[0], io.EOF) {
					t.Errorf("Read that waited: %v", errs[0])
				}
				for _, end := range []io.Writer{a, b} {
					if n, err := end.Write([]byte("x")); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
						t.Errorf("Write: %d, %v", n, err)
					}
				}
				if got, err := io.ReadAll(a); string(got) != "last words" || err != nil {
					t.Errorf("%q, %v", got, err)
				}
				if n, err := a.Read(nil); n != 0 || err != nil {
					t.Errorf("Read of nothing: %d, %v", n, err)
				}
			})
		})
	}
}

type closer struct {
	io.ReadWriter
	err    error
	closed *int
}

func (c closer) Close() error {
	*c.closed++
	return c.err
}

func TestReadWriteCloser(t *testing.T) {
	n, broken := 0, errors.New("broken")
	rw := ReadWriteCloser{closer{err: broken, closed: &n}, closer{closed: &n}}
	if err := rw.Close(); !errors.Is(err, broken) || n != 2 {
		t.Errorf("%v, %d closed", err, n)
	}
}
