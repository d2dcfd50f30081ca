// Package aof keeps the effects of commands on disk, and repeats them at the next start: the append-only log of the
// Redis-protocol server.
//
// It is apart from the engine, which touches no file, and from the server, so that durability is written and tested in
// one place: frames, flushes, compaction, and what is left after a power cut.
//
// # Files
//
// A folder holds NNNNNN.base, the keyspace as commands at the moment log NNNNNN began, and NNNNNN.log, the effects since.
// At start the highest base is repeated, and every log from its number on, in order. Compaction opens the next log and
// begins a copy of the keyspace under one lock, writes the copy as .base.tmp beside the commands that go on, and renames
// it when it is on the disk; then everything older is removed. A crash at any moment leaves either the old base with all
// logs or the new one.
//
// A file is a magic line and frames: the length of the payload, its CRC-32C and flags, then commands in the form of the
// protocol. What belongs together (a transaction, a script) ends in one frame or in several that say they go on; a group
// whose end is missing is not repeated. A tail that is no whole frame is cut with a warning; what lies behind a damaged
// frame is kept aside under another name and reported.
//
// # Goroutines and locks
//
// Log.Run owns the only goroutine: it writes, flushes and compacts. Effects arrive under the engine's lock and go into
// memory; Wait, called without it, returns when they are as safe as the policy promises. Lock order: the engine's, then
// the log's own.
package aof
