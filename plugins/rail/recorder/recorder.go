// Package recorder decodes rail recorder logs (.RU, .MMI): records repeated to the end of the file, without a file
// header, from an onboard train protection unit and its display. It makes the tables records, telegrams, packets and
// variables.
//
// The package is apart from the plugin's main so that the decoder is tested natively; bits inside a balise telegram
// are package balise's. One run owns everything; there are no goroutines and no shared state.
package recorder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/wayside-edge/wayside/plugins/rail/balise"
	"github.com/wayside-edge/wayside/sdk/go"
)

// Codes of issues and failures.
const (
	codeTruncated  = "truncated_record"
	codeCorrupt    = "corrupt_record"
	codeBadLength  = "bad_length"
	codeBadTime    = "bad_time"
	codeNoLayout   = "no_layout"
	codeIncomplete = "telegram_incomplete"
	codeStale      = "stale_part"
	codeReordered  = "telegram_parts_reordered"
)

// Plugin gives the decoder.
func Plugin() *sdk.Plugin {
	return sdk.New(info(), newTables, decode).WithSniff(sniff)
}

// record is a record's header, as far as other tables repeat it.
type record struct {
	offset   int64
	time     int64 // microseconds, naive
	timed    bool  // time is possible
	location int32 // cm
	speed    int32 // cm/s
	typ      uint8
}

// decoder is one run.
type decoder struct {
	in     *sdk.Input
	out    *tables
	clock  clock
	reveal bool
	counts [256]int64 // records by type
	firsts [256]int64 // offset of the first one
	blank  [256]byte  // room for a body with bytes taken out

	variables bool
	index     int64 // of the record
	assembler assembler
	reader    *balise.Reader
	packet    balise.Packet
	text      []byte // room for texts
	status    uint8  // of the telegram in work
	at        int64  // its offset
}

func decode(in *sdk.Input, out *tables) error {
	d := &decoder{in: in, out: out, reveal: in.BoolParam("reveal", false), variables: in.BoolParam("variables", true)}
	d.assembler.report, d.reader = d.givenUp, balise.NewReader()
	for {
		off := in.Offset()
		h, err := in.Peek(headerBytes)
		if err != nil {
			return d.end(off, len(h), headerBytes, err)
		}
		n := headerBytes + int(h[atLength])
		b, err := in.Next(n)
		if err != nil {
			return d.end(off, len(b), n, err)
		}
		if !d.record(off, b) {
			d.finish()
			return d.fatal(off, codeCorrupt, codeCorrupt, "neither the type nor the time of the record is possible")
		}
	}
}

// record decodes one record. false = what follows cannot be trusted.
func (d *decoder) record(off int64, b []byte) bool {
	r := record{
		offset:   off,
		typ:      b[0],
		location: location(binary.BigEndian.Uint32(b[atLocation:])),
		speed:    int32(binary.BigEndian.Uint32(b[atSpeed:])),
	}
	r.time, r.timed = d.clock.micros(b[atTime:])
	k := &kinds[r.typ]
	if !r.timed {
		if k.name == "" {
			return false
		}
		d.in.Issuef(sdk.SeverityError, off, codeBadTime, "type %d: time bytes % x", r.typ, b[atTime:atLocation])
	}
	body := b[headerBytes:]
	good := k.length == anyLength || k.length == len(body)
	if !good && k.name != "" {
		d.in.Issuef(sdk.SeverityError, off, codeBadLength, "type %d: %d bytes, not %d", r.typ, len(body), k.length)
	}
	if d.counts[r.typ] == 0 {
		d.firsts[r.typ] = off
	}
	d.counts[r.typ]++
	d.index++
	d.writeRecord(&r, body)
	if good && r.typ >= typePart1 && r.typ <= typePart5 {
		if p := d.assembler.add(int(r.typ-typePart1), &r, d.index, body); p != nil {
			d.telegram(p)
		}
	}
	return true
}

// writeRecord writes the row of table records.
func (d *decoder) writeRecord(r *record, body []byte) {
	t := d.out.records
	t.set(r)
	t.typ.Set(r.typ)
	t.typeName.Set(r.typ)
	t.length.Set(uint16(len(body)))
	if r.typ == typeMMI1 && !d.reveal {
		body = d.blanked(body)
	}
	t.body.SetBytes(body)
	t.EndRow()
}

// blanked takes driver id, operation number and work shift out of a driver data packet.
func (d *decoder) blanked(body []byte) []byte {
	if len(body) <= driverDataAt || (body[0] != mmiDriver && body[0] != mmiDriverReply) {
		return body
	}
	b := d.blank[:len(body)]
	clear(b)
	copy(b, body[:driverDataAt])
	return b
}

// location gives centimetres of the field, which counts from 1e9 or from 0.
func location(v uint32) int32 {
	if l := int32(v); l < locationBase {
		return l
	}
	return int32(v) - locationBase
}

// end closes the run where no whole record follows.
func (d *decoder) end(off int64, have, want int, err error) error {
	switch {
	case errors.Is(err, io.EOF):
		d.finish()
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		d.finish()
		return d.fatal(off, codeTruncated, sdk.CodeTruncated, fmt.Sprintf("the file ends after %d of %d bytes", have, want))
	}
	return fmt.Errorf("read a record: %w", err)
}

// finish reports what is known only at the end.
func (d *decoder) finish() {
	d.assembler.end()
	for i, n := range d.counts {
		if n > 0 && !hasLayout(uint8(i)) {
			d.in.Issuef(sdk.SeverityInfo, d.firsts[i], codeNoLayout, "type %d (%s): body without a layout, %d records", i, typeName(i), n)
		}
	}
}

// fatal reports the issue that ends the run; without a row the decode fails by it.
func (d *decoder) fatal(off int64, code, failCode, message string) error {
	d.in.Issue(sdk.SeverityFatal, off, code, message)
	if d.out.records.Rows() == 0 {
		return sdk.Fail(failCode, "offset %d: %s", off, message)
	}
	return nil
}
