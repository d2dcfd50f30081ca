package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/queue"
)

// QueueRate is how many jobs may start in a time, on the wire.
type QueueRate struct {
	Jobs  int     `json:"jobs" minimum:"1" maximum:"1000000"`
	Per   float64 `json:"per" minimum:"0.001" maximum:"86400" doc:"seconds"`
	Burst int     `json:"burst,omitempty" minimum:"0" maximum:"1000000" doc:"jobs that may start at once after a pause; as many as jobs unless given"`
}

func (r *QueueRate) rate() queue.Rate {
	if r == nil {
		return queue.Rate{}
	}
	return queue.Rate{Jobs: r.Jobs, Per: span(r.Per), Burst: r.Burst}
}

func rateDTO(r queue.Rate) maybe[QueueRate] {
	if r.Jobs == 0 {
		return maybe[QueueRate]{}
	}
	return maybe[QueueRate]{&QueueRate{Jobs: r.Jobs, Per: r.Per.Seconds(), Burst: r.Burst}}
}

// QueueSettings is the body of PUT /queues/{name}: what it leaves out gets its default.
type QueueSettings struct {
	Weight       int        `json:"weight,omitempty" minimum:"0" maximum:"1000" doc:"its share of the turns; 0 or none: as configured"`
	Paused       bool       `json:"paused,omitempty" doc:"none of its jobs is started"`
	MaxActive    int        `json:"max_active,omitempty" minimum:"0" maximum:"1000000" doc:"jobs at work at once; 0 or none: no limit"`
	Rate         *QueueRate `json:"rate,omitempty" doc:"none: no limit"`
	KeyMaxActive int        `json:"key_max_active,omitempty" minimum:"0" maximum:"1000000" doc:"jobs at work at once that share a limit_key; 0 or none: no limit"`
	KeyRate      *QueueRate `json:"key_rate,omitempty" doc:"of jobs that share a limit_key"`
}

func (q *QueueSettings) patch() queue.SettingsPatch {
	rate, keyRate := q.Rate.rate(), q.KeyRate.rate()
	return queue.SettingsPatch{
		Weight: &q.Weight, Paused: &q.Paused, Drain: new(bool), MaxActive: &q.MaxActive, Rate: &rate, KeyMaxActive: &q.KeyMaxActive, KeyRate: &keyRate,
	}
}

// change is a member of a patch that may be left out, null, or a value.
type change[T any] struct {
	given bool
	v     *T
}

// UnmarshalJSON is called for null too.
func (c *change[T]) UnmarshalJSON(b []byte) error {
	c.given = true
	return json.Unmarshal(b, &c.v) //nolint:wrapcheck // encoding/json reads this error
}

// Schema describes the value, or null.
func (change[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), false, "") // huma does not look into alternatives of null
	s.Nullable = true
	return &s
}

// QueuePatch is the body of PATCH /queues/{name}: what it leaves out stays as it is, null gives it its default.
type QueuePatch struct {
	Weight       *int              `json:"weight,omitempty" minimum:"0" maximum:"1000"`
	Paused       *bool             `json:"paused,omitempty"`
	MaxActive    *int              `json:"max_active,omitempty" minimum:"0" maximum:"1000000"`
	Rate         change[QueueRate] `json:"rate,omitzero"`
	KeyMaxActive *int              `json:"key_max_active,omitempty" minimum:"0" maximum:"1000000"`
	KeyRate      change[QueueRate] `json:"key_rate,omitzero"`
}

func (q *QueuePatch) patch() queue.SettingsPatch {
	p := queue.SettingsPatch{Weight: q.Weight, Paused: q.Paused, MaxActive: q.MaxActive, KeyMaxActive: q.KeyMaxActive}
	if q.Rate.given {
		r := q.Rate.v.rate()
		p.Rate = &r
	}
	if q.KeyRate.given {
		r := q.KeyRate.v.rate()
		p.KeyRate = &r
	}
	return p
}

// QueueLine is a queue on the wire.
type QueueLine struct {
	Name               string           `json:"name"`
	Weight             int              `json:"weight" doc:"its share of the turns"`
	ConfiguredWeight   int              `json:"configured_weight" doc:"that it has unless another one was set over this API"`
	Paused             bool             `json:"paused"`
	Draining           bool             `json:"draining" doc:"paused to be drained, and something of it is at work still"`
	Drained            bool             `json:"drained" doc:"paused to be drained, and nothing of it is at work any more"`
	BuiltIn            bool             `json:"built_in" doc:"it cannot be deleted"`
	MaxActive          int              `json:"max_active" doc:"0: no limit"`
	Rate               maybe[QueueRate] `json:"rate" doc:"null: no limit"`
	KeyMaxActive       int              `json:"key_max_active" doc:"of jobs that share a limit_key; 0: no limit"`
	KeyRate            maybe[QueueRate] `json:"key_rate" doc:"of jobs that share a limit_key; null: no limit"`
	Counts             map[string]int64 `json:"counts" nullable:"false" doc:"jobs by status"`
	OldestReadySeconds float64          `json:"oldest_ready_seconds" doc:"how long the job that is next has been ready"`
	PerSecond          float64          `json:"per_second" doc:"jobs that ended in the last minute, by second"`
}

func queueDTO(l *queue.Line) QueueLine {
	out := QueueLine{
		Name: l.Queue, Weight: l.Counts.Weight, ConfiguredWeight: l.Configured, Paused: l.Paused, Draining: l.Draining, Drained: l.Drained, BuiltIn: l.BuiltIn, MaxActive: l.MaxActive,
		Rate: rateDTO(l.Rate), KeyMaxActive: l.KeyMaxActive, KeyRate: rateDTO(l.KeyRate), Counts: map[string]int64{},
		OldestReadySeconds: l.OldestReady.Seconds(), PerSecond: l.PerSecond,
	}
	for _, st := range queue.Statuses() {
		out.Counts[string(st)] = l.Counts.Counts[st]
	}
	return out
}

type queueInput struct {
	Name string `path:"name" maxLength:"32" doc:"queue name"`
}

type queuesInput struct{ PageParams }

// QueueParam is the name in a path. Exported for the same reason as IDParam.
type QueueParam struct {
	Name string `path:"name" maxLength:"32" pattern:"^[A-Za-z0-9._:-]+$" doc:"queue name"`
}

type putQueueInput struct {
	QueueParam
	Body QueueSettings
}

type patchQueueInput struct {
	QueueParam
	Body QueuePatch
}

type drainQueueInput struct {
	QueueParam
	Wait float64 `query:"wait" minimum:"0" maximum:"30" doc:"seconds to wait until nothing is at work"`
}

type queuesOutput struct{ Body List[QueueLine] }

type queueOutput struct{ Body QueueLine }

const drainDetail = "Pauses it and waits until nothing of it is at work: counts.active says how far that is. It stays paused until it is resumed, also over a restart."

func (s *Server) routeQueues(api huma.API) {
	q := s.deps.Queue.Queues
	register(s, api, operation{
		id: "list-queues", method: http.MethodGet, path: "/queues", scope: scopeRead, summary: "List the queues",
	}, func(ctx context.Context, in *queuesInput) (*queuesOutput, error) {
		all, err := q.Lines(ctx)
		if err != nil {
			return nil, fmt.Errorf("list queues: %w", err)
		}
		list, err := listOf(all, in.PageParams, func(l *queue.Line) string { return l.Queue }, queueDTO)
		return &queuesOutput{Body: list}, err
	})
	register(s, api, operation{
		id: "get-queue", method: http.MethodGet, path: "/queues/{name}", scope: scopeRead, summary: "Get a queue",
	}, func(ctx context.Context, in *queueInput) (*queueOutput, error) {
		return queueLine("get queue")(q.Line(ctx, in.Name))
	})
	register(s, api, operation{
		id: "put-queue", method: http.MethodPut, path: "/queues/{name}", scope: scopeAdmin, summary: "Set a queue up",
		detail: "Replaces its settings; one that does not exist yet is made. They hold from the next job on.",
	}, func(ctx context.Context, in *putQueueInput) (*queueOutput, error) {
		return queueLine("set queue")(q.Configure(ctx, in.Name, in.Body.patch()))
	})
	register(s, api, operation{
		id: "change-queue", method: http.MethodPatch, path: "/queues/{name}", scope: scopeAdmin, summary: "Change some settings of a queue",
		detail: "A queue that does not exist yet is made. They hold from the next job on.",
	}, func(ctx context.Context, in *patchQueueInput) (*queueOutput, error) {
		return queueLine("change queue")(q.Configure(ctx, in.Name, in.Body.patch()))
	})
	register(s, api, operation{
		id: "delete-queue", method: http.MethodDelete, path: "/queues/{name}", scope: scopeAdmin,
		summary: "Delete a queue without jobs, with its settings", detail: "A built-in one, or one with jobs, is 409.",
	}, func(ctx context.Context, in *queueInput) (*noContent, error) {
		if err := q.Forget(ctx, in.Name); err != nil {
			return nil, fmt.Errorf("delete queue: %w", err)
		}
		return nil, nil //nolint:nilnil // huma's way to say: no body
	})
	s.routeQueueActions(api)
	s.routeQueueMode(api)
}

func (s *Server) routeQueueActions(api huma.API) {
	q := s.deps.Queue.Queues
	for _, a := range []struct {
		name, summary string
		paused        bool
	}{
		{"pause", "Start no more jobs of a queue", true},
		{"resume", "Start jobs of a queue again", false},
	} {
		register(s, api, operation{
			id: a.name + "-queue", method: http.MethodPost, path: "/queues/{name}/" + a.name, scope: scopeAdmin, summary: a.summary,
		}, func(ctx context.Context, in *QueueParam) (*queueOutput, error) {
			return queueLine(a.name + " queue")(q.Configure(ctx, in.Name, queue.SettingsPatch{Paused: &a.paused}))
		})
	}
	register(s, api, operation{
		id: "drain-queue", method: http.MethodPost, path: "/queues/{name}/drain", scope: scopeAdmin,
		summary: "Pause a queue and wait until nothing of it is at work", detail: drainDetail,
	}, s.drainQueue)
	register(s, api, operation{
		id: "purge-queue", method: http.MethodPost, path: "/queues/{name}/purge", scope: scopeAdmin,
		summary: "Remove every job of a queue that is not at work, whatever its status",
		detail:  "Those that have not ended are cancelled on the way.",
	}, func(ctx context.Context, in *queueInput) (*removedOutput, error) {
		stateOf(ctx).stream = true
		return removed("purge queue")(q.Purge(ctx, in.Name))
	})
}

// drainQueue pauses first: also a caller that does not wait has then drained the queue, in time.
func (s *Server) drainQueue(ctx context.Context, in *drainQueueInput) (*queueOutput, error) {
	l, err := s.deps.Queue.Queues.Configure(ctx, in.Name, queue.SettingsPatch{Drain: new(true)})
	if err != nil || in.Wait <= 0 || l.Counts.Counts[queue.Active] == 0 {
		return queueLine("drain queue")(l, err)
	}
	stateOf(ctx).stream = true
	timed, cancel := s.waiting(ctx, time.Duration(in.Wait*float64(time.Second)))
	defer cancel()
	l, err = s.deps.Queue.Queues.Drain(timed, in.Name)
	if err != nil && timed.Err() != nil && ctx.Err() == nil && !errors.Is(err, queue.ErrClosed) {
		l, err = s.deps.Queue.Queues.Line(ctx, in.Name)
	}
	return queueLine("drain queue")(l, err)
}

// queueLine makes the answer of what gives a queue.
func queueLine(what string) func(queue.Line, error) (*queueOutput, error) {
	return func(l queue.Line, err error) (*queueOutput, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		return &queueOutput{Body: queueDTO(&l)}, nil
	}
}
