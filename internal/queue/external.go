package queue

import (
	"context"
	"time"
)

// Limits of external leases.
const (
	DefaultLease  = 30 * time.Second
	MinLease      = 5 * time.Second
	MaxLease      = time.Hour
	MaxLeaseBatch = 256 // jobs a call
	// RestartLease is how long a lease holds at least after the appliance has started again.
	RestartLease = 10 * time.Second
)

// ExternalRequest says what a worker outside the process takes.
type ExternalRequest struct {
	Worker string   // its name, required
	Queues []string // nil = all
	Types  []string // nil = all without a handler in the process; named ones must have none there
	Max    int      // 0 = 1, at most MaxLeaseBatch
	NoWait bool     // give what there is, at once
	Lease  time.Duration
}

// ExternalLeased is a job together with the right to finish it, until Expires unless a heartbeat comes before.
type ExternalLeased struct {
	Leased
	Expires time.Time
}

// End is how a worker's run ended.
type End struct {
	Lease   Lease
	Outcome Outcome // Commit and Settled are not looked at
}

// Ended says what became of an End.
type Ended struct {
	Lease Lease
	Lost  bool  // the lease was no longer the worker's: nothing was changed
	Err   error // it was refused (a result too large, …) or could not be recorded: the worker still has the lease
}

// LeaseState is what a heartbeat answers for one lease.
type LeaseState string

// States of leases.
const (
	LeaseOK     LeaseState = "ok"
	LeaseCancel LeaseState = "cancel" // stop: the job is to be cancelled
	LeaseDrain  LeaseState = "drain"  // go on, but take no more: the worker is being drained
	LeaseLost   LeaseState = "lost"   // no longer the worker's
)

// Beat is a sign of life of one lease.
type Beat struct {
	Lease    Lease
	Progress *Progress // nil = unchanged
}

// Beaten is the answer to a Beat.
type Beaten struct {
	Lease   Lease
	State   LeaseState
	Expires time.Time
}

// Node is a worker: an external one, or the process itself.
type Node struct {
	Name     string
	External bool
	Draining bool
	Queues   []string // of its last request, nil = all
	Types    []string
	Active   int // jobs it holds
	Since    time.Time
	LastSeen time.Time
	Done     int64 // runs it has ended since Since; those it gave back are none
	Failed   int64 // of them with an error
}

// External is the side of an engine that workers outside the process use. A lease that it hands out is durable before
// it is handed out, and ends by FinishAll, by expiry (a failed attempt, lease_expired) or with its job.
type External interface {
	// LeaseExternal is Engine.Lease for a worker outside: the leases outlive a restart. When ctx ends first it gives
	// none and no error. A worker that is being drained is given none, at once.
	LeaseExternal(ctx context.Context, r ExternalRequest) ([]ExternalLeased, error)
	// FinishAndLease is FinishAll and then LeaseExternal, in one commit where jobs to lease are there already. With an
	// error after the runs were ended, what became of them is given too. If one could not be ended it does not wait.
	FinishAndLease(ctx context.Context, ends []End, r ExternalRequest) ([]Ended, []ExternalLeased, error)
	// FinishAll ends runs, all in one commit as far as they are the worker's, and says what became of each.
	FinishAll(ctx context.Context, ends []End) ([]Ended, error)
	// Heartbeat prolongs leases by their length; progress is durable at most every 5 s.
	Heartbeat(ctx context.Context, worker string, beats []Beat) ([]Beaten, error)
	// Nodes gives the workers that were seen in the last ten minutes or hold a lease, sorted by name. What is known of them
	// outlives a restart; of counts a crash may cost what the last few seconds added.
	Nodes(ctx context.Context) ([]Node, error)
	// DrainNode gives a worker no more jobs, until it asks under its name after ten minutes' absence or drain is false. It
	// is durable; the time in which the appliance is down is no absence.
	DrainNode(ctx context.Context, name string, drain bool) (Node, error)
}
