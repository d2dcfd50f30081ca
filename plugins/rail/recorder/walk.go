package recorder

import (
	"encoding/binary"
	"math"

	"github.com/wayside-edge/wayside/plugins/rail/mmi"
)

// Why walk returned.
const (
	walkedAll  = iota // no whole record is left
	walkedFull        // there is room for no more rows
	walkedDate        // the next record has another date
	walkedOdd         // the next record is not plain: odd decodes it
)

// walk writes plain records until something else is to be done, and gives the bytes it used.
func (d *decoder) walk(off int64, w []byte) (used, why int) {
	t, l := d.out.records, &d.lanes
	l.offsets, l.times, l.locations, l.speeds = t.offset.Room(), t.time.Room(), t.location.Room(), t.speed.Room()
	l.types, l.names, l.lengths = t.typ.Room(), t.typeName.Room(), t.length.Room()
	l.fit(len(l.offsets))
	first := t.Rows()
	rows, used, why := l.fill(off, w, d.clock)
	t.body.SetSpans(w, l.starts[:rows], l.ends[:rows])
	t.Added(rows)
	l.split(w)
	d.dynamicRows(w, first, l.dynamic[:l.dynamicCount])
	d.lookAt(w, first)
	d.drove(l.times[:rows], l.locations[:rows], l.speeds[:rows], first)
	return used, why
}

// lookAt looks into the bodies of records, in their order. The parts of a telegram mostly come one after the other:
// such a telegram is put together at once.
func (d *decoder) lookAt(w []byte, first int64) {
	l := &d.lanes
	others, rows := l.looked[:l.lookedCount], l.parts[:l.partCount]
	for len(rows) > 0 {
		whole := len(d.assembler.open) == 0 && l.whole(w, rows, first, &d.straight)
		n := 1
		if whole {
			n = parts
		}
		for last := rows[n-1]; len(others) > 0 && others[0] < last; others = others[1:] {
			d.lookAtRow(w, first, others[0])
		}
		if whole {
			d.telegram(&d.straight)
		} else {
			d.lookAtRow(w, first, rows[0])
		}
		rows = rows[n:]
	}
	for _, row := range others {
		d.lookAtRow(w, first, row)
	}
}

func (d *decoder) lookAtRow(w []byte, first int64, row uint32) {
	l, r := &d.lanes, &d.record
	*r = record{
		offset: l.offsets[row], time: l.times[row], timed: true, location: int32(l.locations[row]),
		speed: int32(l.speeds[row] / 36), index: first + int64(row), typ: l.types[row],
	}
	d.look(r, w[l.starts[row]:l.ends[row]])
}

// lanes is what fill reads and writes: room for rows of table records, where their bodies lie, and which of them are
// to be looked into.
type lanes struct {
	plain  [256]plain // by type
	driver [256]uint8 // 1 = the display packet of that number holds driver data that is to be blanked
	counts [256]int64 // records by type
	firsts [256]int64 // offset of the first one

	offsets, times, locations, speeds []int64
	types, names                      []uint8
	lengths                           []uint16
	starts, ends                      []uint32
	looked, parts, dynamic            []uint32 // rows that are looked into; split takes telegram parts and display packets 1 out
	lookedCount, partCount            int
	dynamicCount                      int
}

// plain says which records of a type fill may take: a body of length, in the bits of mask, and for display packets
// one without driver data.
type plain struct {
	length, mask uint16
	mmi, look    uint8 // 1 = a display packet that may hold driver data; the body is looked into
}

func (l *lanes) init(reveal bool) {
	for i, k := range kinds {
		p := &l.plain[i]
		switch {
		case k.name == "":
			p.length, p.mask = math.MaxUint16, math.MaxUint16 // none
		case k.length != anyLength:
			p.length, p.mask = uint16(k.length), math.MaxUint16
		}
		if isMMI(uint8(i)) && !reveal {
			p.mmi = 1
		}
		if isMMI(uint8(i)) || i == typeMarker || i == typeDown || i >= typePart1 && i <= typePart5 {
			p.look = 1
		}
		l.firsts[i] = math.MaxInt64
	}
	l.driver[mmi.NumberDriver], l.driver[mmi.NumberDriverNew] = 1, 1
}

// fit makes room for the spans of that many rows.
func (l *lanes) fit(rows int) {
	if len(l.starts) < rows {
		l.starts, l.ends, l.looked = make([]uint32, rows), make([]uint32, rows), make([]uint32, rows+1)
		l.parts, l.dynamic = make([]uint32, rows+1), make([]uint32, rows+1)
	}
}

// fill writes rows of plain records, and gives their number, the bytes used and why it ended.
//
// It calls nothing at all and is written so that the compiler needs no bounds check: one of either makes it four times
// slower in a guest, because WebAssembly from Go can then be entered anew in the middle of the loop, and keeps
// nothing in registers. (Look with -gcflags=-d=ssa/check_bce.)
func (l *lanes) fill(off int64, w []byte, c clock) (rows, used, why int) {
	offsets, times, locations, speeds, types := l.offsets, l.times, l.locations, l.speeds, l.types
	names, lengths, starts, ends, looked := l.names, l.lengths, l.starts, l.ends, l.looked
	room := len(offsets)
	if len(times) < room || len(locations) < room || len(speeds) < room || len(types) < room || len(names) < room ||
		len(lengths) < room || len(starts) < room || len(ends) < room || len(looked) <= room {
		return 0, 0, walkedOdd
	}
	hours := 23
	if !c.good {
		hours = -1 // no record is plain
	}
	all, found := len(w), 0
	why = walkedFull
	for row := range room {
		if len(w) < headerBytes {
			why = walkedAll
			break
		}
		typ, n := w[0], int(w[atLength])
		end, lead := headerBytes+n, uint(atLength+min(n, 1)) // lead is the body's first byte, or a zero
		if end > len(w) || lead >= uint(len(w)) {
			why = walkedAll
			break
		}
		if uint32(w[1])<<16|uint32(w[2])<<8|uint32(w[3]) != c.date {
			why = walkedDate
			break
		}
		hour, minute, second := int(w[4]), int(w[5]), int(w[6])
		p := &l.plain[typ]
		if ((int(p.length)^n)&int(p.mask)|int(p.mmi&l.driver[w[lead]]))|((hours-hour)|(59-minute)|(59-second))&^math.MaxInt != 0 {
			why = walkedOdd
			break
		}
		at := int64(all - len(w))
		offsets[row] = off + at
		times[row] = c.midnight + int64(hour*3600+minute*60+second)*1e6
		locations[row] = int64(location(binary.BigEndian.Uint32(w[atLocation:])))
		speeds[row] = int64(int32(binary.BigEndian.Uint32(w[atSpeed:]))) * 36 // cm/s · 36 = m/h
		types[row], names[row] = typ, typ
		lengths[row] = uint16(n)
		starts[row], ends[row] = uint32(at)+headerBytes, uint32(at)+uint32(end)
		if uint(found) < uint(len(looked)) {
			looked[found] = uint32(row)
		}
		found += int(p.look)
		l.firsts[typ] = min(l.firsts[typ], off+at)
		l.counts[typ]++
		rows = row + 1
		w = w[end:]
	}
	l.lookedCount = found
	return rows, all - len(w), why
}
