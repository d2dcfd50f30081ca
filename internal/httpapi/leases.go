package httpapi

import (
	"context"
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

const (
	maxLeaseWait = 30 * time.Second
	// maxBeatBody bounds a heartbeat: 1,000 leases with their progress.
	maxBeatBody = 1 << 20
)

func (s *Server) routeLeases(api huma.API) {
	lean[LeaseRequest, LeaseAnswer](s, api, operation{
		id: "lease-jobs", method: http.MethodPost, path: "/leases", scope: scopeWork,
		summary: "End runs and take the next jobs, in one call",
		detail: "First ack, fail and release are recorded; then jobs are leased, or waited for. A lease is durable before it is handed out and " +
			"holds until it is ended, its time has passed without a heartbeat, or the job's timeout. When the appliance stops, the answer comes at once.",
	}, maxJobsBody, s.leaseJobs)
	lean[FinishRequest, LeaseEnded](s, api, operation{
		id: "finish-jobs", method: http.MethodPost, path: "/leases/finish", scope: scopeWork, summary: "End runs without taking more jobs",
	}, maxJobsBody, s.finishJobs)
	lean[HeartbeatRequest, HeartbeatAnswer](s, api, operation{
		id: "heartbeat", method: http.MethodPost, path: "/leases/heartbeat", scope: scopeWork, summary: "Prolong leases and report progress",
	}, maxBeatBody, s.heartbeat)
}

func (s *Server) leaseJobs(c echo.Context, in *LeaseRequest) (int, []byte, error) {
	req, err := s.externalRequest(in)
	if err != nil {
		return 0, nil, err
	}
	ends, kinds, err := in.ends()
	if err != nil {
		return 0, nil, err
	}
	ended, jobs, drained, err := s.lease(c.Request().Context(), ends, req, span(in.Wait))
	if err != nil && len(ended) == 0 {
		return 0, nil, err // else what was ended is said first, and the next call has the error
	}
	body := append(make([]byte, 0, 256+1024*len(jobs)), `{"jobs":[`...)
	for i := range jobs {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendLeased(body, &jobs[i])
	}
	body = append(body, `],"drain":`...)
	if drained {
		body = append(body, "true,"...)
	} else {
		body = append(body, "false,"...)
	}
	return http.StatusOK, append(s.appendEnds(c, body, kinds, ended), '}'), nil
}

func (s *Server) appendEnds(c echo.Context, b []byte, kinds []endKind, ended []queue.Ended) []byte {
	return appendEnded(b, kinds, ended, func(err error) JobFault {
		p := problemOf(c.Request(), err)
		return JobFault{Code: p.Code, Message: p.Detail}
	})
}

// externalRequest checks what a worker asks for.
func (s *Server) externalRequest(in *LeaseRequest) (queue.ExternalRequest, error) {
	r := queue.ExternalRequest{Worker: in.Worker, Queues: in.Queues, Types: in.Types, Max: in.Max, Lease: queue.DefaultLease}
	if in.LeaseSeconds != 0 {
		r.Lease = span(in.LeaseSeconds)
	}
	switch {
	case !validWorker(in.Worker):
		return r, errcode.Invalid("worker", "1 to %d letters, digits and . _ - : @", queue.MaxLabel)
	case in.Max < 0 || in.Max > queue.MaxLeaseBatch:
		return r, errcode.Invalid("max", "1 to %d", queue.MaxLeaseBatch)
	case in.Wait < 0 || in.Wait > maxLeaseWait.Seconds():
		return r, errcode.Invalid("wait", "0 to %.0f seconds", maxLeaseWait.Seconds())
	case r.Lease < queue.MinLease || r.Lease > queue.MaxLease:
		return r, errcode.Invalid("lease_seconds", "%.0f to %.0f", queue.MinLease.Seconds(), queue.MaxLease.Seconds())
	case len(in.Queues) > maxNames || len(in.Types) > maxNames:
		return r, errcode.Invalid("queues", "queues and types: at most %d each", maxNames)
	}
	for _, t := range in.Types {
		if s.deps.Queue.Internal(t) {
			return r, errcode.Invalid("types", "jobs of type %s are done by the appliance alone", t)
		}
	}
	return r, nil
}

// maxNames bounds the queues and the types that a worker asks for.
const maxNames = 100

func validWorker(name string) bool {
	return name != "" && len(name) <= queue.MaxLabel && strings.Trim(name, idAlphabet+":@") == ""
}

// lease ends runs and takes jobs, waiting for them if that was asked for. drained says of a worker that waits that there
// is none because it is being drained: the queue then answers before the wait has ended.
func (s *Server) lease(
	ctx context.Context, ends []queue.End, r queue.ExternalRequest, wait time.Duration,
) (ended []queue.Ended, jobs []queue.ExternalLeased, drained bool, err error) {
	if s.draining() {
		ended, err = s.end(ctx, ends)
		return ended, nil, false, err
	}
	timed, cancel := ctx, func() {}
	if r.NoWait = wait <= 0; !r.NoWait {
		stateOf(ctx).stream = true
		timed, cancel = s.waiting(ctx, wait)
	}
	defer cancel()
	if len(ends) > 0 {
		ended, jobs, err = s.deps.Queue.Workers.FinishAndLease(timed, ends, r)
	} else {
		jobs, err = s.deps.Queue.Workers.LeaseExternal(timed, r)
	}
	switch {
	case err != nil && s.draining() && len(ended) == len(ends):
		return ended, nil, false, nil // whoever waits is let go
	case err != nil:
		return ended, nil, false, fmt.Errorf("lease jobs: %w", err)
	case len(jobs) == 0:
		unkept := slices.ContainsFunc(ended, func(d queue.Ended) bool { return d.Err != nil }) // nor does it wait then
		return ended, nil, !r.NoWait && !unkept && timed.Err() == nil, nil
	case ctx.Err() != nil:
		return ended, nil, false, s.giveBack(ctx, jobs)
	}
	return ended, jobs, false, nil
}

// end ends runs. A caller that leaves now has still said how they ended.
func (s *Server) end(ctx context.Context, ends []queue.End) ([]queue.Ended, error) {
	if len(ends) == 0 {
		return nil, nil
	}
	ended, err := s.deps.Queue.Workers.FinishAll(context.WithoutCancel(ctx), ends)
	if err != nil {
		return nil, fmt.Errorf("end runs: %w", err)
	}
	return ended, nil
}

// giveBack releases jobs whose worker has left while it waited for them: they would only wait for their leases to end,
// and each would have lost an attempt.
func (s *Server) giveBack(ctx context.Context, jobs []queue.ExternalLeased) error {
	ends := make([]queue.End, len(jobs))
	for i := range jobs {
		ends[i] = queue.End{Lease: jobs[i].Lease, Outcome: queue.Outcome{Release: true}}
	}
	if _, err := s.deps.Queue.Workers.FinishAll(context.WithoutCancel(ctx), ends); err != nil {
		return fmt.Errorf("give back jobs: %w", err)
	}
	return fmt.Errorf("lease jobs: %w", context.Cause(ctx))
}

func (s *Server) finishJobs(c echo.Context, in *FinishRequest) (int, []byte, error) {
	ends, kinds, err := in.ends()
	if err != nil {
		return 0, nil, err
	}
	ended, err := s.end(c.Request().Context(), ends)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, append(s.appendEnds(c, []byte{'{'}, kinds, ended), '}'), nil
}

func (s *Server) heartbeat(c echo.Context, in *HeartbeatRequest) (int, []byte, error) {
	switch {
	case !validWorker(in.Worker):
		return 0, nil, errcode.Invalid("worker", "1 to %d letters, digits and . _ - : @", queue.MaxLabel)
	case len(in.Leases) > maxEnds:
		return 0, nil, errcode.Invalid("leases", "at most %d", maxEnds)
	}
	beats := make([]queue.Beat, len(in.Leases))
	for i, l := range in.Leases {
		beats[i].Lease = leaseOf(l.ID, l.Lease)
		if l.Progress == nil && l.ProgressText == nil {
			continue
		}
		var p queue.Progress
		if l.Progress != nil {
			p.Fraction = min(max(*l.Progress, 0), 1)
		}
		if l.ProgressText != nil {
			p.Text = cutUTF8(*l.ProgressText, maxProgressText)
		}
		beats[i].Progress = &p
	}
	beaten, err := s.deps.Queue.Workers.Heartbeat(c.Request().Context(), in.Worker, beats)
	if err != nil {
		return 0, nil, fmt.Errorf("heartbeat: %w", err)
	}
	body := []byte(`{"leases":[`)
	for i, l := range beaten {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendName(append(body, '{'), "id", string(l.Lease.ID))
		body = appendName(append(body, ','), "state", string(l.State))
		body = append(appendStamp(append(body, `,"expires_at":`...), l.Expires), '}')
	}
	return http.StatusOK, append(body, ']', '}'), nil
}

const maxProgressText = 256 // bytes
