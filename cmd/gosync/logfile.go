package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// logFile is the file of --log-file. Each line has the time and this process in front. A nil *logFile takes nothing.
type logFile struct {
	mu     sync.Mutex
	file   *os.File
	failed func(error) // is told the first error; nil afterwards
}

// openLog opens the file of --log-file. As with rsync a run goes on without one that cannot be opened.
func (e *env) openLog(s *settings, con *console) *logFile {
	if s.logName == "" {
		return nil
	}
	tell := func(err error) { con.message("gosync: --log-file: " + display(err.Error()) + "; going on without it") }
	f, err := e.openFile(s.logName, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		tell(err)
		return nil
	}
	return &logFile{file: f, failed: tell}
}

// write adds a text that is fit to print, line by line.
func (l *logFile) write(text string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	head := fmt.Sprintf("%s [%d] ", time.Now().Format(timeLayout), os.Getpid())
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		b.WriteString(head + line + "\n")
	}
	if _, err := l.file.WriteString(b.String()); err != nil && l.failed != nil {
		l.failed(err)
		l.failed = nil
	}
}

// close ends the log.
func (l *logFile) close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file.Close(); err != nil && l.failed != nil {
		l.failed(err)
	}
}
