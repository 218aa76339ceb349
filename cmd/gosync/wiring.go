package main

import (
	"gosync/internal/engine"
	"gosync/transport"
	"gosync/transport/localfs"
)

// realParts returns the packages that do the work.
func realParts() parts {
	return parts{
		host:     func() engine.Host { return localfs.NewHost() },
		insecure: func() engine.Host { return &localfs.Host{Insecure: true} },
		openFile: localfs.OpenFile,
		open:     transport.Open,
		reach:    transport.Reach,
		copy:     engine.Copy,
		send:     engine.Send,
		receive:  engine.Receive,
		serve:    engine.ServeLimited,
		exitCode: engine.ExitCode,
		between:  engine.Between,
		relay:    engine.Relay,

		sendStream:    engine.SendStream,
		receiveStream: engine.ReceiveStream,
	}
}
