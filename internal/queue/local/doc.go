// Package local is the engine of package queue on the appliance's own store: jobs are records there, and what is
// needed to choose the next one is in memory, rebuilt on Open.
//
// It is apart from package queue so that producers and handlers see the contract only. DESIGN.md of package queue
// tells the data model and the guarantees.
//
// Goroutines: none of its own but the caller's in Run, which fires timers, buries what cannot be run and removes what
// has expired. Callbacks of commits run on the store's committer goroutine.
//
// Locks: Engine.mu guards everything in memory and is never held over I/O, a callback or a blocking channel operation.
// Beside it every job has a claim: whoever is about to change a job's record holds the claim of that job from reading
// the record until the change is committed and applied to memory, so changes of one job come one after the other.
// A claim is taken and given back under mu, waited for without it, and nobody waits for a claim while holding another.
// Of all orders with other packages: a claim before the store's locks, mu never together with them.
package local
