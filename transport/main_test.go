package transport

import (
	"fmt"
	"io"
	"os"
	"testing"

	"gosync/transport/wire"
)

// TestMain makes the test's program an agent: a program of this system that can
// be sent, and answers as gosync would.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 {
		switch os.Args[1] {
		case "--version":
			fmt.Println("gosync test")
			os.Exit(0)
		case "--server":
			_, _ = os.Stdout.Write(greeting(wire.Version, wire.MinVersion)) // the test will miss it
			_, _ = io.Copy(os.Stdout, os.Stdin)
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}
