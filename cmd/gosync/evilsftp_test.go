package main

import (
	"fmt"
	"os"

	"gosync/transport/sftpfs/evilsftp"
)

// evilSFTPServer is a program of these tests: sshd starts it as its sftp subsystem, with the name of a case.
func evilSFTPServer() {
	for _, c := range evilsftp.Cases() {
		if len(os.Args) > 1 && c.Name == os.Args[1] {
			if err := evilsftp.Serve(os.Stdin, os.Stdout, c.Change); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, "no such case")
	os.Exit(1)
}
