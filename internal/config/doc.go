// Package config reads the configuration file of gosync's user: defaults for options, and
// jobs that have a name. The file is TOML.
//
// The package knows the form of the file, and nothing of options: a key of the defaults or of
// a job that it does not know is a [Setting], which the command line's table of options
// gives a meaning. Every setting has its place in the file, and they are in the order in
// which they stand there, since of options that contradict each other the last one wins.
//
// A file names programs that are run (a remote shell), so [Read] refuses one that others
// could have written, as ssh does with its own.
//
// # What is not guaranteed
//
// That the directories above that of the file are safe, and that the file is still the same
// a moment later: it is read once, whole, into memory.
package config
