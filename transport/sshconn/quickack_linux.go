package sshconn

import "syscall"

// quickAck makes the kernel acknowledge what arrives at once.
func quickAck(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
}
