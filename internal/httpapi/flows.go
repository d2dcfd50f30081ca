package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/queue"
)

// NewFlowJob is a job of a flow that is to be made.
type NewFlowJob struct {
	Key string `json:"key" minLength:"1" maxLength:"64" doc:"names it within the flow, for depends_on of the others"`
	NewJob
}

// NewFlow is the body of POST /flows.
type NewFlow struct {
	Jobs []NewFlowJob `json:"jobs" minItems:"1" maxItems:"1000" nullable:"false"`
}

// Flow is jobs that depend on each other, on the wire.
type Flow struct {
	ID        string         `json:"id"`
	Status    string         `json:"status" enum:"active,completed,dead,cancelled" doc:"active until every job has ended; dead: a job is"`
	Counts    map[string]int `json:"counts" nullable:"false" doc:"jobs by status"`
	CreatedAt Stamp          `json:"created_at"`
	EndedAt   Stamp          `json:"ended_at"`
	Jobs      []FlowJob      `json:"jobs" doc:"null in lists"`
}

// FlowJob is a job of a flow on the wire.
type FlowJob struct {
	Key       string     `json:"key"`
	DependsOn []string   `json:"depends_on" nullable:"false" doc:"keys"`
	OnFailure text       `json:"on_failure"`
	ID        string     `json:"id"`
	Type      text       `json:"type" doc:"null: the job is deleted"`
	Queue     text       `json:"queue" doc:"null: the job is deleted"`
	Status    nodeStatus `json:"status" doc:"null: the job is deleted"`
	Attempt   int        `json:"attempt"`
	Progress  float64    `json:"progress"`
	StartedAt Stamp      `json:"started_at"`
	EndedAt   Stamp      `json:"finished_at"`
}

// nodeStatus is the status of a job of a flow on the wire; that of a deleted one is null.
type nodeStatus queue.Status

// MarshalJSON writes the status.
func (s nodeStatus) MarshalJSON() ([]byte, error) { return text(s).MarshalJSON() }

// Schema describes the status.
func (nodeStatus) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Nullable: true}
	for _, st := range queue.Statuses() {
		s.Enum = append(s.Enum, string(st))
	}
	s.Enum = append(s.Enum, nil)
	return s
}

func flowDTO(f *queue.Flow) Flow {
	out := Flow{
		ID: string(f.ID), Status: string(f.Status), Counts: map[string]int{}, CreatedAt: Stamp(f.CreatedAt), EndedAt: Stamp(f.EndedAt),
	}
	for _, st := range queue.Statuses() {
		out.Counts[string(st)] = f.Counts[st]
	}
	for i := range f.Jobs {
		n := &f.Jobs[i]
		out.Jobs = append(out.Jobs, FlowJob{
			Key: n.Key, DependsOn: append([]string{}, n.DependsOn...), OnFailure: text(n.Job.OnFailure), ID: string(n.Job.ID), Type: text(n.Job.Type),
			Queue: text(n.Job.Queue), Status: nodeStatus(n.Job.Status), Attempt: n.Job.Attempt, Progress: n.Job.Progress.Fraction,
			StartedAt: Stamp(n.Job.StartedAt), EndedAt: Stamp(n.Job.FinishedAt),
		})
	}
	return out
}

type newFlowInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"the same key and body within 24 h give the same flow instead of a new one"`
	Body NewFlow
}

type newFlowOutput struct {
	Location string `header:"Location"`
	Body     Flow
}

type flowsInput struct{ PageParams }

type flowsOutput struct{ Body List[Flow] }

type flowOutput struct{ Body Flow }

func (s *Server) routeFlows(api huma.API) {
	q := s.deps.Queue.Flows
	register(s, api, operation{
		id: "create-flow", method: http.MethodPost, path: "/flows", scope: scopeAdmin, created: true, keyed: true, limit: maxJobsBody,
		summary: "Make jobs that depend on each other, all or none",
		detail:  "depends_on names keys of the same flow. A cycle, an unknown key or one given twice is 422.",
	}, s.createFlow)
	register(s, api, operation{
		id: "list-flows", method: http.MethodGet, path: "/flows", scope: scopeRead, summary: "List flows, the newest first, without their jobs",
	}, func(ctx context.Context, in *flowsInput) (*flowsOutput, error) {
		if err := checkFields[Flow](in.Fields); err != nil {
			return nil, err
		}
		all, next, err := q.ListFlows(ctx, in.Limit, in.Cursor)
		if err != nil {
			return nil, fmt.Errorf("list flows: %w", err)
		}
		out := &flowsOutput{Body: List[Flow]{Items: make([]Flow, 0, len(all)), NextCursor: text(next), fields: in.Fields}}
		for i := range all {
			out.Body.Items = append(out.Body.Items, flowDTO(&all[i]))
		}
		return out, nil
	})
	register(s, api, operation{
		id: "get-flow", method: http.MethodGet, path: "/flows/{id}", scope: scopeRead, summary: "Get a flow with its jobs",
	}, func(ctx context.Context, in *IDParam) (*flowOutput, error) {
		return flowAnswer("get flow")(q.Flow(ctx, queue.FlowID(in.ID)))
	})
	register(s, api, operation{
		id: "cancel-flow", method: http.MethodPost, path: "/flows/{id}/cancel", scope: scopeAdmin, summary: "Cancel every job of a flow that has not ended",
	}, func(ctx context.Context, in *IDParam) (*flowOutput, error) {
		return flowAnswer("cancel flow")(q.CancelFlow(ctx, queue.FlowID(in.ID)))
	})
}

func (s *Server) createFlow(ctx context.Context, in *newFlowInput) (*newFlowOutput, error) {
	ids := RequestIDs(ctx)
	jobs := make([]queue.FlowJob, len(in.Body.Jobs))
	for i := range in.Body.Jobs {
		n := &in.Body.Jobs[i]
		if err := s.checkNew(&n.NewJob); err != nil {
			return nil, within(fmt.Sprintf("jobs[%d]", i), err)
		}
		jobs[i] = queue.FlowJob{Key: n.Key, DependsOn: n.DependsOn, New: n.job(ids)}
		jobs[i].New.DependsOn = nil // those are keys, not ids
	}
	var err error
	if jobs[0].IdempotencyKey, err = idempotencyKey(requestOf(ctx)); err != nil {
		return nil, err
	}
	f, err := s.deps.Queue.Flows.CreateFlow(ctx, jobs)
	if err != nil {
		news := make([]queue.New, len(jobs))
		for i := range jobs {
			news[i] = jobs[i].New
		}
		return nil, fmt.Errorf("make flow: %w", atIndex(news, err))
	}
	return &newFlowOutput{Location: pathPrefix + "/flows/" + string(f.ID), Body: flowDTO(&f)}, nil
}

// flowAnswer makes the answer of what gives a flow.
func flowAnswer(what string) func(queue.Flow, error) (*flowOutput, error) {
	return func(f queue.Flow, err error) (*flowOutput, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		return &flowOutput{Body: flowDTO(&f)}, nil
	}
}
