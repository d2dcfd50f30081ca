package observe

import "time"

// Sources are asked at each scrape. A nil function leaves its metrics out. They must be quick and may be called from
// any goroutine.
type Sources struct {
	Workers  func() Workers
	Plugins  func() []Plugin
	Disk     func() Disk
	Database func() bool // the database is open and works
	Queues   func() []Queue
	Batches  func() (batches, files map[string]int) // those that go on, and what of them has not ended, by state
	Cache    func() Cache
	Health   func() Report
	KV       func() (KV, bool) // the Redis-protocol server, where it can be looked at
	Data     func() Data       // found in the background
	Events   func() map[string]Events
	HTTP     func() HTTP
}

// Workers are the processes that decode.
type Workers struct {
	Idle, Busy int
	Places     int              // most of them at a time
	Waiting    int              // decodes that wait for one
	Memory     map[string]int64 // resident bytes, by plugin
}

// Plugin is a decoder and its state. Active is that of one that can be used.
type Plugin struct {
	ID, State string
	Active    bool
}

// Disk is the disk of the data folder, in bytes. Below Reserve nothing new is stored: then it is Low.
type Disk struct {
	Free, Total, Reserve int64
	Low                  bool
}

// Queue is a queue with its jobs by state. Oldest is how long its next job has been ready, 0 = none is.
type Queue struct {
	Name   string
	Weight int
	Jobs   map[string]int64
	Oldest time.Duration
}

// Cache is how the cache does, and what the server behind it holds, where that is known.
type Cache struct {
	Ratio     float64 // of the keys asked for that were there, 0–1
	Known     bool
	Memory    int64 // bytes
	Evictions int64
}

// Data is what the data folder holds, where that is known: it takes a walk to know.
type Data struct {
	Known                              bool
	Blobs                              int64 // recordings that are stored
	BlobBytes, ResultBytes, StoreBytes int64
	Records                            map[string]int64 // of the catalog, by kind
}

// Events is what a bus of events has passed on, and how often a reader was told that it missed some.
type Events struct{ Published, Dropped uint64 }

// HTTP is how the HTTP API is used.
type HTTP struct {
	Streams     int // readers of server-sent events
	Connections int
	Refused     int64 // connections, for their number
}
