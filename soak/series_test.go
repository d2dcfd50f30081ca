package main

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// made gives n samples, five seconds apart.
func made(n int, value func(hours float64) float64) series {
	s := make(series, n)
	for i := range s {
		at := time.Duration(i) * 5 * time.Second
		s[i] = point{at: at, value: value(at.Hours())}
	}
	return s
}

func TestTrend(t *testing.T) {
	memory := rules()["anon_bytes"]
	rnd := rand.New(rand.NewPCG(1, 2))
	saw := func(h float64) float64 { _, f := math.Modf(h * 12); return 60 * mib * f } // rises for five minutes, falls at once
	noise := func() float64 { return 10 * mib * rnd.Float64() }
	for name, tc := range map[string]struct {
		s    series
		flat bool
	}{
		"nothing":                {nil, true},
		"one sample":             {made(1, func(float64) float64 { return 100 * mib }), true},
		"constant":               {made(1440, func(float64) float64 { return 100 * mib }), true},
		"waves and noise":        {made(1440, func(h float64) float64 { return 100*mib + saw(h) + noise() }), true},
		"warming up, then flat":  {made(1440, func(h float64) float64 { return 40*mib + min(h, 0.9)*100*mib + noise() }), true},
		"one peak within limits": {made(1440, func(h float64) float64 { return 100*mib + 140*mib*float64(int(h*720)%1000/999) }), true},
		"falling":                {made(1440, func(h float64) float64 { return 200*mib - h*50*mib }), true},
		"slow leak under waves":  {made(1440, func(h float64) float64 { return 80*mib + h*20*mib + saw(h) + noise() }), false},
		"leak of one minute":     {made(12, func(h float64) float64 { return 40*mib + h*3600*mib }), false},
		"above the limit once":   {made(1440, func(h float64) float64 { return 100*mib + 157*mib*float64(int(h*720)%1000/999) }), false},
	} {
		r := tc.s.judge(memory, true)
		if r.Flat != tc.flat || tc.flat != (r.Why == "") {
			t.Errorf("%s: %+v", name, r)
		}
		if free := tc.s.judge(memory, false); !free.Flat {
			t.Errorf("%s, without a rule: %+v", name, free)
		}
	}
	r := made(1440, func(h float64) float64 { return 100 + 10*h }).judge(rule{base: 1000}, true)
	if math.Abs(r.PerHour-10) > 0.01 || math.Abs(r.Growth-10) > 0.1 || r.First != 100 || math.Abs(r.Last-120) > 0.1 || r.Max != r.Last {
		t.Errorf("10 an hour: %+v", r)
	}
}

func TestHistogram(t *testing.T) {
	h := &histogram{}
	if s := h.summary(); s != (latency{}) {
		t.Errorf("empty: %+v", s)
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	h.add(-time.Second) // a clock that was set
	h.add(time.Hour)
	s := h.summary()
	if s.N != 1002 || s.P50 < 500 || s.P50 > 550 || s.P99 < 990 || s.P99 > 1090 || s.Max != 3_600_000 {
		t.Errorf("%+v", s)
	}
}

func TestReport(t *testing.T) {
	r := report{Seed: 7, Binary: "wayside", Phases: []result{
		{Phase: "kill", Verdict: kept, Counts: map[string]int64{"uploads acknowledged": 12, "files verified": 11}, Latency: map[string]latency{"rows": {N: 3, P50: 1.5}}},
		{Phase: "full", Verdict: notRun, Why: "no right to mount"},
	}}
	r.conclude()
	if r.Verdict != kept {
		t.Errorf("a phase that is not run: %s", r.Verdict)
	}
	r.Phases = append(r.Phases, result{Phase: "slow", Verdict: stopped})
	if r.conclude(); r.Verdict != stopped {
		t.Errorf("a phase that was stopped: %s", r.Verdict)
	}
	tl := newTally()
	tl.broke("lost", "file %s", "f1")
	bad := result{Phase: "load", Verdict: broken, Resources: map[string]resource{"anon_bytes": {Why: "grew", First: 3 * mib}}, Kept: "/somewhere"}
	tl.into(&bad)
	r.Phases = append(r.Phases, bad, result{Phase: "more", Verdict: kept})
	if r.conclude(); r.Verdict != broken {
		t.Errorf("a broken promise: %s", r.Verdict)
	}
	var b strings.Builder
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"seed 7", "== full: not run (no right to mount)", "! lost: file f1", "NOT FLAT: grew", "3.0 MiB", "/somewhere", "all promises: BROKEN"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}
