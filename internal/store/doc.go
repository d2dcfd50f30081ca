// Package store owns the one database of the appliance: Badger, wrapped so that a commit is atomic, durable when it
// returns, and cheap when many come at once.
//
// Catalog and queue keep their records here, so that "file recorded" and "decode job enqueued" are one commit. Each
// takes key spaces (DB.Space), puts changes into a Batch and hands it to DB.Commit. The package knows nothing of what
// the records mean, and no other package knows that Badger is beneath. DESIGN.md tells why it is built this way.
//
// Goroutines: Open starts one, the committer; Close lets it commit what waits and joins it. It alone writes,
// reopens the engine after a failure, and runs the OnCommit callbacks. (Badger starts its own and joins them in its
// Close.)
//
// Locks, outermost first; none is held over I/O, a callback or a channel operation that can block: committer.mu (the
// waiting batches), engine.mu (the open handle and its readers), DB.spacesMu (the names of the spaces). Two gates
// are held over I/O on purpose: guard.ballastMu (so that the ballast is made or released once) and the turn of a
// Sequence (so that one block is reserved at a time, waiting with ctx).
package store
