package shell

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxHistory is how many lines are kept, in memory and in the file.
const maxHistory = 1000

// History is the lines that were typed, the oldest first, and the file that keeps
// them. A line that begins with a space is not kept, so that what is nobody's
// business can be typed. It implements term.History.
type History struct {
	lines []string
	name  string // "": no file
	err   error  // of the last write
}

// OpenHistory reads the file, which need not exist, and keeps it short. An error
// leaves a history that works and is not kept.
func OpenHistory(name string) (*History, error) {
	h := &History{}
	if name == "" {
		return h, nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return h, fmt.Errorf("the history is not kept: %w", err)
	}
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		h.name = name
		return h, nil
	}
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = os.Chmod(name, 0o600)
	}
	if err != nil {
		return h, fmt.Errorf("the history is not kept: %w", err)
	}
	total, err := h.read(name)
	if err != nil {
		return h, fmt.Errorf("the history is not kept: %w", err)
	}
	h.name = name
	if total > maxHistory {
		err = h.rewrite()
	}
	return h, err
}

// read takes the last lines of the file and returns how many it has.
func (h *History) read(name string) (total int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close() // it was only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		total++
		h.remember(lines.Text())
	}
	return total, lines.Err()
}

// remember takes a line into memory, and reports whether it is one to keep.
func (h *History) remember(line string) bool {
	switch {
	case line == "" || line[0] == ' ' || len(line) >= maxLine || !harmless(line):
		return false
	case len(h.lines) > 0 && h.lines[len(h.lines)-1] == line:
		return false
	}
	h.lines = append(h.lines, line)
	if extra := len(h.lines) - maxHistory; extra > 0 {
		h.lines = append(h.lines[:0], h.lines[extra:]...)
	}
	return true
}

// rewrite replaces the file by what is in memory.
func (h *History) rewrite() error {
	f, err := os.CreateTemp(filepath.Dir(h.name), ".shell_history.*") // 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(h.lines, "\n") + "\n")
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), h.name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Add implements term.History. Sessions that run at the same time append to the
// same file.
func (h *History) Add(line string) {
	line = strings.TrimRight(line, " \t")
	if !h.remember(line) || h.name == "" {
		return
	}
	f, err := os.OpenFile(h.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteString(line + "\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		h.name, h.err = "", err // once is enough
	}
}

// Err returns why lines could not be kept, or nil.
func (h *History) Err() error { return h.err }

// Len implements term.History.
func (h *History) Len() int { return len(h.lines) }

// At implements term.History; 0 is the last line.
func (h *History) At(i int) string { return h.lines[len(h.lines)-1-i] }
