package main

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"sync"
	"time"
)

// maxBroken is how many broken promises are kept as text; all of them are counted.
const maxBroken = 100

// tally is what a phase counts, from all its goroutines.
type tally struct {
	mu      sync.Mutex // guards what follows
	counts  map[string]int64
	errors  map[string]int64
	latency map[string]*histogram
	broken  []string
	breaks  int64
}

func newTally() *tally {
	return &tally{counts: map[string]int64{}, errors: map[string]int64{}, latency: map[string]*histogram{}}
}

// add counts n of something.
func (t *tally) add(name string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[name] += n
}

// count tells how much of something was counted.
func (t *tally) count(name string) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[name]
}

// refused counts an answer or failure that the phase provoked: it breaks no promise.
func (t *tally) refused(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errors[kind]++
}

// took records how long a request of a kind took.
func (t *tally) took(kind string, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.latency[kind]
	if h == nil {
		h = &histogram{}
		t.latency[kind] = h
	}
	h.add(d)
}

// broke records a broken promise. what is its kind, for counting: lost, doubled, damaged, stuck, refused, died …
func (t *tally) broke(what, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.breaks++
	t.counts["broken: "+what]++
	if len(t.broken) < maxBroken {
		t.broken = append(t.broken, what+": "+fmt.Sprintf(format, args...))
	}
}

// merge adds what another has counted, under names of their own.
func (t *tally) merge(prefix string, from *tally) {
	from.mu.Lock()
	defer from.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, n := range from.counts {
		if strings.HasPrefix(name, "broken: ") {
			t.counts[name] += n
		} else {
			t.counts[prefix+name] += n
		}
	}
	for kind, n := range from.errors {
		t.errors[prefix+kind] += n
	}
	for kind, h := range from.latency {
		t.latency[prefix+kind] = h
	}
	for _, text := range from.broken {
		t.broken = append(t.broken, prefix+text)
	}
	t.breaks += from.breaks
}

// whole reports whether every promise was kept so far.
func (t *tally) whole() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.breaks == 0
}

// hopeless reports that so much is broken that going on says nothing new.
func (t *tally) hopeless() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.breaks >= maxBroken
}

// into copies what was counted into a result.
func (t *tally) into(r *result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Counts, r.Errors = maps.Clone(t.counts), maps.Clone(t.errors)
	r.Broken, r.Breaks = append([]string(nil), t.broken...), t.breaks
	r.Latency = map[string]latency{}
	for kind, h := range t.latency {
		r.Latency[kind] = h.summary()
	}
}

// steps is how many buckets of a histogram there are a factor of two: each is 9 % wide.
const steps = 8

// histogram counts durations in buckets that grow by a constant factor, so that hours of requests take no more memory
// than minutes.
type histogram struct {
	buckets [steps * 32]int64 // from a microsecond up
	n       int64
	max     time.Duration
}

func (h *histogram) add(d time.Duration) {
	i := 0
	if us := float64(d) / float64(time.Microsecond); us > 1 {
		i = min(int(math.Log2(us)*steps), len(h.buckets)-1)
	}
	h.buckets[i]++
	h.n++
	h.max = max(h.max, d)
}

// quantile gives the upper end of the bucket in which the quantile lies, and no more than the largest value.
func (h *histogram) quantile(q float64) time.Duration {
	left := int64(math.Ceil(q * float64(h.n)))
	for i, n := range h.buckets {
		if left -= n; left <= 0 && n > 0 {
			return min(h.max, time.Duration(math.Exp2(float64(i+1)/steps)*float64(time.Microsecond)))
		}
	}
	return h.max
}

func (h *histogram) summary() latency {
	return latency{N: h.n, P50: ms(h.quantile(0.5)), P99: ms(h.quantile(0.99)), Max: ms(h.max)}
}

func ms(d time.Duration) float64 { return math.Round(float64(d)/float64(time.Microsecond)) / 1000 }
