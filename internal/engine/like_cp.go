package engine

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"gosync/transport/wire"
	"gosync/walker"
	"gosync/walker/manifest"
)

// This file holds what Options.LikeCp changes. cp and scp read a command line in
// another way than rsync does:
//
//   - A destination that is missing is the name of the one source, also where that
//     is a directory.
//   - A slash behind a source means nothing; only "dir/." stands for the content.
//   - Of sources with the same name the last wins.
//   - What is named and cannot be copied is an error and not a remark.
//   - A file never takes the place of a directory, nor a directory that of a file,
//     and nothing is ever put in the place of a device.
//   - Set-user-ID and set-group-ID bits are not copied, because owners are not.

// setID are the bits of a mode that give a program the rights of its owner.
const setID = 0o6000

var errNotRegular = errors.New("not a regular file")

// split is splitPath with the job's idea of what a final slash means.
func (j *Job) split(path string) (dir, name string, content bool) {
	if short := strings.TrimRight(path, "/"); j.LikeCp && short != "" {
		path = short
	}
	return splitPath(path)
}

// copies reports whether the run copies entries of this type, as far as the
// options say.
func (o *Options) copies(e *manifest.Entry) bool {
	switch {
	case e.Type == manifest.Symlink:
		return o.Links
	case e.Type.IsDevice():
		return o.Devices
	case e.Type.IsSpecial():
		return o.Specials
	}
	return true
}

// graftLast puts n below the root, in the place of what came before under its name.
// Directories are merged.
func (f *forest) graftLast(path string, n *walker.Node) {
	i, taken := f.places[place{f.root, n.Entry.Name}]
	if !taken {
		f.graft(f.root, n)
		return
	}
	c := f.root.Children[i]
	switch {
	case c.Entry.IsDir() != n.Entry.IsDir():
		f.fail("copy", path, errors.New("another source has the same name, and only one of the two is a directory"))
	case c.Entry.IsDir(): // the first of the contents wins
		c.Entry, c.Contents = n.Entry, append(n.Contents, c.Contents...)
	default:
		f.root.Children[i] = n
	}
}

// openLikeCp is open for LikeCp: it finds out whether the destination is a
// directory that the sources go into or the name that the only one gets.
func (d *dest) openLikeCp(ctx context.Context, path string) error {
	err := d.openEither(ctx, path)
	if err == nil {
		d.prog.Named.Store(d.rename != "")
		d.prog.Settled.Store(true)
	}
	return err
}

func (d *dest) openEither(ctx context.Context, path string) error {
	short := strings.TrimRight(path, "/")
	st, err := d.host.Stat(ctx, path)
	lone := d.rootMsg.Single
	switch {
	case d.rootMsg.Nothing:
		d.base = path
		return nil
	case d.job.ByName && lone:
		return d.openNamed(ctx, short)
	case err == nil && st.IsDir():
		return d.openDir(ctx, path)
	case err == nil && !(st.IsRegular() && d.takesFile()):
		return wire.Errorf(wire.CodeSelect, "%w: %s exists and is not a directory", ErrSelect, path)
	case err == nil:
		return d.openNamed(ctx, path)
	case !errors.Is(err, fs.ErrNotExist):
		return &wire.Error{Code: wire.CodeSelect, Kind: wire.KindOf(err), Op: "open destination", Path: path, Text: text(err)}
	case d.job.IntoDir || !lone:
		return d.makeRoot(ctx, path)
	case d.takesFile() && short != path:
		return wire.Errorf(wire.CodeSelect, "%w: there is no directory %s: make it first", ErrSelect, path)
	}
	return d.openNamed(ctx, short)
}

// takesFile reports whether what comes is a single file, for which a name will do.
func (d *dest) takesFile() bool {
	return d.rootMsg.Single && len(d.rootMsg.TopNames) == 0 && !d.job.IntoDir
}

// maxLinks is how many symlinks a destination's name may lead through.
const maxLinks = 40

// openNamed opens the directory that is to hold path. Symlinks in path itself are
// followed, the last one too: as in every other case it is what lies below that is
// not left.
func (d *dest) openNamed(ctx context.Context, path string) error {
	for range maxLinks {
		e, err := d.host.Lstat(ctx, path)
		if err != nil || e.Type != manifest.Symlink {
			return d.openParent(ctx, path)
		}
		if _, err := d.host.Stat(ctx, path); err != nil {
			return d.openParent(ctx, path) // it leads nowhere and is replaced
		}
		dir, _, _ := splitPath(path)
		switch link := e.Link(); {
		case strings.HasPrefix(link, "/"):
			path = link
		default:
			path = strings.TrimSuffix(dir, "/") + "/" + link
		}
	}
	return wire.Errorf(wire.CodeSelect, "%w: %s leads through too many symlinks", ErrSelect, path)
}

// inTheWay returns the error for an entry of the destination that LikeCp does not
// let e replace.
func (d *dest) inTheWay(e, dst *manifest.Entry) error {
	switch {
	case !d.job.LikeCp || dst == nil:
	case e.IsDir() && !dst.IsDir():
		return errors.New("it exists and is not a directory")
	case !e.IsDir() && dst.IsDir():
		return errors.New("it exists and is a directory")
	case dst.Type.IsDevice() || dst.Type.IsSpecial():
		return errors.New("it exists and is not a regular file")
	}
	return nil
}
