package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gosync/transport/wire"
	"gosync/walker/filter"
)

// flags returns the boolean options with the names that they have in a job frame.
func (o *Options) flags() []struct {
	name string
	p    *bool
} {
	return append(o.Selection.flags(), []struct {
		name string
		p    *bool
	}{
		{"perms", &o.Perms},
		{"owner", &o.Owner},
		{"group", &o.Group},
		{"times", &o.Times},
		{"links", &o.Links},
		{"devices", &o.Devices},
		{"specials", &o.Specials},
		{"numeric-ids", &o.NumericIDs},
		{"checksum", &o.Checksum},
		{"ignore-times", &o.IgnoreTimes},
		{"size-only", &o.SizeOnly},
		{"recursive", &o.Recursive},
		{"dirs", &o.Dirs},
		{"relative", &o.Relative},
		{"hard-links", &o.HardLinks},
		{"dry-run", &o.DryRun},
		{"update", &o.Update},
		{"whole-file", &o.WholeFile},
		{"inplace", &o.InPlace},
		{"partial", &o.Partial},
		{"sparse", &o.Sparse},
		{"compress", &o.Compress},
		{"no-compress", &o.NoCompress},
		{"delete", &o.Delete},
		{"delete-empty-source", &o.DeleteEmptySource},
		{"force-delete", &o.ForceDelete},
		{"itemize", &o.Itemize},
		{"itemize-all", &o.ItemizeAll},
		{"no-partial", &o.NoPartial},
		{"append", &o.Append},
		{"append-verify", &o.AppendVerify},
		{"clean", &o.Clean},
		{"confirm", &o.Confirm},
		{"copy-links", &o.CopyLinks},
		{"like-cp", &o.LikeCp},
		{"into-dir", &o.IntoDir},
		{"by-name", &o.ByName},
		{"literal-paths", &o.LiteralPaths},
		{"backup", &o.Backup},
		{"delete-before", &o.DeleteBefore},
		{"delete-after", &o.DeleteAfter},
		{"judge-after", &o.JudgeAfter},
		{"ignore-errors", &o.IgnoreErrors},
		{"force", &o.Force},
		{"delay-updates", &o.DelayUpdates},
		{"remove-source-files", &o.RemoveSource},
		{"detect-renames", &o.DetectRenames},
	}...)
}

// tuning returns the numbers that say how something is done, 0 for the program's own choice, with the names that they
// have in a job frame. Whatever they are does no harm.
func (o *Options) tuning() []struct {
	name string
	p    *int64
} {
	return []struct {
		name string
		p    *int64
	}{
		{"block-size", &o.BlockSize},
		{"compress-level", &o.Level},
		{"checksum-seed", &o.Seed},
	}
}

// encode returns the job as the frame that asks a server for it. source says
// that the server is the source.
func (j *Job) encode(source bool) *wire.Job {
	w := &wire.Job{Source: source, Paths: []string{j.Dest}, HasFiles: j.Files != nil}
	if source {
		w.Paths = j.Sources
	}
	o := j.Options
	for _, f := range o.flags() {
		if *f.p {
			w.Options = append(w.Options, f.name+"=1")
		}
	}
	w.Options = append(w.Options,
		fmt.Sprintf("max-delete=%d", o.MaxDelete),
		fmt.Sprintf("fsync=%d", o.Durability),
		fmt.Sprintf("bwlimit=%d", o.BandwidthLimit),
		fmt.Sprintf("timeout=%d", o.Timeout),
	)
	w.Options = append(w.Options, o.Meta.encode()...)
	for _, tuned := range o.tuning() {
		if *tuned.p != 0 {
			w.Options = append(w.Options, fmt.Sprintf("%s=%d", tuned.name, *tuned.p))
		}
	}
	if o.PartialDir != "" {
		w.Options = append(w.Options, "partial-dir="+o.PartialDir)
	}
	w.Options = o.Selection.encode(w.Options)
	w.Options = o.Shard.encode(w.Options)
	w.Options = append(w.Options, o.backupOptions()...)
	if o.Filter != nil {
		w.Filter = o.Filter.AppendBinary(nil)
	}
	return w
}

// decodeJob is the reverse of encode. An option that this program does not know
// is refused by its name, because ignoring it could lose data.
func decodeJob(w *wire.Job) (*Job, error) {
	j := &Job{}
	if w.HasFiles {
		j.Files = []string{}
	}
	for _, s := range w.Options {
		name, value, _ := strings.Cut(s, "=")
		if err := j.setOption(name, value); err != nil {
			return nil, err
		}
	}
	if len(w.Filter) > 0 {
		set, err := filter.DecodeSet(w.Filter)
		if err != nil {
			return nil, fmt.Errorf("%w: filter rules: %w", wire.ErrProtocol, err)
		}
		j.Filter = set
	}
	if w.Source {
		j.Sources = w.Paths
		return j, nil
	}
	if len(w.Paths) != 1 {
		return nil, fmt.Errorf("%w: %d destinations", wire.ErrProtocol, len(w.Paths))
	}
	j.Dest = w.Paths[0]
	return j, nil
}

func (o *Options) setOption(name, value string) error {
	for _, f := range o.flags() {
		if f.name == name {
			*f.p = value == "1"
			return nil
		}
	}
	if known, err := o.Meta.setOption(name, value); known || err != nil {
		return err
	}
	if name == "partial-dir" {
		o.PartialDir = value
		return nil
	}
	if o.setBackupOption(name, value) {
		return nil
	}
	if known, err := o.Selection.set(name, value); known {
		return err
	}
	if known, err := o.Shard.set(name, value); known {
		return err
	}
	n, err := strconv.ParseInt(value, 10, 64)
	for _, tuned := range o.tuning() {
		if tuned.name == name && err == nil {
			*tuned.p = n
			return nil
		}
	}
	if err != nil {
		return wire.Errorf(wire.CodeUnsupported, "option %q is not known to the far side: install the same release on both", name)
	}
	switch name {
	case "max-delete":
		o.MaxDelete = n
	case "fsync":
		if n < 0 || n > int64(SyncNone) {
			return wire.Errorf(wire.CodeUnsupported, "fsync policy %d is not known to the far side", n)
		}
		o.Durability = Durability(n)
	case "bwlimit":
		o.BandwidthLimit = max(n, 0)
	case "timeout":
		o.Timeout = max(time.Duration(n), 0)
	default:
		return wire.Errorf(wire.CodeUnsupported, "option %q is not known to the far side: install the same release on both", name)
	}
	return nil
}
