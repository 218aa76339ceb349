// Package wire is the protocol between the two ends of a run: frames, messages,
// the handshake, limits, and errors that keep their identity on the way.
//
// A [Conn] carries messages over any byte stream: an SSH session, a child
// process, or [Pipe] within one process. Senders encode on their own goroutine
// and queue finished frames for the writer, control frames before bulk;
// one goroutine reads with [Conn.Next]. PROTOCOL.md, beside this file, describes
// every message and field.
//
// Everything that is read is checked before it is used: lengths are capped and
// memory grows with what has arrived, truncation is [io.ErrUnexpectedEOF],
// unknown messages are errors. The package does not authenticate or encrypt;
// that is the stream's part. It does not know what messages mean to a run: the
// engine checks that they come when they may.
package wire
