package recorder

import (
	"github.com/wayside-edge/wayside/plugins/rail/mmi"
	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// displayTables are the tables made of display packets.
type displayTables struct {
	dynamic  *dynamicTable
	status   *statusTable
	track    *trackTable
	train    *trainTable
	messages *messagesTable
	failures *failuresTable
	driver   *driverTable
	packets  *displayPacketsTable
}

func newDisplayTables(s *sdk.Schema) displayTables {
	return displayTables{
		dynamic: newDynamic(s), status: newStatus(s), track: newTrack(s), train: newTrain(s), messages: newMessages(s),
		failures: newFailures(s), driver: newDriver(s), packets: newDisplayPackets(s),
	}
}

// event is what every row of these tables has of its record.
type event struct {
	place
	record *sdk.Int64
}

func newEvent(t *sdk.Table) event {
	return event{
		place:  newPlace(t),
		record: t.Int64("record", sdk.Attr{Description: "seq of table records"}),
	}
}

func (e *event) set(r *record) {
	e.place.set(r)
	e.record.Set(r.index + 1)
}

// kmh declares a speed in km/h, kept exactly: cm/s · 36 are thousandths of it.
func kmh(t *sdk.Table, name, description string) *sdk.Decimal32 {
	return t.Decimal32(name, sdk.Attr{Scale: 3, Unit: "km/h", Nullable: true, Description: description})
}

func setSpeed(c *sdk.Decimal32, v mmi.Speed) { c.SetOr(int32(v.CMPerSecond)*36, v.Known) }

func metres(t *sdk.Table, name, description string) *sdk.Decimal64 {
	return t.Decimal64(name, sdk.Attr{Scale: 2, Unit: "m", Nullable: true, Description: description})
}

func setPosition(c *sdk.Decimal64, p mmi.Position) { c.SetOr(p.CM, p.Known) }

// dynamicTable has a row for every packet 1.
type dynamicTable struct {
	*sdk.Table
	event
	vTrain, vTarget, vPermitted, vRelease, vIntervention *sdk.Decimal32
	aTrain                                               *sdk.Decimal32
	oTrain, oBrakeTarget, oBCSP                          *sdk.Decimal64
	tIntervenWar                                         *sdk.Uint16
	mWarning                                             *sdk.Uint8
	mSlip, mSlide                                        *sdk.Bool
}

func newDynamic(s *sdk.Schema) *dynamicTable {
	t := s.Table("mmi_dynamic", "what the display showed of the drive: display packet 1")
	d := &dynamicTable{Table: t, event: newEvent(t)}
	d.vTrain = kmh(t, "v_train", "speed")
	d.aTrain = t.Decimal32("a_train", sdk.Attr{Scale: 2, Unit: "m/s2", Description: "acceleration"})
	d.oTrain = metres(t, "o_train", "odometer at the train")
	d.oBrakeTarget = metres(t, "o_braketarget", "odometer at the brake target")
	d.vTarget = kmh(t, "v_target", "speed at the brake target")
	d.tIntervenWar = t.Uint16("t_intervenwar", sdk.Attr{Nullable: true, Description: "time to intervention, as recorded"})
	d.vPermitted = kmh(t, "v_permitted", "permitted speed")
	d.vRelease = kmh(t, "v_release", "release speed")
	d.vIntervention = kmh(t, "v_intervention", "speed at which the brakes intervene")
	d.mWarning = t.Uint8("m_warning", sdk.Attr{Description: "supervision and warning state"})
	d.mSlip = t.Bool("m_slip", sdk.Attr{Description: "wheels spin"})
	d.mSlide = t.Bool("m_slide", sdk.Attr{Description: "wheels lock"})
	d.oBCSP = metres(t, "o_bcsp", "odometer where the braking curve starts")
	t.Describe(&abi.RowLength{Plus: headerBytes + 30}, packetLayout("v_train:2:i16:cm/s", "a_train:2:i16:cm/s2",
		"o_train:4:u32:cm", "o_braketarget:4:u32:cm", "v_target:2:i16:cm/s", "t_intervenwar:2:u16", "v_permitted:2:i16:cm/s",
		"v_release:2:i16:cm/s", "v_intervention:2:i16:cm/s", "m_warning_slip_slide:1:u8", "o_bcsp:4:i32:cm"))
	return d
}

// statusTable has a row for every packet 2.
type statusTable struct {
	*sdk.Table
	event
	adhesion, mode, level, eb, sb, cabin *sdk.Uint8
	modeName, levelName                  *sdk.Enum8
	override, trip                       *sdk.Bool
}

func newStatus(s *sdk.Schema) *statusTable {
	t := s.Table("mmi_status", "mode, level and brakes: display packet 2")
	d := &statusTable{Table: t, event: newEvent(t)}
	d.adhesion = t.Uint8("m_adhesion", sdk.Attr{})
	d.mode = t.Uint8("mode", sdk.Attr{Description: "M_MODE of SUBSET-026"})
	d.modeName = t.Enum8("mode_name", sdk.Attr{Labels: mmi.Modes()})
	d.level = t.Uint8("level", sdk.Attr{Description: "M_LEVEL of SUBSET-026"})
	d.levelName = t.Enum8("level_name", sdk.Attr{Nullable: true, Labels: mmi.Levels()})
	d.eb = t.Uint8("eb", sdk.Attr{Description: "emergency brake, 0 = released"})
	d.sb = t.Uint8("sb", sdk.Attr{Description: "service brake, 0 = released"})
	d.override = t.Bool("override", sdk.Attr{Description: "the end of authority is overridden"})
	d.trip = t.Bool("trip", sdk.Attr{Description: "the train was tripped"})
	d.cabin = t.Uint8("cabin", sdk.Attr{Description: "active cabin, 0 = none"})
	t.Describe(&abi.RowLength{Plus: headerBytes + 7},
		packetLayout("m_adhesion:1:u8", "mode_level:1:u8", "brakes_override_trip_cabin:1:u8", "spare:1:u8"))
	return d
}

// trackTable has a row for every element of a packet 4.
type trackTable struct {
	*sdk.Table
	event
	kind            *sdk.Enum8
	index           *sdk.Uint8
	at              *sdk.Decimal64
	speed           *sdk.Decimal32
	gradient        *sdk.Int16
	condition       *sdk.Uint8
	length          *sdk.Uint32
	speedCurrent    *sdk.Decimal32
	gradientCurrent *sdk.Int16
}

// kindNone marks the row of a track description without an element, behind the kinds of package mmi.
const kindNone = mmi.KindCondition + 1

func newTrack(s *sdk.Schema) *trackTable {
	t := s.Table("track_description",
		"speeds, gradients and track conditions ahead: a row for every element of a display packet 4, one of kind none for a packet without")
	d := &trackTable{Table: t, event: newEvent(t)}
	d.kind = t.Enum8("kind", sdk.Attr{Labels: []string{"mrsp", "gradient", "track_condition", "none"}})
	d.index = t.Uint8("index", sdk.Attr{Description: "position in its list, from 0"})
	d.at = metres(t, "position_m", "odometer where it begins")
	d.speed = kmh(t, "v_mrsp", "most restrictive speed from there on")
	d.gradient = t.Int16("g_gradient", sdk.Attr{Nullable: true, Unit: "[ppth]", Description: "gradient from there on, uphill positive"})
	d.condition = t.Uint8("m_trackcond", sdk.Attr{Nullable: true, Description: "M_TRACKCOND of SUBSET-026"})
	d.length = t.Uint32("l_trackcond", sdk.Attr{Nullable: true, Description: "length of the condition, as recorded"})
	d.speedCurrent = kmh(t, "v_mrsp_curr", "most restrictive speed at the train")
	d.gradientCurrent = t.Int16("g_gradient_curr", sdk.Attr{Unit: "[ppth]", Description: "gradient at the train"})
	return d
}

// trainTable has a row for every packet with train data.
type trainTable struct {
	*sdk.Table
	event
	packet                                                *sdk.Uint8
	trainType                                             *sdk.Uint16
	engine                                                *sdk.Text
	vMax                                                  [4]*sdk.Decimal32
	vMaxTrain, aMaxDec, aMaxAcc                           *sdk.Decimal32
	tCutOff, tBrakeEB, tBrakeSB, length, category, enable *sdk.Uint16
	curveEB, curveSB, traction                            *sdk.Text
	axleLoad                                              *sdk.Uint8
	axleLoadT                                             *sdk.Decimal32
	gauge                                                 *sdk.Uint8
}

func newTrain(s *sdk.Schema) *trainTable {
	t := s.Table("train_data", "train data entered, echoed and confirmed: display packets 6, 10, 107 and 110")
	d := &trainTable{Table: t, event: newEvent(t)}
	d.packet = t.Uint8("packet", sdk.Attr{Description: "number of the display packet: 6 current, 10 echoed, 107 new, 110 confirmed"})
	for i, name := range []string{"v_maxtrain_1", "v_maxtrain_2", "v_maxtrain_3", "v_maxtrain_4"} {
		d.vMax[i] = kmh(t, name, "highest speed by category")
	}
	d.trainType = t.Uint16("m_train_type", sdk.Attr{})
	d.engine = t.Text("nid_engine", sdk.Attr{Description: "letter, if any, and number of the engine"})
	d.aMaxDec = t.Decimal32("a_max_dec", sdk.Attr{Scale: 2, Unit: "m/s2"})
	d.aMaxAcc = t.Decimal32("a_max_acc", sdk.Attr{Scale: 2, Unit: "m/s2"})
	d.tCutOff = t.Uint16("t_cutofftraction", sdk.Attr{Description: "as recorded"})
	d.tBrakeEB = t.Uint16("t_brake_eb", sdk.Attr{Description: "build-up of the emergency brake, as recorded"})
	d.tBrakeSB = t.Uint16("t_brake_sb", sdk.Attr{Description: "build-up of the service brake, as recorded"})
	d.curveEB = t.Text("eb_curve", sdk.Attr{Description: "emergency brake: from km/h:deceleration in m/s², steps separated by blanks"})
	d.curveSB = t.Text("sb_curve", sdk.Attr{Description: "service brake: from km/h:deceleration in m/s², steps separated by blanks"})
	d.traction = t.Text("traction", sdk.Attr{Description: "traction systems, numbers separated by blanks"})
	d.axleLoad = t.Uint8("m_axleload", sdk.Attr{Description: "as recorded: half tonnes to 80, 126 = more than 40 t, 127 = unknown"})
	d.axleLoadT = t.Decimal32("axle_load_t", sdk.Attr{Scale: 1, Unit: "t", Nullable: true, Description: "null where m_axleload is no weight"})
	d.gauge = t.Uint8("m_loadinggauge", sdk.Attr{})
	d.vMaxTrain = kmh(t, "v_maxtrain", "highest speed of the train")
	d.length = t.Uint16("l_train", sdk.Attr{Unit: "m"})
	d.category = t.Uint16("nc_train", sdk.Attr{Description: "train category, bits"})
	d.enable = t.Uint16("m_data_edit_enable", sdk.Attr{Description: "what may be edited, bits"})
	return d
}

// messagesTable has a row for every message to the driver and every acknowledgement.
type messagesTable struct {
	*sdk.Table
	event
	packet, index         *sdk.Uint8
	kind                  *sdk.Enum8
	class, criteria, qAck *sdk.Uint8
	text                  *sdk.Uint16
}

// Labels of messagesTable.kind.
const (
	messageShown = iota
	messageAcknowledged
)

func newMessages(s *sdk.Schema) *messagesTable {
	t := s.Table("driver_messages", "texts for the driver and their acknowledgement: display packets 8 and 111")
	d := &messagesTable{Table: t, event: newEvent(t)}
	d.packet = t.Uint8("packet", sdk.Attr{Description: "number of the display packet"})
	d.kind = t.Enum8("kind", sdk.Attr{Labels: []string{"message", "acknowledgement"}})
	d.index = t.Uint8("i_text", sdk.Attr{Description: "identifies the message until it is acknowledged"})
	d.class = t.Uint8("q_text_class", sdk.Attr{Nullable: true})
	d.criteria = t.Uint8("q_text_criteria", sdk.Attr{Nullable: true})
	d.text = t.Uint16("q_text", sdk.Attr{Nullable: true, Description: "number of the text"})
	d.qAck = t.Uint8("q_ack", sdk.Attr{Nullable: true, Description: "the driver's answer"})
	t.Describe(nil, func() []abi.Layout {
		return append(
			layoutWhen("packet", mmi.NumberMessage, "i_text:1:u8", "class_criteria:1:u8", "q_text:2:u16", "spare:1:u8"),
			layoutWhen("packet", mmi.NumberMessageAck, "i_text:1:u8", "q_ack:1:u8")...)
	})
	return d
}

// failuresTable has a row for every packet 9.
type failuresTable struct {
	*sdk.Table
	event
	class, unit, severity, criteria *sdk.Uint8
	number                          *sdk.Uint16
	origin                          *sdk.Enum8
}

func newFailures(s *sdk.Schema) *failuresTable {
	t := s.Table("failures", "failure reports: display packet 9")
	d := &failuresTable{Table: t, event: newEvent(t)}
	d.class = t.Uint8("q_failure_class", sdk.Attr{})
	d.origin = t.Enum8("origin", sdk.Attr{Labels: []string{"cabin", "wayside"}, Description: "wayside for the classes 8, 15, 16, 21 and 34"})
	d.unit = t.Uint8("i_unit", sdk.Attr{Description: "from 1"})
	d.severity = t.Uint8("q_failure_severity", sdk.Attr{})
	d.number = t.Uint16("i_failure_number", sdk.Attr{})
	d.criteria = t.Uint8("q_failure_criteria", sdk.Attr{})
	t.Describe(&abi.RowLength{Plus: headerBytes + 8}, packetLayout("class:1:u8", "unit_severity:1:u8", "number:2:u16", "criteria:1:u8"))
	return d
}

// driverTable has a row for every packet with driver data. It is personal data.
type driverTable struct {
	*sdk.Table
	event
	packet               *sdk.Uint8
	id, operation, shift *sdk.Text
}

func newDriver(s *sdk.Schema) *driverTable {
	t := s.Table("driver_data", "driver data: display packets 14 and 104; personal, hidden unless revealed")
	d := &driverTable{Table: t, event: newEvent(t)}
	d.packet = t.Uint8("packet", sdk.Attr{Description: "number of the display packet: 14 current, 104 new"})
	d.id = t.Text("driver_id", sdk.Attr{Sensitive: true})
	d.operation = t.Text("operation_number", sdk.Attr{Sensitive: true, Description: "four bytes, hex"})
	d.shift = t.Text("work_shift", sdk.Attr{Sensitive: true})
	t.Describe(&abi.RowLength{Plus: headerBytes + 23}, packetLayout("driver_id:8:utf8", "operation_number:4:bin", "work_shift:8:utf8"))
	return d
}

// displayPacketsTable has a row for every other packet, and for those that are not as long as their layout.
type displayPacketsTable struct {
	*sdk.Table
	event
	number         *sdk.Uint8
	name           *sdk.Enum8
	length         *sdk.Uint16
	body           *sdk.Text
	setTime        *sdk.TimeMicros
	geoAbs, geoRel *sdk.Int32
	rulesSpeed     *sdk.Decimal32
	rulesLength    *sdk.Uint32
}

func newDisplayPackets(s *sdk.Schema) *displayPacketsTable {
	t := s.Table("mmi_packets", "display packets without a table of their own, and those of a wrong length")
	d := &displayPacketsTable{Table: t, event: newEvent(t)}
	d.number = t.Uint8("number", sdk.Attr{Description: "number of the display packet"})
	d.name = t.Enum8("name", sdk.Attr{Nullable: true, Labels: mmi.Names()})
	d.length = t.Uint16("length", sdk.Attr{Unit: "By", Description: "bytes of the packet, from its number on"})
	d.body = t.Bytes("body", sdk.Attr{Description: "the whole packet; driver data in it is zero unless revealed"})
	d.setTime = t.TimeMicros("set_time", sdk.Attr{Naive: true, Nullable: true, Description: "packets 3 and 109: the time that was set"})
	d.geoAbs = t.Int32("geo_absolute", sdk.Attr{Nullable: true, Description: "packet 5: M_ABSOLUTPOS, as recorded"})
	d.geoRel = t.Int32("geo_relative", sdk.Attr{Nullable: true, Description: "packet 5: M_RELATIVPOS, as recorded"})
	d.rulesSpeed = kmh(t, "v_stff", "packets 11, 12, 103, 106: speed in staff responsible")
	d.rulesLength = t.Uint32("l_stff", sdk.Attr{Nullable: true, Description: "packets 11, 12, 103, 106: distance in staff responsible, as recorded"})
	t.Describe(&abi.RowLength{Column: "length", Plus: headerBytes}, nil)
	return d
}

// packetLayout names the fields of a display packet behind its number and length, for the manifest.
func packetLayout(fields ...string) func() []abi.Layout {
	return func() []abi.Layout { return []abi.Layout{{When: map[string][]int64{}, Fields: packetFields(fields)}} }
}

func layoutWhen(column string, value int64, fields ...string) []abi.Layout {
	return []abi.Layout{{When: map[string][]int64{column: {value}}, Fields: packetFields(fields)}}
}

func packetFields(fields []string) []abi.LayoutField {
	all := append(headerFields(), "packet:1:u8", "l_packet:2:u16:bit")
	return layFields(append(all, fields...))
}
