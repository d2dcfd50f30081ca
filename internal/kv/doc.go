// Package kv is the Redis-protocol server: listeners, clients, messages between them, who may do what. The keyspace and
// the commands on it are package engine's, the protocol's form is package resp's, what is kept on the disk package aof's.
//
// It is apart from the engine because whoever is in this process uses the engine without a socket. It is not for anything
// that lasts: jobs of the durable queue never lie here.
//
// # Goroutines
//
// Server.Run owns all: the loop, which serves every connection that is not encrypted; one that accepts those with TLS, and one
// for each of them; the engine's own; one that looks at silent clients ten times a second; and where changes are kept, one that
// tells the loop when they are. Whoever serves a client reads what has come, takes the first command apart, takes the engine's
// lock once for all commands that are whole, and writes their answers after the lock is released: no socket is touched under the
// lock, but for deadlines of connections with TLS, which end what their goroutines wait for. What both ways have in common is
// client's, what differs is behind link. Memory is given back by a goroutine that lives as long as that takes.
//
// # The loop
//
// One goroutine asks the system what has come (epoll, edge-triggered) and gives the connections one turn each, in the order in
// which something came: it sends what is left, reads once, runs commands up to a bound of time and output, and sends. What is
// more waits behind the others. The loop never waits for a client, nor for the disk: a client whose answers tell of what is not
// kept yet has them held back and is not read from; one that leaves too much unread is not read from either, until it takes it;
// one that waits for a key is read from up to a bound, so that its death is noticed. Others who have something for a client
// (messages, its end, the element that it waits for) put it into a list under the engine's lock and rouse the loop if it sleeps.
// Where thousands of connections end at once the others are served between them. A script that runs too long has the loop serve
// others from within its turn. A panic within a turn costs that client. A client of which nothing is there has no buffers: those
// of a turn go from client to client.
//
// A connection with TLS has a goroutine, which waits in its read; who wakes a client that waits for a key cuts that read short.
// Answers and messages are sent by one goroutine more for as long as that takes.
//
// # Locks
//
// The engine's lock guards clients too: their output, their subscriptions, their names. Server.crowd is taken before it by
// encrypted connections that begin or end, and guards nothing: it has them wait elsewhere. A client's Reader is its loop's or
// goroutine's alone, as are the fields of socket that are not said to be guarded; what others may know of it is left in the
// client under the lock.
//
// # Bounds
//
// What a client sends is bounded by resp.Limits and client-query-buffer-limit, a transaction's queue included; before it
// has said who it is, by much less. What it leaves unread is bounded by client-output-buffer-limit: its own commands do not
// go on while their answers are not taken, and messages of others close it. Clients are counted, silent ones and those that
// do not say who they are may be closed.
package kv
