package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"gosync/internal/snapshot"
)

// verifyManifest checks a tree against a manifest, and writes one.
func (e *env) verifyManifest(ctx context.Context, v *verifySettings, s *settings, operands []string) error {
	if len(operands) != 1 {
		return usageErrorf("--manifest and --write-manifest take one TREE, not %d operands", len(operands))
	}
	reaching := map[string]bool{"manifest": true, "write-manifest": true}
	for _, f := range reachFlags() {
		reaching[f.name] = true
	}
	for i := range s.given {
		if name := s.given[i].flag.name; !reaching[name] {
			return withCode(exitUnsupported, fmt.Errorf("%s does not go with --manifest and --write-manifest, which take all of a tree", s.given[i].arg()))
		}
	}
	targets, err := parseTargets(operands)
	if err != nil {
		return err
	}
	want, err := v.read(e.stdin)
	if err != nil {
		return err
	}
	con := newConsole(e.stdout, e.stderr, e.outTerm, nil)
	tree, end, err := e.keeper(ctx, s, targets[0], false, con)
	if err != nil {
		return err
	}
	defer end()
	unread := map[string]bool{}
	has, err := tree.Sums(ctx, func(path string, err error) {
		unread[path] = true
		con.message(display("gosync: " + err.Error()))
	})
	if err != nil {
		return keeperError(err)
	}
	if v.write != "" {
		if err := v.writeTo(e.stdout, has); err != nil {
			return err
		}
	}
	found := 0
	if v.check != "" {
		for _, d := range snapshot.Compare(want, has) {
			if d.Kind != snapshot.Missing || !snapshot.IsBelow(unread, d.Path) {
				found++
				con.print(differenceText(d) + "\n")
			}
		}
	}
	if failed := con.flush(); failed != nil {
		return withCode(exitOutput, fmt.Errorf("writing the output: %w", failed))
	}
	switch {
	case found == 1:
		return withCode(exitVerify, errors.New("1 difference"))
	case found > 0:
		return withCode(exitVerify, fmt.Errorf("%d differences", found))
	case len(unread) > 0:
		return withCode(exitPartial, errors.New("some of it could not be read"))
	}
	return nil
}

// differenceText is the line that tells of a difference between a manifest and a tree.
func differenceText(d snapshot.Difference) string {
	what := map[snapshot.DifferenceKind]string{
		snapshot.Missing: "missing", snapshot.Extra: "not in the manifest", snapshot.Changed: "differs (content)",
	}[d.Kind]
	return what + ": " + display(d.Path)
}

// read reads the manifest to check against, if there is one.
func (v *verifySettings) read(stdin io.Reader) (snapshot.Manifest, error) {
	if v.check == "" {
		return nil, nil
	}
	in := stdin
	if v.check != "-" {
		f, err := os.Open(v.check)
		if err != nil {
			return nil, withCode(exitFile, fmt.Errorf("--manifest: %w", err))
		}
		defer f.Close() // it was only read
		in = f
	}
	m, err := snapshot.Read(in)
	if err != nil {
		return nil, withCode(exitFile, fmt.Errorf("--manifest=%s: %w", v.check, err))
	}
	return m, nil
}

// writeTo writes the manifest that was asked for.
func (v *verifySettings) writeTo(stdout io.Writer, m snapshot.Manifest) error {
	if v.write == "-" {
		if _, err := m.WriteTo(stdout); err != nil {
			return withCode(exitOutput, fmt.Errorf("writing the output: %w", err))
		}
		return nil
	}
	f, err := os.Create(v.write)
	if err == nil {
		_, err = m.WriteTo(f)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return withCode(exitFile, fmt.Errorf("--write-manifest: %w", err))
	}
	return nil
}
