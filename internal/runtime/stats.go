package runtime

import (
	"cmp"
	"slices"
	"time"
)

// CrashesKept is how many crashes Stats knows of.
const CrashesKept = 8

// Stats is what the pool does at a moment, for health and the system page.
type Stats struct {
	Workers     []WorkerStats
	Places      int         // most workers at a time
	Waiting     int         // decodes that wait for a worker
	Crashes     []time.Time // the last of the processes that ended unasked, the oldest first; at most CrashesKept
	Confined    bool        // Confinement is known: a worker has started
	Confinement Confinement
}

// WorkerStats describes a living decode worker.
type WorkerStats struct {
	PID      int
	Plugin   string
	RSSBytes int64
	Idle     bool
}

// Usage is what a plugin has done since the start, whatever its version.
type Usage struct {
	Decodes int64 // with a verdict
	Failed  int64 // of these
	Rows    int64
	Bytes   int64 // read
	Workers int   // that hold it now
}

// Usage gives what a plugin has done.
func (p *Pool) Usage(id string) Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.usage[id]
	for w := range p.procs {
		if w.plugin == id {
			u.Workers++
		}
	}
	return u
}

// count adds a verdict to the usage of a plugin.
func (p *Pool) count(id string, res *Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.usage[id]
	u.Decodes++
	u.Rows += res.Rows
	u.Bytes += res.BytesRead
	if res.Status == Failed {
		u.Failed++
	}
	p.usage[id] = u
}

// Confinement is how far workers are shut in, as the last one that started reported it.
type Confinement struct {
	NoNewPrivs  bool     `json:"no_new_privs"`
	NotDumpable bool     `json:"not_dumpable"`
	LandlockABI int      `json:"landlock_abi"` // 0 = files and network are open
	Seccomp     bool     `json:"seccomp"`
	Missing     []string `json:"missing,omitempty"`
}

// Stats gives what the pool does now.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	s := Stats{Places: p.cfg.Workers, Waiting: len(p.waiters), Crashes: slices.Clone(p.crashes), Confined: p.ready, Confinement: Confinement{
		NoNewPrivs: p.conf.NoNewPrivs, NotDumpable: p.conf.NotDumpable,
		LandlockABI: p.conf.LandlockABI, Seccomp: p.conf.Seccomp, Missing: slices.Clone(p.conf.Missing),
	}}
	procs := make([]*proc, 0, len(p.procs))
	for w := range p.procs {
		procs = append(procs, w)
		s.Workers = append(s.Workers, WorkerStats{PID: w.cmd.Process.Pid, Plugin: w.plugin, Idle: slices.Contains(p.idle, w)})
	}
	p.mu.Unlock()
	for i, w := range procs { // reading /proc under the lock would hold up decodes
		s.Workers[i].RSSBytes = w.rss()
	}
	slices.SortFunc(s.Workers, func(a, b WorkerStats) int { return cmp.Compare(a.PID, b.PID) })
	return s
}
