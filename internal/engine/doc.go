// Package engine plans and carries out a run: it sends the content of a source
// tree, receives it into a destination tree, deletes, and summarises.
//
// A run has two ends and a [wire.Conn] between them. [Send] and [Receive] run
// one end each, with the other behind a stream; [Copy] runs both here; [Serve]
// runs whichever end a client asks for.
//
// The flow: both ends walk. The source sends digests, or listings right away
// where the destination is empty. The destination's planner compares them with
// its own, directory by directory in order, and asks for what it lacks: whole
// files in batches, or a delta against a file it has. The source's workers
// answer out of order. The destination's workers write, verify and commit. Hard
// links, deletions and the attributes of directories come last.
//
// No goroutine waits in a circle: the source's reader only queues, so the
// destination's writer always gets on, so its workers do, so its reader does,
// so the source's writer does.
//
// The engine knows neither the operating system nor ssh: trees come from a
// [Host], streams from the caller. It does not retry a connection that failed,
// and what it does not do at all is said by an error.
package engine
