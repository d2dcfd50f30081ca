package app

import (
	"context"
	"math"
	"time"

	"github.com/wayside-edge/wayside/internal/history"
	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/observe"
	"github.com/wayside-edge/wayside/internal/queue"
)

// openHistory reads the figures of the last day.
func (a *appliance) openHistory(context.Context) error {
	a.history = history.Open(history.Config{
		Kinds: historyKinds(), Readings: a.figures(a.metrics.Sampler()), Path: a.folder.readings(), FS: a.world.fs, Now: a.world.now,
		Logger: a.logs.Logger("performance"),
	})
	return nil
}

// historyKinds are the figures of which a day is kept.
func historyKinds() []history.Kind {
	return []history.Kind{
		{Name: "recordings", Text: "recordings received, a minute", Per: time.Minute},
		{Name: "decoded", Text: "bytes of recordings decoded, a second", Unit: "By/s", Per: time.Second},
		{Name: "jobs_ready", Text: "jobs that are ready"},
		{Name: "jobs_failed", Text: "runs of jobs that failed, a minute", Per: time.Minute},
		{Name: "jobs_dead", Text: "jobs that are dead"},
		{Name: "memory", Text: "resident memory of the server and its workers", Unit: "By"},
		{Name: "cpu", Text: "load of all processors", Unit: "%"},
		{Name: "disk_used", Text: "disk in use", Unit: "By"},
		{Name: "disk_free", Text: "free space on the disk; at the limit nothing new is stored", Unit: "By"},
		{Name: "latency", Text: "time of 95 of 100 answers, of the last minute", Unit: "s"},
		{Name: "kv_commands", Text: "commands of the Redis-protocol server, a second", Unit: "/s"},
		{Name: "queue_ready", Text: "jobs of a queue that are ready"},
		{Name: "queue_done", Text: "jobs of a queue that ended, a second", Unit: "/s"},
		{Name: "queue_oldest", Text: "how long the next job of a queue has been ready", Unit: "s"},
	}
}

// figures gives what reads them.
func (a *appliance) figures(sampler *observe.Sampler) func(context.Context) []history.Reading {
	return func(ctx context.Context) []history.Reading {
		s, t, db := sampler.Sample(a.world.now()), a.metrics.Totals(), a.db.Health()
		server, host := observe.Memory()
		for _, w := range a.pool.Stats().Workers {
			server += w.RSSBytes
		}
		commands := math.NaN()
		if a.kv != nil {
			if k, known := a.kvSeen.get(); known {
				commands = k.CommandsPerSecond
			}
		}
		c := a.cfg.Alerts
		list := []history.Reading{
			{Kind: "recordings", Value: float64(t.Received)},
			{Kind: "decoded", Value: float64(t.ReadBytes)},
			{Kind: "jobs_failed", Value: float64(t.JobsFailed)},
			{Kind: "memory", Value: float64(server), Limit: float64(host)},
			{Kind: "cpu", Value: s.CPU, Limit: 100},
			{Kind: "disk_used", Value: float64(db.TotalBytes - db.FreeBytes), Limit: float64(db.TotalBytes)},
			{Kind: "disk_free", Value: float64(db.FreeBytes), Limit: float64(db.ReserveBytes)},
			{Kind: "latency", Value: s.ResponseTime, Limit: c.ResponseWarning.Seconds()},
			{Kind: "kv_commands", Value: commands},
		}
		lines, err := a.engine.Lines(ctx)
		if err != nil {
			return list // the queue is closed
		}
		ready, dead := int64(0), int64(0)
		for i := range lines {
			q := &lines[i]
			ready, dead = ready+q.Counts.Counts[queue.Ready], dead+q.Counts.Counts[queue.Dead]
			list = append(list,
				history.Reading{Kind: "queue_ready", Subject: q.Queue, Value: float64(q.Counts.Counts[queue.Ready])},
				history.Reading{Kind: "queue_done", Subject: q.Queue, Value: q.PerSecond},
				history.Reading{Kind: "queue_oldest", Subject: q.Queue, Value: q.OldestReady.Seconds(), Limit: c.QueueAgeWarning.Seconds()})
		}
		return append([]history.Reading{{Kind: "jobs_ready", Value: float64(ready)}, {Kind: "jobs_dead", Value: float64(dead)}}, list...)
	}
}

// readingView shows the history to the HTTP API.
type readingView struct{ *history.History }

// Readings gives readings of the last while.
func (v readingView) Readings(kinds []string, subject string, last time.Duration, points int) httpapi.ReadingsSeen {
	found := v.Read(history.Query{Kinds: kinds, Subject: subject, Last: last, Points: points})
	out := httpapi.ReadingsSeen{From: found.From, Step: found.Step}
	for i := range found.Series {
		s := &found.Series[i]
		out.Series = append(out.Series, httpapi.ReadingSeen{
			Kind: s.Kind.Name, Text: s.Kind.Text, Unit: s.Kind.Unit, Subject: s.Subject, Limit: s.Limit, Min: s.Min, Max: s.Max, Mean: s.Mean,
		})
	}
	return out
}
