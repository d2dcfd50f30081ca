// Package mmi reads display packets: what a train protection unit and its driver's display send each other, as rail
// recorders keep it in records of the two display channels. Numbers are big-endian; offsets count from the packet's
// first byte: number (u8), length in bits (u16), then the fields.
//
// It is apart from the recorder's records because it knows bytes only: no table, no time, no place. Reading allocates
// nothing but the curves of train data, keeps no state and starts no goroutine. Each function gives false where the
// packet is not exactly as long as its layout says.
package mmi

import "encoding/binary"

// Numbers of the packets that have a layout.
const (
	NumberDynamic        = 1
	NumberStatus         = 2
	NumberSetTime        = 3
	NumberTrack          = 4
	NumberGeoPosition    = 5
	NumberTrainData      = 6
	NumberMessage        = 8
	NumberFailure        = 9
	NumberTrainDataEcho  = 10 // of the bytes inverted
	NumberRules          = 11
	NumberRulesEcho      = 12
	NumberDriver         = 14
	NumberRulesConfirmed = 103
	NumberDriverNew      = 104
	NumberRulesNew       = 106
	NumberTrainDataNew   = 107
	NumberSetTimeDisplay = 109
	NumberTrainConfirmed = 110
	NumberMessageAck     = 111
)

// HeaderBytes is the length of number and length.
const HeaderBytes = 3

// DynamicBytes is the length of packet 1.
const DynamicBytes = 30

// Lengths of the packets whose length is fixed.
const (
	statusBytes   = 7
	setTimeBytes  = 7
	geoBytes      = 8
	messageBytes  = 8
	ackBytes      = 5
	failureBytes  = 8
	driverBytes   = 23
	rulesBytes    = 9
	positionBase  = 1_000_000_000 // cm; added to positions by most units
	noSpeed       = -1
	noPosition    = 0xffffffff
	noTime        = 0xffff
	brakeBits     = 3
	nibble        = 0xf
	wordBytes     = 2
	longBytes     = 4
	geoSignBit    = 1 << 23
	geoSignExtend = 1 << 24
)

// Length gives the packet's own length in bits, L_PACKET; false where the packet is too short to say it.
func Length(b []byte) (uint16, bool) {
	if len(b) < HeaderBytes {
		return 0, false
	}
	return binary.BigEndian.Uint16(b[1:]), true
}

func signed(b []byte, at int) int16    { return int16(binary.BigEndian.Uint16(b[at:])) }
func unsigned(b []byte, at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }

// Speed is in cm/s. There may be none.
type Speed struct {
	CMPerSecond int16
	Known       bool
}

func speedAt(b []byte, at int) Speed {
	v := signed(b, at)
	return Speed{v, v != noSpeed}
}

// Position is a place on the odometer in cm. There may be none.
type Position struct {
	CM    int64
	Known bool
}

// positionAt takes the base off positions that have it.
func positionAt(b []byte, at int) Position {
	v := binary.BigEndian.Uint32(b[at:])
	cm := int64(int32(v))
	if cm >= positionBase {
		cm -= positionBase
	}
	return Position{cm, v != noPosition}
}

// Dynamic is packet 1: what the display shows of the drive.
type Dynamic struct {
	Train        Speed // V_TRAIN
	Acceleration int16 // A_TRAIN, cm/s²
	At           Position
	BrakeTarget  Position
	Target       Speed  // V_TARGET
	Warning      uint16 // T_INTERVENWAR as recorded
	Warned       bool   // there is such a time
	Permitted    Speed
	Release      Speed
	Intervention Speed
	Warnings     uint8 // M_WARNING
	Slip, Slide  bool
	BrakeCurve   Position // O_BCSP, where the braking curve starts
}

// ReadDynamic reads packet 1.
func ReadDynamic(b []byte) (Dynamic, bool) {
	if len(b) != DynamicBytes {
		return Dynamic{}, false
	}
	t := unsigned(b, 17)
	return Dynamic{
		Train: speedAt(b, 3), Acceleration: signed(b, 5), At: positionAt(b, 7), BrakeTarget: positionAt(b, 11),
		Target: speedAt(b, 15), Warning: t, Warned: t != noTime, Permitted: speedAt(b, 19), Release: speedAt(b, 21),
		Intervention: speedAt(b, 23), Warnings: b[25] >> 4, Slip: b[25]>>3&1 == 1, Slide: b[25]>>2&1 == 1,
		BrakeCurve: positionAt(b, 26),
	}, true
}

// Status is packet 2: mode, level and brakes.
type Status struct {
	Adhesion       uint8
	Mode, Level    uint8
	Emergency      uint8 // emergency brake, 0 = released
	Service        uint8 // service brake, 0 = released
	Override, Trip bool
	Cabin          uint8 // active cabin
}

// ReadStatus reads packet 2.
func ReadStatus(b []byte) (Status, bool) {
	if len(b) != statusBytes {
		return Status{}, false
	}
	f := b[5]
	return Status{
		Adhesion: b[3], Mode: b[4] >> 4, Level: b[4] & nibble, Emergency: f >> 6, Service: f >> 4 & brakeBits,
		Override: f>>3&1 == 1, Trip: f>>2&1 == 1, Cabin: f & brakeBits,
	}, true
}

// ReadSetTime reads packets 3 and 109: seconds since 1970 on the recorder's own clock.
func ReadSetTime(b []byte) (uint32, bool) {
	if len(b) != setTimeBytes {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[3:]), true
}

// GeoPosition is packet 5, in the unit of the line's kilometre posts.
type GeoPosition struct {
	Absolute int32
	Relative int16
}

// ReadGeoPosition reads packet 5.
func ReadGeoPosition(b []byte) (GeoPosition, bool) {
	if len(b) != geoBytes {
		return GeoPosition{}, false
	}
	abs := int32(b[3])<<16 | int32(b[4])<<8 | int32(b[5])
	if abs >= geoSignBit {
		abs -= geoSignExtend
	}
	return GeoPosition{abs, signed(b, 6)}, true
}

// Message is packet 8, a text for the driver, by number.
type Message struct {
	Index    uint8 // I_TEXT, by which it is acknowledged
	Class    uint8
	Criteria uint8
	Text     uint16 // Q_TEXT, the number of the text
}

// ReadMessage reads packet 8.
func ReadMessage(b []byte) (Message, bool) {
	if len(b) != messageBytes {
		return Message{}, false
	}
	return Message{Index: b[3], Class: b[4] >> 7, Criteria: b[4] >> 4 & 7, Text: unsigned(b, 5)}, true
}

// ReadMessageAck reads packet 111: the message's index and the driver's answer.
func ReadMessageAck(b []byte) (index, answer uint8, ok bool) {
	if len(b) != ackBytes {
		return 0, 0, false
	}
	return b[3], b[4] >> 4, true
}

// Failure is packet 9.
type Failure struct {
	Class    uint8
	Unit     uint8 // from 1
	Severity uint8
	Number   uint16
	Criteria uint8
}

// ReadFailure reads packet 9.
func ReadFailure(b []byte) (Failure, bool) {
	if len(b) != failureBytes {
		return Failure{}, false
	}
	return Failure{Class: b[3], Unit: b[4]>>4 + 1, Severity: b[4] & nibble, Number: unsigned(b, 5), Criteria: b[7] >> 4}, true
}

// Wayside says whether the failure is of the trackside equipment, not of the cabin's.
func (f *Failure) Wayside() bool {
	switch f.Class {
	case 8, 15, 16, 21, 34:
		return true
	}
	return false
}

// Driver is packets 14 and 104, personal data: three fields as they are in the packet.
type Driver struct {
	ID, Operation, Shift []byte // slices of the packet
}

// ReadDriver reads packets 14 and 104.
func ReadDriver(b []byte) (Driver, bool) {
	if len(b) != driverBytes {
		return Driver{}, false
	}
	return Driver{ID: b[3:11], Operation: b[11:15], Shift: b[15:23]}, true
}

// Rules are packets 11, 12, 103 and 106: what holds for driving on the staff's own responsibility.
type Rules struct {
	Speed  Speed
	Length uint32 // L_STFF as recorded
}

// ReadRules reads packets 11 and 106, and with echo packets 12 and 103, which give the fields back inverted and in
// reverse order.
func ReadRules(b []byte, echo bool) (Rules, bool) {
	if len(b) != rulesBytes {
		return Rules{}, false
	}
	if !echo {
		return Rules{Speed: speedAt(b, 3), Length: binary.BigEndian.Uint32(b[5:])}, true
	}
	v := ^signed(b, 7)
	return Rules{Speed: Speed{v, v != noSpeed}, Length: ^binary.BigEndian.Uint32(b[3:])}, true
}
