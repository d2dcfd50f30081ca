package recorder

import (
	"github.com/wayside-edge/wayside/plugins/rail/balise"
	"github.com/wayside-edge/wayside/sdk/go"
)

// Rules by which a station's announcement holds.
const (
	stationPast  = 500_00 // once the train is further beyond a station, or back before its announcement, it is not in force
	stationSlack = 50_00  // a stop that far outside of a station is still one at it
)

// Values of Q_DIR.
const (
	dirReverse = 0
	dirNominal = 1
)

// station is where a packet 44 says that a station lies.
type station struct {
	record           int64 // number of the record that brought it
	id               uint16
	from, start, end int64 // where it is announced and where it lies, cm on the odometer
}

// stations keeps announcements until the records after them were looked at for stops: those of a stretch of records
// are read before.
type stations struct {
	known   bool
	force   station
	waiting []station
}

// announce takes what a packet says; at is where the group lies.
func (s *stations) announce(p balise.Station, at, record int64) {
	s.waiting = append(s.waiting, station{
		record: record, id: p.ID, from: at, start: at + p.StartCM, end: at + p.StartCM + p.CM,
	})
}

// at gives the station in force at a record and place.
func (s *stations) at(record, cm int64) (station, bool) {
	s.advance(record)
	return s.force, s.known && cm >= s.force.from-stationPast && cm <= s.force.end+stationPast
}

// advance puts in force what came up to a record.
func (s *stations) advance(record int64) {
	n := 0
	for n < len(s.waiting) && s.waiting[n].record <= record {
		s.force, s.known = s.waiting[n], true
		n++
	}
	s.waiting = append(s.waiting[:0], s.waiting[n:]...)
}

// stopsTable has a row for every standstill of ten seconds and more.
type stopsTable struct {
	*sdk.Table
	from, to            *sdk.TimeMicros
	location, deviation *sdk.Decimal64
	station             *sdk.Uint16
}

func newStops(s *sdk.Schema) *stopsTable {
	t := s.Table("stops", "standstills of 10 s and more")
	r := &stopsTable{Table: t}
	r.from = t.TimeMicros("time_from", sdk.Attr{Naive: true, Role: sdk.RoleTime, Description: "first record of the standstill"})
	r.to = t.TimeMicros("time_to", sdk.Attr{Naive: true, Role: sdk.RoleTime, Description: "last record of the standstill"})
	r.location = locationColumn(t)
	r.station = t.Uint16("station_id", sdk.Attr{Nullable: true, Description: "of the station packet 44 in force; null where none is"})
	r.deviation = t.Decimal64("deviation_m", sdk.Attr{
		Scale: 2, Unit: "m", Nullable: true, Description: "beyond the end of that station; negative before it",
	})
	return r
}

// drove takes the records from the one of number first on, and writes the stops that end in them.
func (d *decoder) drove(times, locations, speeds []int64, first int64) {
	for len(times) > 0 {
		n, s, ended := d.mission.motion.run(times, locations, speeds)
		first += int64(n)
		if ended {
			d.stopped(&s, first)
		}
		times, locations, speeds = times[n:], locations[n:], speeds[n:]
	}
	d.stations.advance(first - 1)
}

// stopped writes a stop that ended before a record.
func (d *decoder) stopped(s *stop, record int64) {
	t := d.out.stops
	t.from.Set(s.from)
	t.to.Set(s.until)
	t.location.Set(s.at)
	at, ok := d.stations.at(record-1, s.at)
	t.station.SetOr(at.id, ok)
	t.deviation.SetOr(s.at-at.end, ok)
	t.EndRow()
	if ok && s.at >= at.start-stationSlack && s.at <= at.end+stationSlack {
		d.mission.stations++
	}
}
