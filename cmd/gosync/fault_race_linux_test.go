package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A flipper exchanges a directory and a symlink that leads out of the tree, as fast as it can.
type flipper struct {
	stop  context.CancelFunc
	ended chan int
}

func startFlipper(a, x string) *flipper {
	ctx, stop := context.WithCancel(context.Background())
	f := &flipper{stop: stop, ended: make(chan int)}
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, x, unix.RENAME_EXCHANGE) // one may just be missing
		}
		f.ended <- n
	}()
	return f
}

// end stops it and returns how often it tried.
func (f *flipper) end() int {
	f.stop()
	return <-f.ended
}

// flippedDestination is row 29: each call on its own in the package that makes them, and whole runs.
func flippedDestination(t *testing.T, c *tally) {
	elsewhere(t, c, "transport/localfs", "TestFlipper")
	flips, runs := 0, 0
	for i, way := range faultWays() {
		for j, options := range [][]string{{"-a", "--delete", "--force-delete"}, {"-a", "--inplace"}, {"-aH", "--partial", "--no-whole-file", "-I"}} {
			if !longRun() && i != j {
				continue
			}
			b := newFaultBench(t)
			for i := range 40 {
				name := fmt.Sprintf("sub%d/f%d", i%4, i)
				b.file(t, "src/a/"+name, 2000+i)
				b.file(t, "dst/a/"+name, 100+i%7)
				b.file(t, "outside/"+name, 50)
			}
			b.link(t, "src/a/sub0/f0", "src/a/sub1/linked")
			b.file(t, "dst/a/extra", 10)
			b.file(t, "outside/extra", 10)
			if err := os.Symlink("../outside", b.path("dst/x")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("f1", b.path("src/a/link")); err != nil {
				t.Fatal(err)
			}
			before := lookAt(t, b.path("outside"), 1<<40)
			f := startFlipper(b.path("dst/a"), b.path("dst/x"))
			for end := time.Now().Add(time.Duration(many(300, 10_000)) * time.Millisecond); time.Now().Before(end); runs++ {
				_ = b.run(t, b.with(way, options...)...) // it may fail, and say so
			}
			flips += f.end()
			if diff := before.differ("before", "after", lookAt(t, b.path("outside"), 1<<40)); len(diff) > 0 {
				t.Errorf("%s %q: out of the destination %d names have changed: %s", way, options, len(diff), diff[0])
			}
			b.want(t, 0, "", b.with(way, "-aHI", "--delete", "--force-delete")...)
			b.same(t, "src", "dst")
			c.count(1)
		}
	}
	c.remark("%d runs, %d flips, 0 escapes", runs, flips)
}

// flippedSource is row 30.
func flippedSource(t *testing.T, c *tally) {
	const secret = "this was never to be read"
	flips, runs := 0, 0
	for _, way := range faultWays() {
		b := newFaultBench(t)
		for i := range 40 {
			name := fmt.Sprintf("sub%d/f%d", i%4, i)
			b.file(t, "src/a/"+name, 2000+i)
			b.file(t, "outside/"+name, 0)
			if err := os.WriteFile(b.path("outside/"+name), []byte(secret), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b.file(t, "outside/only here", 10)
		if err := os.Symlink("../outside", b.path("src/x")); err != nil {
			t.Fatal(err)
		}
		f := startFlipper(b.path("src/a"), b.path("src/x"))
		for end := time.Now().Add(time.Duration(many(700, 10_000)) * time.Millisecond); time.Now().Before(end); runs++ {
			_ = b.run(t, b.with(way, "-a")...) // it may fail, and say so
			for name, data := range contents(t, b.path("dst")) {
				if strings.Contains(data, secret) || strings.Contains(name, "only here") {
					t.Fatalf("%s: %s came from out of the source", way, name)
				}
			}
			b.remove(t, "dst")
		}
		flips += f.end()
		b.want(t, 0, "", b.with(way, "-a")...)
		b.same(t, "src", "dst")
		c.count(1)
	}
	c.remark("%d runs, %d flips, 0 bytes leaked", runs, flips)
}
