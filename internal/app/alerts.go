package app

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/wayside-edge/wayside/internal/alert"
	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/observe"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// openAlerts opens what judges figures of the appliance and tells of those that are beyond their limits.
func (a *appliance) openAlerts(ctx context.Context) error {
	engine, err := alert.Open(ctx, alert.Config{
		DB: a.db, Rules: alertRules(&a.cfg), Readings: a.readings(a.metrics.Sampler()), Bus: a.events, Interval: a.cfg.Metrics.Interval,
		Window: window(a.cfg.Alerts.Deduplication), Logger: a.logs.Logger("performance"), Now: a.world.now,
		Notifiers: []alert.Notifier{alert.Log{Logger: a.logs.Logger("performance")}},
	})
	if err != nil {
		return fmt.Errorf("open alerts: %w", err)
	}
	a.alerts = engine
	return nil
}

// reloadAlerts puts the limits of a configuration that was read again in effect.
func (a *appliance) reloadAlerts(ctx context.Context, cfg config.Config) {
	if err := a.alerts.SetRules(alertRules(&cfg), window(cfg.Alerts.Deduplication)); err != nil {
		a.log.ErrorContext(ctx, "alerts not reloaded", "error", err)
	}
}

// window gives the engine's value for none, which is negative there.
func window(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// alertRules are what is watched, with the limits of the configuration.
func alertRules(cfg *config.Config) []alert.Rule {
	c := cfg.Alerts
	none := math.NaN()
	percent := func(name, text string, t config.Thresholds, wait time.Duration) alert.Rule {
		return alert.Rule{Name: name, Text: text, Unit: "%", Warning: t.Warning, Critical: t.Critical, For: wait}
	}
	seconds := func(name, text string, warning, critical, wait time.Duration) alert.Rule {
		return alert.Rule{Name: name, Text: text, Unit: "s", Warning: warning.Seconds(), Critical: critical.Seconds(), For: wait}
	}
	rules := []alert.Rule{
		percent("cpu", "processor load", c.CPU, c.For),
		percent("memory", "memory in use", c.Memory, c.For),
		seconds("response_time", "the time of 95 of 100 answers", c.ResponseWarning, c.ResponseCritical, c.For),
		percent("error_rate", "the share of requests that failed", c.ErrorRate, c.For),
		percent("disk", "the disk in use", c.Disk, 0),
		percent("decode_failures", "the share of decodes that failed", c.DecodeFailures, 0),
		seconds("queue_age", "the wait of the next job", c.QueueAgeWarning, c.QueueAgeCritical, 0),
		{Name: "dead_jobs", Text: "the number of dead jobs", Warning: c.DeadJobs.Warning, Critical: c.DeadJobs.Critical},
		{Name: "plugin_rejected", Text: "the number of rejections", Warning: 1, Critical: none},
		{Name: "data_loss", Text: "the number of durable commits that were missing at the start", Warning: none, Critical: 1},
	}
	if c.CacheHitRate > 0 {
		rules = append(rules, alert.Rule{
			Name: "cache_hit_rate", Text: "the share of hits in the cache", Unit: "%", Below: true, Warning: c.CacheHitRate, Critical: none, For: c.For,
		})
	}
	return rules
}

// readings gives what reads every signal.
func (a *appliance) readings(sampler *observe.Sampler) func(context.Context) []alert.Reading {
	return func(ctx context.Context) []alert.Reading {
		s := sampler.Sample(a.world.now())
		db := a.db.Health()
		list := []alert.Reading{
			{Signal: "cpu", Value: s.CPU},
			{Signal: "memory", Value: s.Memory},
			{Signal: "response_time", Value: s.ResponseTime},
			{Signal: "error_rate", Value: s.ErrorRate},
			{Signal: "decode_failures", Value: s.DecodeFailures},
			{Signal: "cache_hit_rate", Value: s.CacheHitRate},
			{Signal: "disk", Value: diskUsed(db.FreeBytes, db.TotalBytes, db.LowSpace)},
			{Signal: "data_loss", Value: float64(db.LostCommits)},
		}
		for _, p := range a.registry.Plugins() {
			if p.State == runtime.Rejected {
				list = append(list, alert.Reading{Signal: "plugin_rejected", Subject: p.ID, Value: 1})
			}
		}
		queues, err := a.engine.Counts(ctx)
		if err != nil {
			a.log.WarnContext(ctx, "queues not read for alerts", "error", err)
			return list
		}
		for _, q := range queues {
			list = append(list,
				alert.Reading{Signal: "queue_age", Subject: q.Queue, Value: q.OldestReady.Seconds()},
				alert.Reading{Signal: "dead_jobs", Subject: q.Queue, Value: float64(q.Counts[queue.Dead])})
		}
		return list
	}
}

// diskUsed is the share of the disk in use. One that takes nothing new is full, whatever its size.
func diskUsed(free, total int64, low bool) float64 {
	switch {
	case low:
		return 100
	case total <= 0:
		return math.NaN()
	}
	return 100 * float64(total-free) / float64(total)
}
