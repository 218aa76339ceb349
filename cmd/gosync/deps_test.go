package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imports is the import table: what each package of the module may import
// beside the standard library. A package that is not listed may not exist. The
// table says what the layers are; do not change it to make a build work.
func imports() map[string][]string {
	const (
		blake3      = "github.com/zeebo/blake3"
		cryptoSSH   = "golang.org/x/crypto/ssh"
		knownhosts  = "github.com/skeema/knownhosts"
		gotoml      = "github.com/pelletier/go-toml/v2"
		pflag       = "github.com/spf13/pflag"
		progressbar = "github.com/schollz/progressbar/v3"
		sftp        = "github.com/pkg/sftp"
		uniseg      = "github.com/rivo/uniseg"
		unix        = "golang.org/x/sys/unix"
		windows     = "golang.org/x/sys/windows"
		xterm       = "golang.org/x/term"
		xxh3        = "github.com/zeebo/xxh3"
		zstd        = "github.com/klauspost/compress/zstd"
	)
	return map[string][]string{
		"delta":             {blake3, xxh3},
		"walker/manifest":   {blake3},
		"walker/filter":     {"walker/gitignore"},
		"walker/gitignore":  {},
		"walker/glob":       {},
		"internal/tty":      {xterm, windows},
		"internal/unix":     {unix, windows},
		"internal/config":   {gotoml},
		"transport/sshconn": {cryptoSSH, knownhosts, xterm, "internal/tty"},

		"delta/checkpoint": {"delta"},
		"walker/meta":      {"walker/manifest", "internal/unix", unix},
		"transport/wire":   {"delta", "walker/manifest", zstd},
		"walker":           {"walker/manifest", "walker/filter"},

		"internal/engine": {"delta", "walker/manifest", "walker/filter", "walker", "transport/wire"},

		"internal/snapshot": {"internal/engine", "walker", "walker/filter", "walker/manifest", blake3},

		"transport/localfs": {"github.com/landlock-lsm/go-landlock", "golang.org/x/text", "internal/engine", "delta", "walker", "walker/manifest", "walker/meta", "walker/glob", "delta/checkpoint", "internal/unix", unix},
		"transport/sftpfs":  {"internal/engine", "delta", "walker", "walker/manifest", "walker/glob", "delta/checkpoint", sftp},

		"transport/farshell": {},

		"transport/scpfs": {"internal/engine", "transport/wire", "transport/farshell", "walker/manifest"},

		"transport": {"internal/engine", "transport/wire", "transport/localfs", "transport/sftpfs", "transport/scpfs", "transport/sshconn"},

		"internal/sshserver": {cryptoSSH, sftp},
		"internal/shell":     {"walker/manifest", "internal/tty", sftp, xterm},

		"bench": {"internal/sshserver", blake3},

		"cmd/gosync": {
			"bench", "walker/filter", "walker/manifest", "internal/engine", "internal/config", "internal/shell", "internal/snapshot", "internal/sshserver",
			"transport", "transport/farshell", "transport/localfs", "transport/sftpfs", "transport/sshconn", "transport/wire", pflag, progressbar, uniseg, xterm,
		},

		// Support for tests.
		"internal/need":             {},
		"transport/wire/longline":   {},
		"transport/wire/evilpeer":   {"delta", "walker/manifest", "transport/wire"},
		"internal/engine/memtree":   {"delta", "delta/checkpoint", "walker", "walker/manifest", "internal/engine"},
		"internal/engine/treetest":  {"delta", "internal/engine", "walker/manifest"},
		"transport/sftpfs/evilsftp": {sftp},
		"transport/scpfs/evilscp":   {},
		"transport/sshtest":         {cryptoSSH, "internal/need"},
	}
}

// anybody may import these.
func anybody() []string { return []string{"golang.org/x/sync", "golang.org/x/time/rate"} }

// pure are the packages that know no files and no network.
func pure() []string {
	return []string{"delta", "walker/manifest", "walker/filter", "walker/gitignore", "delta/checkpoint", "internal/engine", "walker", "transport/wire"}
}

const modulePath = "gosync"

// sourceFile is a file of the module that is not a test.
type sourceFile struct {
	dir  string // of the package, below the module's root
	name string
	ast  *ast.File
}

// sources parses all files of the module but tests.
func sources(t *testing.T, mode parser.Mode) []sourceFile {
	t.Helper()
	var files []sourceFile
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", filepath.FromSlash(name)), nil, mode)
		files = append(files, sourceFile{dir: path.Dir(name), name: name, ast: f})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no sources found")
	}
	return files
}

// TestImports holds the import table against the sources, for every operating
// system, since all files are read whatever their build constraints.
func TestImports(t *testing.T) {
	t.Parallel()
	table := imports()
	for _, f := range sources(t, parser.ImportsOnly) {
		allowed, ok := table[f.dir]
		if !ok {
			t.Errorf("package %s is not in the import table", f.dir)
			continue
		}
		for _, spec := range f.ast.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !mayImport(allowed, name) {
				t.Errorf("%s imports %s, which the import table does not permit", f.name, name)
			}
			if slices.Contains(pure(), f.dir) && (name == "os" || name == "net" || strings.HasPrefix(name, "os/")) {
				t.Errorf("%s imports %s: the package knows no files and no network", f.name, name)
			}
		}
	}
}

// mayImport reports whether a package that may import allowed may import name.
func mayImport(allowed []string, name string) bool {
	if own, ok := strings.CutPrefix(name, modulePath+"/"); ok {
		return slices.Contains(allowed, own)
	}
	if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(slices.Concat(allowed, anybody()), func(a string) bool {
		return name == a || strings.HasPrefix(name, a+"/")
	})
}

// TestTableHasNoCycles orders the table's packages so that each imports only
// what comes before.
func TestTableHasNoCycles(t *testing.T) {
	t.Parallel()
	table := imports()
	done := map[string]bool{}
	for range len(table) {
		for name, allowed := range table {
			if !slices.ContainsFunc(allowed, func(a string) bool { _, own := table[a]; return own && !done[a] }) {
				done[name] = true
			}
		}
	}
	for name := range maps.Keys(table) {
		if !done[name] {
			t.Errorf("%s is part of a cycle", name)
		}
	}
}

// TestPackageDocs checks that every package says what it is for.
func TestPackageDocs(t *testing.T) {
	t.Parallel()
	docs := map[string]int{}
	for _, f := range sources(t, parser.PackageClauseOnly|parser.ParseComments) {
		docs[f.dir] += 0
		if f.ast.Doc != nil {
			docs[f.dir] += len(f.ast.Doc.Text())
		}
	}
	for dir, n := range docs {
		if n < 80 {
			t.Errorf("package %s has a package comment of %d characters", dir, n)
		}
	}
}

// TestHostKeysAreChecked looks for the one function that would switch the check
// of host keys off.
func TestHostKeysAreChecked(t *testing.T) {
	t.Parallel()
	forbidden := "Insecure" + "IgnoreHostKey"
	for _, f := range sources(t, parser.SkipObjectResolution) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.Name == forbidden {
				t.Errorf("%s uses %s", f.name, forbidden)
			}
			return true
		})
	}
}

// TestNoInit looks for init functions: nothing happens before main.
func TestNoInit(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t, parser.SkipObjectResolution) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", f.name)
			}
		}
	}
}
