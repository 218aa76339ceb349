//go:build !unix

package shell

// watchSize does nothing: the size is looked at before each line.
func watchSize(func()) (stop func()) { return func() {} }
