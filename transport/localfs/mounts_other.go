//go:build !linux

package localfs

func hasMounts(int) bool { return true }
