package railtest

import (
	"encoding/binary"
	"time"
)

const headerBytes = 16

// locationBase is what recorders add to the location, in cm.
const locationBase = 1_000_000_000

// Log writes records with the place and time of its fields.
type Log struct {
	Time     time.Time
	Location int // cm
	Speed    int // cm/s

	b []byte
}

// Record appends a record. The body must have at most 255 bytes.
func (l *Log) Record(typ uint8, body []byte) {
	var h [headerBytes]byte
	h[0] = typ
	putTime(h[:], l.Time)
	binary.BigEndian.PutUint32(h[7:], uint32(locationBase+l.Location))
	binary.BigEndian.PutUint32(h[11:], uint32(l.Speed))
	h[15] = byte(len(body))
	l.b = append(append(l.b, h[:]...), body...)
}

// Len gives the bytes written.
func (l *Log) Len() int { return len(l.b) }

// Bytes gives the records written.
func (l *Log) Bytes() []byte { return l.b }

// putTime writes the date and time of a record.
func putTime(rec []byte, at time.Time) {
	year, month, day := at.Date()
	hour, minute, second := at.Clock()
	rec[1], rec[2], rec[3] = byte(year-2000), byte(month), byte(day)
	rec[4], rec[5], rec[6] = byte(hour), byte(minute), byte(second)
}
