package recorder

import (
	"encoding/binary"
	"math/bits"

	"github.com/wayside-edge/wayside/plugins/rail/balise"
)

// Layout of a telegram part: the sequence byte, in part 1 contact times, then user bytes.
const (
	parts          = 5
	allParts       = 1<<parts - 1
	atContactFirst = 2
	atContactLast  = 6
	atContactMid   = 10
	atUser1        = 22 // part 1: user bytes 0–3
	userBytes1     = 4
	userBytesN     = 25 // parts 2–5, from byte 1
)

// When a telegram that still misses parts is given up. Its parts come within a second and eleven records in real
// recordings; the sequence byte comes back after 256 telegrams at the earliest.
const (
	staleMicros   = 5_000_000
	staleCM       = 200_00
	staleRecords  = 1000
	staleSequence = 16 // telegrams begun since
	mostOpen      = 16 // telegrams in assembly
)

// pass is one telegram in assembly.
type pass struct {
	key       uint8
	have      uint8 // bit n = part n+1
	last      uint8 // latest part
	reordered bool
	latest    record // record of the latest part
	at        int64  // where part 1 was recorded, cm
	offsets   [parts]int64
	contact   [3]uint32 // first, last, centre, ms
	user      [balise.UserBytes]byte
}

// assembler puts telegrams together by their sequence byte, in whatever order their parts come. Its memory is
// bounded by mostOpen.
type assembler struct {
	open   []*pass // oldest first
	free   []*pass
	report func(p *pass, why string) // takes telegrams that are given up
}

// reasons why a telegram is given up.
const (
	whyTime  = "the other parts did not come in time"
	whyAgain = "the part came again, from another pass"
	whyMany  = "too many telegrams are unfinished"
	whyEnd   = "the recording ends"
)

// add takes part n (0 to 4) of a telegram, in a record. It gives the telegram when this completes
// it; it is valid until the next call.
func (a *assembler) add(n int, r *record, body []byte) *pass {
	key := body[0]
	p := a.find(key, r)
	if p != nil && p.have>>n&1 == 1 {
		a.drop(p, whyAgain)
		p = nil
	}
	if p == nil {
		p = a.begin(key)
	}
	if p.have != 0 && n < int(p.last) {
		p.reordered = true
	}
	p.have |= 1 << n
	p.last = uint8(n)
	p.latest, p.offsets[n] = *r, r.offset
	if n == 0 {
		p.at = int64(r.location)
		p.contact = [3]uint32{
			binary.BigEndian.Uint32(body[atContactFirst:]), binary.BigEndian.Uint32(body[atContactLast:]),
			binary.BigEndian.Uint32(body[atContactMid:]),
		}
		copy(p.user[:userBytes1], body[atUser1:])
	} else {
		at := userBytes1 + (n-1)*userBytesN
		copy(p.user[at:at+userBytesN], body[1:])
	}
	if p.have != allParts {
		return nil
	}
	a.remove(p)
	return p
}

// find gives the open telegram of a key and gives up those that are stale.
func (a *assembler) find(key uint8, r *record) *pass {
	var found *pass
	for i := 0; i < len(a.open); {
		p := a.open[i]
		if p.stale(key, r) {
			a.drop(p, whyTime)
			continue
		}
		if p.key == key {
			found = p
		}
		i++
	}
	return found
}

// stale says whether no further part of a telegram is to be expected.
func (p *pass) stale(key uint8, r *record) bool {
	if ahead := key - p.key; ahead >= staleSequence && ahead < 128 {
		return true
	}
	if r.index-p.latest.index > staleRecords || far(int64(r.location), int64(p.latest.location), staleCM) {
		return true
	}
	return r.timed && p.latest.timed && far(r.time, p.latest.time, staleMicros)
}

func far(a, b, limit int64) bool { return a-b > limit || b-a > limit }

// begin opens a telegram.
func (a *assembler) begin(key uint8) *pass {
	if len(a.open) == mostOpen {
		a.drop(a.open[0], whyMany)
	}
	var p *pass
	if n := len(a.free); n > 0 {
		p, a.free = a.free[n-1], a.free[:n-1]
	} else {
		p = &pass{}
	}
	*p = pass{key: key}
	a.open = append(a.open, p)
	return p
}

// drop reports a telegram and forgets it.
func (a *assembler) drop(p *pass, why string) {
	a.report(p, why)
	a.remove(p)
}

func (a *assembler) remove(p *pass) {
	for i, q := range a.open {
		if q == p {
			a.open = append(a.open[:i], a.open[i+1:]...)
			a.free = append(a.free, p)
			return
		}
	}
}

// end gives up what is left.
func (a *assembler) end() {
	for len(a.open) > 0 {
		a.drop(a.open[0], whyEnd)
	}
}

// first gives the offset of the first part that came, in the file's order.
func (p *pass) first() int64 {
	least := int64(-1)
	for n, off := range p.offsets {
		if p.have>>n&1 == 1 && (least < 0 || off < least) {
			least = off
		}
	}
	return least
}

// count gives the number of parts that came.
func (p *pass) count() int { return bits.OnesCount8(p.have) }
