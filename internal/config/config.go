package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// maxSize bounds a file, in bytes.
const maxSize = 1 << 20

// File is what a configuration file says.
type File struct {
	Name     string
	Defaults []Setting
	Jobs     []Job // in the order of the file
}

// Job is one named job.
type Job struct {
	Name    string
	At      Place
	Command string   // what is done: "" for a copy
	About   string   // what it is for, one line
	Sources []string // at least one
	Dest    string   // "" if there is none
	Settings
}

// Settings are settings in the order of the file.
type Settings []Setting

// Setting is one key with its value.
type Setting struct {
	Key    string
	At     Place
	Kind   Kind
	On     bool     // of a Switch
	Values []string // of the others; one, but for a List
}

// Kind is the type of a value.
type Kind uint8

// The types of values.
const (
	Switch Kind = iota // true or false
	Number             // an integer, in decimal digits
	Text
	List // of texts and numbers
)

// Place is where something stands in a file. Line and Column, in bytes, count from 1; 0
// where that is not known.
type Place struct {
	File         string
	Line, Column int
}

func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Error is a mistake in a file.
type Error struct {
	At  Place
	Err error
}

func (e *Error) Error() string { return e.At.String() + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ErrWritable means that others could have written the file.
var ErrWritable = errors.New("others may have written it")

// Job returns the job of that name, nil for none.
func (f *File) Job(name string) *Job {
	for i := range f.Jobs {
		if f.Jobs[i].Name == name {
			return &f.Jobs[i]
		}
	}
	return nil
}

// Read reads the file of that name. An error of the content is an *Error with its place; it
// wraps ErrWritable where that is the reason, and fs.ErrNotExist where there is no file.
// nearest returns the word that a misspelled one may have meant, "" for none.
func Read(name string, nearest func(word string, known []string) string) (*File, error) {
	data, err := load(name)
	if err != nil {
		return nil, err
	}
	return parse(name, data, nearest)
}

// load returns the content of a file that only this user and root can have written.
func load(name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() { // to open a FIFO is to wait
		return nil, &Error{Place{File: name}, errors.New("it is no regular file")}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &Error{Place{File: name}, errors.New("it is no regular file")}
	}
	if why, remedy := othersMay(info, name); why != "" {
		return nil, &Error{Place{File: name}, fmt.Errorf("%w, and it can name commands that are run: %s; %s", ErrWritable, why, remedy)}
	}
	if err := checkDirs(name); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(data) > maxSize {
		err = &Error{Place{File: name}, fmt.Errorf("it is longer than %d KiB", maxSize>>10)}
	}
	return data, err
}

// checkDirs refuses a file that others can put another one in the place of: in the directory
// that the name says, and in that of the file itself where the name leads to a link.
func checkDirs(name string) error {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	for _, dir := range []string{filepath.Dir(name), filepath.Dir(real)} {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if why, remedy := othersMay(info, dir); why != "" {
			return &Error{Place{File: name}, fmt.Errorf("%w, since they may put another one into its directory %s: %s; %s", ErrWritable, dir, why, remedy)}
		}
	}
	return nil
}

// checkJob completes a job.
func checkJob(j *Job) error {
	fail := func(format string, args ...any) error {
		return &Error{j.At, fmt.Errorf("job %s: "+format, append([]any{j.Name}, args...)...)}
	}
	switch {
	case j.Name == "" || strings.HasPrefix(j.Name, "-") || strings.ContainsFunc(j.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return &Error{j.At, fmt.Errorf("%q cannot be the name of a job", j.Name)}
	case len(j.Sources) == 0:
		return fail("it has no sources")
	case j.Dest == "" && j.Command != "verify":
		return fail("it has no dest")
	}
	return nil
}
