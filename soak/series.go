package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// rule says when a series counts as flat: over its second half it may grow by base, and by share of its median for
// each hour. Limit, if any, is what no value may exceed.
type rule struct {
	base  float64
	share float64 // per hour
	limit float64 // 0 = none
}

const mib = 1 << 20

// rules are what the resources of a run under constant load are held to. A memory that is collected now and then, and
// workers that come and go, make waves; what is asked is whether the waves rise.
func rules() map[string]rule {
	memory := rule{base: 8 * mib, share: 0.03}
	return map[string]rule{
		"pss_bytes": {base: 256 * mib, limit: 256 * mib},
		// Resident memory counts mapped pages of the database's files too, which the kernel takes back: it makes waves of half
		// an hour. A leak is in what is not of files.
		"anon_bytes":           {base: memory.base, share: memory.share, limit: 256 * mib},
		"anon_server_bytes":    memory,
		"descriptors_server":   {base: 8, share: 0.03},
		"descriptors_children": {base: 8, share: 0.03},
		"goroutines":           {base: 10, share: 0.03},
		"threads_server":       {base: 4, share: 0.03},
		"children":             {base: 1, share: 0},
		"disk_bytes":           {base: 32 * mib, share: 0.05},
	}
}

// point is one value of a series.
type point struct {
	at    time.Duration // since the beginning
	value float64
}

// series is a resource over time.
type series []point

// trend gives the growth over the second half of the series, and its median there. The slope is the median of the
// slopes between all pairs of bucket medians (Theil-Sen), so that neither single peaks nor waves shorter than a bucket
// count.
func (s series) trend() (growth, median, hours float64) {
	half := s.secondHalf()
	if len(half) < 2 {
		return 0, 0, 0
	}
	span := half[len(half)-1].at - half[0].at
	values := make([]float64, len(half))
	for i, p := range half {
		values[i] = p.value
	}
	buckets := half.buckets(40)
	var slopes []float64
	for i, a := range buckets {
		for _, b := range buckets[i+1:] {
			if d := (b.at - a.at).Hours(); d > 0 {
				slopes = append(slopes, (b.value-a.value)/d)
			}
		}
	}
	return middleOf(slopes) * span.Hours(), middleOf(values), span.Hours()
}

func (s series) secondHalf() series {
	if len(s) == 0 {
		return nil
	}
	from := s[0].at + (s[len(s)-1].at-s[0].at)/2
	i, _ := slices.BinarySearchFunc(s, from, func(p point, at time.Duration) int { return int(p.at - at) })
	return s[i:]
}

// buckets gives the medians of at most n equal parts.
func (s series) buckets(n int) series {
	n = min(n, len(s))
	out := make(series, 0, n)
	for i := range n {
		part := s[i*len(s)/n : (i+1)*len(s)/n]
		values := make([]float64, len(part))
		for k, p := range part {
			values[k] = p.value
		}
		out = append(out, point{at: part[len(part)/2].at, value: middleOf(values)})
	}
	return out
}

func middleOf(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// resource is what a report says of a series.
type resource struct {
	Samples int     `json:"samples"`
	First   float64 `json:"first"`
	Last    float64 `json:"last"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Median  float64 `json:"median"`       // of the second half
	Growth  float64 `json:"growth"`       // over the second half
	PerHour float64 `json:"growth_hour"`  // the same for an hour
	Allowed float64 `json:"allowed"`      // growth
	Judged  bool    `json:"judged"`       // there is a rule for it
	Flat    bool    `json:"flat"`         // it kept the rule
	Why     string  `json:"why,omitzero"` // it did not
}

// judge holds a series to its rule.
func (s series) judge(r rule, judged bool) resource {
	out := resource{Samples: len(s), Judged: judged, Flat: true}
	if len(s) == 0 {
		return out
	}
	out.First, out.Last, out.Min, out.Max = s[0].value, s[len(s)-1].value, math.Inf(1), math.Inf(-1)
	for _, p := range s {
		out.Min, out.Max = min(out.Min, p.value), max(out.Max, p.value)
	}
	var hours float64
	out.Growth, out.Median, hours = s.trend()
	if hours > 0 {
		out.PerHour = out.Growth / hours
	}
	out.Allowed = r.base + r.share*out.Median*hours
	switch {
	case !judged:
	case out.Growth > out.Allowed:
		out.Flat, out.Why = false, fmt.Sprintf("grew by %.4g in its second half, %.4g are allowed", out.Growth, out.Allowed)
	case r.limit > 0 && out.Max > r.limit:
		out.Flat, out.Why = false, fmt.Sprintf("reached %.4g, the limit is %.4g", out.Max, r.limit)
	}
	return out
}
