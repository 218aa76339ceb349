package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// The files of a report.
const (
	JSONName     = "bench.json"
	MarkdownName = "bench.md"
	PageName     = "bench.html"
)

// Write writes the three files into a directory, which is made if it does not exist. Each appears whole, in place of one
// that is there.
func (r *Report) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("the directory for the report: %w", err)
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", JSONName, err)
	}
	var html bytes.Buffer
	if err := r.writePage(&html); err != nil {
		return fmt.Errorf("%s: %w", PageName, err)
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{JSONName, append(data, '\n')},
		{MarkdownName, []byte(r.Markdown())},
		{PageName, html.Bytes()},
	} {
		if err := replace(filepath.Join(dir, f.name), f.data); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	return nil
}

// replace writes a file beside its place and renames it.
func replace(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if end := f.Close(); err == nil {
		err = end
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the error says what went wrong
	}
	return err
}
