// Package cache owns the cache: what programs keep for a while under a key, above all which decode made the result of a
// file, so that the same work is not done twice. Values lie in the Redis-protocol server of this process, called directly,
// or in a Redis or Valkey server elsewhere; anybody with a client of that protocol can read them.
//
// It is apart from package decode, which alone knows when such a value still holds (the catalog says so, never the cache),
// and from package kv, which knows no keys. Nothing depends on the cache: without it everything works, more slowly. So every
// call has an end that Config.Timeout bounds, and where calls fail a breaker answers at once until the server is there
// again. That is told once in the log, not once a call.
//
// # Goroutines and locks
//
// Run owns one, which asks whether the server answers. A call that finds the engine in process locked by somebody
// else, such as a script, waits for it in a goroutine of its own, of which there are at most maxWaiting; Close joins
// them. The locks of breaker, counters and flights are taken one at a time, and nothing is called under them; the
// engine's lock is taken while none of them is held.
package cache
