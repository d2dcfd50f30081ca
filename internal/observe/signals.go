package observe

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/procfs"
)

// Bounds of what is judged over a while: fewer than these are no share of anything.
const (
	leastRequests = 20
	leastDecodes  = 5
	leastLookups  = 20

	requestWindow = time.Minute
	decodeWindow  = 15 * time.Minute
	lookupWindow  = 15 * time.Minute
)

// Signals are figures of the last while, for alerts. One that cannot be told is NaN: the machine hides it, or too little
// happened to speak of a share.
type Signals struct {
	CPU            float64 // percent of all processors
	Memory         float64 // percent of the machine's
	ResponseTime   float64 // seconds, 95th percentile of the last minute, without what takes long by its nature
	ErrorRate      float64 // percent of the requests of the last minute that ended with 5xx
	DecodeFailures float64 // percent of the decodes of the last 15 minutes
	CacheHitRate   float64 // percent of the lookups of the last 15 minutes
}

// took is the upper bound of each slot of response times, in seconds. Alerts have limits of seconds: finer is of no use.
var tookBounds = [...]float64{.005, .01, .025, .05, .1, .25, .5, 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 20, 30, 60}

// counted is what happened since the start, in numbers that only grow.
type counted struct {
	requests, failed       atomic.Int64
	took                   [len(tookBounds) + 1]atomic.Int64 // those that are not long by their nature
	decodes, decodesFailed atomic.Int64
	hits, misses           atomic.Int64
	received, bytesRead    atomic.Int64 // recordings, and bytes of those that were decoded
	jobsFailed             atomic.Int64 // runs of jobs that did not succeed
}

// Totals are numbers since the start of the process.
type Totals struct {
	Received   int64 // recordings
	ReadBytes  int64 // of recordings that were decoded
	JobsFailed int64 // runs of jobs
}

// Totals gives what was counted until now.
func (m *Metrics) Totals() Totals {
	c := &m.counted
	return Totals{Received: c.received.Load(), ReadBytes: c.bytesRead.Load(), JobsFailed: c.jobsFailed.Load()}
}

// tally is counted at one moment.
type tally struct {
	at                                                   time.Time
	requests, failed, decodes, decodesFailed, hits, miss int64
	took                                                 [len(tookBounds) + 1]int64
}

func (c *counted) read(at time.Time) tally {
	t := tally{
		at: at, requests: c.requests.Load(), failed: c.failed.Load(), decodes: c.decodes.Load(),
		decodesFailed: c.decodesFailed.Load(), hits: c.hits.Load(), miss: c.misses.Load(),
	}
	for i := range c.took {
		t.took[i] = c.took[i].Load()
	}
	return t
}

func (c *counted) answered(status int, took time.Duration, long bool) {
	c.requests.Add(1)
	if status >= 500 && status < 600 {
		c.failed.Add(1)
	}
	if long {
		return
	}
	slot := 0
	for slot < len(tookBounds) && took.Seconds() > tookBounds[slot] {
		slot++
	}
	c.took[slot].Add(1)
}

// Sampler makes Signals of what is counted, by keeping what was counted a while ago.
type Sampler struct {
	metrics *Metrics
	cpu     func() (busy, total float64, ok bool)

	mu          sync.Mutex // guards what follows
	past        []tally    // the oldest first, up to decodeWindow
	busy, total float64
}

// Sampler returns a sampler of these metrics.
func (m *Metrics) Sampler() *Sampler { return &Sampler{metrics: m, cpu: processors} }

// Sample gives the signals. It is to be called at regular intervals: its windows reach back to the calls before.
func (s *Sampler) Sample(now time.Time) Signals {
	t := s.metrics.counted.read(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	minute, quarter := s.since(now, requestWindow), s.since(now, decodeWindow)
	out := Signals{
		CPU: s.load(), Memory: memoryUsed(memory()),
		ErrorRate:      share(t.failed-minute.failed, t.requests-minute.requests, leastRequests),
		ResponseTime:   percentile(t, minute, 0.95),
		DecodeFailures: share(t.decodesFailed-quarter.decodesFailed, t.decodes-quarter.decodes, leastDecodes),
	}
	lookups := s.since(now, lookupWindow)
	out.CacheHitRate = share(t.hits-lookups.hits, t.hits+t.miss-lookups.hits-lookups.miss, leastLookups)
	s.past = append(s.past, t)
	for len(s.past) > 1 && now.Sub(s.past[1].at) >= decodeWindow {
		s.past = s.past[1:]
	}
	return out
}

// since gives what was counted when a window began: at its beginning or just before, or when there was nothing yet.
func (s *Sampler) since(now time.Time, window time.Duration) tally {
	var at tally
	for _, t := range s.past {
		if now.Sub(t.at) < window {
			break
		}
		at = t
	}
	return at
}

// load is how busy the processors were since the call before.
func (s *Sampler) load() float64 {
	busy, total, ok := s.cpu()
	if !ok {
		return math.NaN()
	}
	b, t := busy-s.busy, total-s.total
	first := s.total == 0
	s.busy, s.total = busy, total
	if first || t <= 0 {
		return math.NaN()
	}
	return min(max(100*b/t, 0), 100)
}

// processors gives the time that all processors were busy and that they were there.
func processors() (busy, total float64, ok bool) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, 0, false
	}
	st, err := fs.Stat()
	if err != nil {
		return 0, 0, false
	}
	c := st.CPUTotal
	busy = c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ + c.Steal
	return busy, busy + c.Idle + c.Iowait, true
}

// memoryUsed is the memory that cannot be had, in percent; NaN where the machine does not tell what is available, since
// what merely caches files would count as used.
func memoryUsed(m map[string]float64) float64 {
	if m["total"] <= 0 || m["available"] <= 0 {
		return math.NaN()
	}
	return 100 * m["used"] / m["total"]
}

func share(part, of, least int64) float64 {
	if of < least {
		return math.NaN()
	}
	return 100 * float64(part) / float64(of)
}

// percentile gives the time within which a share of the answers between two moments were given, interpolated in its slot.
func percentile(now, then tally, q float64) float64 {
	var all int64
	for i := range now.took {
		all += now.took[i] - then.took[i]
	}
	if all < leastRequests {
		return math.NaN()
	}
	rank := q * float64(all)
	seen := 0.0
	for i := range tookBounds {
		n := float64(now.took[i] - then.took[i])
		if seen+n >= rank && n > 0 {
			low := 0.0
			if i > 0 {
				low = tookBounds[i-1]
			}
			return low + (tookBounds[i]-low)*(rank-seen)/n
		}
		seen += n
	}
	return tookBounds[len(tookBounds)-1]
}
