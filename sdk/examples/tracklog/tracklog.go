// Package tracklog is the example decoder of the SDKs in Go: logs of a made-up track recorder, as described in
// ../README.md. The decoders in ../c and ../rust do the same, byte for byte; tests compare them. It is apart from its
// main package so that it runs natively, in tests and as the baseline of benchmarks.
package tracklog

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"

	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Layout of a file: a header, then records.
const (
	magic       = "TRACKLOG"
	version     = 1
	headerBytes = 32
	atVersion   = 8
	atFirst     = 12 // time of the first record, big-endian: files are ordered by it
	atUnit      = 20
	unitBytes   = 8
	atHeaderCRC = 30

	sync0, sync1 = 0x5A, 0xA5
	minRecord    = 14  // sync, type, length, time, CRC
	maxRecord    = 255 // the length is a byte
	minSample    = 30
	minEvent     = 23
	noSpeed      = 0xFFFF
	noValue      = -1 << 31
)

// Types of records.
const (
	typeSample = 1
	typeEvent  = 2
)

// paramsSchema describes the parameters of a decode.
const paramsSchema = `{"type":"object","additionalProperties":false,"properties":{
"crc":{"type":"string","enum":["keep","drop","ignore"],"default":"keep","description":"what happens to records whose checksum is wrong"},
"min_speed":{"type":"integer","minimum":0,"maximum":655,"default":0,"description":"leave out slower samples, km/h"}}}`

// Plugin gives the decoder.
func Plugin() *sdk.Plugin {
	return sdk.New(sdk.Info{
		ID: "tracklog", Name: "Track log", Version: "1.0.0", Licence: "Apache-2.0",
		Description: "Example: logs of a made-up track recorder",
		Formats: []abi.Format{{
			ID: "tracklog", Name: "Track log", Extensions: []string{".trk"}, MediaTypes: []string{"application/x-tracklog"},
			Sniff:    []abi.Sniff{{Bytes: "545241434b4c4f47"}},
			Sequence: &abi.Sequence{At: atFirst, Length: 8},
		}},
		Params: json.RawMessage(paramsSchema),
	}, declare, decode).WithSniff(sniff)
}

type records struct {
	*sdk.Table
	offset, time *sdk.Int64
	speed        *sdk.Decimal32
	flags        *sdk.Uint16
	position     *sdk.Decimal64
	odometer     *sdk.Uint32
	acceleration *sdk.Decimal32
	mode, aspect *sdk.Enum8
	text         *sdk.Text
}

type events struct {
	*sdk.Table
	offset, time *sdk.Int64
	code         *sdk.Enum16
	severity     *sdk.Enum8
	acknowledged *sdk.Bool
	value        *sdk.Decimal64
	payload      *sdk.Text
	text         *sdk.Text
}

type tables struct {
	records records
	events  events
}

func declare(s *sdk.Schema) *tables {
	r := s.Table("records", "one row a sample")
	e := s.Table("events", "one row an event")
	return &tables{
		records: records{
			Table:        r,
			offset:       r.Int64("offset", sdk.Attr{Unit: "By", Description: "of the record in the input"}),
			time:         r.TimeMicros("time", sdk.Attr{Role: sdk.RoleTime}),
			speed:        r.Decimal32("speed", sdk.Attr{Scale: 2, Unit: "km/h", Role: sdk.RoleSpeed, Nullable: true}),
			flags:        r.Uint16("flags", sdk.Attr{}),
			position:     r.Decimal64("position", sdk.Attr{Scale: 2, Unit: "m", Role: sdk.RolePosition}),
			odometer:     r.Uint32("odometer", sdk.Attr{Unit: "m"}),
			acceleration: r.Decimal32("acceleration", sdk.Attr{Scale: 3, Unit: "m/s2"}),
			mode:         r.Enum8("mode", sdk.Attr{Labels: []string{"off", "standby", "manual", "automatic", "degraded"}}),
			aspect:       r.Enum8("aspect", sdk.Attr{Labels: []string{"dark", "stop", "caution", "proceed"}}),
			text:         r.Text("text", sdk.Attr{}),
		},
		events: events{
			Table:        e,
			offset:       e.Int64("offset", sdk.Attr{Unit: "By", Description: "of the record in the input"}),
			time:         e.TimeMicros("time", sdk.Attr{Role: sdk.RoleTime}),
			code:         e.Enum16("code", sdk.Attr{Labels: []string{"", "door", "brake", "horn", "radio"}}),
			severity:     e.Enum8("severity", sdk.Attr{Labels: []string{"info", "warning", "alarm"}}),
			acknowledged: e.Bool("acknowledged", sdk.Attr{}),
			value:        e.Decimal64("value", sdk.Attr{Scale: 3, Nullable: true, Role: sdk.RoleValue}),
			payload:      e.Bytes("payload", sdk.Attr{Nullable: true}),
			text:         e.Text("text", sdk.Attr{Sensitive: true, Description: "what the driver wrote"}),
		},
	}
}

// sniff is sure of a header whose checksum fits, less of one that only begins like one.
func sniff(head []byte) int {
	if len(head) < headerBytes || string(head[:len(magic)]) != magic {
		return 0
	}
	if checksum(head[:atHeaderCRC]) != binary.LittleEndian.Uint16(head[atHeaderCRC:]) {
		return 60
	}
	return 100
}

// decoder is the state of one decode.
type decoder struct {
	in       *sdk.Input
	out      *tables
	check    bool // checksums are looked at
	drop     bool // records with a wrong one are left out
	minSpeed uint16

	lost     int64 // offset at which the records' rhythm was lost, -1 = it is not
	cut      int64 // offset of a record that the part ends in, -1 = there is none
	cutText  string
	unknown  [256]int64 // records of types that are not known
	unknown1 [256]int64 // the first one's offset
}

func decode(in *sdk.Input, out *tables) error {
	crc, _ := in.Param("crc")
	d := &decoder{
		in: in, out: out, check: crc != "ignore", drop: crc == "drop",
		minSpeed: uint16(min(max(in.IntParam("min_speed", 0), 0), 655) * 100), lost: -1,
	}
	for more := true; more; {
		if err := d.header(); err != nil {
			return err
		}
		d.cut = -1
		if err := d.part(); err != nil {
			return err
		}
		if d.lost >= 0 {
			d.resync(in.Offset())
		}
		if _, more = in.NextPart(); more && d.cut >= 0 {
			in.Issue(sdk.SeverityError, d.cut, sdk.CodeTruncated, d.cutText)
		}
	}
	for typ, n := range d.unknown {
		if n > 0 {
			in.Issuef(sdk.SeverityInfo, d.unknown1[typ], "unknown_type", "%d records of type %d", n, typ)
		}
	}
	if d.cut >= 0 {
		in.Issue(sdk.SeverityFatal, d.cut, sdk.CodeTruncated, d.cutText)
	}
	return nil
}

// header reads the header of a part.
func (d *decoder) header() error {
	at := d.in.Offset()
	h, err := d.in.Next(headerBytes)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return sdk.Fail(sdk.CodeTruncated, "the file ends within its header")
	case err != nil:
		return err
	case string(h[:len(magic)]) != magic:
		return sdk.Fail("unknown_format", "the file does not begin with %s", magic)
	case h[atVersion] != version:
		return sdk.Fail("unsupported", "version %d of the format is not known", h[atVersion])
	}
	if checksum(h[:atHeaderCRC]) != binary.LittleEndian.Uint16(h[atHeaderCRC:]) {
		d.in.Issue(sdk.SeverityWarning, at, "header_crc", "the checksum of the header is wrong")
	}
	return nil
}

// part reads the records of a part.
func (d *decoder) part() error {
	for {
		b, err := d.in.Window(maxRecord)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		if err := d.in.Discard(int64(d.walk(b, last))); err != nil {
			return err
		}
		if last {
			return nil
		}
	}
}

// walk reads the records in b and says how many bytes it is done with. Unless these are the last bytes of the part it
// stops where a record may not be whole.
func (d *decoder) walk(b []byte, last bool) int {
	base, at := d.in.Offset(), 0
	for at < len(b) {
		rest := b[at:]
		if len(rest) < maxRecord && !last {
			break
		}
		begins := len(rest) >= 4 && rest[0] == sync0 && rest[1] == sync1 && rest[3] >= minRecord
		if d.lost < 0 {
			if len(rest) < 4 || begins && int(rest[3]) > len(rest) {
				d.cut, d.cutText = base+int64(at), "the file ends within a record"
				return len(b)
			}
			if !begins {
				d.lost = base + int64(at)
				at++
				continue
			}
		} else {
			if !begins || int(rest[3]) > len(rest) || !intact(rest[:rest[3]]) {
				at++
				continue
			}
			d.resync(base + int64(at))
		}
		r := rest[:rest[3]]
		d.record(r, base+int64(at))
		at += len(r)
	}
	return at
}

// resync reports the bytes that no record was found in, up to an offset.
func (d *decoder) resync(to int64) {
	d.in.Issuef(sdk.SeverityError, d.lost, "resync", "%d bytes are no records", to-d.lost)
	d.lost = -1
}

// record takes a whole record.
func (d *decoder) record(r []byte, at int64) {
	if d.check && !intact(r) {
		if d.drop {
			d.in.Issue(sdk.SeverityError, at, "crc_mismatch", "the checksum of the record is wrong, it is left out")
			return
		}
		d.in.Issue(sdk.SeverityWarning, at, "crc_mismatch", "the checksum of the record is wrong")
	}
	switch typ := r[2]; typ {
	case typeSample:
		d.sample(r, at)
	case typeEvent:
		d.event(r, at)
	default:
		if d.unknown[typ] == 0 {
			d.unknown1[typ] = at
		}
		d.unknown[typ]++
	}
}

func (d *decoder) sample(r []byte, at int64) {
	if len(r) < minSample {
		d.in.Issuef(sdk.SeverityError, at, "bad_length", "a sample of %d bytes", len(r))
		return
	}
	speed := binary.LittleEndian.Uint16(r[12:])
	if speed < d.minSpeed {
		return
	}
	o := &d.out.records
	o.offset.Set(at)
	o.time.Set(int64(binary.LittleEndian.Uint64(r[4:])))
	o.speed.SetOr(int32(speed), speed != noSpeed)
	o.flags.Set(binary.LittleEndian.Uint16(r[14:]))
	o.position.Set(int64(int32(binary.LittleEndian.Uint32(r[16:]))))
	o.odometer.Set(binary.LittleEndian.Uint32(r[20:]))
	o.acceleration.Set(int32(int16(binary.LittleEndian.Uint16(r[24:]))))
	o.mode.Set(r[26])
	o.aspect.Set(r[27])
	o.text.SetLossy(r[28 : len(r)-2])
	o.EndRow()
}

func (d *decoder) event(r []byte, at int64) {
	if len(r) < minEvent || minEvent+int(r[20]) > len(r) {
		d.in.Issuef(sdk.SeverityError, at, "bad_length", "an event of %d bytes", len(r))
		return
	}
	o := &d.out.events
	o.offset.Set(at)
	o.time.Set(int64(binary.LittleEndian.Uint64(r[4:])))
	o.code.Set(binary.LittleEndian.Uint16(r[12:]))
	o.severity.Set(r[14])
	o.acknowledged.Set(r[15]&1 != 0)
	value := int32(binary.LittleEndian.Uint32(r[16:]))
	o.value.SetOr(int64(value), value != noValue)
	end := 21 + int(r[20])
	if end > 21 {
		o.payload.SetBytes(r[21:end])
	} else {
		o.payload.Null()
	}
	o.text.SetLossy(r[end : len(r)-2])
	o.EndRow()
}

// intact says whether a record's checksum, its last two bytes, fits.
func intact(r []byte) bool {
	n := len(r) - 2
	return checksum(r[:n]) == binary.LittleEndian.Uint16(r[n:])
}

// checksum is CRC-16/CCITT-FALSE. It lets the register grow beyond its 16 bits, which the index never looks at, and
// takes eight bytes with one load: in a guest every step less counts.
func checksum(b []byte) uint16 {
	c := uint64(0xFFFF)
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		c = c<<8 ^ uint64(crcTable[byte(c>>8^w)])
		c = c<<8 ^ uint64(crcTable[byte(c>>8^w>>8)])
		c = c<<8 ^ uint64(crcTable[byte(c>>8^w>>16)])
		c = c<<8 ^ uint64(crcTable[byte(c>>8^w>>24)])
		c = c<<8 ^ uint64(crcTable[byte(c>>8^w>>32)])
		c = c<<8 ^ uint64(crcTable[byte(c>>8^w>>40)])
		c = c<<8 ^ uint64(crcTable[byte(c>>8^w>>48)])
		c = c<<8 ^ uint64(crcTable[byte(c>>8^w>>56)])
	}
	for _, x := range b {
		c = c<<8 ^ uint64(crcTable[byte(c>>8)^x])
	}
	return uint16(c)
}

// crcTable is data, never changed.
var crcTable = makeTable()

func makeTable() (t [256]uint16) {
	for i := range t {
		c := uint16(i) << 8
		for range 8 {
			if c&0x8000 != 0 {
				c = c<<1 ^ 0x1021
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}
