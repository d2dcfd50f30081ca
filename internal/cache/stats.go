package cache

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Result is what came of looking for a key.
type Result int

// Results. A NegativeHit is a hit whose value tells of a failure.
const (
	Miss Result = iota
	Hit
	NegativeHit
)

// States of a cache. Failing is a server that does not answer, or takes no values.
const (
	StateOK      = "ok"
	StateFailing = "failing"
	StateOff     = "off"
)

// Usage is what the server behind the cache holds, for whomever.
type Usage struct {
	Keys        int64 // of the database
	MemoryBytes int64
	Evictions   int64 // keys that had to go for others, since the server's start
}

// Stats is how the cache does. Counts are since the start.
type Stats struct {
	Enabled   bool
	Backend   string // embedded or external
	State     string
	Detail    string    // why it is failing
	Since     time.Time // it is in this state
	LastError string    // "" = there was none; it may name the server
	LastAt    time.Time // of the last error
	Prefix    string
	DB        int
	TTL       time.Duration // 0 = without end
	Negative  time.Duration // of failures; 0 = none are kept

	Counts
	Usage

	Namespaces []NamespaceStats // by name: those that have a TTL of their own, and those that were asked for
}

// Counts are what callers asked for. NegativeHits are also Hits.
type Counts struct {
	Hits, Misses, NegativeHits, Errors, Puts, Removed int64
}

// Ratio is the part of the keys asked for that were there, 0–1; 0 where none was asked for.
func (c Counts) Ratio() float64 {
	if c.Hits+c.Misses == 0 {
		return 0
	}
	return float64(c.Hits) / float64(c.Hits+c.Misses)
}

// NamespaceStats is about the keys of one namespace.
type NamespaceStats struct {
	Name         string
	TTL          time.Duration // 0 = without end
	Hits, Misses int64
}

// Stats tells how the cache does. What the server itself would have to tell is 0 while it does not answer.
func (c *Cache) Stats(ctx context.Context) (Stats, error) {
	s := c.Status()
	if !s.Enabled {
		return s, nil
	}
	// Without an answer, the state says so.
	_ = c.call(ctx, func(ctx context.Context) (err error) {
		s.Usage, err = c.backend.usage(ctx)
		return err //nolint:wrapcheck // call does
	})
	if err := context.Cause(ctx); err != nil {
		return s, err //nolint:wrapcheck // the caller's own
	}
	c.condition(&s)
	return s, nil
}

// Status is Stats without what the server would have to be asked for.
func (c *Cache) Status() Stats {
	s := Stats{Backend: "embedded", State: StateOff, Prefix: c.cfg.Prefix, DB: c.cfg.DB, TTL: c.TTL("")}
	if c.cfg.URL != "" {
		s.Backend = "external"
	}
	c.mu.Lock()
	ttls := c.ttls
	c.mu.Unlock()
	s.TTL, s.Negative = ttls.Default, ttls.Negative
	of := c.counts.read(&s.Counts)
	for name := range ttls.Namespaces {
		if _, asked := of[name]; !asked {
			of[name] = lookups{}
		}
	}
	for name, n := range of {
		s.Namespaces = append(s.Namespaces, NamespaceStats{name, c.TTL(name), n.hits, n.misses})
	}
	slices.SortFunc(s.Namespaces, func(a, b NamespaceStats) int { return strings.Compare(a.Name, b.Name) })
	if s.Enabled = c.backend != nil; s.Enabled {
		c.condition(&s)
	}
	return s
}

func (c *Cache) condition(s *Stats) {
	b := c.breaker.condition()
	s.State, s.Detail, s.Since, s.LastError, s.LastAt = StateOK, b.why, b.since, b.last, b.lastAt
	if b.failing {
		s.State = StateFailing
	}
}

// Count counts what came of looking for a key, and how long that took.
func (c *Cache) Count(key string, r Result, took time.Duration) {
	c.counts.found(Namespace(key), r)
	result := "hit"
	if r == Miss {
		result = "miss"
	}
	c.record("get", result, took)
}

func (c *Cache) failed(operation string, began time.Time) {
	if c.backend == nil {
		return
	}
	c.counts.fail()
	c.record(operation, "error", time.Since(began))
}

func (c *Cache) record(operation, result string, took time.Duration) {
	if c.cfg.Recorder != nil {
		c.cfg.Recorder.CacheOperation(operation, result, took)
	}
}

// maxNamespaces bounds the namespaces that are counted by themselves, since callers choose them. Keys of others are
// counted in the sums alone.
const maxNamespaces = 100

type counts struct {
	mu  sync.Mutex // guards what follows
	sum Counts
	of  map[string]*lookups
}

type lookups struct{ hits, misses int64 }

func newCounts() counts { return counts{of: map[string]*lookups{}} }

func (c *counts) found(namespace string, r Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.of[namespace]
	if n == nil {
		n = &lookups{}
		if len(c.of) < maxNamespaces {
			c.of[namespace] = n
		}
	}
	if r == Miss {
		c.sum.Misses++
		n.misses++
		return
	}
	c.sum.Hits++
	n.hits++
	if r == NegativeHit {
		c.sum.NegativeHits++
	}
}

func (c *counts) fail() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.Errors++
}

func (c *counts) put() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.Puts++
}

func (c *counts) remove(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.Removed += int64(n)
}

// read gives the sums, and the counts of namespaces.
func (c *counts) read(sum *Counts) map[string]lookups {
	c.mu.Lock()
	defer c.mu.Unlock()
	*sum = c.sum
	of := make(map[string]lookups, len(c.of))
	for name, n := range c.of {
		of[name] = *n
	}
	return of
}
