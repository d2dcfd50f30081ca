package recorder

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// line records telegrams at places.
type line struct {
	*railtest.Log
	sequence uint8
}

func newLine() *line { return &line{Log: standingLog()} }

// balise records the telegram of a balise at a place: its group, position and number in it, and packets.
func (l *line) balise(at, group, pig, total int, packets ...func(t *railtest.Telegram)) {
	l.Location = at
	l.Time = l.Time.Add(time.Second)
	t := &railtest.Telegram{}
	t.Header(0x10, uint64(pig), uint64(total), 1, 1001, uint64(group))
	for _, p := range packets {
		p(t)
	}
	l.sequence++
	for i, body := range railtest.Parts(l.sequence, t.Bytes(), [3]uint32{}) {
		l.Record(uint8(43+i), body)
		if i == 2 {
			l.Location += 150 // the later parts are recorded further on
		}
	}
}

// to is packet 5: the next group in so many metres.
func to(group, metres int) func(t *railtest.Telegram) {
	return func(t *railtest.Telegram) {
		t.Packet(5, 1, railtest.F{V: 1, W: 2}, railtest.F{V: uint64(metres), W: 15}, railtest.F{W: 1},
			railtest.F{V: uint64(group), W: 14}, railtest.F{V: 1, W: 1}, railtest.F{V: 1, W: 2}, railtest.F{V: 5, W: 6}, railtest.F{W: 5})
	}
}

func linksOf(r *sdktest.Result) string {
	rows := r.Tables["links"]
	var out []string
	for i := range rows.Len {
		sign := "<"
		if rows.Value(i, "ahead").(bool) {
			sign = ">"
		}
		out = append(out, fmt.Sprintf("%d:%d%s%d %d-%d=%d", rows.Value(i, "telegram"), rows.Value(i, "nid_bg_from"), sign, rows.Value(i, "nid_bg_to"),
			rows.Value(i, "odometer_m"), rows.Value(i, "announced_m"), rows.Value(i, "difference_m")))
	}
	return strings.Join(out, ", ")
}

func TestLinks(t *testing.T) {
	const none = 16381
	for name, c := range map[string]struct {
		write func(l *line)
		want  string
	}{
		"ahead": {func(l *line) {
			l.balise(100_00, 1, 0, 1, to(2, 400))
			l.balise(103_00, none, 1, 1)
			l.balise(501_00, 2, 0, 1)
			l.balise(504_00, 2, 1, 1)
		}, "1:1>2 40100-40000=100"},
		"from the second balise of a group: its first counts": {func(l *line) {
			l.balise(100_00, 1, 0, 1)
			l.balise(103_00, 1, 1, 1, to(2, 400))
			l.balise(500_00, 2, 0, 0)
		}, "2:1>2 40000-40000=0"},
		"behind": {func(l *line) {
			l.balise(100_00, 2, 0, 0)
			l.balise(499_00, 1, 0, 0, to(2, 400))
		}, "2:1<2 39900-40000=-100"},
		"never read": {func(l *line) {
			l.balise(100_00, 1, 0, 0, to(9, 400))
			l.balise(500_00, 2, 0, 0)
		}, ""},
		"the next pass counts, not one an hour later": {func(l *line) {
			l.balise(100_00, 1, 0, 0, to(2, 400))
			l.balise(5_000_00, 3, 0, 0)
			l.balise(9_000_00, 2, 0, 0)
		}, ""},
		"two passes": {func(l *line) {
			l.balise(100_00, 1, 0, 0, to(2, 400))
			l.balise(500_00, 2, 0, 0)
			l.balise(9_100_00, 1, 0, 0, to(2, 400))
			l.balise(9_502_00, 2, 0, 0)
		}, "1:1>2 40000-40000=0, 3:1>2 40200-40000=200"},
		"the same group again, far away": {func(l *line) {
			l.balise(100_00, 1, 0, 0)
			l.balise(9_100_00, 1, 0, 0, to(2, 400))
			l.balise(9_500_00, 2, 0, 0)
		}, "2:1>2 40000-40000=0"},
		"the same line again, with the odometer set anew": {func(l *line) {
			l.balise(100_00, 1, 0, 0, to(2, 400))
			l.balise(500_00, 2, 0, 0)
			l.balise(5_000_00, 3, 0, 0, to(1, 100))
			l.balise(100_00, 1, 0, 0, to(2, 400))
			l.balise(502_00, 2, 0, 0)
		}, "1:1>2 40000-40000=0, 4:1>2 40200-40000=200"},
		"several announce one": {func(l *line) {
			l.balise(100_00, 1, 0, 0, to(3, 400))
			l.balise(200_00, 2, 0, 0, to(3, 301))
			l.balise(500_00, 3, 0, 0)
		}, "1:1>3 40000-40000=0, 2:2>3 30000-30100=-100"},
		"no group": {func(l *line) {
			l.balise(100_00, none, 0, 0, to(2, 400))
			l.balise(200_00, 1, 0, 0, to(none, 300))
			l.balise(500_00, 2, 0, 0)
			l.balise(500_00, none, 0, 0)
		}, ""},
		"many are announced": {func(l *line) {
			for i := range 3 * mostLinks {
				l.balise(100_00+i*100, 1+i, 0, 0, to(8000+i, 500))
			}
			l.balise(600_00, 8000, 0, 0)
			l.balise(600_00+(3*mostLinks-1)*100, 8000+3*mostLinks-1, 0, 0)
		}, "192:192>8191 50000-50000=0"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine()
			c.write(l)
			if got := linksOf(decodeLog(l.Log)); got != c.want {
				t.Errorf("links %q, want %q", got, c.want)
			}
		})
	}
}

// station is packet 44 with a station, for a direction.
func stationAhead(dir, id, start, length int) func(t *railtest.Telegram) {
	return func(t *railtest.Telegram) {
		t.Packet(44, uint64(dir), railtest.F{V: 7, W: 9}, railtest.F{V: 2, W: 8}, railtest.F{V: uint64(id), W: 9}, railtest.F{W: 13},
			railtest.F{V: uint64(start), W: 13}, railtest.F{V: uint64(length), W: 12}, railtest.F{V: 3, W: 7}, railtest.F{W: 2})
	}
}

func TestStationsOfStops(t *testing.T) {
	halt := func(l *line, at int) {
		l.Location = at
		drive(l.Log, []leg{{12, 0}})
		drive(l.Log, []leg{{1, 100}})
	}
	for name, c := range map[string]struct {
		write func(l *line)
		want  string // station@deviation of each stop, and stops at stations
	}{
		"in the station": {func(l *line) {
			l.balise(100_00, 1, 0, 1, stationAhead(1, 42, 300, 200))
			halt(l, 590_00)
		}, "42@-1000 1"},
		"before it": {func(l *line) {
			l.balise(100_00, 1, 0, 1, stationAhead(1, 42, 300, 200))
			halt(l, 250_00)
			halt(l, 600_00)
		}, "42@-35000 42@0 1"},
		"beyond it": {func(l *line) {
			l.balise(100_00, 1, 0, 1, stationAhead(1, 42, 300, 200))
			halt(l, 700_00)
			halt(l, 1_200_00)
		}, "42@10000 - 0"},
		"the odometer was set anew": {func(l *line) {
			l.balise(5_000_00, 1, 0, 1, stationAhead(1, 42, 300, 200))
			halt(l, 0)
			halt(l, 4_600_00)
		}, "- 42@-90000 0"},
		"for the other direction": {func(l *line) {
			l.balise(100_00, 1, 0, 1, stationAhead(0, 42, 300, 200))
			halt(l, 590_00)
		}, "- 0"},
		"passed against the nominal direction": {func(l *line) {
			l.balise(100_00, 1, 1, 1)
			l.balise(103_00, 1, 0, 1, stationAhead(0, 42, 300, 200), stationAhead(1, 43, 300, 200))
			halt(l, 590_00)
		}, "42@-1000 1"},
		"its last balise comes first": {func(l *line) {
			l.balise(100_00, 1, 1, 1, stationAhead(0, 42, 300, 200), stationAhead(1, 43, 300, 200))
			halt(l, 590_00)
		}, "42@-1000 1"},
		"both directions": {func(l *line) {
			l.balise(100_00, 1, 0, 0, stationAhead(2, 42, 300, 200))
			halt(l, 590_00)
		}, "42@-1000 1"},
		"the stop was before it was announced": {func(l *line) {
			halt(l, 90_00)
			l.balise(100_00, 1, 0, 1, stationAhead(1, 42, 300, 200))
			l.balise(300_00, 2, 0, 1, stationAhead(1, 44, 300, 200))
			halt(l, 590_00)
		}, "- 44@-21000 1"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine()
			drive(l.Log, []leg{{1, 100}})
			c.write(l)
			r := decodeLog(l.Log)
			rows := r.Tables["stops"]
			var got []string
			for i := range rows.Len {
				s := "-"
				if v := rows.Value(i, "station_id"); v != nil {
					s = fmt.Sprintf("%v@%v", v, rows.Value(i, "deviation_m"))
				}
				got = append(got, s)
			}
			got = append(got, fmt.Sprint(r.Tables["mission"].Value(0, "station_stops")))
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("stops %s, want %s", s, c.want)
			}
		})
	}
}
