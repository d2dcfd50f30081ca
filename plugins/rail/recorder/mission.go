package recorder

import (
	"encoding/binary"
	"math/bits"

	"github.com/wayside-edge/wayside/plugins/rail/mmi"
	"github.com/wayside-edge/wayside/sdk/go"
)

// mission gathers what a recording says as a whole. Its memory is bounded: a bit for each balise group that can be.
type mission struct {
	motion motion

	braked                      mmi.Status // the status before
	emergencies, services       uint32     // rising edges
	failuresCabin, failuresLine uint32
	isolated                    bool
	down                        bool  // the unit is down
	downSince                   int64 // microseconds, when timed
	downTimed                   bool
	downs                       int // in a row

	telegrams, incomplete int64
	stations              uint32
	groups                [1 << countryBits]*[1 << groupBits / 64]uint64
}

// Sizes of NID_C and NID_BG.
const (
	countryBits = 10
	groupBits   = 14
)

// When a unit that is down counts as isolated: the markers come in pairs while it restarts.
const (
	isolationMicros = 3e6
	isolationDowns  = 3
)

// status takes mode and brakes from a display packet.
func (m *mission) status(s *mmi.Status) {
	if s.Emergency != 0 && m.braked.Emergency == 0 {
		m.emergencies++
	}
	if s.Service != 0 && m.braked.Service == 0 {
		m.services++
	}
	m.isolated = m.isolated || s.Mode == mmi.ModeIsolation
	m.braked = *s
}

func (m *mission) failure(f *mmi.Failure) {
	if f.Wayside() {
		m.failuresLine++
		return
	}
	m.failuresCabin++
}

// marker takes a record that says that the unit goes up or down.
func (m *mission) marker(r *record, body []byte) {
	if len(body) != 1 {
		return
	}
	switch body[0] {
	case markerDown:
		m.downs++
		if !m.down {
			m.down, m.downSince, m.downTimed = true, r.time, r.timed
		}
		m.isolated = m.isolated || m.downs > isolationDowns
	case markerUp:
		if m.down && m.downTimed && r.timed && r.time-m.downSince > isolationMicros {
			m.isolated = true
		}
		m.down, m.downs = false, 0
	}
}

// moved takes a record that the recorder made by itself while the unit was down: with the train under way, it was
// driven without protection.
func (m *mission) moved(body []byte) {
	if speed := binary.BigEndian.Uint32(body[downSpeedAt:]); speed != 0 {
		m.isolated = true
	}
}

// group counts a balise group once.
func (m *mission) group(country, group uint16) {
	set := &m.groups[country&(1<<countryBits-1)]
	if *set == nil {
		*set = new([1 << groupBits / 64]uint64)
	}
	(*set)[group>>6&(1<<groupBits/64-1)] |= 1 << (group & 63)
}

func (m *mission) groupCount() uint32 {
	n := 0
	for _, set := range m.groups {
		if set == nil {
			continue
		}
		for _, word := range set {
			n += bits.OnesCount64(word)
		}
	}
	return uint32(n)
}

// missionTable has one row.
type missionTable struct {
	*sdk.Table
	start, end                  *sdk.TimeMicros
	distance, top, mean         *sdk.Decimal64
	ebCount, sbCount            *sdk.Uint32
	failuresCabin, failuresLine *sdk.Uint32
	isolation                   *sdk.Bool
	telegrams, records          *sdk.Int64
	groups, stations            *sdk.Uint32
	incomplete                  *sdk.Int64
}

func newMission(s *sdk.Schema) *missionTable {
	t := s.Table("mission", "the recording in one row")
	at := func(name, description string) *sdk.TimeMicros {
		return t.TimeMicros(name, sdk.Attr{Naive: true, Nullable: true, Role: sdk.RoleTime, Description: description})
	}
	m := &missionTable{Table: t}
	m.start = at("start", "time of the first record that has one")
	m.end = at("end", "time of the last record that has one")
	m.distance = t.Decimal64("distance_m", sdk.Attr{Scale: 2, Unit: "m", Description: "way by the odometer, to and fro; steps back of up to 20 m are its corrections, and the way while nothing was recorded for 5 minutes is left out"})
	m.top = t.Decimal64("max_speed_kmh", sdk.Attr{Scale: 3, Unit: "km/h"})
	m.mean = t.Decimal64("mean_speed_kmh", sdk.Attr{Scale: 3, Unit: "km/h", Nullable: true, Description: "while moving; null for a train that stands"})
	m.ebCount = t.Uint32("eb_count", sdk.Attr{Description: "emergency brakings"})
	m.sbCount = t.Uint32("sb_count", sdk.Attr{Description: "service brakings by the unit"})
	m.failuresCabin = t.Uint32("failures_cabin", sdk.Attr{})
	m.failuresLine = t.Uint32("failures_wayside", sdk.Attr{})
	m.isolation = t.Bool("isolation", sdk.Attr{Description: "the unit was in mode isolation, down for more than 3 s, down more than 3 times in a row, or the train moved while it was down"})
	m.telegrams = t.Int64("telegrams", sdk.Attr{})
	m.groups = t.Uint32("balise_groups", sdk.Attr{Description: "distinct groups"})
	m.stations = t.Uint32("station_stops", sdk.Attr{Description: "stops at a station"})
	m.records = t.Int64("records", sdk.Attr{})
	m.incomplete = t.Int64("incomplete_telegrams", sdk.Attr{})
	return m
}

// writeMission writes the row of a recording that has records.
func (d *decoder) writeMission() {
	m, t := &d.mission, d.out.mission
	if m.motion.records == 0 {
		return
	}
	t.start.SetOr(m.motion.first, m.motion.timed)
	t.end.SetOr(m.motion.last, m.motion.timed)
	t.distance.Set(m.motion.distance())
	t.top.Set(m.motion.top)
	mean, ok := m.motion.mean()
	t.mean.SetOr(mean, ok)
	t.ebCount.Set(m.emergencies)
	t.sbCount.Set(m.services)
	t.failuresCabin.Set(m.failuresCabin)
	t.failuresLine.Set(m.failuresLine)
	t.isolation.Set(m.isolated)
	t.telegrams.Set(m.telegrams)
	t.groups.Set(m.groupCount())
	t.stations.Set(m.stations)
	t.records.Set(m.motion.records)
	t.incomplete.Set(m.incomplete)
	t.EndRow()
}
