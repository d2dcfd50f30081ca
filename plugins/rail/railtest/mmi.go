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

// mmiTrainData is the confirmed train data: inverted after the length, without curves.
func mmiTrainData() []byte {
	b := mmi(110, 39)
	be := binary.BigEndian
	for i := range 4 {
		be.PutUint16(b[3+2*i:], uint16(cruise+100*i))
	}
	be.PutUint16(b[11:], 2)
	b[13] = 'E'
	be.PutUint16(b[14:], 4711)
	for i, v := range []uint16{100, 80, 20, 30, 25} {
		be.PutUint16(b[16+2*i:], v)
	}
	// Three empty lists at 26, 27 and 28.
	b[29], b[30] = 45, 1
	be.PutUint16(b[31:], cruise)
	be.PutUint16(b[33:], 180)
	for i := range b[3:] {
		b[3+i] ^= 0xff
	}
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
