package recorder

import (
	"encoding/binary"

	"github.com/wayside-edge/wayside/plugins/rail/mmi"
)

// dynamics is what fill reads and writes: display packets 1 of a stretch of records, and room for rows of table
// mmi_dynamic. They are every tenth record of a log; written one by one they would take as long as all records.
type dynamics struct {
	first int64 // number of the record in the first row of lanes

	offsets, times, locations, speeds, records []int64
	vTrain, aTrain, vTarget                    []int32
	vPermitted, vRelease, vIntervention        []int32
	oTrain, oTarget, oCurve                    []int64
	war                                        []uint16
	warnings, slip, slide                      []uint8
	absent                                     [dynamicNulls][cellRows]uint8
	some                                       uint32 // bits of the columns that have nulls
}

// Columns that may be null, as indexes of dynamics.absent.
const (
	nullTrain = iota
	nullPlace
	nullTargetPlace
	nullTarget
	nullWar
	nullPermitted
	nullRelease
	nullIntervention
	nullCurve
	dynamicNulls
)

// dynamicRows writes display packets 1, whose records stand in those rows of lanes.
func (d *decoder) dynamicRows(w []byte, first int64, rows []uint32) {
	c, t := &d.dynamics, d.out.display.dynamic
	c.first = first
	for len(rows) > 0 {
		c.offsets, c.times, c.locations, c.speeds = t.offset.Room(), t.time.Room(), t.location.Room(), t.speed.Room()
		c.records = t.record.Room()
		c.vTrain, c.aTrain, c.vTarget = t.vTrain.Room(), t.aTrain.Room(), t.vTarget.Room()
		c.vPermitted, c.vRelease, c.vIntervention = t.vPermitted.Room(), t.vRelease.Room(), t.vIntervention.Room()
		c.oTrain, c.oTarget, c.oCurve = t.oTrain.Room(), t.oBrakeTarget.Room(), t.oBCSP.Room()
		c.war, c.warnings, c.slip, c.slide = t.tIntervenWar.Room(), t.mWarning.Room(), t.mSlip.Room(), t.mSlide.Room()
		n := min(len(rows), len(c.offsets), cellRows)
		c.fill(&d.lanes, w, rows[:n])
		for i, a := range [...]interface{ Absent(flags []uint8) }{
			t.vTrain, t.oTrain, t.oBrakeTarget, t.vTarget, t.tIntervenWar, t.vPermitted, t.vRelease, t.vIntervention, t.oBCSP,
		} {
			if c.some>>i&1 == 1 {
				a.Absent(c.absent[i][:n])
			}
		}
		t.Added(n)
		rows = rows[n:]
	}
}

// fill writes a row for each packet. It calls nothing and needs no bounds check, see lanes.fill.
func (c *dynamics) fill(l *lanes, w []byte, rows []uint32) {
	n := len(rows)
	offsets, times, locations, speeds, records := c.offsets, c.times, c.locations, c.speeds, c.records
	vTrain, aTrain, vTarget, vPermitted := c.vTrain, c.aTrain, c.vTarget, c.vPermitted
	vRelease, vIntervention, oTrain, oTarget, oCurve := c.vRelease, c.vIntervention, c.oTrain, c.oTarget, c.oCurve
	war, warnings, slip, slide := c.war, c.warnings, c.slip, c.slide
	if len(offsets) < n || len(times) < n || len(locations) < n || len(speeds) < n || len(records) < n || len(vTrain) < n ||
		len(aTrain) < n || len(vTarget) < n || len(vPermitted) < n || len(vRelease) < n || len(vIntervention) < n ||
		len(oTrain) < n || len(oTarget) < n || len(oCurve) < n || len(war) < n || len(warnings) < n || len(slip) < n || len(slide) < n {
		return
	}
	starts, fromOffsets, fromTimes, fromLocations, fromSpeeds := l.starts, l.offsets, l.times, l.locations, l.speeds
	all := len(fromOffsets)
	if len(starts) < all || len(fromTimes) < all || len(fromLocations) < all || len(fromSpeeds) < all {
		return
	}
	none, some := &c.absent, uint32(0)
	for i, row := range rows {
		r := int(row)
		if r >= all {
			break
		}
		s := uint(starts[r])
		if s > uint(len(w)) {
			break
		}
		b := w[s:]
		if len(b) < mmi.DynamicBytes {
			break
		}
		k := i & (cellRows - 1)
		var f uint8
		offsets[i], times[i], locations[i], speeds[i] = fromOffsets[r], fromTimes[r], fromLocations[r], fromSpeeds[r]
		records[i] = c.first + int64(row) + 1

		vTrain[i], f = speedOf(binary.BigEndian.Uint16(b[3:]))
		none[nullTrain][k] = f
		some |= uint32(f) << nullTrain
		aTrain[i] = int32(int16(binary.BigEndian.Uint16(b[5:])))
		p := binary.BigEndian.Uint32(b[7:])
		f = flag(p == 0xffffffff)
		oTrain[i], none[nullPlace][k] = int64(location(p)), f
		some |= uint32(f) << nullPlace
		p = binary.BigEndian.Uint32(b[11:])
		f = flag(p == 0xffffffff)
		oTarget[i], none[nullTargetPlace][k] = int64(location(p)), f
		some |= uint32(f) << nullTargetPlace
		vTarget[i], f = speedOf(binary.BigEndian.Uint16(b[15:]))
		none[nullTarget][k] = f
		some |= uint32(f) << nullTarget
		u := binary.BigEndian.Uint16(b[17:])
		f = flag(u == 0xffff)
		war[i], none[nullWar][k] = u, f
		some |= uint32(f) << nullWar
		vPermitted[i], f = speedOf(binary.BigEndian.Uint16(b[19:]))
		none[nullPermitted][k] = f
		some |= uint32(f) << nullPermitted
		vRelease[i], f = speedOf(binary.BigEndian.Uint16(b[21:]))
		none[nullRelease][k] = f
		some |= uint32(f) << nullRelease
		vIntervention[i], f = speedOf(binary.BigEndian.Uint16(b[23:]))
		none[nullIntervention][k] = f
		some |= uint32(f) << nullIntervention
		warnings[i], slip[i], slide[i] = b[25]>>4, b[25]>>3&1, b[25]>>2&1
		p = binary.BigEndian.Uint32(b[26:])
		f = flag(p == 0xffffffff)
		oCurve[i], none[nullCurve][k] = int64(location(p)), f
		some |= uint32(f) << nullCurve
	}
	c.some = some
}

// speedOf gives a speed in thousandths of km/h, and 1 where there is none. It is small enough to be no call.
func speedOf(v uint16) (int32, uint8) { return int32(int16(v)) * 36, flag(v == 0xffff) }
