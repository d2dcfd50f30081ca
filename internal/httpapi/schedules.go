package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// ScheduleSettings is the body of PUT /schedules/{id}.
type ScheduleSettings struct {
	Cron      string `json:"cron" minLength:"1" maxLength:"256" doc:"five fields, or six with seconds first, or @hourly and the like"`
	Timezone  string `json:"timezone,omitempty" maxLength:"64" doc:"IANA name; UTC unless given"`
	Job       NewJob `json:"job" doc:"what is made, without run_at, delay and depends_on"`
	Missed    string `json:"missed,omitempty" enum:"skip,once,all" doc:"times that passed while nothing could fire: none, one job for all (the default), one for each"`
	MissedMax int    `json:"missed_max,omitempty" minimum:"0" maximum:"100" doc:"most jobs of missed all; 100 unless given"`
	Overlap   string `json:"overlap,omitempty" enum:"allow,skip,queue" doc:"when the job of the time before has not ended: one more, none (the default), or one that waits for it"`
	Paused    bool   `json:"paused,omitempty"`
}

// NewSchedule is the body of POST /schedules.
type NewSchedule struct {
	ID string `json:"id" pattern:"^[a-z0-9][a-z0-9_-]{0,63}$" doc:"its name"`
	ScheduleSettings
}

// ScheduleLine is a schedule on the wire.
type ScheduleLine struct {
	ID        string       `json:"id"`
	Cron      string       `json:"cron"`
	Timezone  string       `json:"timezone"`
	Job       ScheduledJob `json:"job"`
	Missed    string       `json:"missed" enum:"skip,once,all"`
	MissedMax int          `json:"missed_max"`
	Overlap   string       `json:"overlap" enum:"allow,skip,queue"`
	Paused    bool         `json:"paused"`
	NextRunAt Stamp        `json:"next_run_at" doc:"null while it is paused, or if there is none"`
	LastRunAt Stamp        `json:"last_run_at" doc:"the time that a job was last made for"`
	LastJobID text         `json:"last_job_id"`
	Skipped   int64        `json:"skipped" doc:"times left out because the job before had not ended"`
	Reason    text         `json:"reason" doc:"why it does not fire; null: it does"`
	CreatedAt Stamp        `json:"created_at"`
	UpdatedAt Stamp        `json:"updated_at"`
}

// ScheduledJob is what a schedule makes, on the wire: as it was given.
type ScheduledJob struct {
	Type          string            `json:"type"`
	Queue         text              `json:"queue"`
	Priority      *int              `json:"priority"`
	Payload       anyJSON           `json:"payload"`
	UniqueKey     text              `json:"unique_key"`
	UniqueUntil   text              `json:"unique_until"`
	UniqueTTL     float64           `json:"unique_ttl"`
	LimitKey      text              `json:"limit_key"`
	MaxAttempts   int               `json:"max_attempts" doc:"0: as configured"`
	Timeout       float64           `json:"timeout" doc:"0: as configured"`
	SoftTimeout   float64           `json:"soft_timeout" doc:"0: as configured"`
	Backoff       maybe[JobBackoff] `json:"backoff"`
	ResultTTL     float64           `json:"result_ttl"`
	RequestID     text              `json:"request_id"`
	CorrelationID text              `json:"correlation_id"`
	TraceID       text              `json:"trace_id"`
}

func scheduleDTO(sc *queue.Schedule) ScheduleLine {
	j := sc.Job
	return ScheduleLine{
		ID: sc.ID, Cron: sc.Cron, Timezone: or(sc.Timezone, "UTC"), Missed: or(string(sc.Missed), string(queue.MissedOnce)),
		MissedMax: sc.MissedMax, Overlap: or(string(sc.Overlap), string(queue.OverlapSkip)), Paused: sc.Paused,
		NextRunAt: Stamp(sc.NextRunAt), LastRunAt: Stamp(sc.LastRunAt), LastJobID: text(sc.LastJobID), Skipped: sc.Skipped,
		Reason: text(sc.Reason), CreatedAt: Stamp(sc.CreatedAt), UpdatedAt: Stamp(sc.UpdatedAt),
		Job: ScheduledJob{
			Type: j.Type, Queue: text(j.Queue), Priority: j.Priority, Payload: anyJSON(j.Payload), UniqueKey: text(j.UniqueKey),
			UniqueUntil: text(j.UniqueUntil), UniqueTTL: j.UniqueTTL.Seconds(), LimitKey: text(j.LimitKey), MaxAttempts: j.MaxAttempts,
			Timeout: j.Timeout.Seconds(), SoftTimeout: j.SoftTimeout.Seconds(), Backoff: backoffDTO(j.Backoff), ResultTTL: j.ResultTTL.Seconds(),
			RequestID: text(j.RequestID), CorrelationID: text(j.CorrelationID), TraceID: text(j.TraceID),
		},
	}
}

// schedule gives what a body asks for. Jobs of a schedule carry the ids that were given for them, not those of the
// request that made the schedule.
func (s *Server) schedule(id string, in *ScheduleSettings) (queue.Schedule, error) {
	j := &in.Job
	if err := s.checkNew(j); err != nil {
		return queue.Schedule{}, within("job", err)
	}
	switch {
	case !j.RunAt.IsZero():
		return queue.Schedule{}, errcode.Invalid("job.run_at", "the schedule says when")
	case j.Delay != 0:
		return queue.Schedule{}, errcode.Invalid("job.delay", "the schedule says when")
	case len(j.DependsOn) > 0:
		return queue.Schedule{}, errcode.Invalid("job.depends_on", "not in a schedule")
	}
	return queue.Schedule{
		ID: id, Cron: in.Cron, Timezone: in.Timezone, Job: j.job(IDs{}), Missed: queue.Missed(in.Missed), MissedMax: in.MissedMax,
		Overlap: queue.Overlap(in.Overlap), Paused: in.Paused,
	}, nil
}

// ScheduleParam is the id in a path. Exported for the same reason as IDParam.
type ScheduleParam struct {
	ID string `path:"id" maxLength:"64" doc:"schedule id"`
}

type newScheduleInput struct{ Body NewSchedule }

type putScheduleInput struct {
	ID   string `path:"id" pattern:"^[a-z0-9][a-z0-9_-]{0,63}$" doc:"schedule id"`
	Body ScheduleSettings
}

type schedulesInput struct{ PageParams }

type scheduleTimesInput struct {
	Cron     string `query:"cron" required:"true" minLength:"1" maxLength:"256" doc:"as a schedule has it"`
	Timezone string `query:"timezone" maxLength:"64" doc:"IANA name; UTC unless given"`
	Limit    int    `query:"limit" minimum:"1" maximum:"20" default:"5" doc:"how many"`
}

// ScheduleTimes are the next times of an expression.
type ScheduleTimes struct {
	Times []ScheduleTime `json:"times" nullable:"false" doc:"soonest first; fewer than asked for if the others are years ahead"`
}

// ScheduleTime is a time at which a schedule fires.
type ScheduleTime struct {
	At    Stamp  `json:"at"`
	Local string `json:"local" format:"date-time" doc:"the same on the clock of the time zone, with its offset from UTC then"`
}

type scheduleTimesOutput struct{ Body ScheduleTimes }

type schedulesOutput struct{ Body List[ScheduleLine] }

type scheduleOutput struct{ Body ScheduleLine }

type newScheduleOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     ScheduleLine
}

func (s *Server) routeSchedules(api huma.API) {
	q := s.deps.Queue.Schedules
	register(s, api, operation{
		id: "list-schedules", method: http.MethodGet, path: "/schedules", scope: scopeRead, summary: "List the schedules",
	}, func(ctx context.Context, in *schedulesInput) (*schedulesOutput, error) {
		all, err := q.ListSchedules(ctx)
		if err != nil {
			return nil, fmt.Errorf("list schedules: %w", err)
		}
		list, err := listOf(all, in.PageParams, func(sc *queue.Schedule) string { return sc.ID }, scheduleDTO)
		return &schedulesOutput{Body: list}, err
	})
	register(s, api, operation{
		id: "get-schedule", method: http.MethodGet, path: "/schedules/{id}", scope: scopeRead, summary: "Get a schedule",
	}, func(ctx context.Context, in *ScheduleParam) (*scheduleOutput, error) {
		return scheduleAnswer("get schedule")(q.Schedule(ctx, in.ID))
	})
	register(s, api, operation{
		id: "get-schedule-times", method: http.MethodGet, path: "/schedule-times", scope: scopeRead,
		summary: "Get the next times of a cron expression",
		detail: "For an expression that is being written: what a schedule would refuse is refused in the same words. A schedule that is there " +
			"may fire otherwise: while it is paused, or its clock is wrong, its next_run_at and reason say so.",
	}, s.scheduleTimes)
	register(s, api, operation{
		id: "create-schedule", method: http.MethodPost, path: "/schedules", scope: scopeAdmin, created: true, summary: "Make a schedule",
		detail: "Answers 201, or 200 when it is there already just so. Another one of that id is 409: PUT replaces it.",
	}, s.createSchedule)
	register(s, api, operation{
		id: "put-schedule", method: http.MethodPut, path: "/schedules/{id}", scope: scopeAdmin, summary: "Make or replace a schedule",
		detail: "Its last time is kept, so nothing fires twice.",
	}, func(ctx context.Context, in *putScheduleInput) (*scheduleOutput, error) {
		sc, err := s.schedule(in.ID, &in.Body)
		if err != nil {
			return nil, err
		}
		return scheduleAnswer("set schedule")(q.PutSchedule(ctx, sc))
	})
	register(s, api, operation{
		id: "delete-schedule", method: http.MethodDelete, path: "/schedules/{id}", scope: scopeAdmin, summary: "Delete a schedule; its jobs stay",
	}, func(ctx context.Context, in *ScheduleParam) (*noContent, error) {
		if err := q.DeleteSchedule(ctx, in.ID); err != nil {
			return nil, fmt.Errorf("delete schedule: %w", err)
		}
		return nil, nil //nolint:nilnil // huma's way to say: no body
	})
	register(s, api, operation{
		id: "run-schedule", method: http.MethodPost, path: "/schedules/{id}/run", scope: scopeAdmin,
		summary: "Make a schedule's job now, beside its times and whatever overlap says",
	}, func(ctx context.Context, in *ScheduleParam) (*jobOutput, error) {
		j, err := q.RunSchedule(ctx, in.ID)
		if err != nil {
			return nil, fmt.Errorf("run schedule: %w", err)
		}
		return &jobOutput{Body: oneJob(&j)}, nil
	})
	for _, a := range []struct {
		name, summary string
		paused        bool
	}{
		{"pause", "Let a schedule make no more jobs", true},
		{"resume", "Let a schedule make jobs again", false},
	} {
		register(s, api, operation{
			id: a.name + "-schedule", method: http.MethodPost, path: "/schedules/{id}/" + a.name, scope: scopeAdmin, summary: a.summary,
		}, func(ctx context.Context, in *ScheduleParam) (*scheduleOutput, error) {
			sc, err := q.Schedule(ctx, in.ID)
			if err == nil && sc.Paused != a.paused {
				sc.Paused = a.paused
				sc, err = q.PutSchedule(ctx, sc)
			}
			return scheduleAnswer(a.name+" schedule")(sc, err)
		})
	}
}

func (s *Server) scheduleTimes(_ context.Context, in *scheduleTimesInput) (*scheduleTimesOutput, error) {
	times, err := s.deps.Queue.Schedules.NextTimes(in.Cron, in.Timezone, in.Limit)
	if err != nil {
		return nil, fmt.Errorf("get schedule times: %w", err)
	}
	out := &scheduleTimesOutput{Body: ScheduleTimes{Times: make([]ScheduleTime, len(times))}}
	for i, at := range times {
		out.Body.Times[i] = ScheduleTime{At: Stamp(at), Local: at.Format("2006-01-02T15:04:05-07:00")}
	}
	return out, nil
}

// createSchedule makes a schedule. A client that asks twice because it did not hear the answer is told that it is there.
func (s *Server) createSchedule(ctx context.Context, in *newScheduleInput) (*newScheduleOutput, error) {
	sc, err := s.schedule(in.Body.ID, &in.Body.ScheduleSettings)
	if err != nil {
		return nil, err
	}
	out := &newScheduleOutput{Status: http.StatusCreated, Location: pathPrefix + "/schedules/" + sc.ID}
	there, err := s.deps.Queue.Schedules.Schedule(ctx, sc.ID)
	switch {
	case err == nil && sameSchedule(&there, &sc):
		out.Status, sc = http.StatusOK, there
	case err == nil:
		return nil, errcode.Newf(errcode.Conflict, "there is another schedule %s", sc.ID)
	case !errcode.Is(err, errcode.NotFound):
		return nil, fmt.Errorf("make schedule: %w", err)
	default:
		if sc, err = s.deps.Queue.Schedules.PutSchedule(ctx, sc); err != nil {
			return nil, fmt.Errorf("make schedule: %w", err)
		}
	}
	out.Body = scheduleDTO(&sc)
	return out, nil
}

// sameSchedule compares what a caller can say of a schedule.
func sameSchedule(a, b *queue.Schedule) bool {
	said := func(sc *queue.Schedule) string {
		d := scheduleDTO(sc)
		d.NextRunAt, d.LastRunAt, d.CreatedAt, d.UpdatedAt = Stamp{}, Stamp{}, Stamp{}, Stamp{}
		d.LastJobID, d.Skipped, d.Reason = "", 0, ""
		raw, err := jsonBytes(d)
		if err != nil {
			return err.Error()
		}
		return string(raw)
	}
	return said(a) == said(b)
}

// scheduleAnswer makes the answer of what gives a schedule.
func scheduleAnswer(what string) func(queue.Schedule, error) (*scheduleOutput, error) {
	return func(sc queue.Schedule, err error) (*scheduleOutput, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		return &scheduleOutput{Body: scheduleDTO(&sc)}, nil
	}
}
