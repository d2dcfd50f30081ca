package recorder

import "math"

// Rules by which a train's way is told from its odometer.
const (
	backlashCM  = 20_00    // a way back that is shorter is a correction of the odometer
	jumpCM      = 1_000_00 // between two records; further than that, at more than jumpSpeed, the odometer was set anew
	jumpSpeed   = 150_00   // cm/s
	stopMicros  = 10e6     // a standstill of that length is a stop
	gapMicros   = 300e6    // without a record for longer the train is not said to have moved
	microsInSec = 1e6
)

// motion follows the train from record to record: way, speeds and stops. All numbers are cm, cm/s and microseconds.
type motion struct {
	records     int64
	first, last int64 // times
	timed       bool

	at, turn, far int64 // latest place, where the direction last changed, and the furthest place since
	direction     int64 // 1, -1, 0 = not known yet
	way           int64 // up to turn, and before the odometer was set anew
	started       bool

	top      int64 // highest speed
	moving   int64 // microseconds
	standing bool
	since    int64 // of the standstill
	until    int64
	stood    int64 // microseconds, whatever the clock was set to
}

// stop is a standstill.
type stop struct {
	from, until int64 // microseconds
	at          int64 // cm
}

// run takes records, given as columns of equal length, until the train starts from a stop. It gives how many it took
// and the stop, if that is why it ended. The speeds are cm/s · 36, as the table has them. Like lanes.fill it calls
// nothing within its loop.
func (m *motion) run(times, locations, speeds []int64) (int, stop, bool) {
	n := len(times)
	if len(locations) < n || len(speeds) < n || n == 0 {
		return n, stop{}, false
	}
	if !m.timed {
		m.first, m.last, m.timed = times[0], times[0], true
	}
	if !m.started {
		m.at, m.turn, m.far, m.started = locations[0], locations[0], locations[0], true
	}
	at, turn, far, direction, way, top, last, moving := m.at, m.turn, m.far, m.direction, m.way, m.top, m.last, m.moving
	standing, since, until, stood := m.standing, m.since, m.until, m.stood
	used, found := n, false
	for i := range n {
		t, place, v := times[i], locations[i], speeds[i]
		if v < 0 {
			v = -v
		}
		passed, step := t-last, place-at
		away := step
		if away < 0 {
			away = -away
		}
		if standing && (v != 0 || away > backlashCM) { // what stands elsewhere has moved
			standing = false
			if stood >= stopMicros {
				used, found = i, true
				break
			}
		}
		if v == 0 {
			if !standing {
				standing, since, stood = true, t, 0
			} else if passed > 0 {
				stood += passed
			}
			until = t
		} else if passed > 0 && passed <= gapMicros {
			moving += passed
		}
		if v > top {
			top = v
		}
		last = t

		if passed > gapMicros || away > jumpCM && away/jumpSpeed > max(passed, microsInSec)/microsInSec {
			way += span(turn, at)
			turn, far, direction = place, place, 0
		}
		at = place
		switch {
		case direction > 0:
			if place > far {
				far = place
			} else if far-place > backlashCM {
				way += span(turn, far)
				turn, far, direction = far, place, -1
			}
		case direction < 0:
			if place < far {
				far = place
			} else if place-far > backlashCM {
				way += span(turn, far)
				turn, far, direction = far, place, 1
			}
		case place-turn > backlashCM:
			far, direction = place, 1
		case turn-place > backlashCM:
			far, direction = place, -1
		}
	}
	s := stop{since, until, at}
	m.at, m.turn, m.far, m.direction, m.way, m.top, m.last, m.moving = at, turn, far, direction, way, top, last, moving
	m.standing, m.since, m.until, m.stood = standing, since, until, stood
	m.records += int64(used)
	return used, s, found
}

// span gives the way between two places.
func span(a, b int64) int64 {
	if a > b {
		return a - b
	}
	return b - a
}

// untimed takes a record whose time is impossible: it counts, and nothing else.
func (m *motion) untimed() { m.records++ }

// end gives the stop that the recording ends with, if it does.
func (m *motion) end() (stop, bool) {
	return stop{m.since, m.until, m.at}, m.standing && m.stood >= stopMicros
}

// distance gives the way so far, in cm.
func (m *motion) distance() int64 { return m.way + span(m.turn, m.at) }

// mean gives the mean speed while moving, in cm/s · 36; false when the train did not move.
func (m *motion) mean() (int64, bool) {
	if m.moving < microsInSec {
		return 0, false
	}
	v := math.Round(float64(m.distance()) * 36 / (float64(m.moving) / microsInSec))
	return int64(v), true
}
