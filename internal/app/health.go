package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/cache"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/kv/aof"
	"github.com/wayside-edge/wayside/internal/observe"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/store"
)

// From when on something is a reason of health.
const (
	commitSlow   = 5 * time.Second  // a commit under way
	commitStuck  = 30 * time.Second // likewise
	probeEvery   = 30 * time.Second // the disk is written to
	probeSlow    = 2 * time.Second
	probeBytes   = 4096
	crashWindow  = 15 * time.Minute // of worker processes; WaysideWorkersCrash of the shipped rules has the same
	crashMost    = 3
	noWorkerFor  = 10 * time.Second
	noPlaceFor   = time.Minute
	compilingFor = time.Minute
	stalledFor   = time.Minute
	clockJump    = 5 * time.Second // more between two looks than has passed
	clockSlack   = time.Minute     // a clock that is behind by less may be one that is being kept right
	jumpKept     = 5 * time.Minute
	newestEvery  = time.Minute
)

func healthy(code, text string) observe.Reason {
	return observe.Reason{Code: code, Text: text, Status: observe.Healthy}
}

func degraded(code, format string, args ...any) observe.Reason {
	return observe.Reason{Code: code, Text: fmt.Sprintf(format, args...), Status: observe.Degraded}
}

func unhealthy(code, text string) observe.Reason {
	return observe.Reason{Code: code, Text: text, Status: observe.Unhealthy}
}

// watchHealth registers every part with health.
func (a *appliance) watchHealth() {
	add := func(name string, essential bool, reasons func(context.Context) []observe.Reason) {
		a.health.Register(name, essential, reasons)
	}
	// The commit is looked at first: what follows asks the disk, which may be what the commit waits for.
	add("store", true, func(context.Context) []observe.Reason {
		if list := commitReasons(a.db.Committing()); len(list) > 0 {
			return list
		}
		return storeReasons(a.db.Health())
	})
	probe := &diskProbe{fs: a.world.fs, dir: a.folder.tmp()}
	add("disk", true, func(context.Context) []observe.Reason { return append(diskReasons(a.db.Health()), probe.look()...) })
	add("queue", true, a.queueHealth)
	add("plugins", false, func(context.Context) []observe.Reason { return pluginReasons(a.registry.Plugins()) })
	add("workers", false, func(context.Context) []observe.Reason { return workerReasons(time.Now(), a.pool.Stats()) })
	add("kv", false, func(context.Context) []observe.Reason {
		if a.kv == nil {
			return kvReasons(false, a.kvMissing, nil, aof.Status{})
		}
		users, _ := a.kvUsers.get()
		return kvReasons(true, a.kvMissing, users, a.kvLog.Status())
	})
	add("cache", false, func(context.Context) []observe.Reason { return cacheReasons(a.cache.Status()) })
	clock := &clockWatch{now: a.world.now, newest: a.newestRecord}
	add("clock", false, clock.look)
}

func commitReasons(busy time.Duration) []observe.Reason {
	switch {
	case busy >= commitStuck:
		return []observe.Reason{unhealthy("commit_stuck", "a commit does not end; the disk may not answer")}
	case busy >= commitSlow:
		return []observe.Reason{degraded("commit_slow", "a commit takes long; the disk may be overloaded")}
	}
	return nil
}

func storeReasons(h store.Health) []observe.Reason {
	switch {
	case h.Broken != "":
		return []observe.Reason{unhealthy("store_broken", "the database cannot be opened")}
	case h.LostCommits > 0:
		return []observe.Reason{degraded("commits_lost", "%d durable commits were missing at the start", h.LostCommits)}
	}
	return nil
}

func diskReasons(h store.Health) []observe.Reason {
	if h.LowSpace {
		return []observe.Reason{degraded("disk_full", "%d bytes are free, %d are kept: nothing new is stored", h.FreeBytes, h.ReserveBytes)}
	}
	return nil
}

// diskProbe writes a little to the disk now and then: one that takes nothing, or only slowly, is known before somebody's
// recording meets it. While it fails it is tried at every look.
type diskProbe struct {
	fs   disk.FS
	dir  string
	next time.Time
	last []observe.Reason
}

func (p *diskProbe) look() []observe.Reason {
	began := time.Now()
	if began.Before(p.next) {
		return p.last
	}
	err := p.write()
	took := time.Since(began)
	p.last, p.next = nil, time.Now().Add(probeEvery)
	switch {
	case disk.IsNoSpace(err):
		p.last = []observe.Reason{degraded("disk_full", "the disk has no room: nothing new is stored")}
	case err != nil:
		p.last, p.next = []observe.Reason{unhealthy("write_failed", "the disk takes nothing: writing a small file failed")}, time.Time{}
	case took > probeSlow:
		p.last = []observe.Reason{degraded("disk_slow", "writing a small file took %s", took.Round(100*time.Millisecond))}
	}
	return p.last
}

func (p *diskProbe) write() error {
	f, err := p.fs.CreateTemp(p.dir, "probe-*")
	if err != nil {
		return err //nolint:wrapcheck // only whether it failed is told
	}
	_, err = f.Write(make([]byte, probeBytes))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if rerr := p.fs.Remove(f.Name()); err == nil {
		err = rerr
	}
	return err //nolint:wrapcheck // as above
}

func (a *appliance) queueHealth(ctx context.Context) []observe.Reason {
	lines, err := a.engine.Lines(ctx)
	if err != nil {
		return []observe.Reason{unhealthy("queue_failed", "the queue cannot be read")}
	}
	return queueReasons(lines)
}

// queueReasons looks at the queue of decodes, which this process works on: of the others nobody knows whether somebody will.
func queueReasons(lines []queue.Line) []observe.Reason {
	for _, l := range lines {
		if l.Queue != ingest.JobQueue {
			continue
		}
		switch {
		case l.Paused:
			return []observe.Reason{healthy("paused", "the queue of decodes is paused")}
		case l.MaxActive == 0 && l.Rate.Jobs == 0 && l.Counts.Counts[queue.Active] == 0 && l.OldestReady > stalledFor:
			stalled := degraded("queue_stalled", "decodes are ready and none is at work")
			stalled.After = stalledFor
			return []observe.Reason{stalled}
		}
	}
	return nil
}

func pluginReasons(plugins []runtime.Plugin) []observe.Reason {
	var rejected, compiling []string
	for _, p := range plugins {
		switch p.State {
		case runtime.Rejected:
			rejected = append(rejected, p.ID)
		case runtime.Compiling:
			compiling = append(compiling, p.ID)
		case runtime.Active, runtime.Disabled, runtime.Standby, runtime.Removed:
		}
	}
	var list []observe.Reason
	if len(plugins) == 0 {
		list = append(list, degraded("no_plugins", "no decoders are installed"))
	}
	if len(rejected) > 0 {
		list = append(list, degraded("plugins_rejected", "%d of %d decoders are rejected: %s", len(rejected), len(plugins), some(rejected)))
	}
	if len(compiling) > 0 {
		text := fmt.Sprintf("%d of %d decoders are being compiled: %s", len(compiling), len(plugins), some(compiling))
		long := degraded("compiling_long", "%s", text)
		long.After = compilingFor
		list = append(list, healthy("compiling", text), long)
	}
	return list
}

// some names a few.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

func workerReasons(now time.Time, st runtime.Stats) []observe.Reason {
	var list []observe.Reason
	if len(st.Confinement.Missing) > 0 {
		list = append(list, degraded("confined_less", "worker processes are confined with less: %s", strings.Join(st.Confinement.Missing, "; ")))
	}
	crashes := 0
	for _, at := range st.Crashes {
		if now.Sub(at) < crashWindow {
			crashes++
		}
	}
	if crashes > crashMost {
		list = append(list, degraded("workers_crash", "worker processes crashed, more than %d within %s", crashMost, crashWindow))
	}
	busy := 0
	for _, w := range st.Workers {
		if !w.Idle {
			busy++
		}
	}
	switch {
	case st.Waiting > 0 && len(st.Workers) == 0:
		none := unhealthy("no_workers", "decodes wait and no worker process lives")
		none.After = noWorkerFor
		list = append(list, none)
	case st.Waiting > 0 && busy >= st.Places:
		full := degraded("no_place", "decodes wait and all %d worker processes have been busy for a while", st.Places)
		full.After = noPlaceFor
		list = append(list, full)
	}
	return list
}

func kvReasons(there bool, missing string, users error, st aof.Status) []observe.Reason {
	if !there && missing == "" {
		return []observe.Reason{healthy("off", "it is off")}
	}
	var list []observe.Reason
	if missing != "" {
		list = append(list, degraded("address_taken", "%s", missing))
	}
	if st.Failure != nil {
		list = append(list, degraded("kv_log_failed", "the log cannot be written, commands that write are refused: %v", st.Failure))
	}
	if users != nil {
		list = append(list, degraded("kv_users_failed", "%v", users))
	}
	if len(st.Load.Damaged) > 0 {
		list = append(list, degraded("kv_log_damaged", "the log was damaged; what could not be repeated is kept in %v", st.Load.Damaged))
	}
	return list
}

// cacheReasons says how the cache is. It never keeps the appliance from its work.
func cacheReasons(s cache.Stats) []observe.Reason {
	switch s.State {
	case cache.StateOff:
		return []observe.Reason{healthy("off", "it is off")}
	case cache.StateFailing:
		return []observe.Reason{degraded("cache_failing", "%s; decodes go on without it", s.Detail)}
	}
	return nil
}

// newestRecord gives when the newest recording came in; zero: there is none.
func (a *appliance) newestRecord(ctx context.Context) (time.Time, error) {
	files, _, err := a.catalog.Files(ctx, catalog.FileQuery{Limit: 1})
	if err != nil || len(files) == 0 {
		return time.Time{}, err //nolint:wrapcheck // only whether it failed is told
	}
	return files[0].CreatedAt, nil
}

// clockWatch compares the wall clock with the one that never jumps, and with what was recorded.
type clockWatch struct {
	now    func() time.Time
	newest func(context.Context) (time.Time, error)

	wall, mono   time.Time // at the last look
	jumped       time.Time // of mono; zero: it has not
	jump         time.Duration
	record, read time.Time // the newest record, and when it was asked for
}

func (c *clockWatch) look(ctx context.Context) []observe.Reason {
	mono, wall := time.Now(), c.now().Round(0)
	if !c.wall.IsZero() {
		if off := wall.Sub(c.wall) - mono.Sub(c.mono); off.Abs() > clockJump {
			c.jumped, c.jump, c.read = mono, off, time.Time{}
		}
	}
	c.wall, c.mono = wall, mono
	var list []observe.Reason
	if !c.jumped.IsZero() && mono.Sub(c.jumped) < jumpKept {
		list = append(list, degraded("clock_jumped", "the clock was set, by %s", c.jump.Round(time.Second)))
	}
	if c.read.IsZero() || mono.Sub(c.read) >= newestEvery {
		if at, err := c.newest(ctx); err == nil {
			c.record, c.read = at, mono
		}
	}
	if wall.Before(c.record.Add(-clockSlack)) {
		list = append(list, degraded("clock_behind", "the clock shows %s, the newest recording came in at %s",
			wall.UTC().Format(time.RFC3339), c.record.UTC().Format(time.RFC3339)))
	}
	return list
}
