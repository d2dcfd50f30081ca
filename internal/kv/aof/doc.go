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
// Log.Run writes, flushes and compacts. What the disk may take long for and nobody waits for (a flush of a log each second,
// the files of a compaction at its begin and its end) it has done by goroutines of its own, one for each kind, and joins
// them, so that effects reach the kernel meanwhile. Effects arrive under the engine's lock and go into memory; Wait, called
// without it, returns when they are as safe as the policy promises, and holds answers back when the disk does not follow.
// Lock order: the engine's, then the log's own.
//
// # When nothing can be written
//
// Failure says so, and commands that write are refused by it. What was taken before is written when it can be; if it becomes
// too much to wait in memory, or a flush has failed, or a command is too long for a frame, it is dropped there, and the next
// base, which has it all, is what has to be written. Who changes nothing does not wait. A log for which there is no room at
// the start is begun when there is.
package aof
