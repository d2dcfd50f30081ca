package queue

import (
	"context"
	"time"
)

// OnFailure is what a job does when one that it depends on does not complete.
type OnFailure string

// What a job may do when one that it depends on is dead or cancelled.
const (
	FailToo  OnFailure = "fail"     // it is cancelled with the error dependency_failed, and so are those that depend on it; the default
	Continue OnFailure = "continue" // it runs all the same, once all that it depends on have ended
)

// Limits of flows.
const (
	MaxFlowJobs   = 1000
	MaxDependsOn  = 1000 // of one job
	MaxFlowKey    = 64   // bytes
	FlowIDPattern = `^f[0-9a-z]{1,13}$`
)

// FlowID names a flow: "f" and lower-case letters and digits, sortable by creation.
type FlowID string

// FlowJob is a job of a flow that is to be created.
type FlowJob struct {
	Key       string // names it within the flow
	DependsOn []string
	New
}

// Flow is jobs that depend on each other, made in one commit.
type Flow struct {
	ID        FlowID
	Status    Status // Active until every job has ended; then Completed, Dead (a job is dead) or Cancelled
	CreatedAt time.Time
	EndedAt   time.Time
	Counts    map[Status]int
	Jobs      []FlowNode
}

// FlowNode is a job of a flow.
type FlowNode struct {
	Key       string
	DependsOn []string
	Job       Job // without payload, result and errors
}

// Flows makes and shows flows. A job of a flow sees the results of those it depends on: Engine.Result.
type Flows interface {
	// CreateFlow records all jobs of a flow in one commit. Cycles, unknown keys and keys given twice are refused.
	CreateFlow(ctx context.Context, jobs []FlowJob) (Flow, error)
	Flow(ctx context.Context, id FlowID) (Flow, error)
	ListFlows(ctx context.Context, limit int, cursor string) ([]Flow, string, error) // newest first, without Jobs
	// CancelFlow cancels every job of it that has not ended.
	CancelFlow(ctx context.Context, id FlowID) (Flow, error)
}

// Chain makes each job depend on the one before.
func Chain(jobs ...FlowJob) []FlowJob {
	for i := 1; i < len(jobs); i++ {
		jobs[i].DependsOn = append(jobs[i].DependsOn, jobs[i-1].Key)
	}
	return jobs
}

// Chord makes a job depend on all of a group.
func Chord(group []FlowJob, then FlowJob) []FlowJob {
	for _, j := range group {
		then.DependsOn = append(then.DependsOn, j.Key)
	}
	return append(group, then)
}
