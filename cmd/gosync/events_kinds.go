package main

// What is a text of bytes has two fields: the one is set where it is UTF-8, else the one
// whose name ends in _b64.

// operandJSON is a source or the destination.
type operandJSON struct {
	User    string  `json:"user,omitempty"`
	Host    string  `json:"host,omitempty"`
	Port    int     `json:"port,omitempty"`
	Path    *string `json:"path,omitempty"`
	PathB64 string  `json:"path_b64,omitempty"`
}

type startJSON struct {
	head
	Release  string        `json:"release"`
	Way      string        `json:"way"` // local, push, pull or relay
	Sources  []operandJSON `json:"sources"`
	Dest     *operandJSON  `json:"dest,omitempty"`
	DryRun   bool          `json:"dry_run"`
	Compares bool          `json:"compares"` // gosync verify: nothing is copied
}

type scanJSON struct {
	head
	Entries int64 `json:"entries"`
}

type planJSON struct {
	head
	Entries int64 `json:"entries"`
	Files   int64 `json:"files"`
	Bytes   int64 `json:"bytes"`
}

type itemJSON struct {
	head
	Action   string   `json:"action"`
	Path     *string  `json:"path,omitempty"`
	PathB64  string   `json:"path_b64,omitempty"`
	Type     string   `json:"type,omitempty"`
	Size     *int64   `json:"size,omitempty"`
	Mode     string   `json:"mode,omitempty"`
	Mtime    string   `json:"mtime,omitempty"`
	UID      *uint32  `json:"uid,omitempty"`
	GID      *uint32  `json:"gid,omitempty"`
	Changes  []string `json:"changes,omitempty"`
	Itemized string   `json:"itemized,omitempty"`
	Link     *string  `json:"link,omitempty"`
	LinkB64  string   `json:"link_b64,omitempty"`
	Reason   string   `json:"reason,omitempty"`
}

type progressJSON struct {
	head
	Percent    float64  `json:"percent"`
	BytesDone  int64    `json:"bytes_done"`
	BytesTotal int64    `json:"bytes_total"`
	BytesMoved int64    `json:"bytes_moved"`
	FilesDone  int64    `json:"files_done"`
	FilesTotal int64    `json:"files_total"`
	Rate       int64    `json:"rate"`
	ETA        *float64 `json:"eta"`
	Elapsed    float64  `json:"elapsed"`
}

type retryJSON struct {
	head
	Attempt int     `json:"attempt"`
	Wait    float64 `json:"wait"`
	Code    int     `json:"code"`
	Name    string  `json:"name"`
	Message string  `json:"message"`
}

type errorJSON struct {
	head
	Op      string  `json:"op"`
	Path    *string `json:"path,omitempty"`
	PathB64 string  `json:"path_b64,omitempty"`
	Kind    string  `json:"kind"`
	Message string  `json:"message"`
	Hint    string  `json:"hint,omitempty"`
}

// countsJSON are entries by their types.
type countsJSON struct {
	All      int64 `json:"all"`
	Files    int64 `json:"files"`
	Dirs     int64 `json:"dirs"`
	Links    int64 `json:"links"`
	Devices  int64 `json:"devices"`
	Specials int64 `json:"specials"`
}

type summaryJSON struct {
	head
	DryRun           bool       `json:"dry_run"`
	Source           countsJSON `json:"source"`
	Created          countsJSON `json:"created"`
	Deleted          countsJSON `json:"deleted"`
	FilesTransferred int64      `json:"files_transferred"`
	BytesSource      int64      `json:"bytes_source"`
	BytesTransferred int64      `json:"bytes_transferred"`
	BytesLiteral     int64      `json:"bytes_literal"`
	BytesMatched     int64      `json:"bytes_matched"`
	BytesSent        int64      `json:"bytes_sent"`
	BytesReceived    int64      `json:"bytes_received"`
	Errors           int64      `json:"errors"`
	Vanished         int64      `json:"vanished"`
	Reconnects       int        `json:"reconnects"`
	DeleteLimited    bool       `json:"delete_limited"`
	Elapsed          float64    `json:"elapsed"`
}

type snapshotJSON struct {
	head
	Name  string `json:"name"`
	State string `json:"state"`
}

type exitJSON struct {
	head
	Code    int    `json:"code"`
	Name    string `json:"name"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Resume  string `json:"resume,omitempty"`
}

func (*startJSON) name() string    { return "start" }
func (*scanJSON) name() string     { return "scan" }
func (*planJSON) name() string     { return "plan" }
func (*itemJSON) name() string     { return "item" }
func (*progressJSON) name() string { return "progress" }
func (*retryJSON) name() string    { return "retry" }
func (*errorJSON) name() string    { return "error" }
func (*summaryJSON) name() string  { return "summary" }
func (*snapshotJSON) name() string { return "snapshot" }
func (*exitJSON) name() string     { return "exit" }
