package walker

import (
	"errors"
	"slices"
)

// An EntryError says why a listing lacks entries. [Tree.List] joins it, by itself, with
// what else there is to say of a directory. A walk passes over it where the rules
// exclude all of them: what takes no part need not be readable.
type EntryError struct {
	Names []string // in the directory
	Err   error
}

func (e *EntryError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *EntryError) Unwrap() error { return e.Err }

// concerns returns what is left of the error of a listing without what it says of
// entries that the rules exclude, and whether that is less. Whether such an entry is a
// directory is not known, so both must be excluded: an entry that may take part and is
// not listed is one that the other side may lose. Of files in rules, which the rules
// may come from, every one concerns.
func (l *lister) concerns(sc scope, rules []string, err error) (left error, less bool) {
	if e, ok := err.(*EntryError); ok { //nolint:errorlint // a wrapped one says more
		if slices.ContainsFunc(e.Names, func(name string) bool {
			return !sc.Excluded(name, false, l.opts.Side) || !sc.Excluded(name, true, l.opts.Side) || slices.Contains(rules, name)
		}) {
			return err, false
		}
		return nil, true
	}
	all, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // a wrapped one is another error
	if !ok {
		return err, false
	}
	var some []error
	for _, e := range all.Unwrap() {
		e, changed := l.concerns(sc, rules, e)
		less = less || changed
		some = append(some, e)
	}
	if !less {
		return err, false
	}
	return errors.Join(some...), true
}
