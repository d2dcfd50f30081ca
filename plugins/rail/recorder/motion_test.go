package recorder

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/plugins/rail/balise"
	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// leg is a stretch of a simulated drive: so many seconds at a speed.
type leg struct{ seconds, speed int }

// drive records legs, a record a second, and gives the way and the seconds in motion.
func drive(l *railtest.Log, legs []leg) (way, moving int) {
	for _, g := range legs {
		for range g.seconds {
			l.Time = l.Time.Add(time.Second)
			l.Location += g.speed
			l.Speed = g.speed
			way += max(g.speed, -g.speed)
			if g.speed != 0 {
				moving++
			}
			l.Record(211, nil)
		}
	}
	return way, moving
}

func standingLog() *railtest.Log {
	return &railtest.Log{Time: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), Location: 5_000_00}
}

func decodeLog(l *railtest.Log) *sdktest.Result {
	return sdktest.Run(Plugin(), bytes.NewReader(l.Bytes()), nil)
}

func TestWayAndSpeeds(t *testing.T) {
	for name, c := range map[string]struct {
		legs []leg
		top  int
	}{
		"ahead":              {[]leg{{60, 2000}}, 2000},
		"there and back":     {[]leg{{60, 2000}, {30, 0}, {40, -1000}}, 2000},
		"back faster":        {[]leg{{60, 1000}, {30, 0}, {40, -1500}}, 1500},
		"shunting":           {[]leg{{10, 300}, {10, -300}, {10, 300}, {10, -300}}, 300},
		"standing":           {[]leg{{60, 0}}, 0},
		"stop in the middle": {[]leg{{20, 500}, {9, 0}, {20, 500}}, 500},
	} {
		t.Run(name, func(t *testing.T) {
			l := standingLog()
			l.Record(211, nil)
			way, moving := drive(l, c.legs)
			m := decodeLog(l).Tables["mission"]
			if got := m.Value(0, "distance_m"); got != int64(way) {
				t.Errorf("way %v, want %d", got, way)
			}
			if got := m.Value(0, "max_speed_kmh"); got != int64(c.top*36) {
				t.Errorf("highest speed %v, want %d", got, c.top*36)
			}
			var mean any
			if moving > 0 {
				mean = int64(float64(way)*36/float64(moving) + 0.5)
			}
			if got := m.Value(0, "mean_speed_kmh"); got != mean {
				t.Errorf("mean speed %v, want %v", got, mean)
			}
		})
	}
}

// TestOdometerCorrections says that small steps back are no way, and a new start of the odometer is none either.
func TestOdometerCorrections(t *testing.T) {
	l := standingLog()
	l.Record(211, nil)
	drive(l, []leg{{30, 2000}})
	l.Location -= 1500 // a correction
	l.Record(211, nil)
	drive(l, []leg{{30, 2000}})
	if got := decodeLog(l).Tables["mission"].Value(0, "distance_m"); got != int64(2*30*2000-1500) {
		t.Errorf("way %v", got)
	}
	l.Location = 0 // set anew
	drive(l, []leg{{30, 1000}})
	if got := decodeLog(l).Tables["mission"].Value(0, "distance_m"); got != int64(2*30*2000-1500+29*1000) {
		t.Errorf("way %v", got)
	}
}

// TestStopsAreThoseOfAModel tries drives of any kind against a plain model of what a stop is.
func TestStopsAreThoseOfAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := standingLog()
		start := l.Time
		var want []string
		standing, until, at := -1, 0, 0
		end := func() {
			if standing >= 0 && until-standing >= 10 {
				want = append(want, fmt.Sprintf("%d-%d@%d", standing, until, at))
			}
			standing = -1
		}
		for range rapid.IntRange(1, 12).Draw(t, "legs") {
			g := leg{rapid.IntRange(1, 15).Draw(t, "seconds"), rapid.SampledFrom([]int{0, 0, 700, -200}).Draw(t, "speed")}
			for range g.seconds {
				drive(l, []leg{{1, g.speed}})
				now := int(l.Time.Sub(start) / time.Second)
				if g.speed != 0 {
					end()
					continue
				}
				if standing < 0 {
					standing = now
				}
				until, at = now, l.Location
			}
		}
		end()
		r := decodeLog(l)
		stops := r.Tables["stops"]
		var got []string
		for i := range stops.Len {
			second := func(column string) int64 {
				return (stops.Value(i, column).(int64) - start.UnixMicro()) / 1e6
			}
			got = append(got, fmt.Sprintf("%d-%d@%d", second("time_from"), second("time_to"), stops.Value(i, "location_m")))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestIsolation(t *testing.T) {
	const up, down = 15, 16
	mark := func(l *railtest.Log, m byte, after int) {
		l.Time = l.Time.Add(time.Duration(after) * time.Second)
		l.Record(2, []byte{m})
	}
	for name, c := range map[string]struct {
		write func(l *railtest.Log)
		want  bool
	}{
		"restart":          {func(l *railtest.Log) { mark(l, down, 0); mark(l, up, 3) }, false},
		"down for long":    {func(l *railtest.Log) { mark(l, down, 0); mark(l, up, 4) }, true},
		"down again":       {func(l *railtest.Log) { mark(l, down, 0); mark(l, down, 1); mark(l, up, 1) }, false},
		"down three times": {func(l *railtest.Log) { mark(l, down, 0); mark(l, down, 0); mark(l, down, 0) }, false},
		"restarts": {func(l *railtest.Log) {
			for range 3 {
				mark(l, down, 0)
				mark(l, down, 0)
				mark(l, up, 0)
			}
		}, false},
		"down four times":   {func(l *railtest.Log) { mark(l, down, 0); mark(l, down, 0); mark(l, down, 0); mark(l, down, 0) }, true},
		"off at the end":    {func(l *railtest.Log) { mark(l, down, 0); drive(l, []leg{{20, 0}}) }, false},
		"moves while down":  {func(l *railtest.Log) { l.Record(201, []byte{0, 0, 0, 1, 0, 0, 0, 5}) }, true},
		"stands while down": {func(l *railtest.Log) { l.Record(201, []byte{0, 0, 0, 1, 0, 0, 0, 0}) }, false},
		"mode isolation":    {func(l *railtest.Log) { l.Record(1, []byte{2, 0, 56, 0, 0xa2, 0, 0}) }, true},
		"mode on sight":     {func(l *railtest.Log) { l.Record(1, []byte{2, 0, 56, 0, 0x12, 0, 0}) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := standingLog()
			c.write(l)
			if got := decodeLog(l).Tables["mission"].Value(0, "isolation"); got != c.want {
				t.Errorf("isolation %v", got)
			}
		})
	}
}

func TestBrakesAreCountedByTheirRisingEdges(t *testing.T) {
	l := standingLog()
	for _, b := range []byte{0x80, 0xc0, 0x00, 0x40, 0x30, 0x10, 0x00, 0x20} {
		l.Record(1, []byte{2, 0, 56, 0, 0x02, b, 0})
	}
	l.Record(1, []byte{9, 0, 64, 8, 0, 0, 1, 0})
	l.Record(4, []byte{9, 0, 64, 9, 0, 0, 1, 0})
	l.Record(4, []byte{9, 0, 64, 34, 0, 0, 1, 0})
	m := decodeLog(l).Tables["mission"]
	var got []string
	for _, c := range []string{"eb_count", "sb_count", "failures_cabin", "failures_wayside"} {
		got = append(got, fmt.Sprint(m.Value(0, c)))
	}
	if s := strings.Join(got, " "); s != "2 2 1 2" {
		t.Error(s)
	}
}

// TestRecorderThatWasOff says that nobody knows how long the train moved while nothing was recorded.
func TestRecorderThatWasOff(t *testing.T) {
	l := standingLog()
	l.Record(211, nil)
	drive(l, []leg{{50, 1000}})
	l.Time = l.Time.Add(time.Hour)
	drive(l, []leg{{50, 1000}})
	m := decodeLog(l).Tables["mission"]
	if got := m.Value(0, "mean_speed_kmh").(int64); got < 36_000 || got > 36_500 {
		t.Errorf("mean speed %d m/h", got)
	}
}

// TestAnnouncementsDoNotPileUp says that stations are kept only until the records after them were looked at.
func TestAnnouncementsDoNotPileUp(t *testing.T) {
	d := &decoder{}
	for i := range int64(1000) {
		d.stations.announce(balise.Station{ID: 1}, 0, i)
		d.drove([]int64{i}, []int64{0}, []int64{36}, i)
	}
	if n := len(d.stations.waiting); n != 0 {
		t.Errorf("%d announcements are kept", n)
	}
}

// TestOdometerThatStartsAnewWhileNothingIsRecorded says that a train that is switched off and begins at zero again, or
// elsewhere, has neither gone that way nor stood there all the time.
func TestOdometerThatStartsAnewWhileNothingIsRecorded(t *testing.T) {
	l := standingLog()
	l.Record(211, nil)
	drive(l, []leg{{100, 1000}, {15, 0}})
	first := l.Location
	l.Time = l.Time.Add(2 * time.Hour)
	l.Location = 0
	drive(l, []leg{{20, 0}, {100, 1000}})
	l.Time = l.Time.Add(time.Hour)
	l.Location += 20_000_00
	drive(l, []leg{{60, 1000}})
	r := decodeLog(l)
	if got := r.Tables["mission"].Value(0, "distance_m"); got != int64(259*1000) {
		t.Errorf("way %v", got)
	}
	if got := r.Tables["mission"].Value(0, "mean_speed_kmh").(int64); got > 36_000 {
		t.Errorf("mean speed %d m/h is above the highest one", got)
	}
	var got []string
	for i := range r.Tables["stops"].Len {
		seconds := r.Tables["stops"].Value(i, "time_to").(int64) - r.Tables["stops"].Value(i, "time_from").(int64)
		got = append(got, fmt.Sprintf("%d s at %d", seconds/1e6, r.Tables["stops"].Value(i, "location_m")))
	}
	if want := []string{fmt.Sprintf("14 s at %d", first), "19 s at 0"}; !slices.Equal(got, want) {
		t.Errorf("stops %q, want %q", got, want)
	}
}

// TestStandstillWhileTheClockIsSetBack says that a stop is one also where the clock goes back, at the end of summer time
// or when it is put right.
func TestStandstillWhileTheClockIsSetBack(t *testing.T) {
	for name, c := range map[string]struct{ before, after, want int }{
		"long":  {30, 30, 1},
		"short": {5, 5, 0},
	} {
		l := standingLog()
		drive(l, []leg{{3, 100}, {c.before, 0}})
		l.Time = l.Time.Add(-time.Hour)
		drive(l, []leg{{c.after, 0}, {3, 100}})
		if got := decodeLog(l).Tables["stops"].Len; got != c.want {
			t.Errorf("%s: %d stops, want %d", name, got, c.want)
		}
	}
}
