package recorder

import (
	"encoding/binary"

	"github.com/wayside-edge/wayside/plugins/rail/mmi"
)

// split takes telegram parts, and the display packets 1 that are as their layout says, out of the rows that are looked
// into one by one. Like fill it calls nothing and needs no bounds check.
func (l *lanes) split(w []byte) {
	starts, ends, types, looked, found, dynamic := l.starts, l.ends, l.types, l.looked, l.parts, l.dynamic
	n := len(types) // the room that fill had, which may be less than there is for starts
	l.partCount, l.dynamicCount = 0, 0
	if len(starts) < n || len(ends) < n || l.lookedCount > len(looked) {
		return
	}
	plain, part, kept := 0, 0, 0
	for _, row := range looked[:l.lookedCount] {
		r := int(row)
		if r >= n {
			break
		}
		s := uint(starts[r])
		if s > uint(len(w)) {
			break
		}
		b, typ := w[s:], types[r]
		switch {
		case typ >= typePart1 && typ <= typePart5 && uint(part) < uint(len(found)):
			found[part] = row
			part++
		case (typ == typeMMI1 || typ == typeMMI2) && ends[r]-starts[r] == mmi.DynamicBytes && len(b) >= mmi.DynamicBytes &&
			b[0] == mmi.NumberDynamic && b[1] == 0 && b[2] == mmi.DynamicBytes*8 && uint(plain) < uint(len(dynamic)):
			dynamic[plain] = row
			plain++
		case uint(kept) < uint(len(looked)):
			looked[kept] = row
			kept++
		}
	}
	l.lookedCount, l.partCount, l.dynamicCount = kept, part, plain
}

// whole puts a telegram together when its parts are the next five in their order, close to each other, as assembler
// would: see pass.stale. first is the number of the record in row 0. It calls nothing and needs no bounds check.
func (l *lanes) whole(w []byte, rows []uint32, first int64, p *pass) bool {
	if len(rows) < parts {
		return false
	}
	starts, types, offsets, times, locations, speeds := l.starts, l.types, l.offsets, l.times, l.locations, l.speeds
	n := len(types)
	if len(starts) < n || len(offsets) < n || len(times) < n || len(locations) < n || len(speeds) < n {
		return false
	}
	a, z := int(rows[0]), int(rows[parts-1])
	if a >= n || z >= n || z-a > staleRecords {
		return false
	}
	if d := times[z] - times[a]; d > staleMicros || d < -staleMicros {
		return false
	}
	var key byte
	for i, row := range rows[:parts] {
		r := int(row)
		if r >= n || types[r] != typePart1+uint8(i) {
			return false
		}
		if d := locations[r] - locations[a]; d > staleCM || d < -staleCM {
			return false
		}
		s := uint(starts[r])
		if s > uint(len(w)) {
			return false
		}
		b := w[s:]
		if len(b) < partBytes {
			return false
		}
		if i == 0 {
			key = b[0]
			p.contact[0] = binary.BigEndian.Uint32(b[atContactFirst:])
			p.contact[1] = binary.BigEndian.Uint32(b[atContactLast:])
			p.contact[2] = binary.BigEndian.Uint32(b[atContactMid:])
			*(*[userBytes1]byte)(p.user[:userBytes1]) = *(*[userBytes1]byte)(b[atUser1:])
		} else {
			*(*[userBytesN]byte)(p.user[userBytes1+(i-1)*userBytesN:]) = *(*[userBytesN]byte)(b[1:])
		}
		if b[0] != key {
			return false
		}
		p.offsets[i] = offsets[r]
	}
	p.key, p.have, p.last, p.reordered = key, allParts, parts-1, false
	p.at = locations[a]
	p.latest = record{
		offset: offsets[z], time: times[z], timed: true, location: int32(locations[z]), speed: int32(speeds[z] / 36),
		index: first + int64(z), typ: typePart5,
	}
	return true
}
