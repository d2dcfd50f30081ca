// Package engine is the keyspace of the Redis-protocol server and the commands on it: values of all types, expiry,
// eviction, transactions, clients that wait for a key, the effects of commands as a log can repeat them.
//
// It is apart from package kv, which owns sockets and clients, so that the decode cache uses it in process without
// either, and from package aof, which keeps the effects: the engine touches no file and no socket.
//
// # One writer
//
// The engine has one lock. Who calls it takes the lock once for all commands that a client has sent, with Lock, and
// nothing else happens meanwhile: a command, a transaction and a script are atomic because nobody else is there. Under
// the lock nothing waits: a client that has to wait for a key is a Session with a waiter, and its Peer is told when the
// answer is written. Sharding the lock would buy nothing on two processors, and would cost MULTI, scripts, blocking
// commands and RENAME what they promise.
//
// # Goroutines
//
// Run owns the only one: it ends what has expired, in slices of time that no client notices, and wakes sessions whose
// wait is over. Lock order: the engine's lock is taken first; Hooks and Peers are called under it and may take locks of
// their own that never lead back.
//
// # Values
//
// An item is a key with its value: bytes in the item itself for strings, an object for everything else. What a caller
// gets from it lies in the keyspace and is valid under the lock only. Each item is accounted for in bytes as far as the
// engine allocates; Used is their sum.
package engine
