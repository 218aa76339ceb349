// Package bench compares gosync with scp, sftp and rsync: on the user's own line to a host, or, without one, to an SSH
// server in this process behind a relay that can be long and slow.
//
// Flow: seeded data sets are made (corpus.go), each tool copies a little once (a warm-up, which also tells which tools
// work there), then every pair of a data set and a tool is run once in each round, in an order that is shuffled anew
// (run.go). Before a run the destination is put into the state that the data set begins with; after it every
// file of the destination is compared with the source by its BLAKE3 digest (sample.go, verify.go). What is not equal
// does not count as a time. Medians, deviations and intervals (stats.go) become bench.json, bench.md and bench.html
// (report.go, write.go).
//
// Each run is a process of its own, gosync's too, so that all are measured alike: from its start to its end. The data
// is in the caches of both ends. What is copied is pushed; nothing is pulled.
//
// It does not say why a tool is slow, and a figure holds for the machines, the line and the load it was measured with.
package bench
