package history

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Query says which readings are wanted.
type Query struct {
	Kinds   []string      // none = all
	Subject string        // only of this one, "" = of all
	Last    time.Duration // how far back, 0 = a day
	Points  int           // most buckets; less than 1 = one for each minute
}

// Answer is readings in buckets of equal length, the last of which ends with the minute that is not over.
type Answer struct {
	From   time.Time // where the first bucket begins
	Step   time.Duration
	Points int
	Series []Series
}

// Series is the buckets of one kind and subject. NaN is a gap.
type Series struct {
	Kind           Kind
	Subject        string
	Limit          float64 // 0 = none
	Min, Max, Mean []float64
}

// Read gives readings. It takes nothing but what was asked for.
func (h *History) Read(q Query) Answer {
	last := h.now()
	first := last - Minutes + 1
	if q.Last > 0 {
		first = min(max(first, last-int64(q.Last/Step)+1), last)
	}
	each := int64(1)
	if n := last - first + 1; q.Points > 0 && n > int64(q.Points) {
		each = (n + int64(q.Points) - 1) / int64(q.Points)
	}
	points := int((last - first + each) / each)
	first = last - int64(points)*each + 1 // the first bucket is as long as the others
	out := Answer{From: time.Unix(first*int64(Step/time.Second), 0).UTC(), Step: time.Duration(each) * Step, Points: points}
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, s := range h.all {
		if len(q.Kinds) > 0 && !slices.Contains(q.Kinds, k.kind) || q.Subject != "" && q.Subject != k.subject {
			continue
		}
		if kind, ok := h.kind(k.kind); ok {
			out.Series = append(out.Series, h.buckets(s, Series{Kind: kind, Subject: k.subject, Limit: s.limit}, first, each, points))
		}
	}
	slices.SortFunc(out.Series, func(a, b Series) int {
		return cmp.Or(cmp.Compare(h.order(a.Kind.Name), h.order(b.Kind.Name)), cmp.Compare(a.Subject, b.Subject))
	})
	return out
}

func (h *History) order(kind string) int {
	return slices.IndexFunc(h.cfg.Kinds, func(k Kind) bool { return k.Name == kind })
}

func (h *History) buckets(s *series, out Series, first, each int64, points int) Series {
	out.Min, out.Max, out.Mean = make([]float64, points), make([]float64, points), make([]float64, points)
	for i := range points {
		least, most, sum, n := math.Inf(1), math.Inf(-1), 0.0, 0
		for m := first + int64(i)*each; m < first+int64(i+1)*each; m++ {
			if m > h.minute || m <= h.minute-Minutes {
				continue
			}
			if c := s.cells[slot(m)]; !c.empty() {
				least, most, sum, n = min(least, float64(c.min)), max(most, float64(c.max)), sum+float64(c.mean), n+1
			}
		}
		if n == 0 {
			least, most = math.NaN(), math.NaN()
		}
		out.Min[i], out.Max[i], out.Mean[i] = least, most, sum/float64(n) // 0/0 is NaN
	}
	return out
}
