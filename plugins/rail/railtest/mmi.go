package railtest

import (
	"encoding/binary"
	"time"
)

// mmi makes a display packet of n bytes, with its number and length in bits.
func mmi(number uint8, n int) []byte {
	b := make([]byte, n)
	b[0] = number
	binary.BigEndian.PutUint16(b[1:], uint16(n*8))
	return b
}

func (t *train) mmiDynamic() []byte {
	b := mmi(1, 30)
	be := binary.BigEndian
	be.PutUint16(b[3:], uint16(t.speed))
	be.PutUint32(b[7:], uint32(locationBase+t.log.Location))
	be.PutUint32(b[11:], uint32(locationBase+t.stop))
	be.PutUint16(b[17:], 0xffff)
	be.PutUint16(b[19:], cruise+100)
	be.PutUint16(b[21:], 0xffff)
	be.PutUint16(b[23:], cruise+300)
	be.PutUint32(b[26:], uint32(locationBase+t.stop-t.speed*t.speed/(2*brake)))
	return b
}

func (t *train) mmiStatus() []byte {
	b := mmi(2, 7)
	b[3], b[4] = 1, 0x02 // full supervision, level 1
	if t.pause > 0 {
		b[5] = 0x10 // service brake
	}
	return b
}

func mmiTime(at time.Time) []byte {
	b := mmi(3, 7)
	binary.BigEndian.PutUint32(b[3:], uint32(at.Unix()))
	return b
}

// mmiTrack has one speed, one gradient and no track condition.
func (t *train) mmiTrack() []byte {
	b := mmi(4, 22)
	be := binary.BigEndian
	be.PutUint16(b[3:], cruise)
	b[5] = 1
	be.PutUint16(b[6:], cruise/2)
	be.PutUint32(b[8:], uint32(locationBase+t.stop))
	be.PutUint16(b[12:], 3)
	b[14] = 1
	be.PutUint16(b[15:], 5)
	be.PutUint32(b[17:], uint32(locationBase+t.stop))
	return b
}

func mmiPosition(cm int) []byte {
	b := mmi(5, 8)
	b[3], b[4], b[5] = byte(cm/100>>16), byte(cm/100>>8), byte(cm/100)
	return b
}

func mmiText(text, q uint8) []byte {
	b := mmi(8, 8)
	b[3], b[4], b[6] = text, 0x80, q
	return b
}

func mmiAck(text uint8) []byte {
	b := mmi(111, 5)
	b[3], b[4] = text, 0x10
	return b
}

func mmiFailure() []byte {
	b := mmi(9, 8)
	b[3], b[4], b[6], b[7] = 8, 0x12, 77, 0x10
	return b
}

func mmiRules() []byte {
	b := mmi(11, 9)
	binary.BigEndian.PutUint16(b[3:], 1111)
	binary.BigEndian.PutUint32(b[5:], 50_000)
	return b
}

// mmiTrainData is train data as the display sends it (6, 107) or, echoed, with the fields in reverse order and all
// bytes after the length inverted (10, 110).
func mmiTrainData(number uint8, echo bool) []byte {
	// In the order of packet 6: enable, category, length, speed; gauge, axle load; traction; service and emergency
	// curves of speed and deceleration; build-up times, cut-off; accelerations; engine; type; speeds by category.
	fields := [][]byte{
		word(0xdfc6), word(0x0011), word(180), word(cruise),
		{1},
		{45},
		{1},
		word(3),
		{2},
		word(0), word(105), word(1000), word(95),
		{1},
		word(0), word(115),
		word(2000), word(1500), word(100), word(70), word(118),
		{'E'},
		word(4711), word(2), word(cruise + 300), word(cruise + 200), word(cruise + 100), word(cruise),
	}
	order := make([]int, len(fields))
	for i := range order {
		order[i] = i
	}
	if echo {
		// Number and letter of the engine stay in their order, and so do a count and its list.
		order = []int{27, 26, 25, 24, 23, 21, 22, 20, 19, 18, 17, 16, 13, 15, 14, 8, 10, 9, 12, 11, 6, 7, 5, 4, 3, 2, 1, 0}
	}
	var body []byte
	for _, i := range order {
		body = append(body, fields[i]...)
	}
	b := mmi(number, 3+len(body))
	copy(b[3:], body)
	if echo {
		invert(b[3:])
	}
	return b
}

func word(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }

func invert(b []byte) {
	for i := range b {
		b[i] ^= 0xff
	}
}

// mmiDriver is driver data; the driver is invented.
func mmiDriver(number uint8) []byte {
	b := mmi(number, 23)
	copy(b[3:], "INVENTED")
	copy(b[11:], []byte{0x12, 0x34, 'A', 'B'})
	copy(b[15:], "SHIFT007")
	return b
}

// mmiRulesEcho is the rules of staff responsible, given back.
func mmiRulesEcho(number uint8) []byte {
	b := mmi(number, 9)
	binary.BigEndian.PutUint32(b[3:], 50_000)
	binary.BigEndian.PutUint16(b[7:], 1111)
	invert(b[3:])
	return b
}

// mmiTrackFull has every kind of element, mmiTrackEmpty none.
func mmiTrackFull(at int) []byte {
	b := mmi(4, 3+2+1+2*6+2+1+6+1+2*9)
	be := binary.BigEndian
	be.PutUint16(b[3:], cruise)
	b[5] = 2
	be.PutUint16(b[6:], cruise/2)
	be.PutUint32(b[8:], uint32(locationBase+at+10_000))
	be.PutUint16(b[12:], cruise)
	be.PutUint32(b[14:], uint32(locationBase+at+30_000))
	be.PutUint16(b[18:], 0xfffc) // -4 per mille
	b[20] = 1
	be.PutUint16(b[21:], 7)
	be.PutUint32(b[23:], uint32(locationBase+at+20_000))
	b[27] = 2
	for i := range 2 {
		e := b[28+9*i:]
		be.PutUint32(e, uint32(locationBase+at+40_000+i))
		e[4] = byte(1 + i)
		be.PutUint32(e[5:], 2500)
	}
	return b
}

func mmiTrackEmpty() []byte {
	b := mmi(4, 10)
	binary.BigEndian.PutUint16(b[3:], 0xffff)
	binary.BigEndian.PutUint16(b[6:], 2)
	return b
}

// mmiBraked is a status in mode trip with both brakes on.
func mmiBraked() []byte {
	b := mmi(2, 7)
	b[3], b[4], b[5] = 100, 0x72, 0xa5
	return b
}

func atpDown(cm, speed int) []byte {
	b := make([]byte, 8)
	binary.BigEndian.PutUint32(b, uint32(cm)*10)
	binary.BigEndian.PutUint32(b[4:], uint32(speed))
	return b
}

func odometer(cm int) []byte {
	b := filled(32, 0)
	binary.BigEndian.PutUint32(b[4:], uint32(cm))
	return b
}
