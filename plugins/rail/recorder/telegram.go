package recorder

import (
	"strconv"

	"github.com/wayside-edge/wayside/plugins/rail/balise"
	"github.com/wayside-edge/wayside/sdk/go"
)

// Codes of issues with a telegram's content.
const (
	codeVersion  = "unsupported_version"
	codeUnknown  = "unknown_packet"
	codeMismatch = "packet_length_mismatch"
	codeNoEnd    = "no_end_packet"
)

// Statuses of telegrams and packets, in the order of statusLabels.
const (
	statusOK = iota
	statusVersion
	statusUnknown
	statusMismatch
	statusNoEnd
)

func statusLabels() []string {
	return []string{"ok", codeVersion, codeUnknown, codeMismatch, codeNoEnd}
}

// givenUp reports a telegram that misses parts, and the parts that are lost by it.
func (d *decoder) givenUp(p *pass, why string) {
	names := d.text[:0]
	for n := range parts {
		if p.have>>n&1 == 1 {
			names = strconv.AppendInt(append(names, ' '), int64(n+1), 10)
		}
	}
	d.text = names
	d.mission.incomplete++
	d.in.Issuef(sdk.SeverityError, p.first(), codeIncomplete, "sequence %d: %d of %d parts (%s): %s",
		p.key, p.count(), parts, names[1:], why)
	if why == whyEnd {
		return
	}
	for n := range parts {
		if p.have>>n&1 == 1 {
			d.in.Issuef(sdk.SeverityWarning, p.offsets[n], codeStale, "sequence %d: part %d is not used: %s", p.key, n+1, why)
		}
	}
}

// telegram writes a whole telegram with its packets and variables.
func (d *decoder) telegram(p *pass) {
	if p.reordered {
		d.in.Issuef(sdk.SeverityInfo, p.offsets[0], codeReordered, "sequence %d: parts out of order", p.key)
	}
	h, _ := d.reader.Reset(p.user[:], balise.UserBits)
	p.user[balise.UserBytes-1] &^= 1<<(balise.UserBytes*8-balise.UserBits) - 1
	d.status, d.at = statusOK, p.offsets[0]
	d.text = d.text[:0]
	d.mission.telegrams++
	if key, begins := d.links.read(&h, p.at); begins {
		d.mission.group(h.Country, h.Group)
		d.passed(key)
	}
	d.content(&h, p.latest.index)
	d.writeTelegram(p, &h)
}

// content reads what lies behind a telegram's header. record is the number of the record that completed the telegram,
// notRecorded for one of a list.
func (d *decoder) content(h *balise.Header, record int64) {
	if h.Supported() {
		d.packets(h, record)
		return
	}
	d.worse(statusVersion)
	d.in.Issuef(sdk.SeverityWarning, d.at, codeVersion, "M_VERSION %d: header only", h.Version)
}

// notRecorded is in the place of a record's number for telegrams that no recorder has kept.
const notRecorded = -1

// packets writes the packets of the telegram that the reader holds, which the record of that number completed.
func (d *decoder) packets(h *balise.Header, record int64) {
	index := uint8(0)
	for d.reader.Next(&d.packet) {
		p := &d.packet
		if len(d.text) > 0 {
			d.text = append(d.text, ' ')
		}
		d.text = strconv.AppendUint(d.text, uint64(p.NID), 10)
		if d.variables {
			d.writeVariables()
		}
		d.follow(p, h, record)
		d.writePacket(p, index, d.packetStatus(p))
		index++
	}
	if !d.reader.Ended() {
		d.worse(statusNoEnd)
		d.in.Issue(sdk.SeverityError, d.at, codeNoEnd, "the packets do not end with packet 255")
	}
}

// follow takes what a packet says of the line ahead.
func (d *decoder) follow(p *balise.Packet, h *balise.Header, record int64) {
	if record == notRecorded {
		return
	}
	if k, ok := d.reader.Link(p, h.Country); ok {
		d.link(k, h, d.out.telegrams.Rows()+1)
	}
	if s, ok := d.reader.Station(p); ok && (p.Dir > dirNominal || (p.Dir == dirReverse) == d.links.reverse) {
		d.stations.announce(s, d.links.place(h), record)
	}
}

// packetStatus reports what is wrong with a packet.
func (d *decoder) packetStatus(p *balise.Packet) uint8 {
	switch p.Status {
	case balise.OK:
		return statusOK
	case balise.Unknown:
		d.worse(statusUnknown)
		d.in.Issuef(sdk.SeverityWarning, d.at, codeUnknown, "packet %d at bit %d: skipped by L_PACKET %d", p.NID, p.Start, p.Length)
		return statusUnknown
	case balise.Mismatch:
	}
	d.worse(statusMismatch)
	d.in.Issuef(sdk.SeverityError, d.at, codeMismatch, "packet %d at bit %d: L_PACKET %d, content takes %d bits",
		p.NID, p.Start, p.Length, p.Taken)
	return statusMismatch
}

// worse keeps the telegram's first status that is not ok.
func (d *decoder) worse(status uint8) {
	if d.status == statusOK {
		d.status = status
	}
}

func (d *decoder) writeTelegram(p *pass, h *balise.Header) {
	t := d.out.telegrams
	where := p.latest // the record that completed it says when and where the telegram was read, part 1 where it begins
	where.offset = p.offsets[0]
	t.set(&where)
	t.contactFirst.Set(p.contact[0])
	t.contactLast.Set(p.contact[1])
	t.contactCentre.Set(p.contact[2])
	t.sequence.Set(p.key)
	t.header(h)
	t.packets.SetBytes(d.text)
	t.userBits.SetBytes(p.user[:])
	t.status.Set(d.status)
	t.notShaped()
	t.EndRow()
}

// header writes the columns that a telegram's header gives.
func (t *telegramsTable) header(h *balise.Header) {
	t.qUpdown.Set(h.UpDown)
	t.mVersion.Set(h.Version)
	t.qMedia.Set(h.Media)
	t.nPig.Set(h.Pig)
	t.nTotal.Set(h.Total)
	t.mDup.Set(h.Dup)
	t.mMcount.Set(h.MCount)
	t.nidC.Set(h.Country)
	t.nidBG.Set(h.Group)
	t.qLink.Set(h.Link)
}

// notShaped leaves the columns of shaped telegrams empty.
func (t *telegramsTable) notShaped() {
	t.format.Null()
	t.sb.Null()
	t.esb.Null()
	t.inverted.Null()
	t.shift.Null()
}

func (d *decoder) writePacket(p *balise.Packet, index, status uint8) {
	t := d.out.packets
	t.telegram.Set(d.out.telegrams.Rows() + 1)
	t.index.Set(index)
	t.nid.Set(p.NID)
	t.name.SetOr(p.Title, p.Title != 0)
	t.qDir.SetOr(p.Dir, !p.Short)
	t.lPacket.SetOr(p.Length, !p.Short)
	t.status.Set(status)
	t.EndRow()
}
