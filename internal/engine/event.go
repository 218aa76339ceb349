package engine

import (
	"time"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Event is something that happened in a run. Events are delivered by one
// goroutine, in order.
type Event interface{ event() }

// ItemEvent tells what a run does, or in a dry run would do, to one entry of
// the source. It is sent when that is decided, before the content has moved.
type ItemEvent struct {
	Path   string         // in the transfer; "" is the root
	Entry  manifest.Entry // of the source
	Change manifest.Change
	Link   string // with ChangeHardLink the path of the file linked to
	Sent   bool   // content goes from this machine to a remote one

	id   wire.ID
	lead wire.ID // with Link: of the file linked to
}

// DeleteEvent tells that an entry of the destination is removed.
type DeleteEvent struct {
	Path string
	Dir  bool
}

// SkipEvent tells that an entry takes no part, and why: a special file that
// is not asked for, say.
type SkipEvent struct {
	Path   string
	Reason string
}

// ErrorEvent tells of an error that concerns one file; the run goes on.
type ErrorEvent struct {
	Err *FileError
}

// PlanEvent tells that an end knows all that there is: the totals will not
// change any more.
type PlanEvent struct{}

// NoteEvent is a message for the user about the run, not about a single file.
type NoteEvent struct {
	Text string
}

func (ItemEvent) event()   {}
func (DeleteEvent) event() {}
func (SkipEvent) event()   {}
func (ErrorEvent) event()  {}
func (PlanEvent) event()   {}
func (NoteEvent) event()   {}

// Summary is what a run did. Counts are of entries, sizes in bytes.
type Summary struct {
	Files, Regular, Dirs, Links, Devices, Specials                                      int64 // at the source
	Created, CreatedRegular, CreatedDirs, CreatedLinks, CreatedDevices, CreatedSpecials int64
	Deleted, DeletedRegular, DeletedDirs, DeletedLinks, DeletedDevices, DeletedSpecials int64
	Transferred                                                                         int64 // regular files whose content was transferred
	TotalSize                                                                           int64 // of all regular files and symlinks at the source
	TransferredSize                                                                     int64 // of the transferred files
	Literal                                                                             int64 // content that crossed the line, before compression
	Matched                                                                             int64 // content that was found at the destination
	ListBytes                                                                           int64 // bytes of listings and digests on the line
	BytesSent, BytesReceived                                                            int64 // by this process, frames included
	Elapsed, ListTime                                                                   time.Duration
	Errors, Vanished                                                                    int64
	DeleteLimited                                                                       bool // deletions stopped at MaxDelete
}
