//go:build !unix

package bench

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func endGroup(p *os.Process) error { return p.Kill() }

func killGroup(*os.Process) {}

func processSeconds(*os.ProcessState) *float64 { return nil }

func allSeconds() *float64 { return nil }
