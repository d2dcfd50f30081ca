package httpapi

import (
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// asked remembers what readings were asked for.
type asked struct {
	mu      sync.Mutex
	kinds   []string
	subject string
	last    time.Duration
	points  int
}

func (a *asked) Readings(kinds []string, subject string, last time.Duration, points int) ReadingsSeen {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kinds, a.subject, a.last, a.points = kinds, subject, last, points
	none := math.NaN()
	return ReadingsSeen{From: time.Unix(60, 0), Step: 2 * time.Minute, Series: []ReadingSeen{
		{Kind: "memory", Text: "memory", Unit: "By", Limit: 1e10, Min: []float64{1, none}, Max: []float64{2.5, none}, Mean: []float64{1.75, none}},
		{Kind: "queue_ready", Subject: "decode", Min: []float64{0}, Max: []float64{0}, Mean: []float64{0}},
	}}
}

func TestReadings(t *testing.T) {
	w := newWorld(t)
	a := &asked{}
	w.cfg.Deps.Readings = a
	w.start()
	got := strings.TrimSpace(string(w.get("/readings?kinds=memory,cpu&subject=decode&last=3600&points=30").body))
	want := `{"from":"1970-01-01T00:01:00.000000Z","step":120,"series":[` +
		`{"kind":"memory","subject":null,"text":"memory","unit":"By","limit":10000000000,"min":[1,null],"max":[2.5,null],"mean":[1.75,null]},` +
		`{"kind":"queue_ready","subject":"decode","text":"","unit":"","limit":null,"min":[0],"max":[0],"mean":[0]}]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(a.kinds) != 2 || a.subject != "decode" || a.last != time.Hour || a.points != 30 {
		t.Errorf("asked for %v %q %s %d", a.kinds, a.subject, a.last, a.points)
	}
	for _, q := range []string{"last=59", "last=86401", "points=0", "points=1441", "last=x"} {
		if r := w.get("/readings?" + q); r.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", q, r.StatusCode)
		}
	}
}
