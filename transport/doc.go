// Package transport reaches the far side: it reads operands such as user@host:path, connects, and starts the remote
// command.
//
// Flow: [ParseTarget] turns an operand into a [Target]; [Reach] makes a [Link] to its host, over the SSH client in this
// process (package sshconn) or through the command of -e ([SplitRsh]), and [Open] starts there what serves best. What
// runs is a [Stream]. What the far side writes to standard error is log: it is passed on escaped and limited, and its
// end is kept for error messages.
//
// No path of a user is ever part of a remote command; nothing here quotes for a shell. An operand is not checked for
// existence.
package transport
