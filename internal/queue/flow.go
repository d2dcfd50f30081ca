package queue

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
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
		jobs[i].DependsOn = append(slices.Clip(jobs[i].DependsOn), jobs[i-1].Key)
	}
	return jobs
}

// Chord makes a job depend on all of a group.
func Chord(group []FlowJob, then FlowJob) []FlowJob {
	then.DependsOn = slices.Clip(then.DependsOn)
	for _, j := range group {
		then.DependsOn = append(then.DependsOn, j.Key)
	}
	return append(slices.Clip(group), then)
}

// CheckFlow reports what is wrong with the keys and dependencies of a flow, by field, and gives an order of its jobs in
// which each comes after those that it depends on, otherwise as they were given.
func CheckFlow(jobs []FlowJob) ([]int, error) {
	if len(jobs) == 0 || len(jobs) > MaxFlowJobs {
		return nil, errcode.Invalid("jobs", "1 to %d", MaxFlowJobs)
	}
	index := make(map[string]int, len(jobs))
	for i, j := range jobs {
		if !validName(j.Key, MaxFlowKey) {
			return nil, errcode.Invalid(fieldOf(i, "key"), "1 to %d letters, digits, '.', '_', '-' or ':'", MaxFlowKey)
		}
		if first, twice := index[j.Key]; twice {
			return nil, errcode.Invalid(fieldOf(i, "key"), "is also that of jobs[%d]", first)
		}
		index[j.Key] = i
	}
	on := make([][]int, len(jobs))
	for i, j := range jobs {
		if len(j.DependsOn)+len(j.New.DependsOn) > MaxDependsOn {
			return nil, errcode.Invalid(fieldOf(i, "depends_on"), "at most %d jobs", MaxDependsOn)
		}
		for _, k := range j.DependsOn {
			at, known := index[k]
			if !known {
				return nil, errcode.Invalid(fieldOf(i, "depends_on"), "no job of the flow has the key %q", k)
			}
			on[i] = append(on[i], at)
		}
	}
	order, stuck := InOrder(on)
	if stuck >= 0 {
		return nil, errcode.Invalid(fieldOf(stuck, "depends_on"), "the job %q depends on itself in the end", jobs[stuck].Key)
	}
	return order, nil
}

// InOrder gives the indexes of on so that each comes after all that on names for it, the smallest first where there is a
// choice. Where there is none, stuck is an index that is part of a cycle; otherwise it is -1.
func InOrder(on [][]int) (order []int, stuck int) {
	left := make([]int, len(on))
	next := make([][]int, len(on))
	var free minHeap
	for i, deps := range on {
		left[i] = len(deps)
		for _, d := range deps {
			next[d] = append(next[d], i)
		}
		if len(deps) == 0 {
			free.IntSlice = append(free.IntSlice, i) // ascending is a heap
		}
	}
	for free.Len() > 0 {
		i := heap.Pop(&free).(int)
		order = append(order, i)
		for _, k := range next[i] {
			if left[k]--; left[k] == 0 {
				heap.Push(&free, k)
			}
		}
	}
	if len(order) == len(on) {
		return order, -1
	}
	// Going back along what is not done leads into a cycle in at most as many steps as there are jobs.
	at := slices.IndexFunc(left, func(n int) bool { return n > 0 })
	for range on {
		at = on[at][slices.IndexFunc(on[at], func(d int) bool { return left[d] > 0 })]
	}
	return nil, at
}

type minHeap struct{ sort.IntSlice }

// Push is part of heap.Interface.
func (h *minHeap) Push(x any) { h.IntSlice = append(h.IntSlice, x.(int)) }

// Pop is part of heap.Interface.
func (h *minHeap) Pop() any {
	last := len(h.IntSlice) - 1
	x := h.IntSlice[last]
	h.IntSlice = h.IntSlice[:last]
	return x
}

// fieldOf names a field of one of many jobs.
func fieldOf(i int, name string) string { return fmt.Sprintf("jobs[%d].%s", i, name) }

// InJob says of an error about a field that it is one of the job at index i of many.
func InJob(i int, err error) error {
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok || len(e.Fields) != 1 {
		return fmt.Errorf("job %d: %w", i, err)
	}
	return errcode.Invalid(fieldOf(i, e.Fields[0].Field), "%s", e.Fields[0].Message)
}
