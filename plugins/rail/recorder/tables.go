package recorder

import (
	"github.com/wayside-edge/wayside/plugins/rail/balise"
	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// tables are the writers of the decoder.
type tables struct {
	records   *recordsTable
	telegrams *telegramsTable
	packets   *packetsTable
	variables *variablesTable
	display   displayTables
	mission   *missionTable
	links     *linksTable
	stops     *stopsTable
}

func newTables(s *sdk.Schema) *tables {
	return &tables{
		records: newRecords(s), telegrams: newTelegrams(s), packets: newPackets(s), variables: newVariables(s),
		display: newDisplayTables(s), mission: newMission(s), links: newLinks(s), stops: newStops(s),
	}
}

// place is when and where a row's record was written.
type place struct {
	offset   *sdk.Int64
	time     *sdk.TimeMicros
	location *sdk.Decimal64
	speed    *sdk.Decimal64
}

func newPlace(t *sdk.Table) place {
	return place{offset: offsetColumn(t), time: timeColumn(t), location: locationColumn(t), speed: speedColumn(t)}
}

func (p *place) set(r *record) {
	p.offset.Set(r.offset)
	p.time.SetOr(r.time, r.timed)
	p.location.Set(int64(r.location))
	p.speed.Set(int64(r.speed) * 36) // cm/s · 36 = m/h
}

func offsetColumn(t *sdk.Table) *sdk.Int64 {
	return t.Int64("offset", sdk.Attr{Unit: "By", Description: "offset of the record in the file"})
}

func timeColumn(t *sdk.Table) *sdk.TimeMicros {
	return t.TimeMicros("time", sdk.Attr{
		Naive: true, Nullable: true, Role: sdk.RoleTime, Description: "recorder time; null when it is impossible",
	})
}

func locationColumn(t *sdk.Table) *sdk.Decimal64 {
	return t.Decimal64("location_m", sdk.Attr{Scale: 2, Unit: "m", Role: sdk.RolePosition, Description: "odometer"})
}

func speedColumn(t *sdk.Table) *sdk.Decimal64 {
	return t.Decimal64("speed_kmh", sdk.Attr{Scale: 3, Unit: "km/h", Role: sdk.RoleSpeed})
}

// recordsTable has a row for every record.
type recordsTable struct {
	*sdk.Table
	place
	typ      *sdk.Uint8
	typeName *sdk.Enum8
	length   *sdk.Uint16
	body     *sdk.Text
}

func newRecords(s *sdk.Schema) *recordsTable {
	t := s.Table("records", "every record of the log")
	r := &recordsTable{Table: t}
	r.offset = offsetColumn(t)
	r.time = timeColumn(t)
	r.typ = t.Uint8("type", sdk.Attr{Description: "record type, its number"})
	r.typeName = t.Enum8("type_name", sdk.Attr{Labels: typeLabels()})
	r.location = locationColumn(t)
	r.speed = speedColumn(t)
	r.length = t.Uint16("length", sdk.Attr{Unit: "By", Description: "bytes of the body"})
	r.body = t.Bytes("body", sdk.Attr{Description: "the body; driver data in it is zero unless revealed"})
	t.Describe(&abi.RowLength{Column: "length", Plus: headerBytes}, layouts)
	return r
}

// telegramsTable has a row for every whole telegram, in the order of completion.
type telegramsTable struct {
	*sdk.Table
	place
	contactFirst, contactLast, contactCentre *sdk.Uint32
	sequence                                 *sdk.Uint8
	qUpdown, mVersion, qMedia, nPig, nTotal  *sdk.Uint8
	mDup, mMcount, qLink                     *sdk.Uint8
	nidC, nidBG                              *sdk.Uint16
	packets, userBits                        *sdk.Text
	status                                   *sdk.Enum8
	format                                   *sdk.Enum8
	sb, esb, shift                           *sdk.Uint16
	inverted                                 *sdk.Bool
}

func newTelegrams(s *sdk.Schema) *telegramsTable {
	t := s.Table("telegrams", "balise telegrams. Of a log: put together from their parts; offset is that of part 1, time, location and speed are those of the record that completed it. Of a list: offset is that of the line, and what a recorder adds is null")
	r := &telegramsTable{Table: t}
	r.offset = t.Int64("offset", sdk.Attr{Unit: "By", Description: "offset of the first part, or of the line, in the file"})
	r.time = timeColumn(t)
	r.location = t.Decimal64("location_m", sdk.Attr{Scale: 2, Unit: "m", Nullable: true, Role: sdk.RolePosition, Description: "odometer"})
	r.speed = t.Decimal64("speed_kmh", sdk.Attr{Scale: 3, Unit: "km/h", Nullable: true, Role: sdk.RoleSpeed})
	r.contactFirst = t.Uint32("contact_first_ms", sdk.Attr{Unit: "ms", Nullable: true})
	r.contactLast = t.Uint32("contact_last_ms", sdk.Attr{Unit: "ms", Nullable: true})
	r.contactCentre = t.Uint32("contact_centre_ms", sdk.Attr{Unit: "ms", Nullable: true})
	r.sequence = t.Uint8("sequence", sdk.Attr{Nullable: true, Description: "the byte by which the parts belong together"})
	r.qUpdown = t.Uint8("q_updown", sdk.Attr{Description: "0 down link, 1 up link"})
	r.mVersion = t.Uint8("m_version", sdk.Attr{Description: "16 = 1.0, 17 = 1.1, 32 = 2.0"})
	r.qMedia = t.Uint8("q_media", sdk.Attr{Description: "0 balise, 1 loop"})
	r.nPig = t.Uint8("n_pig", sdk.Attr{Description: "position in the group, from 0"})
	r.nTotal = t.Uint8("n_total", sdk.Attr{Description: "balises in the group, less 1"})
	r.mDup = t.Uint8("m_dup", sdk.Attr{})
	r.mMcount = t.Uint8("m_mcount", sdk.Attr{Description: "254 fits no message of the group, 255 fits all"})
	r.nidC = t.Uint16("nid_c", sdk.Attr{Description: "country or region"})
	r.nidBG = t.Uint16("nid_bg", sdk.Attr{Description: "balise group; from 16380 none"})
	r.qLink = t.Uint8("q_link", sdk.Attr{Description: "1 linked"})
	r.packets = t.Text("packets", sdk.Attr{Description: "NID_PACKETs in order, without 255"})
	r.userBits = t.Bytes("user_bits", sdk.Attr{Description: "830 bits, or 210 of a short telegram; those beyond in the last byte are zero"})
	r.status = t.Enum8("status", sdk.Attr{Labels: statusLabels(), Description: "ok or the first issue"})
	r.format = t.Enum8("format", sdk.Attr{Nullable: true, Labels: []string{"long", "short"}, Description: "of a telegram in a list"})
	r.sb = t.Uint16("sb", sdk.Attr{Nullable: true, Description: "scrambling bits of a shaped telegram"})
	r.esb = t.Uint16("esb", sdk.Attr{Nullable: true, Description: "extra shaping bits of a shaped telegram"})
	r.inverted = t.Bool("inverted", sdk.Attr{Nullable: true, Description: "the shaped telegram came with the other polarity"})
	r.shift = t.Uint16("shift", sdk.Attr{Nullable: true, Unit: "bit", Description: "bit of the shaped telegram that its bits began with"})
	return r
}

// packetsTable has a row for every packet of a telegram but the end packet.
type packetsTable struct {
	*sdk.Table
	telegram         *sdk.Int64
	index, nid, qDir *sdk.Uint8
	name, status     *sdk.Enum8
	lPacket          *sdk.Uint16
}

func newPackets(s *sdk.Schema) *packetsTable {
	t := s.Table("packets", "packets of the telegrams")
	return &packetsTable{
		Table:    t,
		telegram: t.Int64("telegram", sdk.Attr{Description: "seq of table telegrams"}),
		index:    t.Uint8("index", sdk.Attr{Description: "position in the telegram, from 0"}),
		nid:      t.Uint8("nid_packet", sdk.Attr{}),
		name:     t.Enum8("name", sdk.Attr{Nullable: true, Labels: balise.Titles()}),
		qDir:     t.Uint8("q_dir", sdk.Attr{Nullable: true, Description: "0 reverse, 1 nominal, 2 both"}),
		lPacket:  t.Uint16("l_packet", sdk.Attr{Nullable: true, Unit: "bit"}),
		status:   t.Enum8("status", sdk.Attr{Labels: statusLabels()}),
	}
}

// variablesTable has a row for every variable of a packet.
type variablesTable struct {
	*sdk.Table
	telegram, packet    *sdk.Int64
	index               *sdk.Uint16
	name, unit, meaning *sdk.Enum16
	raw                 *sdk.Uint64
	value               *sdk.Float64
}

func newVariables(s *sdk.Schema) *variablesTable {
	t := s.Table("variables", "variables of the packets, as SUBSET-026 names them")
	return &variablesTable{
		Table:    t,
		telegram: t.Int64("telegram", sdk.Attr{Description: "seq of table telegrams"}),
		packet:   t.Int64("packet", sdk.Attr{Description: "seq of table packets"}),
		index:    t.Uint16("index", sdk.Attr{Description: "position in the packet, from 0"}),
		name:     t.Enum16("name", sdk.Attr{Labels: balise.VariableNames()}),
		raw:      t.Uint64("raw", sdk.Attr{Description: "the bits as a number"}),
		value: t.Float64("value", sdk.Attr{
			Nullable: true, Role: sdk.RoleValue, Description: "scaled, in the row's unit; null for special values without a number",
		}),
		unit:    t.Enum16("unit", sdk.Attr{Nullable: true, Labels: balise.Units()}),
		meaning: t.Enum16("meaning", sdk.Attr{Nullable: true, Labels: balise.Meanings()}),
	}
}
