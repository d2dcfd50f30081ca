// Package recorder decodes rail recorder logs (.RU, .MMI): records repeated to the end of the file, without a file
// header, from an onboard train protection unit and its display. It makes a table of the records, those of balise
// telegrams (telegrams, packets, variables, links), those of display packets, and what the recording says as a whole
// (mission, stops). Lists of telegrams, as text, give the tables of balise telegrams only.
//
// The package is apart from the plugin's main so that the decoder is tested natively; bits inside a balise telegram
// are package balise's, the coding of telegrams eurobalise's, lines of a list telegramlist's, bytes of a display
// packet mmi's. One run owns everything; there are no goroutines and no shared state.
package recorder

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/wayside-edge/wayside/plugins/rail/balise"
	"github.com/wayside-edge/wayside/plugins/rail/mmi"
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
	index    int64 // its number, from 0
	typ      uint8
}

// decoder is one run.
type decoder struct {
	in     *sdk.Input
	out    *tables
	clock  clock
	reveal bool
	lanes  lanes
	cells  cells
	blank  [256]byte // room for a body with bytes taken out

	dynamics dynamics

	variables bool
	assembler assembler
	straight  pass // a telegram whose parts came one after the other
	reader    *balise.Reader
	packet    balise.Packet
	record    record // in work
	text      []byte // room for texts
	status    uint8  // of the telegram in work
	at        int64  // its offset

	mission  mission
	links    links
	stations stations

	cut *problem // the first that ended a part before its end, while others followed
}

func decode(in *sdk.Input, out *tables) error {
	d := &decoder{in: in, out: out, reveal: in.BoolParam("reveal", false), variables: in.BoolParam("variables", true)}
	d.reader = balise.NewReader()
	head, err := in.Peek(peekBytes)
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("read the first records: %w", err)
	case isUTF16(head):
		return sdk.Fail(codeNoTelegram, "the list is UTF-16 text; lists are read as ASCII or UTF-8")
	case isText(head):
		return d.list()
	}
	return d.log()
}

// log decodes a recorder log.
func (d *decoder) log() error {
	in := d.in
	d.assembler.report = d.givenUp
	d.lanes.init(d.reveal)
	need := headerBytes
	for {
		off := in.Offset()
		w, err := in.Window(need)
		need = headerBytes
		if err != nil {
			more, err := d.endOfPart(off, w, err)
			if !more {
				return err
			}
			continue
		}
		used, good := d.records(off, w)
		if !good {
			p := problem{off + int64(used), codeCorrupt, codeCorrupt, "neither the type nor the time of the record is possible"}
			more, err := d.broken(&p)
			if !more {
				return err
			}
			continue
		}
		if err := in.Discard(int64(used)); err != nil {
			return fmt.Errorf("go on after a record: %w", err)
		}
		if rest := w[used:]; len(rest) >= headerBytes {
			need += int(rest[atLength])
		}
	}
}

// peekBytes is how much of a file tells a log from a list: more than a record, whose date is no text.
const peekBytes = 512

// records decodes the whole records of w and gives the bytes it used. false = what follows cannot be trusted.
func (d *decoder) records(off int64, w []byte) (int, bool) {
	at := 0
	for {
		n, why := d.walk(off+int64(at), w[at:])
		at += n
		switch why {
		case walkedAll:
			return at, true
		case walkedDate:
			d.clock.setDate(dateOf(w[at:]))
		case walkedFull:
		case walkedOdd:
			n, ok := d.odd(off+int64(at), w[at:])
			if !ok {
				return at, false
			}
			at += n
		}
	}
}

func dateOf(h []byte) uint32 { return binary.BigEndian.Uint32(h) & 0xffffff }

// odd decodes the record that w begins with, whatever is wrong with it. false = it is no record.
func (d *decoder) odd(off int64, w []byte) (int, bool) {
	h, end := w[:headerBytes], headerBytes+int(w[atLength])
	body := w[headerBytes:end]
	r := record{
		offset: off, typ: h[0], index: d.out.records.Rows(), location: location(binary.BigEndian.Uint32(h[atLocation:])),
		speed: int32(binary.BigEndian.Uint32(h[atSpeed:])),
	}
	r.time, r.timed = d.clock.micros(h[atTime+3:])
	k := &kinds[r.typ]
	good := k.length == anyLength || int(k.length) == len(body)
	if (!good || !r.timed) && !d.doubtful(&r, h, body) {
		return 0, false
	}
	d.lanes.firsts[r.typ] = min(d.lanes.firsts[r.typ], off)
	d.lanes.counts[r.typ]++
	shown := body
	if isMMI(r.typ) && !d.reveal {
		shown = d.blanked(body)
	}
	t := d.out.records
	t.set(&r)
	t.typ.Set(r.typ)
	t.typeName.Set(r.typ)
	t.length.Set(uint16(len(body)))
	t.body.SetBytes(shown)
	t.EndRow()
	if good {
		d.look(&r, body)
	}
	if r.timed {
		d.drove([]int64{r.time}, []int64{int64(r.location)}, []int64{int64(r.speed) * 36}, r.index)
	} else {
		d.mission.motion.untimed()
	}
	return end, true
}

// look takes a record whose body is looked into.
func (d *decoder) look(r *record, body []byte) {
	switch {
	case isMMI(r.typ):
		d.display(r, body)
	case r.typ >= typePart1 && r.typ <= typePart5:
		d.part(r, body)
	case r.typ == typeMarker:
		d.mission.marker(r, body)
	case r.typ == typeDown:
		d.mission.moved(body)
	}
}

// location gives centimetres of the field, which counts from 1e9 or from 0. It does so without a branch, for walk.
func location(v uint32) int32 {
	l := int64(int32(v))
	return int32(l - locationBase&((locationBase-1-l)>>63))
}

// doubtful reports a record of a wrong length or with an impossible time. false = it is no record.
func (d *decoder) doubtful(r *record, h, body []byte) bool {
	k := &kinds[r.typ]
	if !r.timed {
		if k.name == "" {
			return false
		}
		d.in.Issuef(sdk.SeverityError, r.offset, codeBadTime, "type %d: time bytes % x", r.typ, h[atTime:atLocation])
	}
	if k.name != "" && k.length != anyLength && int(k.length) != len(body) {
		d.in.Issuef(sdk.SeverityError, r.offset, codeBadLength, "type %d: %d bytes, not %d", r.typ, len(body), k.length)
	}
	return true
}

// part takes a telegram part, and writes the telegram that it completes.
func (d *decoder) part(r *record, body []byte) {
	if p := d.assembler.add(int(r.typ-typePart1), r, body); p != nil {
		d.telegram(p)
	}
}

// isMMI says whether a record holds a display packet.
func isMMI(typ uint8) bool { return typ == typeMMI1 || typ == typeMMI2 }

// blanked takes driver id, operation number and work shift out of a driver data packet.
func (d *decoder) blanked(body []byte) []byte {
	if len(body) <= mmi.HeaderBytes || (body[0] != mmi.NumberDriver && body[0] != mmi.NumberDriverNew) {
		return body
	}
	b := d.blank[:len(body)]
	clear(b)
	copy(b, body[:mmi.HeaderBytes])
	return b
}

// endOfPart goes on with the next part where no whole record follows, and closes the run when there is none: rest is
// all that is left. A train that goes on over the hour goes on in the next file, so nothing else ends with a part.
func (d *decoder) endOfPart(off int64, rest []byte, err error) (more bool, _ error) {
	switch {
	case errors.Is(err, io.EOF):
		if _, more := d.in.NextPart(); more {
			return true, nil
		}
		d.finish()
		if p := d.cut; p != nil {
			d.in.Issue(sdk.SeverityFatal, p.offset, p.code, "not every file was read to its end: "+p.message)
		}
		return false, nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		want := headerBytes
		if len(rest) >= headerBytes {
			want += int(rest[atLength])
		}
		return d.broken(&problem{off, codeTruncated, sdk.CodeTruncated, fmt.Sprintf("the file ends after %d of %d bytes", len(rest), want)})
	}
	return false, fmt.Errorf("read a record: %w", err)
}

// problem is why a part cannot be read on: code is the issue's, failCode that of a decode without a row.
type problem struct {
	offset         int64
	code, failCode string
	message        string
}

// broken goes on with the next part. Without one the problem is fatal and closes the run. A run in which a part was not
// read to its end is never one without a fatal issue: rows are missing, and it must not pass for whole.
func (d *decoder) broken(p *problem) (more bool, _ error) {
	if _, more := d.in.NextPart(); more {
		d.in.Issue(sdk.SeverityError, p.offset, p.code, p.message+"; the rest of this file is left out")
		d.cut = cmp.Or(d.cut, p)
		return true, nil
	}
	d.finish()
	d.in.Issue(sdk.SeverityFatal, p.offset, p.code, p.message)
	if d.out.records.Rows() == 0 {
		return false, sdk.Fail(p.failCode, "offset %d: %s", p.offset, p.message)
	}
	return false, nil
}

// finish reports what is known only at the end.
func (d *decoder) finish() {
	d.assembler.end()
	if s, ok := d.mission.motion.end(); ok {
		d.stopped(&s, d.out.records.Rows())
	}
	d.writeMission()
	for i, n := range d.lanes.counts {
		if n > 0 && !hasLayout(uint8(i)) {
			d.in.Issuef(sdk.SeverityInfo, d.lanes.firsts[i], codeNoLayout, "type %d (%s): body without a layout, %d records", i, typeName(i), n)
		}
	}
}
