// Package sshserver is an SSH server inside the process, on loopback: what demonstrations, benchmarks and tests connect
// to where no sshd is installed, and where a server must misbehave on purpose.
//
// Flow: Start generates a host key and a client key, listens on 127.0.0.1, and writes an ssh_config with a host alias,
// a known_hosts file and the client key into a directory, so that any SSH client finds its way with -F FILE alias. Each
// exec request runs by /bin/sh -c or by a Go function, and the sftp subsystem by the SFTP server library.
//
// It serves whoever holds the generated key, as the user that runs the process and without a jail, and has no terminals,
// forwarding or compression. It is not meant to be reached from another machine and does not listen there.
package sshserver
