package observe

import (
	"math"
	"testing"
	"time"
)

func near(a, b float64) bool { return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-9 }

func TestSignalsAreOfTheLastWhile(t *testing.T) {
	m := NewMetrics(MetricsConfig{})
	s := m.Sampler()
	busy, total := 0.0, 0.0
	s.cpu = func() (float64, float64, bool) { return busy, total, total > 0 }
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	got := s.Sample(now)
	for name, v := range map[string]float64{
		"cpu": got.CPU, "response time": got.ResponseTime, "errors": got.ErrorRate, "decodes": got.DecodeFailures, "cache": got.CacheHitRate,
	} {
		if !math.IsNaN(v) {
			t.Errorf("%s is %v before anything happened", name, v)
		}
	}
	if got.Memory <= 0 || got.Memory > 100 {
		t.Errorf("memory %v %%", got.Memory)
	}

	answer := func(n, status int, took time.Duration, long bool) {
		for range n {
			m.RequestStarted("GET", "/x")
			m.RequestDone(t.Context(), Answer{"GET", "/x", status, took, long})
		}
	}
	answer(90, 200, 3*time.Millisecond, false)
	answer(10, 500, 1800*time.Millisecond, false)
	answer(100, 200, time.Minute, true)
	for range 3 {
		m.FileProcessed(t.Context(), "rail", "success", time.Second)
	}
	m.FileProcessed(t.Context(), "rail", "error", time.Second)
	busy, total = 10, 40
	now = now.Add(15 * time.Second)
	if got = s.Sample(now); !near(got.ErrorRate, 5) || !near(got.ResponseTime, 1.75) || !math.IsNaN(got.DecodeFailures) {
		t.Errorf("%+v", got)
	}
	m.FileProcessed(t.Context(), "rail", "error", time.Second)
	for range 19 {
		m.CacheOperation("get", "hit", time.Millisecond)
	}
	m.CacheOperation("get", "miss", time.Millisecond)
	m.CacheOperation("put", "success", time.Millisecond)
	busy, total = 40, 80
	now = now.Add(15 * time.Second)
	if got = s.Sample(now); !near(got.CPU, 75) || !near(got.CacheHitRate, 95) || !near(got.DecodeFailures, 40) || !near(got.ErrorRate, 5) {
		t.Errorf("%+v", got)
	}
	now = now.Add(time.Minute) // the requests are no longer of the last minute, the decodes are of the last 15
	if got = s.Sample(now); !math.IsNaN(got.ErrorRate) || !math.IsNaN(got.ResponseTime) || !near(got.DecodeFailures, 40) {
		t.Errorf("%+v", got)
	}
	now = now.Add(15 * time.Minute)
	if got = s.Sample(now); !math.IsNaN(got.DecodeFailures) {
		t.Errorf("%+v", got)
	}
	for range 1000 {
		now = now.Add(15 * time.Second)
		s.Sample(now)
	}
	if len(s.past) > 62 {
		t.Errorf("%d moments are kept", len(s.past))
	}
	answer(leastRequests, 200, time.Hour, false)
	if got = s.Sample(now.Add(time.Second)); got.ResponseTime != 60 {
		t.Errorf("answers after an hour count as %v s", got.ResponseTime)
	}
}

func TestProcessorsAreRead(t *testing.T) {
	busy, total, ok := processors()
	if !ok {
		t.Skip("this machine does not tell of its processors")
	}
	if busy <= 0 || total <= busy {
		t.Errorf("busy %v of %v", busy, total)
	}
}
