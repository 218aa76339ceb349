package engine

import (
	"time"

	"gosync/transport/wire"
)

// summary returns what a sending run did.
func (s *source) summary(start time.Time) Summary {
	var sum Summary
	sum.addTotals(&s.totals)
	sum.addDone(&s.done)
	sum.Literal = s.literal.Load()
	sum.ListBytes, sum.ListTime = s.listed.Load(), time.Duration(s.listTime.Load())
	sum.BytesSent, sum.BytesReceived = s.conn.Sent(), s.conn.Received()
	sum.Errors, sum.Vanished = s.rep.errs.Load(), s.rep.vanished.Load()
	sum.Elapsed = time.Since(start)
	return sum
}

// summary returns what a receiving run did.
func (d *dest) summary(start time.Time) Summary {
	var sum Summary
	sum.addTotals(&d.listEnd.Totals)
	sum.addDone(&d.sum)
	sum.Literal = d.literal.Load()
	sum.ListBytes = d.listed.Load()
	sum.BytesSent, sum.BytesReceived = d.conn.Sent(), d.conn.Received()
	sum.Errors, sum.Vanished = d.rep.errs.Load(), d.rep.vanished.Load()
	sum.Elapsed = time.Since(start)
	return sum
}

// literalLocal is the content that did not pass the pipe of a local run.
func (d *dest) literalLocal() int64 {
	if d.local == nil {
		return 0
	}
	return d.literal.Load()
}

func (s *Summary) addTotals(t *wire.Totals) {
	s.Files, s.Regular, s.Dirs, s.Links = t.Files, t.Regular, t.Dirs, t.Links
	s.Devices, s.Specials, s.TotalSize = t.Devices, t.Specials, t.Size
}

func (s *Summary) addDone(d *wire.Done) {
	c, g := &d.Created, &d.Deleted
	s.Created, s.CreatedRegular, s.CreatedDirs, s.CreatedLinks = c.Files, c.Regular, c.Dirs, c.Links
	s.CreatedDevices, s.CreatedSpecials = c.Devices, c.Specials
	s.Deleted, s.DeletedRegular, s.DeletedDirs, s.DeletedLinks = g.Files, g.Regular, g.Dirs, g.Links
	s.DeletedDevices, s.DeletedSpecials = g.Devices, g.Specials
	s.Transferred, s.TransferredSize, s.Matched = d.Transferred, d.TransferredSize, d.Matched
	s.DeleteLimited = d.Limited
}
