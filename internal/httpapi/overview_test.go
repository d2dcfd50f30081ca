package httpapi

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// filling is a disk that fills by a gigabyte an hour.
type filling struct{ from, to int }

func (f filling) Readings([]string, string, time.Duration, int) ReadingsSeen {
	mean := make([]float64, 24)
	for i := range mean {
		if mean[i] = math.NaN(); i >= f.from && i <= f.to {
			mean[i] = float64(100-i) * 1e9
		}
	}
	return ReadingsSeen{Step: time.Hour, Series: []ReadingSeen{{Kind: "disk_free", Mean: mean}}}
}

func TestOverview(t *testing.T) {
	w := newWorld(t)
	w.addDecode(catalog.Done, "one")
	_, bad := w.addDecode(catalog.Failed, "two")
	w.decode(bad.ID).CreatedAt = time.Now()
	w.plugins = append(w.plugins, runtime.Plugin{ID: "broken", State: runtime.Rejected, Reason: "no manifest"})
	w.health.Components = append(w.health.Components, Component{Name: "disk", Status: "unhealthy", Detail: "nearly full", Reasons: []Reason{{Code: "disk_low"}}})
	w.start()
	body := string(w.get("/overview").body)
	for _, want := range []string{
		`"decodes_failed":1`, `"plugins_rejected":1`, `"parts_degraded":1`,
		fmt.Sprintf(`"kind":"decode","level":"warning","subject":%q,"file_id":%q,"count":1`, bad.ID, bad.FileID),
		`"kind":"plugin","level":"warning","subject":"broken","file_id":null,"count":1,"text":"no manifest"`,
		`"kind":"health","level":"critical","subject":"disk","file_id":null,"count":1,"text":"nearly full","code":"disk_low"`,
		`"full_in_seconds":null`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

func TestFullIn(t *testing.T) {
	s := &Server{}
	disk := &DiskInfo{FreeBytes: 30e9, ReserveBytes: 10e9}
	for _, c := range []struct {
		readings Readings
		want     float64 // hours, 0 = not told
	}{{nil, 0}, {filling{0, 23}, 20}, {filling{20, 22}, 20}, {filling{5, 5}, 0}, {filling{24, 24}, 0}} {
		s.deps.Readings = c.readings
		got := s.fullIn(disk)
		if (got == nil) != (c.want == 0) || got != nil && *got != c.want*3600 {
			t.Errorf("%v: %v", c.readings, got)
		}
	}
}
