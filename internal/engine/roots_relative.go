package engine

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"gosync/transport/wire"
	"gosync/walker"
)

// addRelative adds path with its parents (-R). What stands before "/./" is not
// part of the name at the destination.
func (f *forest) addRelative(ctx context.Context, path string) error {
	base, rest := ".", path
	if i := strings.Index(path, "/./"); i >= 0 {
		base, rest = path[:i], path[i+3:]
		if base == "" {
			base = "/"
		}
	} else if strings.HasPrefix(path, "/") {
		base = "/"
	}
	f.implyDot(ctx, base, rest)
	return f.addBelow(ctx, base, rest)
}

// implyDot makes base part of the transfer for a name that begins with "./", unless the
// rules exclude "." or directories take no part. That is told once, as rsync does.
func (f *forest) implyDot(ctx context.Context, base, name string) {
	switch {
	case !strings.HasPrefix(name, "./"):
	case !f.job.Recursive && !f.job.Dirs: // it is a directory like others, then
		if !f.dotSkipped {
			f.skipped = append(f.skipped, ".")
		}
		f.dotSkipped = true
	case !f.rulesOut(".", true):
		f.implyRoot(ctx, base)
	}
}

// implyRoot makes base part of the transfer: like every parent that is named, it keeps
// its attributes.
func (f *forest) implyRoot(ctx context.Context, base string) {
	if f.hasRoot || f.job.NoImplied {
		return
	}
	if e, err := f.statDir(ctx, base); err == nil && e.IsDir() {
		e.Name = ""
		f.root.Entry, f.hasRoot = e, true
	}
}

// keptParts splits the part of a path that is kept at the destination, and tells
// whether it means the content of a directory.
func keptParts(rest string) (parts []string, content bool, err error) {
	content = strings.HasSuffix(rest, "/") || rest == "" || rest == "." || strings.HasSuffix(rest, "/.")
	for part := range strings.SplitSeq(rest, "/") {
		switch part {
		case "", ".":
		case "..":
			return nil, false, wire.Errorf(wire.CodeUsage, "%q has .. in the part that is kept with --relative: name the directory itself", rest)
		default:
			parts = append(parts, part)
		}
	}
	return parts, content, nil
}

// addBelow adds the path rest below the directory base, parents included.
func (f *forest) addBelow(ctx context.Context, base, rest string) error {
	parts, content, err := keptParts(rest)
	if err != nil {
		return err
	}
	if len(parts) == 0 && (f.job.Recursive || f.job.Dirs) {
		f.implyRoot(ctx, base)
	}
	full := strings.TrimSuffix(base, "/") + "/" + strings.Join(parts, "/")
	st, err := f.stat(ctx, full)
	if err != nil {
		if f.job.DeleteMissing && errors.Is(err, fs.ErrNotExist) {
			f.lacksBelow(ctx, base, parts)
			return nil
		}
		f.fail("link_stat", full, err) // and its parents are not wanted for themselves
		return nil
	}
	if len(parts) > 0 && f.rulesOut(strings.Join(parts, "/"), st.IsDir() || content) {
		f.named++
		f.ruledOut++ // and here too its parents are not wanted
		return nil
	}
	if st.IsDir() && !f.job.Recursive && !f.job.Dirs {
		f.skipped = append(f.skipped, strings.Join(parts, "/"))
		return nil
	}
	parents := parts
	if !content {
		parents = parts[:len(parts)-1]
	}
	node, at := f.descend(ctx, strings.TrimSuffix(base, "/"), parents)
	switch {
	case node == nil:
	case content:
		f.addContent(ctx, node, strings.Join(parts, "/"), at)
	default:
		name := parts[len(parts)-1]
		if n := f.leaf(ctx, strings.TrimSuffix(at, "/")+"/"+name, at, name); n != nil {
			f.named++
			f.ask(strings.Join(parts, "/"), n)
			f.graft(node, n)
		}
	}
	return nil
}

// descend makes the nodes of directories that a path implies, and returns the
// last with its path; nil where one is no directory. A symlink to a directory
// stands for that directory.
func (f *forest) descend(ctx context.Context, at string, parts []string) (*walker.Node, string) {
	node := f.root
	for _, part := range parts {
		at += "/" + part
		e, err := f.statDir(ctx, at)
		if err == nil && !e.IsDir() {
			err = errors.New("not a directory")
		}
		if err != nil {
			f.fail("link_stat", at, err)
			return nil, ""
		}
		e.Name = part
		node = f.graft(node, &walker.Node{Entry: e, Implied: true})
	}
	if at == "" {
		at = "/"
	}
	return node, at
}

// plantFiles adds the names of --files-from below the single source.
func (f *forest) plantFiles(ctx context.Context) error {
	if len(f.job.Sources) != 1 {
		return wire.Errorf(wire.CodeUsage, "--files-from takes exactly one source, the directory that the names are relative to")
	}
	base := f.job.Sources[0]
	top := base
	for _, name := range f.job.Files {
		clean := clampPath(name)
		if f.job.Relative {
			var above string
			if above, clean = splitListed(name); above != "" {
				base = strings.TrimSuffix(top, "/") + "/" + above
			} else {
				base = top
			}
		}
		full := strings.TrimSuffix(base, "/") + "/" + strings.TrimSuffix(clean, "/")
		st, err := f.host.Stat(ctx, full)
		if err != nil {
			st, err = f.host.Lstat(ctx, full) // a link that leads nowhere is itself
		}
		if err == nil && !st.IsDir() {
			clean = strings.TrimSuffix(clean, "/") // a slash behind a file's name means nothing here
		}
		if f.job.Relative {
			f.implyDot(ctx, base, name)
			if err := f.addBelow(ctx, base, clean); err != nil {
				return err
			}
			continue
		}
		if err := f.add(ctx, strings.TrimSuffix(base, "/")+"/"+clean); err != nil {
			return err
		}
	}
	return nil
}

// splitListed cuts a name of --files-from in two where "/./" says that only what
// follows is kept at the destination. Neither part leads above where it begins.
func splitListed(name string) (above, kept string) {
	if i := strings.Index(name, "/./"); i > 0 {
		return strings.TrimSuffix(clampPath(name[:i]), "/"), clampPath(name[i+3:])
	}
	return "", clampPath(name)
}

// clampPath removes leading slashes and resolves "..", which cannot climb above
// the top.
func clampPath(name string) string {
	content := strings.HasSuffix(name, "/") || strings.HasSuffix(name, "/.")
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			if len(parts) > 0 {
				parts = parts[:len(parts)-1]
			}
		default:
			parts = append(parts, part)
		}
	}
	clean := strings.Join(parts, "/")
	if content && clean != "" {
		clean += "/"
	}
	return clean
}
