//go:build unix

package bench

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// ownGroup gives a program a process group, so that what it starts can be ended with it, and that a terminal's
// interrupt reaches only this process, which ends the others in order.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func endGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGTERM) }

// killGroup ends what a program has left; mostly there is nothing.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// processSeconds is the processor time of a process that has ended, with all that it waited for.
func processSeconds(st *os.ProcessState) *float64 {
	if st == nil {
		return nil
	}
	s := (st.UserTime() + st.SystemTime()).Seconds()
	return &s
}

// allSeconds is the processor time of this process, and of all that it has waited for, so far.
func allSeconds() *float64 {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			return nil
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	s := sum.Seconds()
	return &s
}
