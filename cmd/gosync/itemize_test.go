package main

import (
	"testing"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

func TestItemized(t *testing.T) {
	t.Parallel()
	const (
		content  = manifest.ChangeContent
		size     = manifest.ChangeSize
		mtime    = manifest.ChangeTime
		perms    = manifest.ChangePerms
		owner    = manifest.ChangeOwner
		group    = manifest.ChangeGroup
		isNew    = manifest.ChangeNew
		now      = manifest.ChangeTimeNow
		hardlink = manifest.ChangeHardLink
		transfer = manifest.ChangeTransfer
		local    = manifest.ChangeLocal
	)
	tests := []struct {
		typ    manifest.Type
		change manifest.Change
		sent   bool
		want   string
	}{
		{manifest.Regular, isNew | transfer, false, ">f+++++++++"},
		{manifest.Regular, isNew | transfer, true, "<f+++++++++"},
		{manifest.Regular, isNew | transfer | size | mtime, true, "<f+++++++++"},
		{manifest.Regular, transfer | size | mtime, false, ">f.st......"},
		{manifest.Regular, transfer | size | perms, false, ">f.s.p....."},
		{manifest.Regular, transfer | content, false, ">fc........"},
		{manifest.Regular, transfer | size | now, false, ">f.sT......"},
		{manifest.Regular, perms, false, ".f...p....."},
		{manifest.Regular, perms | owner | group, false, ".f...pog..."},
		{manifest.Regular, mtime, false, ".f..t......"},
		{manifest.Regular, 0, false, ".f         "},
		{manifest.Regular, hardlink | local, false, "hf         "},
		{manifest.Regular, hardlink | local | isNew, false, "hf+++++++++"},
		{manifest.Regular, hardlink | local | size | perms, false, "hf.s.p....."},
		{manifest.Regular, local, false, "cf         "},
		{manifest.Directory, isNew | local, false, "cd+++++++++"},
		{manifest.Directory, mtime, false, ".d..t......"},
		{manifest.Directory, 0, true, ".d         "},
		{manifest.Symlink, isNew | local, true, "cL+++++++++"},
		{manifest.Symlink, content | local, false, "cLc........"},
		{manifest.Symlink, content | local | size | mtime, false, "cLc.t......"},
		{manifest.Symlink, 0, false, ".L         "},
		{manifest.Fifo, isNew | local, false, "cS+++++++++"},
		{manifest.Socket, isNew | local, false, "cS+++++++++"},
		{manifest.BlockDevice, isNew | local, false, "cD+++++++++"},
		{manifest.CharDevice, content | local | mtime, false, "cDc.t......"},
	}
	for _, tt := range tests {
		ev := &engine.ItemEvent{Entry: manifest.Entry{Type: tt.typ}, Change: tt.change, Sent: tt.sent}
		if got := itemized(ev); got != tt.want {
			t.Errorf("itemized(%v, %b, sent %v) = %q, want %q", tt.typ, tt.change, tt.sent, got, tt.want)
		}
	}
}

func TestItemName(t *testing.T) {
	t.Parallel()
	link := &manifest.Ext{Link: "to\x1bwhere"}
	tests := []struct {
		ev   engine.ItemEvent
		want string
	}{
		{engine.ItemEvent{Entry: manifest.Entry{Type: manifest.Directory}}, "./"},
		{engine.ItemEvent{Path: "a/b", Entry: manifest.Entry{Type: manifest.Directory}}, "a/b/"},
		{engine.ItemEvent{Path: "f\n", Entry: manifest.Entry{Type: manifest.Regular}}, `f\#012`},
		{engine.ItemEvent{Path: "l", Entry: manifest.Entry{Type: manifest.Symlink, Ext: link}}, `l -> to\#033where`},
		{engine.ItemEvent{Path: "h", Link: "a/f", Change: manifest.ChangeHardLink, Entry: manifest.Entry{Type: manifest.Regular}}, "h => a/f"},
		{engine.ItemEvent{Path: "h", Change: manifest.ChangeHardLink, Entry: manifest.Entry{Type: manifest.Regular}}, "h"},
	}
	for _, tt := range tests {
		if got := (lineFormat{text: "%n%L"}).expand((&printer{s: newSettings()}).itemLine(&tt.ev)); got != tt.want {
			t.Errorf("the name of %+v is %q, want %q", tt.ev, got, tt.want)
		}
	}
}
