package shell

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"
)

// ListOptions are those of ls(1) with the same letters.
type ListOptions struct {
	Long      bool // -l
	All       bool // -a: names that begin with a dot as well
	Recursive bool // -R
	Dirs      bool // -d: directories themselves, not what is in them
	ByTime    bool // -t
	BySize    bool // -S
	Reverse   bool // -r
	Human     bool // -h
	JSON      bool // one object per entry and line
	Width     int  // columns of the screen; 0: one name per line
}

// Operand is something to list.
type Operand struct {
	Path  string // for the FS
	Shown string // for the user
}

// Lister prints listings.
type Lister struct {
	ListOptions
	Out     io.Writer
	Display func(string) string // makes text safe to print
	Fail    func(error)         // told of each error; listing goes on
	headers bool                // there is more than one thing to list
	begun   bool                // something was printed
}

// maxDepth bounds how deep a listing goes: paths on real systems are shorter.
const maxDepth = 4096

// List prints what the operands are, files first, then what is in directories. The
// error is one of writing, or of ctx, or a lost connection; others go to Fail.
func (l *Lister) List(ctx context.Context, fsys FS, operands []Operand) error {
	l.headers = len(operands) > 1 || l.Recursive
	var files []Entry
	var dirs []Operand
	for _, o := range operands {
		e, err := l.operand(ctx, fsys, o)
		switch {
		case fatal(ctx, err):
			return err
		case err != nil:
			l.Fail(err)
		case e.Mode.IsDir() && !l.Dirs:
			dirs = append(dirs, o)
		default:
			e.Name = o.Shown
			files = append(files, e)
		}
	}
	l.sort(files)
	if err := l.print(fsys, "", files); err != nil {
		return err
	}
	l.begun = len(files) > 0
	for _, d := range dirs {
		if err := l.tree(ctx, fsys, d); err != nil {
			return err
		}
	}
	return nil
}

// operand looks at an operand. As with ls a symlink is followed unless -l or -d
// asks for the link itself, or it leads nowhere.
func (l *Lister) operand(ctx context.Context, fsys FS, o Operand) (Entry, error) {
	if !l.Long && !l.Dirs || strings.HasSuffix(o.Path, "/") || o.Path == "" {
		e, err := fsys.Stat(ctx, o.Path)
		if err == nil || fatal(ctx, err) {
			return e, err
		}
	}
	e, err := fsys.Lstat(ctx, o.Path)
	if err == nil && e.Mode.Type() == fs.ModeSymlink && (l.Long || l.JSON) {
		e.Target, err = fsys.ReadLink(ctx, o.Path)
	}
	return e, err
}

// Fatal reports whether an error of an FS, perhaps nil, means that nothing more can
// be done with it.
func Fatal(ctx context.Context, err error) bool { return fatal(ctx, err) }

// fatal is Fatal.
func fatal(ctx context.Context, err error) bool {
	var file *fs.PathError
	return err != nil && (ctx.Err() != nil || !errors.As(err, &file))
}

// level is a directory that waits to be listed.
type level struct {
	Operand
	depth int
}

// tree lists a directory, and with -R those below it, without recursion: how deep
// the far side's tree is, is the far side's choice.
func (l *Lister) tree(ctx context.Context, fsys FS, top Operand) error {
	stack := []level{{top, 0}}
	for len(stack) > 0 {
		d := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		entries, err := fsys.ReadDir(ctx, d.Path, l.Long || l.JSON)
		if fatal(ctx, err) {
			return err
		}
		if err != nil {
			l.Fail(err)
		}
		if !l.All {
			entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Name[0] == '.' })
		}
		l.sort(entries)
		if err := l.directory(fsys, d.Shown, entries); err != nil {
			return err
		}
		if !l.Recursive {
			continue
		}
		for _, e := range slices.Backward(entries) {
			if !e.Mode.IsDir() {
				continue
			}
			below := level{Operand{join(d.Path, e.Name), join(d.Shown, e.Name)}, d.depth + 1}
			if below.depth > maxDepth {
				l.Fail(&fs.PathError{Op: "list", Path: below.Shown, Err: errors.New("nested too deep")})
				continue
			}
			stack = append(stack, below)
		}
	}
	return nil
}

// directory prints the content of a directory, with its name above where there are
// several.
func (l *Lister) directory(fsys FS, shown string, entries []Entry) error {
	if l.headers && !l.JSON {
		head := l.Display(shown)
		if head == "" {
			head = "."
		}
		head += ":\n"
		if l.begun {
			head = "\n" + head
		}
		if _, err := io.WriteString(l.Out, head); err != nil {
			return err
		}
	}
	l.begun = true
	return l.print(fsys, shown, entries)
}

// sort puts entries in order; they come by name.
func (l *Lister) sort(entries []Entry) {
	slices.SortStableFunc(entries, func(a, b Entry) int {
		switch {
		case l.ByTime:
			return cmp.Or(b.ModTime.Compare(a.ModTime), strings.Compare(a.Name, b.Name))
		case l.BySize:
			return cmp.Or(cmp.Compare(b.Size, a.Size), strings.Compare(a.Name, b.Name))
		}
		return strings.Compare(a.Name, b.Name)
	})
	if l.Reverse {
		slices.Reverse(entries)
	}
}

// namer knows the names of owners.
type namer interface{ owners(entries []Entry) }

// print writes entries of one directory.
func (l *Lister) print(fsys FS, dir string, entries []Entry) error {
	var text string
	switch {
	case len(entries) == 0:
		return nil
	case l.JSON:
		text = jsonLines(dir, entries)
	case l.Long:
		if n, ok := fsys.(namer); ok {
			n.owners(entries)
		}
		text = l.long(entries)
	default:
		names := make([]string, len(entries))
		for i, e := range entries {
			names[i] = l.Display(e.Name)
		}
		text = columns(names, l.Width)
	}
	_, err := io.WriteString(l.Out, text)
	return err
}

// columns writes names below each other, in as many columns as fit into width.
func columns(names []string, width int) string {
	widest := 0
	for _, n := range names {
		widest = max(widest, utf8.RuneCountInString(n))
	}
	count := max(1, (width+2)/(widest+2))
	rows := (len(names) + count - 1) / count
	var b strings.Builder
	for row := range rows {
		for i := row; i < len(names); i += rows {
			b.WriteString(names[i])
			if i+rows < len(names) {
				b.WriteString(strings.Repeat(" ", widest+2-utf8.RuneCountInString(names[i])))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
