// Package queue owns the model of durable jobs: what a job is, the pure function that says how its state changes,
// the contract of an engine that keeps jobs, and the dispatcher that runs handlers of this process on leased jobs.
//
// It is apart from package local, the engine on the store, so that producers and handlers depend on the contract
// only and a second engine can come; package queuetest holds the suite every engine has to pass.
//
// Goroutines: a Dispatcher's Run owns one leasing loop and one goroutine for every running handler, and joins them
// before it returns. A handler that ignores its context beyond Grace is the one exception: it is given up, its job is
// no longer its own, and it is logged. Engines own their goroutines themselves.
//
// Locks: Dispatcher.mu guards its table of running jobs and is never held over a call of the engine or a handler.
// Mux has no lock: it is filled before it is used.
//
// DESIGN.md tells the states, the data model and the guarantees.
package queue
