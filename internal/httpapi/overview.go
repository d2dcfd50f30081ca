package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/alert"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
)

const (
	overviewDecodes = 200 // the newest, which are looked at for what went wrong
	overviewNeeds   = 100 // most of the answer
	overviewAge     = 24 * time.Hour
)

// Overview is what somebody sees first, on the wire.
type Overview struct {
	Counts OverviewCounts `json:"counts"`
	Needs  []Need         `json:"needs" nullable:"false" doc:"what somebody should look at, the oldest first; at most 100"`
	Disk   OverviewDisk   `json:"disk"`
}

// OverviewCounts are numbers for a navigation, on the wire.
type OverviewCounts struct {
	JobsReady       int64 `json:"jobs_ready"`
	JobsActive      int64 `json:"jobs_active"`
	JobsRetry       int64 `json:"jobs_retry"`
	JobsDead        int64 `json:"jobs_dead"`
	DecodesFailed   int   `json:"decodes_failed" doc:"of the newest 200 decodes, those of the last 24 hours that failed or are partial"`
	PluginsRejected int   `json:"plugins_rejected"`
	AlertsFiring    int   `json:"alerts_firing" doc:"without those that are silenced; at most 1,000"`
	PartsDegraded   int   `json:"parts_degraded" doc:"parts of the appliance that are degraded or unhealthy"`
}

// Need is something that somebody should look at, on the wire.
type Need struct {
	Kind    string `json:"kind" enum:"dead_jobs,decode,plugin,alert,health"`
	Level   string `json:"level" enum:"warning,critical"`
	Subject string `json:"subject" doc:"name of the queue, id of the decode, plugin or alert, name of the part"`
	FileID  text   `json:"file_id" doc:"of a decode; null of others"`
	Count   int64  `json:"count" doc:"dead jobs; else 1"`
	Text    string `json:"text" doc:"what is wrong, for people: the last error, the reason; may be empty"`
	Code    text   `json:"code" doc:"of the error or reason; null where there is none"`
	Since   Stamp  `json:"since" doc:"null if it is not known"`
}

// OverviewDisk is the disk of the data folder, on the wire.
type OverviewDisk struct {
	DiskInfo
	FullIn *float64 `json:"full_in_seconds" doc:"until the reserve is reached at the rate of the last 24 hours; null: it does not fill, or less than an hour is known"`
}

type overviewOutput struct{ Body Overview }

func (s *Server) routeOverview(api huma.API) {
	register(s, api, operation{
		id: "get-overview", method: http.MethodGet, path: "/overview", scope: scopeRead, whole: true,
		summary: "See what needs somebody, and the numbers of a navigation",
		detail:  "One call for what takes several: dead jobs by queue, decodes that failed or are partial, rejected plugins, alerts, degraded parts, the disk.",
	}, s.getOverview)
}

func (s *Server) getOverview(ctx context.Context, _ *struct{}) (*overviewOutput, error) {
	o := Overview{Needs: []Need{}}
	for _, look := range []func(context.Context, *Overview) error{s.overviewQueues, s.overviewDecodes, s.overviewParts} {
		if err := look(ctx, &o); err != nil {
			return nil, err
		}
	}
	info := s.deps.System.Info(ctx)
	o.Disk = OverviewDisk{DiskInfo: info.Disk, FullIn: s.fullIn(&info.Disk)}
	slices.SortStableFunc(o.Needs, func(a, b Need) int { return cmp.Compare(time.Time(a.Since).UnixNano(), time.Time(b.Since).UnixNano()) })
	o.Needs = o.Needs[:min(len(o.Needs), overviewNeeds)]
	return &overviewOutput{Body: o}, nil
}

// overviewQueues counts jobs, and gives the last error of each queue that has dead ones.
func (s *Server) overviewQueues(ctx context.Context, o *Overview) error {
	lines, err := s.deps.Queue.Queues.Lines(ctx)
	if err != nil {
		return fmt.Errorf("get queues: %w", err)
	}
	told := 0
	for i := range lines {
		q := &lines[i]
		n := q.Counts.Counts
		o.Counts.JobsReady, o.Counts.JobsActive = o.Counts.JobsReady+n[queue.Ready], o.Counts.JobsActive+n[queue.Active]
		o.Counts.JobsRetry, o.Counts.JobsDead = o.Counts.JobsRetry+n[queue.Retry], o.Counts.JobsDead+n[queue.Dead]
		if n[queue.Dead] == 0 {
			continue
		}
		need := Need{Kind: "dead_jobs", Level: "warning", Subject: q.Queue, Count: n[queue.Dead]}
		if told++; told <= overviewNeeds {
			page, err := s.deps.Queue.Jobs.List(ctx, queue.Filter{Status: []queue.Status{queue.Dead}, Queue: q.Queue, Newest: true, Limit: 1})
			if err != nil {
				return fmt.Errorf("get dead jobs: %w", err)
			}
			if len(page.Jobs) > 0 && len(page.Jobs[0].Errors) > 0 {
				last := page.Jobs[0].Errors[len(page.Jobs[0].Errors)-1]
				need.Text, need.Code, need.Since = last.Message, text(last.Code), Stamp(last.At)
			}
		}
		o.Needs = append(o.Needs, need)
	}
	return nil
}

// overviewDecodes looks at the newest decodes: reading all would take as long as there are many.
func (s *Server) overviewDecodes(ctx context.Context, o *Overview) error {
	list, _, err := s.deps.Decodes.Decodes(ctx, catalog.DecodeQuery{Limit: overviewDecodes})
	if err != nil {
		return fmt.Errorf("get decodes: %w", err)
	}
	for i := range list {
		d := &list[i]
		if d.Status != catalog.Failed && d.Status != catalog.Partial || time.Since(d.CreatedAt) > overviewAge {
			continue
		}
		o.Counts.DecodesFailed++
		need := Need{Kind: "decode", Level: "warning", Subject: d.ID, FileID: text(d.FileID), Count: 1, Since: Stamp(d.CreatedAt)}
		if d.Error != nil {
			need.Text, need.Code = d.Error.Message, text(d.Error.Code)
		}
		o.Needs = append(o.Needs, need)
	}
	return nil
}

// overviewParts adds plugins, alerts and parts of the appliance.
func (s *Server) overviewParts(ctx context.Context, o *Overview) error {
	for _, p := range s.deps.Plugins.Plugins() {
		if p.State == runtime.Rejected {
			o.Counts.PluginsRejected++
			o.Needs = append(o.Needs, Need{Kind: "plugin", Level: "warning", Subject: p.ID, Count: 1, Text: p.Reason})
		}
	}
	if s.deps.Alerts != nil {
		firing, _ := s.deps.Alerts.Alerts(alert.Query{State: alert.Firing, Limit: 1000})
		for i := range firing {
			if a := &firing[i]; !a.Silenced {
				o.Counts.AlertsFiring++
				o.Needs = append(o.Needs, Need{Kind: "alert", Level: string(a.Level), Subject: a.ID, Count: 1, Text: a.Text, Code: text(a.Rule), Since: Stamp(a.StartedAt)})
			}
		}
	}
	for _, c := range s.deps.System.Health(ctx).Components {
		if c.Status == "healthy" {
			continue
		}
		o.Counts.PartsDegraded++
		need := Need{Kind: "health", Level: "warning", Subject: c.Name, Count: 1, Text: c.Detail, Since: c.Since}
		if c.Status == "unhealthy" {
			need.Level = "critical"
		}
		if len(c.Reasons) > 0 {
			need.Code = text(c.Reasons[0].Code)
		}
		o.Needs = append(o.Needs, need)
	}
	return nil
}

// fullIn tells in how many seconds the disk reaches its reserve.
func (s *Server) fullIn(d *DiskInfo) *float64 {
	if s.deps.Readings == nil {
		return nil
	}
	const hours = 24
	seen := s.deps.Readings.Readings([]string{"disk_free"}, "", overviewAge, hours)
	if len(seen.Series) != 1 {
		return nil
	}
	free := seen.Series[0].Mean
	known := func(v float64) bool { return !math.IsNaN(v) }
	first := slices.IndexFunc(free, known)
	if first < 0 {
		return nil
	}
	last := len(free) - 1
	for !known(free[last]) {
		last--
	}
	used := free[first] - free[last]
	if last == first || used <= 0 {
		return nil
	}
	left := max(0, float64(d.FreeBytes-d.ReserveBytes)) * seen.Step.Seconds() * float64(last-first) / used
	left, err := strconv.ParseFloat(strconv.FormatFloat(left, 'g', 3, 64), 64) // it is an estimate
	if err != nil {
		return nil
	}
	return &left
}
