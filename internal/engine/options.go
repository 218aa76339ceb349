package engine

import (
	"time"

	"gosync/transport/wire"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// Options says what a run does. It travels to the far end in the job frame.
// The zero value copies the named regular files, whole or by delta, and
// preserves nothing.
type Options struct {
	manifest.Policy
	Meta

	Recursive bool // enter directories
	Dirs      bool // take directories without entering them
	Relative  bool // keep the source's path at the destination
	HardLinks bool // reproduce hard links among the files of the run
	CopyLinks bool // the source shows what symlinks lead to in their place; see [Follower]

	LiteralPaths bool // sources and destination are names: no ~ and no wildcards are looked for in them

	LikeCp  bool // name and treat what is copied as cp and scp do: see like_cp.go
	IntoDir bool // with LikeCp: the destination is a directory that things go into, made where it is missing
	ByName  bool // with LikeCp: the destination is what the one source is to be called, whatever is there

	DryRun     bool // change nothing
	Update     bool // keep destination files that are newer
	WholeFile  bool // no delta
	InPlace    bool // write into the destination files themselves
	Partial    bool // keep what was received of a file that cannot be finished, whatever its size; where nothing is there, under its own name
	NoPartial  bool // keep nothing, not even of large files
	Sparse     bool // make holes
	Compress   bool // zstd on the wire for all content; else where a long line is the slower side
	NoCompress bool // ... for none

	PartialDir   string // where partials are kept; see [DestOptions]
	Append       bool   // write only behind the end of shorter files, whose content is trusted
	AppendVerify bool   // ... and is compared, and sent again where it is wrong
	Clean        bool   // copy nothing: remove what runs that are over have left in the destination
	Confirm      bool   // there is somebody at the client who can answer questions

	Delete            bool  // remove what the source does not have
	DeleteEmptySource bool  // ... even when the source is empty
	ForceDelete       bool  // ... even when that is most of the destination
	DeleteBefore      bool  // ... before anything is transferred
	DeleteAfter       bool  // ... and tell of it after all else
	JudgeAfter        bool  // ... which is judged then, by the files with rules that the destination has in the end
	IgnoreErrors      bool  // ... although the source could not be listed as a whole
	Force             bool  // remove a directory with what is in it where a file is to be
	MaxDelete         int64 // remove at most so many entries; negative for no limit. The zero value of Options must be given -1 where Delete is set without a limit

	RemoveSource bool // remove at the source what is at the destination in the end, directories aside

	TempDir      string // where files are made that cannot be resumed, see [TempDirer]; "" beside their names
	DelayUpdates bool   // files appear together, in the end

	Backup    bool   // keep what is replaced or removed
	BackupDir string // ... below this directory, see [Backups]; "" beside it
	Suffix    string // ... under its name and this

	Durability Durability

	BandwidthLimit int64         // bytes of content per second, 0 for no limit
	Timeout        time.Duration // give up when nothing useful has moved for so long, 0 for never

	Selection

	Shard         Shard // the part of the tree that is dealt with
	DetectRenames bool  // what was moved at the source is made of what the destination has of it

	Filter *filter.Set // names that take part; nil for all

	BlockSize int64 // about so many bytes in a block of a delta; 0 for what suits the file
	Level     int64 // of zstd, negative for less than 1; 0 for what suits the line
	Seed      int64 // of the hashes of a delta; 0 for a random one
	ListOnly  bool  // with DryRun at a destination on this machine: nothing is left out because it cannot be made. It does not travel

	Itemize    bool // events are wanted for every change (-i, -v, -n)
	ItemizeAll bool // ... and for entries that do not change (-ii)
}

// compression says what of the content is compressed.
func (o *Options) compression() wire.Compression {
	switch {
	case o.NoCompress:
		return wire.CompressNever
	case o.Compress:
		return wire.CompressAlways
	}
	return wire.CompressSlow
}

// level is the level of compression: as it was asked for, within what zstd has.
func (o *Options) level() int { return int(min(max(o.Level, -7), 22)) }
