// Package kv is the Redis-protocol server: listeners, clients, messages between them, who may do what. The keyspace and
// the commands on it are package engine's, the protocol's form is package resp's.
//
// # Goroutines
//
// Server.Run owns all: one for each listener, one for each client, and for a client that gets messages it did not ask
// for one more for as long as they are being sent. A client's goroutine reads what has come, takes the engine's lock once
// for all commands that are whole, and writes their answers after the lock is released: no socket is touched under the
// lock. A client that waits for a key goes on reading into its buffer, so that its death is noticed; who wakes it cuts
// that read short.
//
// # Locks
//
// The engine's lock guards clients too: their output, their subscriptions, their names. There is no other.
package kv
