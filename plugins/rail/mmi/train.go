package mmi

// TrainData is packets 6 and 107, and 10 and 110 inverted: what the driver entered of the train.
type TrainData struct {
	MaxSpeeds        [4]Speed // V_MAXTRAIN_1 to _4, by category
	Type             uint16   // M_TRAIN_TYPE
	EngineClass      byte     // the letter of NID_ENGINE, 0 = none
	Engine           uint16   // its number
	MaxDeceleration  uint16   // cm/s²
	MaxAcceleration  uint16   // cm/s²
	CutOffTraction   uint16   // as recorded
	EmergencyBuildUp uint16   // T_BRAKE_EB as recorded
	ServiceBuildUp   uint16   // T_BRAKE_SB as recorded
	Emergency        []Step   // guaranteed deceleration
	Service          []Step
	Traction         []uint16
	AxleLoad         uint8 // half tonnes to 80; 126 = more than 40 t, 127 = unknown
	Gauge            uint8
	MaxSpeed         Speed  // V_MAXTRAIN
	Length           uint16 // m
	Category         uint16 // NC_TRAIN, bits
	Editable         uint16 // M_DATA_EDIT_ENABLE, bits
}

// Step is a deceleration from a speed on.
type Step struct {
	From         Speed
	Deceleration uint16 // cm/s²
}

// MostAxleLoad is the largest AxleLoad that is a weight.
const MostAxleLoad = 80

// fields reads fields one after the other; its reads past the end give zero and clear ok.
type fields struct {
	b    []byte
	at   int
	flip byte // every byte is xored with it
	ok   bool
}

func (f *fields) u8() uint8 {
	if f.at >= len(f.b) {
		f.ok = false
		return 0
	}
	v := f.b[f.at] ^ f.flip
	f.at++
	return v
}

func (f *fields) u16() uint16 { hi := f.u8(); return uint16(hi)<<8 | uint16(f.u8()) }

func (f *fields) speed() Speed { v := int16(f.u16()); return Speed{v, v != noSpeed} }

// steps reads a curve. In the echo each step is turned around like everything else: first the deceleration.
func (f *fields) steps(echo bool) []Step {
	n := int(f.u8())
	if n == 0 || f.at+n*4 > len(f.b) {
		f.ok = f.ok && n == 0
		return nil
	}
	out := make([]Step, n)
	for i := range out {
		if echo {
			out[i].Deceleration = f.u16()
			out[i].From = f.speed()
			continue
		}
		out[i].From = f.speed()
		out[i].Deceleration = f.u16()
	}
	return out
}

func (f *fields) words() []uint16 {
	n := int(f.u8())
	if n == 0 || f.at+n*wordBytes > len(f.b) {
		f.ok = f.ok && n == 0
		return nil
	}
	out := make([]uint16, n)
	for i := range out {
		out[i] = f.u16()
	}
	return out
}

// ReadTrainData reads packets 6 and 107, and with echo packets 10 and 110, whose bytes are inverted and whose fields
// stand in reverse order.
func ReadTrainData(b []byte, echo bool) (TrainData, bool) {
	f := fields{b: b, at: HeaderBytes, ok: true}
	var t TrainData
	if echo {
		f.flip = 0xff
		t.readEcho(&f)
	} else {
		t.read(&f)
	}
	if !f.ok || f.at != len(b) {
		return TrainData{}, false
	}
	return t, true
}

func (t *TrainData) readEcho(f *fields) {
	for i := range t.MaxSpeeds {
		t.MaxSpeeds[i] = f.speed()
	}
	t.Type = f.u16()
	t.EngineClass, t.Engine = f.u8(), f.u16()
	t.MaxDeceleration, t.MaxAcceleration, t.CutOffTraction = f.u16(), f.u16(), f.u16()
	t.EmergencyBuildUp, t.ServiceBuildUp = f.u16(), f.u16()
	t.Emergency, t.Service, t.Traction = f.steps(true), f.steps(true), f.words()
	t.AxleLoad, t.Gauge = f.u8(), f.u8()
	t.MaxSpeed, t.Length, t.Category, t.Editable = f.speed(), f.u16(), f.u16(), f.u16()
}

func (t *TrainData) read(f *fields) {
	t.Editable, t.Category, t.Length = f.u16(), f.u16(), f.u16()
	t.MaxSpeed = f.speed()
	t.Gauge, t.AxleLoad = f.u8(), f.u8()
	t.Traction, t.Service, t.Emergency = f.words(), f.steps(false), f.steps(false)
	t.ServiceBuildUp, t.EmergencyBuildUp = f.u16(), f.u16()
	t.CutOffTraction, t.MaxAcceleration, t.MaxDeceleration = f.u16(), f.u16(), f.u16()
	t.EngineClass, t.Engine = f.u8(), f.u16()
	t.Type = f.u16()
	for i := range t.MaxSpeeds {
		t.MaxSpeeds[len(t.MaxSpeeds)-1-i] = f.speed()
	}
}
