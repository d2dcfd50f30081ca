package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// Queue is the job queue behind the routes of jobs, leases, queues, workers, schedules and flows. All are needed.
type Queue struct {
	Jobs      Jobs
	Editor    queue.Editor
	Waiter    queue.Waiter
	Queues    queue.Manager
	Workers   queue.External
	Flows     queue.Flows
	Schedules queue.Schedules
	Transfer  queue.Transfer
	// Internal says whether jobs of a type are the appliance's own: everybody may see, cancel and retry them, nobody
	// outside makes, edits or leases them.
	Internal func(typ string) bool
}

// Jobs makes, shows and cancels jobs.
type Jobs interface {
	Enqueue(ctx context.Context, jobs ...queue.New) ([]queue.Job, error)
	Get(ctx context.Context, id queue.ID) (queue.Job, error)
	List(ctx context.Context, f queue.Filter) (queue.Page, error)
	// Cancel ends a job that has not ended; one that is at work is told to. What belongs to the job's type is recorded.
	Cancel(ctx context.Context, id queue.ID) error
}

const (
	// maxJobsBody and maxJobs bound one call that makes jobs.
	maxJobsBody = 16 << 20
	maxJobs     = 10_000
	maxIDs      = 1000
)

// NewJobs is the body of POST /jobs: one job, or several that are made all or none.
type NewJobs struct {
	NewJob
	Jobs []NewJob `json:"jobs,omitempty"`
}

// Schema documents that it is either one or the other.
func (NewJobs) Schema(r huma.Registry) *huma.Schema {
	one := schemaOf[NewJob](r)
	return &huma.Schema{AnyOf: []*huma.Schema{one, {
		Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"jobs"},
		Properties: map[string]*huma.Schema{"jobs": {Type: huma.TypeArray, Items: one, MinItems: new(1), MaxItems: new(maxJobs)}},
	}}}
}

// MadeJobs is the answer to POST /jobs.
type MadeJobs struct{}

// Schema documents that it is a job, or a list of them.
func (MadeJobs) Schema(r huma.Registry) *huma.Schema {
	one := schemaOf[Job](r)
	return &huma.Schema{AnyOf: []*huma.Schema{one, {
		Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"items"},
		Properties: map[string]*huma.Schema{"items": {Type: huma.TypeArray, Items: one}},
	}}}
}

type jobsInput struct {
	PageParams
	JobFilterParams
	Sort string `query:"sort" enum:"newest,oldest" default:"newest" doc:"which come first, by creation"`
}

// JobFilterParams select jobs. Exported for the same reason as IDParam.
type JobFilterParams struct {
	Status   []string  `query:"status" nullable:"false" enum:"waiting,scheduled,ready,active,retry,completed,dead,cancelled" doc:"one of these, separated by commas"`
	Queue    string    `query:"queue" maxLength:"32"`
	Type     string    `query:"type" maxLength:"60"`
	Code     string    `query:"code" maxLength:"64" doc:"of the last error"`
	Q        string    `query:"q" maxLength:"256" doc:"in the message of the last error or in the payload; case does not count"`
	LimitKey string    `query:"limit_key" maxLength:"128"`
	Flow     string    `query:"flow" maxLength:"26" doc:"flow id"`
	Schedule string    `query:"schedule" maxLength:"64" doc:"schedule id"`
	Since    time.Time `query:"since" doc:"created at or after"`
	Until    time.Time `query:"until" doc:"created before"`
	IDs      []string  `query:"ids" nullable:"false" maxItems:"1000" doc:"job ids, separated by commas"`
}

func (p *JobFilterParams) filter() queue.Filter {
	f := queue.Filter{
		Queue: p.Queue, Type: p.Type, Code: errcode.Code(p.Code), Text: p.Q, LimitKey: p.LimitKey, Flow: queue.FlowID(p.Flow),
		Schedule: p.Schedule, Since: p.Since, Until: p.Until,
	}
	for _, st := range p.Status {
		f.Status = append(f.Status, queue.Status(st))
	}
	for _, id := range p.IDs {
		f.IDs = append(f.IDs, queue.ID(id))
	}
	return f
}

type jobsOutput struct{ Body List[Job] }

type jobOutput struct{ Body Job }

type jobResultInput struct {
	IDParam
	Wait float64 `query:"wait" minimum:"0" maximum:"30" doc:"seconds to wait for the job to end"`
}

// JobResult is how a job ended, or that it has not.
type JobResult struct {
	ID         string          `json:"id"`
	Status     string          `json:"status" enum:"waiting,scheduled,ready,active,retry,completed,dead,cancelled"`
	Result     anyJSON         `json:"result" doc:"of a completed job, as long as it is kept"`
	Error      maybe[JobError] `json:"error" doc:"the last one, null if it completed"`
	FinishedAt Stamp           `json:"finished_at" doc:"null: it has not ended"`
}

type jobResultOutput struct{ Body JobResult }

func (s *Server) routeQueue(api huma.API, bodies map[string]*huma.RequestBody) {
	if s.deps.Queue.Jobs == nil { // until the engine has all parts
		return
	}
	s.routeJobs(api)
	s.routeTransfer(api, bodies)
	s.routeLeases(api)
	s.routeQueues(api)
	s.routeWorkers(api)
	s.routeSchedules(api)
	s.routeFlows(api)
}

func (s *Server) routeJobs(api huma.API) {
	key := &huma.Param{
		Name: "Idempotency-Key", In: "header", Description: "the same key and body within 24 h give the same job instead of a new one",
		Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(queue.MaxLabel)},
	}
	lean[NewJobs, MadeJobs](s, api, operation{
		id: "create-jobs", method: http.MethodPost, path: "/jobs", scope: scopeAdmin, created: true, params: []*huma.Param{key},
		summary: "Make a job, or several at once",
		detail: "Answers 201 when it is durable. Several are made all or none, as many as fit one commit: about 3,000 small ones with the default store.memtable, 10,000 at most. A unique key that is held gives the job that " +
			"holds it, with duplicate set; if no job is new, the answer is 200.",
	}, maxJobsBody, s.createJobs)
	register(s, api, operation{
		id: "list-jobs", method: http.MethodGet, path: "/jobs", scope: scopeRead, summary: "List jobs, without results, and of their errors the last",
	}, s.listJobs)
	register(s, api, operation{
		id: "get-job", method: http.MethodGet, path: "/jobs/{id}", scope: scopeRead, summary: "Get a job with its result and errors",
	}, func(ctx context.Context, in *IDParam) (*jobOutput, error) {
		j, err := s.deps.Queue.Jobs.Get(ctx, queue.ID(in.ID))
		if err != nil {
			return nil, fmt.Errorf("get job: %w", err)
		}
		return &jobOutput{Body: oneJob(&j)}, nil
	})
	register(s, api, operation{
		id: "get-job-result", method: http.MethodGet, path: "/jobs/{id}/result", scope: scopeRead, summary: "Get a job's result, or wait for it",
		detail: "After the wait, and when the appliance stops, the answer is what is known then: finished_at null says that the job has not ended.",
	}, s.jobResult)
	s.routeJobChanges(api)
}

// createJobs makes jobs.
func (s *Server) createJobs(c echo.Context, in *NewJobs) (int, []byte, error) {
	ctx := c.Request().Context()
	ids := RequestIDs(ctx)
	news, err := s.newJobs(in, ids)
	if err != nil {
		return 0, nil, err
	}
	if news[0].IdempotencyKey, err = idempotencyKey(c.Request()); err != nil {
		return 0, nil, err
	}
	made, err := s.deps.Queue.Jobs.Enqueue(ctx, news...)
	if err != nil {
		if in.Jobs != nil {
			err = atIndex(news, err)
		}
		return 0, nil, fmt.Errorf("enqueue: %w", err)
	}
	status := http.StatusOK
	for i := range made {
		if !made[i].Duplicate {
			status = http.StatusCreated
		}
	}
	if in.Jobs == nil {
		c.Response().Header().Set("Location", pathPrefix+"/jobs/"+string(made[0].ID))
		return status, appendJob(make([]byte, 0, 1024+len(made[0].Payload)), &made[0]), nil
	}
	body := append(make([]byte, 0, 1024*len(made)), `{"items":[`...)
	for i := range made {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendJob(body, &made[i])
	}
	return status, append(body, ']', '}'), nil
}

// newJobs gives the jobs that a body asks for, at least one.
func (s *Server) newJobs(in *NewJobs, ids IDs) ([]queue.New, error) {
	if in.Jobs == nil {
		if err := s.checkNew(&in.NewJob); err != nil {
			return nil, err
		}
		return []queue.New{in.job(ids)}, nil
	}
	switch {
	case in.Type != "":
		return nil, errcode.Invalid("jobs", "either one job or jobs, not both")
	case len(in.Jobs) == 0 || len(in.Jobs) > maxJobs:
		return nil, errcode.Invalid("jobs", "1 to %d jobs", maxJobs)
	}
	out := make([]queue.New, len(in.Jobs))
	for i := range in.Jobs {
		if err := s.checkNew(&in.Jobs[i]); err != nil {
			return nil, within(fmt.Sprintf("jobs[%d]", i), err)
		}
		out[i] = in.Jobs[i].job(ids)
	}
	return out, nil
}

// idempotencyKey gives the key of a request, "" if it has none.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || values[0] == "" || len(values[0]) > queue.MaxLabel {
		return "", errcode.Invalid("Idempotency-Key", "one, of 1 to %d bytes", queue.MaxLabel)
	}
	return values[0], nil
}

// within puts the place of a wrong field before its name.
func within(place string, err error) error {
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok || len(e.Fields) == 0 {
		return err
	}
	out := *e
	out.Fields = make([]errcode.Field, len(e.Fields))
	for i, f := range e.Fields {
		out.Fields[i] = errcode.Field{Field: place + "." + f.Field, Message: f.Message}
	}
	out.Text = place + "." + e.Text
	return &out
}

// atIndex finds out which of several jobs the queue found wrong, where it says only what.
func atIndex(news []queue.New, err error) error {
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok || e.Code != errcode.ValidationFailed || strings.HasPrefix(e.Text, "jobs[") {
		return err
	}
	rules := queue.Rules{}.WithDefaults()
	for i, n := range news {
		if _, wrong := n.Prepare(rules, time.Time{}); wrong != nil {
			return within(fmt.Sprintf("jobs[%d]", i), wrong)
		}
	}
	return err
}

func (s *Server) listJobs(ctx context.Context, in *jobsInput) (*jobsOutput, error) {
	if err := checkFields[Job](in.Fields); err != nil {
		return nil, err
	}
	f := in.filter()
	f.Newest, f.Limit, f.Cursor = in.Sort == "newest", in.Limit, in.Cursor
	f.Errors = in.Fields == nil || slices.Contains(in.Fields, "last_error")
	page, err := s.deps.Queue.Jobs.List(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	out := &jobsOutput{Body: List[Job]{Items: make([]Job, 0, len(page.Jobs)), NextCursor: text(page.Next), fields: in.Fields}}
	for i := range page.Jobs {
		out.Body.Items = append(out.Body.Items, jobLine(&page.Jobs[i]))
	}
	return out, nil
}

func (s *Server) jobResult(ctx context.Context, in *jobResultInput) (*jobResultOutput, error) {
	j, err := s.deps.Queue.Jobs.Get(ctx, queue.ID(in.ID))
	if err == nil && !j.Status.Final() && in.Wait > 0 {
		stateOf(ctx).stream = true
		j, err = s.ended(ctx, j.ID, span(in.Wait))
	}
	if err != nil {
		return nil, fmt.Errorf("get result: %w", err)
	}
	out := &jobResultOutput{Body: JobResult{ID: string(j.ID), Status: string(j.Status), Result: anyJSON(j.Result), FinishedAt: Stamp(j.FinishedAt)}}
	if n := len(j.Errors); n > 0 && j.Status != queue.Completed {
		last := errorDTO(&j.Errors[n-1])
		out.Body.Error.v = &last
	}
	return out, nil
}

// ended gives a job when it has ended, or as it is after the wait or when the server begins to stop.
func (s *Server) ended(ctx context.Context, id queue.ID, wait time.Duration) (queue.Job, error) {
	timed, cancel := s.waiting(ctx, wait)
	defer cancel()
	j, err := s.deps.Queue.Waiter.WaitEnd(timed, id)
	if err == nil || timed.Err() == nil || ctx.Err() != nil {
		return j, err
	}
	return s.deps.Queue.Jobs.Get(ctx, id)
}

// waiting gives a context for a long poll: it ends after the wait, and when the server begins to stop.
func (s *Server) waiting(ctx context.Context, wait time.Duration) (context.Context, func()) {
	timed, cancel := context.WithTimeout(ctx, wait)
	unhook := context.AfterFunc(s.drain, cancel)
	return timed, func() {
		unhook()
		cancel()
	}
}
