package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// JobPatch is the body of PATCH /jobs/{id}: what it leaves out stays as it is.
type JobPatch struct {
	Payload  anyJSON `json:"payload,omitempty"`
	Queue    *string `json:"queue,omitempty" minLength:"1" maxLength:"32"`
	Priority *int    `json:"priority,omitempty" minimum:"0" maximum:"9"`
	RunAt    moment  `json:"run_at,omitzero" doc:"not before; a time that has passed makes it ready"`
}

type patchJobInput struct {
	IDParam
	Body JobPatch
}

// JobFilter selects jobs in the body of POST /jobs/actions. Its members are the parameters of GET /jobs.
type JobFilter struct {
	IDs      []string `json:"ids,omitempty" maxItems:"1000"`
	Status   []string `json:"status,omitempty" enum:"waiting,scheduled,ready,active,retry,completed,dead,cancelled"`
	Queue    string   `json:"queue,omitempty" maxLength:"32"`
	Type     string   `json:"type,omitempty" maxLength:"60"`
	Code     string   `json:"code,omitempty" maxLength:"64" doc:"of the last error"`
	Q        string   `json:"q,omitempty" maxLength:"256" doc:"in the message of the last error or in the payload"`
	LimitKey string   `json:"limit_key,omitempty" maxLength:"128"`
	Flow     string   `json:"flow,omitempty" maxLength:"26"`
	Schedule string   `json:"schedule,omitempty" maxLength:"64"`
	Since    moment   `json:"since,omitzero" doc:"created at or after"`
	Until    moment   `json:"until,omitzero" doc:"created before"`
}

// JobAction is the body of POST /jobs/actions.
type JobAction struct {
	Action string    `json:"action" enum:"cancel,retry,promote,delete"`
	Filter JobFilter `json:"filter" doc:"at least one member: what is meant is to be said; every status means every job"`
	Limit  int       `json:"limit,omitempty" minimum:"0" doc:"most jobs; 0 or none: all"`
}

type jobActionInput struct{ Body JobAction }

// JobActed is what an action did, on the wire.
type JobActed struct {
	Matched int             `json:"matched"`
	Done    int             `json:"done"`
	Failed  int             `json:"failed" doc:"jobs whose state does not allow it, mostly"`
	Error   maybe[JobFault] `json:"error" doc:"why it failed for one of them"`
}

// JobFault is why something could not be done to a job.
type JobFault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type jobActedOutput struct{ Body JobActed }

const retryDetail = "A dead or cancelled job gets all its attempts again and keeps its errors; one that waits for its next attempt is made ready. " +
	"Its unique key is taken again; if another job holds it: 409."

func (s *Server) routeJobChanges(api huma.API) {
	q := s.deps.Queue
	for _, a := range []struct {
		name, summary, detail string
		do                    func(ctx context.Context, id queue.ID) error
	}{
		{"cancel", "Cancel a job that has not ended", "One that is at work is told to stop: the answer may still show it active.", q.Jobs.Cancel},
		{"retry", "Bring a job back", retryDetail, func(ctx context.Context, id queue.ID) error {
			_, err := q.Editor.Retry(ctx, id)
			return err
		}},
		{"promote", "Make a job ready that waits for its time", "", func(ctx context.Context, id queue.ID) error {
			_, err := q.Editor.Promote(ctx, id)
			return err
		}},
	} {
		register(s, api, operation{
			id: a.name + "-job", method: http.MethodPost, path: "/jobs/{id}/" + a.name, scope: scopeAdmin, summary: a.summary, detail: a.detail,
		}, func(ctx context.Context, in *IDParam) (*jobOutput, error) {
			if err := a.do(ctx, queue.ID(in.ID)); err != nil {
				return nil, fmt.Errorf("%s job: %w", a.name, err)
			}
			return s.jobNow(ctx, queue.ID(in.ID))
		})
	}
	register(s, api, operation{
		id: "edit-job", method: http.MethodPatch, path: "/jobs/{id}", scope: scopeAdmin,
		summary: "Change a job that is neither at work nor completed", detail: "A dead job stays dead until it is retried.",
	}, s.editJob)
	register(s, api, operation{
		id: "delete-job", method: http.MethodDelete, path: "/jobs/{id}", scope: scopeAdmin,
		summary: "Delete a job that is not at work; one that has not ended is cancelled",
	}, func(ctx context.Context, in *IDParam) (*noContent, error) {
		if err := q.Editor.Delete(ctx, queue.ID(in.ID)); err != nil {
			return nil, fmt.Errorf("delete job: %w", err)
		}
		return nil, nil //nolint:nilnil // huma's way to say: no body
	})
	register(s, api, operation{
		id: "act-on-jobs", method: http.MethodPost, path: "/jobs/actions", scope: scopeAdmin,
		summary: "Cancel, retry, promote or delete every job that a filter finds",
		detail:  "It is done in commits of many jobs, not in one. When the caller leaves, what is done stays done.",
	}, s.actOnJobs)
}

func (s *Server) jobNow(ctx context.Context, id queue.ID) (*jobOutput, error) {
	j, err := s.deps.Queue.Jobs.Get(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("get job: %w", err)
	}
	return &jobOutput{Body: oneJob(&j)}, nil
}

func (s *Server) editJob(ctx context.Context, in *patchJobInput) (*jobOutput, error) {
	id := queue.ID(in.ID)
	j, err := s.deps.Queue.Jobs.Get(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("edit job: %w", err)
	}
	if s.deps.Queue.Internal(j.Type) {
		return nil, errcode.Newf(errcode.Conflict, "jobs of type %s are the appliance's own: they can be seen, cancelled, retried and deleted", j.Type)
	}
	e := queue.Edit{Payload: json.RawMessage(in.Body.Payload), Queue: in.Body.Queue, Priority: in.Body.Priority}
	if err := in.Body.RunAt.check("run_at"); err != nil {
		return nil, err
	}
	if at := in.Body.RunAt.Time; !at.IsZero() {
		e.RunAt = &at
	}
	if j, err = s.deps.Queue.Editor.Edit(ctx, id, e); err != nil {
		return nil, fmt.Errorf("edit job: %w", err)
	}
	return &jobOutput{Body: oneJob(&j)}, nil
}

func (s *Server) actOnJobs(ctx context.Context, in *jobActionInput) (*jobActedOutput, error) {
	f := in.Body.Filter
	if err := cmp.Or(f.Since.check("filter.since"), f.Until.check("filter.until")); err != nil {
		return nil, err // a filter without its times would find more
	}
	params := JobFilterParams{
		Status: f.Status, Queue: f.Queue, Type: f.Type, Code: f.Code, Q: f.Q, LimitKey: f.LimitKey, Flow: f.Flow, Schedule: f.Schedule,
		Since: f.Since.Time, Until: f.Until.Time, IDs: f.IDs,
	}
	if params.empty() {
		return nil, errcode.Invalid("filter", "at least one member; every status means every job")
	}
	stateOf(ctx).stream = true
	acted, err := s.deps.Queue.Editor.Act(ctx, queue.Action(in.Body.Action), params.filter(), in.Body.Limit)
	if err != nil {
		return nil, fmt.Errorf("%s jobs: %w", in.Body.Action, err)
	}
	out := &jobActedOutput{Body: JobActed{Matched: acted.Matched, Done: acted.Done, Failed: acted.Failed}}
	if acted.Err != nil {
		p := problemOf(requestOf(ctx), acted.Err)
		out.Body.Error.v = &JobFault{Code: p.Code, Message: p.Detail}
	}
	return out, nil
}

// empty reports whether everything is selected.
func (p *JobFilterParams) empty() bool {
	return len(p.Status) == 0 && len(p.IDs) == 0 && p.Queue == "" && p.Type == "" && p.Code == "" && p.Q == "" && p.LimitKey == "" &&
		p.Flow == "" && p.Schedule == "" && p.Since.IsZero() && p.Until.IsZero()
}
