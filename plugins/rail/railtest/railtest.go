// Package railtest makes rail recorder logs: a train that runs from stop to stop over balise groups, recorded with
// every record type, telegram parts between other records, and display packets whose driver is invented. The same
// options give the same bytes. It also shapes telegrams for the air, as balises send them (Shaping).
//
// It is apart from the decoders, and shares no table with them, so that what one writes wrong the other does not read
// right. Tests, benchmarks and the example recording use it; nothing of the appliance does.
package railtest

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// Options choose a recording; the zero value is a small clean one.
type Options struct {
	Seed   uint64 // another train, day and line
	Bytes  int    // size to reach, 0 = ExampleBytes; the recording ends at the end of that record
	Faults bool   // telegram parts out of order, interleaved and missing
	Rare   bool   // every record type, not only those that every train writes
}

// ExampleBytes is the size of the example recording, about.
const ExampleBytes = 12_300

// Example gives the example recording of the project.
func Example() []byte { return Recording(Options{Seed: 1, Faults: true, Rare: true}) }

// Recording makes a recording.
func Recording(o Options) []byte {
	if o.Bytes == 0 {
		o.Bytes = ExampleBytes
	}
	t := newTrain(o)
	for t.log.Len() < o.Bytes {
		t.second()
	}
	b := t.log.Bytes()
	// Cut at the end of the record that reaches the size.
	for at := 0; at < len(b); {
		at += headerBytes + int(b[at+headerBytes-1])
		if at >= o.Bytes {
			return b[:at:at]
		}
	}
	return b
}

// blockBytes is how much of a large recording is simulated; the rest repeats it at later times.
const blockBytes = 1 << 20

// WriteLarge writes a recording of about n bytes, quickly: the same mile of line over and over, at later times.
func WriteLarge(w io.Writer, n int64, o Options) error {
	o.Bytes = int(min(n, blockBytes))
	block := Recording(o)
	last := lastTime(block)
	span := last.Sub(timeOf(block)) + 10*time.Second
	for n > 0 {
		part := block
		if int64(len(part)) > n {
			part = wholeRecords(part, int(n))
		}
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("write the recording: %w", err)
		}
		n -= int64(len(part))
		if len(part) < len(block) {
			return nil
		}
		shift(block, span)
	}
	return nil
}

// wholeRecords gives the records of b up to the one that reaches n bytes.
func wholeRecords(b []byte, n int) []byte {
	at := 0
	for at < n {
		at += headerBytes + int(b[at+headerBytes-1])
	}
	return b[:at]
}

// Cut cuts a recording into n pieces of about the same size, as a recorder does that begins a new file now and then.
func Cut(b []byte, n int) [][]byte {
	var pieces [][]byte
	for left := n; left > 1 && len(b) > 0; left-- {
		piece := wholeRecords(b, len(b)/left)
		pieces, b = append(pieces, piece), b[len(piece):]
	}
	return append(pieces, b)
}

func timeOf(rec []byte) time.Time {
	return time.Date(2000+int(rec[1]), time.Month(rec[2]), int(rec[3]), int(rec[4]), int(rec[5]), int(rec[6]), 0, time.UTC)
}

func lastTime(b []byte) time.Time {
	var at time.Time
	for i := 0; i < len(b); i += headerBytes + int(b[i+headerBytes-1]) {
		at = timeOf(b[i:])
	}
	return at
}

// shift moves all records of b to a later time.
func shift(b []byte, by time.Duration) {
	for i := 0; i < len(b); i += headerBytes + int(b[i+headerBytes-1]) {
		putTime(b[i:], timeOf(b[i:]).Add(by))
	}
}

// train is the simulated train and its recorder.
type train struct {
	o     Options
	rnd   *rand.Rand
	log   Log
	speed int // cm/s
	pause int // seconds left at a stop
	stop  int // cm where the next stop is

	group    int // number of the next balise group
	at       int // cm where it lies
	spacing  int // m from it to the one after
	sequence uint8
	seconds  int
}

func newTrain(o Options) *train {
	t := &train{o: o, rnd: rand.New(rand.NewPCG(o.Seed, 0x5241494c))} //nolint:gosec // a simulation
	t.log.Time = time.Date(2024, 3, 1, 5, 12, 7, 0, time.UTC).Add(time.Duration(t.rnd.IntN(500*24*3600)) * time.Second)
	if o.Seed == 1 {
		t.log.Time = time.Date(2025, 3, 14, 5, 12, 7, 0, time.UTC)
	}
	t.log.Location = t.rnd.IntN(9_000_000)
	t.stop = t.log.Location + 220_000 + t.rnd.IntN(60_000)
	t.at = t.log.Location + 15_000
	t.spacing = 350 + t.rnd.IntN(200)
	t.sequence = uint8(250 + t.rnd.IntN(4)) // wraps within the first group
	t.pause = 12
	return t
}

// Motion of the train.
const (
	accelerate = 80   // cm/s²
	brake      = 90   // cm/s²
	cruise     = 2200 // cm/s
	waiting    = 20   // s
)

// second moves the train for a second and records it.
func (t *train) second() {
	l := &t.log
	l.Time = l.Time.Add(time.Second)
	t.seconds++
	switch {
	case t.pause > 0:
		t.pause--
	case t.stop-l.Location <= t.speed*t.speed/(2*brake)+t.speed:
		t.speed = max(t.speed-brake, 0)
		if t.speed == 0 {
			t.pause = waiting
			t.stop = l.Location + 200_000 + t.rnd.IntN(150_000)
		}
	default:
		t.speed = min(t.speed+accelerate, cruise-t.rnd.IntN(30))
	}
	before := l.Location
	l.Speed = t.speed
	for t.at > before && t.at <= before+t.speed {
		l.Location = t.at
		t.pass()
	}
	l.Location = before + t.speed
	t.periodic()
	if t.o.Rare {
		t.rare()
	}
}

// periodic writes what every train writes all the time.
func (t *train) periodic() {
	l := &t.log
	if t.seconds == 1 {
		l.Record(71, filled(32, 0x20))
		l.Record(61, odometer(0))
		l.Record(1, mmiTime(l.Time))
		l.Record(1, mmiTrainData(110, true))
	}
	if t.seconds%5 == 0 {
		l.Record(211, nil)
		l.Record(31, []byte{0x42, byte(t.seconds)})
	}
	if t.seconds%4 == 1 {
		l.Record(1, t.mmiDynamic())
	}
	if t.seconds%20 == 2 {
		l.Record(1, t.mmiStatus())
	}
}

// rare writes the other record types, one every few seconds in turn.
func (t *train) rare() {
	l := &t.log
	body := map[int]struct {
		typ  uint8
		body []byte
	}{
		3: {2, []byte{15}}, 5: {3, []byte{1}}, 7: {4, []byte{0, 0, 24}}, 9: {21, []byte{0x10, 0, 0, 0, 0, 0, 0, 1}},
		12: {22, filled(8, 0x11)}, 15: {23, filled(8, 0x12)}, 18: {24, filled(8, 0x13)}, 21: {32, []byte{0, 1}},
		24: {33, []byte{2, 0}}, 27: {41, filled(16, 0x41)}, 30: {51, filled(16, 0x51)}, 33: {52, filled(16, 0x52)},
		36: {72, []byte("brake test done")}, 39: {91, []byte{1}}, 42: {201, atpDown(l.Location, t.speed)}, 45: {216, []byte{3}},
		48: {221, []byte{0, 0, 0, 9}}, 51: {222, []byte{0}}, 54: {223, []byte{1}}, 57: {224, []byte{1}}, 60: {225, []byte{0}},
		63: {227, []byte{1}}, 66: {228, []byte{1}}, 69: {1, mmiText(3, 17)}, 72: {1, mmiAck(3)}, 75: {1, mmiFailure()},
		78: {1, t.mmiTrack()}, 81: {1, mmiPosition(l.Location)}, 84: {1, mmiRules()}, 87: {1, []byte{119, 0, 40, 1, 0}},
		90: {2, []byte{16}},
		// Between the others: more display packets.
		4: {1, mmiDriver(14)}, 6: {1, mmiTrainData(6, false)}, 8: {4, mmiTrackFull(l.Location)}, 10: {1, mmiTrackEmpty()},
		11: {1, mmiTrainData(10, true)}, 13: {4, mmiRulesEcho(12)}, 14: {1, mmiBraked()}, 16: {1, mmiDriver(104)},
		19: {4, mmiTrainData(107, false)}, 20: {1, mmiRulesEcho(103)}, 22: {1, mmi(15, 5)},
	}
	if r, ok := body[t.seconds]; ok {
		l.Record(r.typ, r.body)
	}
}

// pass reads a balise group of two balises.
func (t *train) pass() {
	first, second := t.telegrams()
	a, b := t.parts(first), t.parts(second)
	l := &t.log
	next := t.at + t.spacing*100
	if t.o.Faults && t.group == 2 {
		// Both balises at once, part by part.
		for i := range a {
			t.part(i, a[i])
			t.part(i, b[i])
		}
	} else {
		for _, i := range t.order() {
			t.part(i, a[i])
		}
		l.Location += 300
		for i := range b {
			t.part(i, b[i])
		}
	}
	l.Record(64, filled(16, 0x64))
	t.group++
	t.at = next
	t.spacing = 350 + t.rnd.IntN(450)
}

// order gives the parts of a group's first telegram in the order of recording.
func (t *train) order() []int {
	if t.o.Faults {
		switch t.group {
		case 1:
			return []int{0, 2, 1, 4, 3}
		case 3:
			return []int{0, 1, 3, 4} // part 3 is lost
		}
	}
	return []int{0, 1, 2, 3, 4}
}

// part records a telegram part, some with another record before.
func (t *train) part(i int, body []byte) {
	l := &t.log
	switch i {
	case 0:
		l.Record(42, filled(16, 0x42))
	case 2:
		l.Record(62, odometer(l.Location))
	case 4:
		l.Record(63, odometer(l.Location+1))
	}
	l.Record(uint8(43+i), body)
}

// parts cuts a telegram's user data into record bodies.
func (t *train) parts(user [UserBytes]byte) [5][]byte {
	t.sequence++
	ms := uint32(t.seconds * 1000)
	return Parts(t.sequence, user, [3]uint32{ms, ms + 40, ms + 20})
}

// UserBytes is the length of a telegram's user data.
const UserBytes = 104

// Parts makes the bodies of the five part records of a telegram. contact is first, last and centre in ms.
func Parts(sequence uint8, user [UserBytes]byte, contact [3]uint32) [5][]byte {
	var out [5][]byte
	for i := range out {
		b := filled(32, 0xee)
		b[0] = sequence
		if i == 0 {
			b[1] = 1
			for k, ms := range contact {
				binary.BigEndian.PutUint32(b[2+4*k:], ms)
			}
			copy(b[22:26], user[:4])
		} else {
			copy(b[1:26], user[4+25*(i-1):])
		}
		out[i] = b
	}
	return out
}

func filled(n int, v byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = v
	}
	return b
}
