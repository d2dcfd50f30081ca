package recorder

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/plugins/rail/mmi"
	"github.com/wayside-edge/wayside/sdk/go"
)

// display writes a display packet, the body of a record, to the table of its kind. One whose length is not that of
// its layout goes to table mmi_packets as it is, so that nothing of it is lost.
func (d *decoder) display(r *record, body []byte) {
	bits, whole := mmi.Length(body)
	if !whole {
		d.in.Issuef(sdk.SeverityError, r.offset, codeBadLength, "display packet of %d bytes: it has no length", len(body))
		if len(body) > 0 {
			d.displayRaw(r, body)
		}
		return
	}
	good := int(bits) == 8*len(body)
	if !good {
		d.in.Issuef(sdk.SeverityError, r.offset, codeBadLength, "display packet %d: L_PACKET is %d bits, there are %d",
			body[0], bits, 8*len(body))
	}
	if d.displayKnown(r, body) {
		return
	}
	if good && hasDisplayLayout(body[0]) {
		d.in.Issuef(sdk.SeverityError, r.offset, codeBadLength, "display packet %d: %d bytes do not fit its layout", body[0], len(body))
	}
	d.displayRaw(r, body)
}

// hasDisplayLayout says whether a packet of that number has a layout that it must fit.
func hasDisplayLayout(number uint8) bool {
	switch number {
	case mmi.NumberDynamic, mmi.NumberStatus, mmi.NumberSetTime, mmi.NumberSetTimeDisplay, mmi.NumberTrack,
		mmi.NumberGeoPosition, mmi.NumberTrainData, mmi.NumberTrainDataNew, mmi.NumberTrainDataEcho,
		mmi.NumberTrainConfirmed, mmi.NumberMessage, mmi.NumberMessageAck, mmi.NumberFailure, mmi.NumberDriver,
		mmi.NumberDriverNew, mmi.NumberRules, mmi.NumberRulesNew, mmi.NumberRulesEcho, mmi.NumberRulesConfirmed:
		return true
	}
	return false
}

// displayKnown writes a packet that fits the layout of a known number; false where it is none.
func (d *decoder) displayKnown(r *record, b []byte) bool {
	switch b[0] {
	case mmi.NumberDynamic:
		return d.dynamic(r, b)
	case mmi.NumberStatus:
		return d.displayStatus(r, b)
	case mmi.NumberTrack:
		return d.track(r, b)
	case mmi.NumberTrainData, mmi.NumberTrainDataNew:
		return d.train(r, b, false)
	case mmi.NumberTrainDataEcho, mmi.NumberTrainConfirmed:
		return d.train(r, b, true)
	case mmi.NumberMessage:
		return d.message(r, b)
	case mmi.NumberMessageAck:
		return d.messageAck(r, b)
	case mmi.NumberFailure:
		return d.failure(r, b)
	case mmi.NumberDriver, mmi.NumberDriverNew:
		return d.driver(r, b)
	case mmi.NumberSetTime, mmi.NumberSetTimeDisplay:
		return d.setTime(r, b)
	case mmi.NumberGeoPosition:
		return d.geoPosition(r, b)
	case mmi.NumberRules, mmi.NumberRulesNew:
		return d.rules(r, b, false)
	case mmi.NumberRulesEcho, mmi.NumberRulesConfirmed:
		return d.rules(r, b, true)
	}
	return false
}

func (d *decoder) dynamic(r *record, b []byte) bool {
	p, ok := mmi.ReadDynamic(b)
	if !ok {
		return false
	}
	t := d.out.display.dynamic
	t.set(r)
	setSpeed(t.vTrain, p.Train)
	t.aTrain.Set(int32(p.Acceleration))
	setPosition(t.oTrain, p.At)
	setPosition(t.oBrakeTarget, p.BrakeTarget)
	setSpeed(t.vTarget, p.Target)
	t.tIntervenWar.SetOr(p.Warning, p.Warned)
	setSpeed(t.vPermitted, p.Permitted)
	setSpeed(t.vRelease, p.Release)
	setSpeed(t.vIntervention, p.Intervention)
	t.mWarning.Set(p.Warnings)
	t.mSlip.Set(p.Slip)
	t.mSlide.Set(p.Slide)
	setPosition(t.oBCSP, p.BrakeCurve)
	t.EndRow()
	return true
}

func (d *decoder) displayStatus(r *record, b []byte) bool {
	p, ok := mmi.ReadStatus(b)
	if !ok {
		return false
	}
	d.mission.status(&p)
	t := d.out.display.status
	t.set(r)
	t.adhesion.Set(p.Adhesion)
	t.mode.Set(p.Mode)
	t.modeName.Set(p.Mode)
	t.level.Set(p.Level)
	t.levelName.SetOr(p.Level, int(p.Level) < len(mmi.Levels()))
	t.eb.Set(p.Emergency)
	t.sb.Set(p.Service)
	t.override.Set(p.Override)
	t.trip.Set(p.Trip)
	t.cabin.Set(p.Cabin)
	t.EndRow()
	return true
}

func (d *decoder) track(r *record, b []byte) bool {
	p, ok := mmi.ReadTrack(b)
	if !ok {
		return false
	}
	rows := 0
	for kind := range mmi.KindCondition + 1 {
		for i := range p.Count(kind) {
			e := p.Element(kind, i)
			d.trackRow(r, &p, &e, i)
			rows++
		}
	}
	if rows == 0 {
		d.trackRow(r, &p, &mmi.Element{Kind: kindNone}, 0)
	}
	return true
}

func (d *decoder) trackRow(r *record, p *mmi.Track, e *mmi.Element, index int) {
	t := d.out.display.track
	t.set(r)
	t.kind.Set(uint8(e.Kind))
	t.index.Set(uint8(index))
	setPosition(t.at, e.At)
	setSpeed(t.speed, e.Speed)
	t.gradient.SetOr(e.Gradient, e.Kind == mmi.KindGradient)
	t.condition.SetOr(e.Condition, e.Kind == mmi.KindCondition)
	t.length.SetOr(e.Length, e.Kind == mmi.KindCondition)
	setSpeed(t.speedCurrent, p.Speed)
	t.gradientCurrent.Set(p.Gradient)
	t.EndRow()
}

func (d *decoder) train(r *record, b []byte, echo bool) bool {
	p, ok := mmi.ReadTrainData(b, echo)
	if !ok {
		return false
	}
	t := d.out.display.train
	t.set(r)
	t.packet.Set(b[0])
	for i, c := range t.vMax {
		setSpeed(c, p.MaxSpeeds[i])
	}
	t.trainType.Set(p.Type)
	t.engine.Set(textOf([]byte{p.EngineClass}) + strconv.Itoa(int(p.Engine)))
	t.aMaxDec.Set(int32(p.MaxDeceleration))
	t.aMaxAcc.Set(int32(p.MaxAcceleration))
	t.tCutOff.Set(p.CutOffTraction)
	t.tBrakeEB.Set(p.EmergencyBuildUp)
	t.tBrakeSB.Set(p.ServiceBuildUp)
	t.curveEB.Set(curve(p.Emergency))
	t.curveSB.Set(curve(p.Service))
	t.traction.Set(numbers(p.Traction))
	t.axleLoad.Set(p.AxleLoad)
	t.axleLoadT.SetOr(int32(p.AxleLoad)*5, p.AxleLoad <= mmi.MostAxleLoad)
	t.gauge.Set(p.Gauge)
	setSpeed(t.vMaxTrain, p.MaxSpeed)
	t.length.Set(p.Length)
	t.category.Set(p.Category)
	t.enable.Set(p.Editable)
	t.EndRow()
	return true
}

// curve writes steps as "0:1.15 60.12:1.05": from km/h on, m/s².
func curve(steps []mmi.Step) string {
	var b strings.Builder
	for i, s := range steps {
		if i > 0 {
			b.WriteByte(' ')
		}
		if s.From.Known {
			b.WriteString(strconv.FormatFloat(float64(s.From.CMPerSecond)*36/1000, 'f', -1, 64))
		}
		b.WriteByte(':')
		b.WriteString(strconv.FormatFloat(float64(s.Deceleration)/100, 'f', 2, 64))
	}
	return b.String()
}

func numbers(v []uint16) string {
	var b []byte
	for i, n := range v {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	return string(b)
}

// textOf makes a text of a field of fixed width: without zeros and blanks at its ends, bytes beyond ASCII as Latin-1.
func textOf(b []byte) string {
	s := strings.Trim(string(b), "\x00 ")
	if utf8.ValidString(s) && !strings.ContainsRune(s, 0) {
		return s
	}
	out := make([]rune, 0, len(s))
	for i := range len(s) {
		out = append(out, rune(s[i]))
	}
	return string(out)
}

func (d *decoder) message(r *record, b []byte) bool {
	p, ok := mmi.ReadMessage(b)
	if ok {
		d.writeMessage(r, b[0], messageShown, &p, 0)
	}
	return ok
}

func (d *decoder) messageAck(r *record, b []byte) bool {
	index, answer, ok := mmi.ReadMessageAck(b)
	if ok {
		d.writeMessage(r, b[0], messageAcknowledged, &mmi.Message{Index: index}, answer)
	}
	return ok
}

func (d *decoder) writeMessage(r *record, packet, kind uint8, p *mmi.Message, answer uint8) {
	t := d.out.display.messages
	t.set(r)
	t.packet.Set(packet)
	t.kind.Set(kind)
	t.index.Set(p.Index)
	t.class.SetOr(p.Class, kind == messageShown)
	t.criteria.SetOr(p.Criteria, kind == messageShown)
	t.text.SetOr(p.Text, kind == messageShown)
	t.qAck.SetOr(answer, kind == messageAcknowledged)
	t.EndRow()
}

func (d *decoder) failure(r *record, b []byte) bool {
	p, ok := mmi.ReadFailure(b)
	if !ok {
		return false
	}
	d.mission.failure(&p)
	t := d.out.display.failures
	t.set(r)
	t.class.Set(p.Class)
	t.origin.Set(flag(p.Wayside()))
	t.unit.Set(p.Unit)
	t.severity.Set(p.Severity)
	t.number.Set(p.Number)
	t.criteria.Set(p.Criteria)
	t.EndRow()
	return true
}

// driver writes driver data as it is: the host hides the columns unless they are to be revealed.
func (d *decoder) driver(r *record, b []byte) bool {
	p, ok := mmi.ReadDriver(b)
	if !ok {
		return false
	}
	t := d.out.display.driver
	t.set(r)
	t.packet.Set(b[0])
	t.id.Set(textOf(p.ID))
	t.operation.Set(hex.EncodeToString(p.Operation))
	t.shift.Set(textOf(p.Shift))
	t.EndRow()
	return true
}

// displayRow begins a row of table mmi_packets; the packet's own columns are still to be set.
func (d *decoder) displayRow(r *record, b []byte) *displayPacketsTable {
	t := d.out.display.packets
	t.set(r)
	t.number.Set(b[0])
	names := mmi.Names()
	t.name.SetOr(b[0], int(b[0]) < len(names) && names[b[0]] != "")
	t.length.Set(uint16(len(b)))
	if !d.reveal {
		b = d.blanked(b)
	}
	t.body.SetBytes(b)
	return t
}

func (d *decoder) displayRaw(r *record, b []byte) {
	t := d.displayRow(r, b)
	t.setTime.Null()
	t.endPlain()
}

// endPlain ends a row without a position and without rules.
func (t *displayPacketsTable) endPlain() {
	t.geoAbs.Null()
	t.geoRel.Null()
	t.rulesSpeed.Null()
	t.rulesLength.Null()
	t.EndRow()
}

func (d *decoder) setTime(r *record, b []byte) bool {
	seconds, ok := mmi.ReadSetTime(b)
	if ok {
		t := d.displayRow(r, b)
		t.setTime.Set(int64(seconds) * 1e6)
		t.endPlain()
	}
	return ok
}

func (d *decoder) geoPosition(r *record, b []byte) bool {
	p, ok := mmi.ReadGeoPosition(b)
	if ok {
		t := d.displayRow(r, b)
		t.setTime.Null()
		t.geoAbs.Set(p.Absolute)
		t.geoRel.Set(int32(p.Relative))
		t.rulesSpeed.Null()
		t.rulesLength.Null()
		t.EndRow()
	}
	return ok
}

func (d *decoder) rules(r *record, b []byte, echo bool) bool {
	p, ok := mmi.ReadRules(b, echo)
	if ok {
		t := d.displayRow(r, b)
		t.setTime.Null()
		t.geoAbs.Null()
		t.geoRel.Null()
		setSpeed(t.rulesSpeed, p.Speed)
		t.rulesLength.Set(p.Length)
		t.EndRow()
	}
	return ok
}
