package recorder

import (
	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// tables are the writers of the decoder.
type tables struct {
	records *recordsTable
}

func newTables(s *sdk.Schema) *tables {
	return &tables{records: newRecords(s)}
}

// place is when and where a row's record was written.
type place struct {
	offset   *sdk.Int64
	time     *sdk.TimeMicros
	location *sdk.Decimal64
	speed    *sdk.Decimal64
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
