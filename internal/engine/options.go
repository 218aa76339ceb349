package engine

import (
	"time"

	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// Options says what a run does. It travels to the far end in the job frame.
// The zero value copies the named regular files, whole or by delta, and
// preserves nothing.
type Options struct {
	manifest.Policy

	Recursive bool // enter directories
	Dirs      bool // take directories without entering them
	Relative  bool // keep the source's path at the destination
	HardLinks bool // reproduce hard links among the files of the run
	CopyLinks bool // the source shows what symlinks lead to in their place; see [Follower]

	LiteralPaths bool // sources and destination are names: no ~ and no wildcards are looked for in them

	LikeCp  bool // name and treat what is copied as cp and scp do: see like_cp.go
	IntoDir bool // with LikeCp: the destination is a directory that things go into, made where it is missing
	ByName  bool // with LikeCp: the destination is what the one source is to be called, whatever is there

	DryRun    bool // change nothing
	Update    bool // keep destination files that are newer
	WholeFile bool // no delta
	InPlace   bool // write into the destination files themselves
	Partial   bool // keep what was received of a file that cannot be finished, whatever its size; where nothing is there, under its own name
	NoPartial bool // keep nothing, not even of large files
	Sparse    bool // make holes
	Compress  bool // zstd on the wire

	PartialDir   string // where partials are kept; see [DestOptions]
	Append       bool   // write only behind the end of shorter files, whose content is trusted
	AppendVerify bool   // ... and is compared, and sent again where it is wrong
	Clean        bool   // copy nothing: remove what runs that are over have left in the destination
	Confirm      bool   // there is somebody at the client who can answer questions

	Delete            bool  // remove what the source does not have
	DeleteEmptySource bool  // ... even when the source is empty
	ForceDelete       bool  // ... even when that is most of the destination
	MaxDelete         int64 // remove at most so many entries; negative for no limit. The zero value of Options must be given -1 where Delete is set without a limit

	Durability Durability

	BandwidthLimit int64         // bytes of content per second, 0 for no limit
	Timeout        time.Duration // give up when nothing useful has moved for so long, 0 for never

	Filter *filter.Set // names that take part; nil for all

	Itemize    bool // events are wanted for every change (-i, -v, -n)
	ItemizeAll bool // ... and for entries that do not change (-ii)
}
