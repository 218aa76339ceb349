//go:build !unix

package transport

import "os"

func exitStatus(st *os.ProcessState) int { return st.ExitCode() }
