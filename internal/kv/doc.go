// Package kv is the Redis-protocol server: listeners, clients, messages between them, who may do what. The keyspace and
// the commands on it are package engine's, the protocol's form is package resp's, what is kept on the disk package aof's.
//
// It is apart from the engine because whoever is in this process uses the engine without a socket. It is not for anything
// that lasts: jobs of the durable queue never lie here.
//
// # Goroutines
//
// Server.Run owns all: one for each listener, one for each client, the engine's own, and one that looks at silent clients
// ten times a second. A client's goroutine reads what has come, takes the first command apart, takes the engine's lock once
// for all commands that are whole, and writes their answers after the lock is released: no socket is touched under the
// lock, but for deadlines, which end what a goroutine waits for. A client that waits for a key goes on reading into its
// buffer up to a bound, so that its death is noticed; who wakes it cuts that read short. A client that gets messages it did
// not ask for has one goroutine more for as long as they are being sent. Memory is given back by one that lives as long as
// that takes.
//
// # Locks
//
// The engine's lock guards clients too: their output, their subscriptions, their names. Server.crowd is
// taken before it by connections that begin or end, and guards nothing: it has them wait elsewhere. A client's Reader is goroutine's alone; what others may know of it, the goroutine leaves in the client when it has the lock.
//
// # Bounds
//
// What a client sends is bounded by resp.Limits and client-query-buffer-limit, a transaction's queue included; before it
// has said who it is, by much less. What it leaves unread is bounded by client-output-buffer-limit: its own commands do not
// go on while their answers are not taken, and messages of others close it. Clients are counted, silent ones and those that
// do not say who they are may be closed.
package kv
