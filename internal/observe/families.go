package observe

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Family is what the metrics of one name are.
type Family struct {
	Name    string
	Type    string // counter, gauge or histogram
	Help    string
	Labels  []string
	Buckets []float64 // upper bounds of a histogram's
}

// Unit gives the unit that the name tells, "" for a number of things.
func (f Family) Unit() string {
	name := strings.TrimSuffix(f.Name, "_total")
	for _, u := range []string{"seconds", "bytes", "percent", "ratio"} {
		if strings.HasSuffix(name, "_"+u) {
			return u
		}
	}
	if f.Name == "cache_hit_rate" {
		return "percent"
	}
	return ""
}

// families makes metrics and keeps what they are, so that the list of them is what the appliance has.
type families struct {
	list    []Family
	made    []prometheus.Collector
	sampled []*prometheus.Desc // given by the sampler
}

func (f *families) add(kind, name, help string, buckets []float64, labels []string) {
	f.list = append(f.list, Family{Name: name, Type: kind, Help: help, Labels: labels, Buckets: buckets})
}

func (f *families) counters(name, help string, labels ...string) *prometheus.CounterVec {
	f.add("counter", name, help, nil, labels)
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	f.made = append(f.made, c)
	return c
}

func (f *families) counter(name, help string) prometheus.Counter {
	f.add("counter", name, help, nil, nil)
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	f.made = append(f.made, c)
	return c
}

func (f *families) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	f.add("gauge", name, help, nil, labels)
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	f.made = append(f.made, g)
	return g
}

func (f *families) gauge(name, help string) prometheus.Gauge {
	f.add("gauge", name, help, nil, nil)
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	f.made = append(f.made, g)
	return g
}

func (f *families) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	f.add("histogram", name, help, buckets, labels)
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	f.made = append(f.made, h)
	return h
}

func (f *families) histogram(name, help string, buckets []float64) prometheus.Histogram {
	f.add("histogram", name, help, buckets, nil)
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	f.made = append(f.made, h)
	return h
}

// series is a family whose values are looked at when they are asked for.
type series struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func (f *families) sampledGauge(name, help string, labels ...string) series {
	f.add("gauge", name, help, nil, labels)
	return f.sample(name, help, prometheus.GaugeValue, labels)
}

func (f *families) sampledCounter(name, help string, labels ...string) series {
	f.add("counter", name, help, nil, labels)
	return f.sample(name, help, prometheus.CounterValue, labels)
}

func (f *families) sample(name, help string, kind prometheus.ValueType, labels []string) series {
	d := prometheus.NewDesc(name, help, labels, nil)
	f.sampled = append(f.sampled, d)
	return series{d, kind}
}

// samples takes what the sampler has found.
type samples chan<- prometheus.Metric

func (out samples) add(s series, v float64, labels ...string) {
	m, err := prometheus.NewConstMetric(s.desc, s.kind, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(s.desc, err) // left out and logged: the others are worth having
	}
	out <- m
}

// addEach adds a value for each value of the one label of a family.
func (out samples) addEach(s series, values map[string]int) {
	for label, n := range values {
		out.add(s, float64(n), label)
	}
}

// sums adds up values with the same labels: one pair of labels twice would spoil the whole answer. Labels beyond a bound
// come together that way.
type sums map[[2]string]float64

func (s sums) add(v float64, labels ...string) {
	var k [2]string
	copy(k[:], labels)
	s[k] += v
}

func (out samples) addSums(s series, values sums, labels int) {
	for k, v := range values {
		out.add(s, v, k[:labels]...)
	}
}

// Families lists what the appliance measures, by name, without what tells of Go and of the process.
func (m *Metrics) Families() []Family {
	list := slices.Clone(m.families.list)
	slices.SortFunc(list, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
	return list
}
