package recorder

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Layout of a record's header.
const (
	headerBytes = 16
	atTime      = 1 // year − 2000, month, day, hour, minute, second
	atLocation  = 7
	atSpeed     = 11
	atLength    = 15
)

// Record types that are looked into.
const (
	typeMMI1   = 1
	typeMarker = 2 // the unit goes up or down
	typeMMI2   = 4
	typePart1  = 43
	typePart5  = 47
	typeDown   = 201 // place and speed while the unit is down
	partBytes  = 32
	anyLength  = -1
)

// downSpeedAt is where the speed lies in a body of typeDown.
const downSpeedAt = 4

// Bodies of typeMarker.
const (
	markerUp   = 15
	markerDown = 16
)

// locationBase is added by most recorders to the location, in cm.
const locationBase = 1_000_000_000

// kind is what is known of a record type.
type kind struct {
	name   string // "" = the type is not known
	length int16  // of the body, or anyLength
}

// kinds lists the record types by number. Names end with the MVB port where the record is a port's frame. It is
// data, never changed.
var kinds = [256]kind{
	1:   {"ATP-MMI channel 1", anyLength},
	2:   {"STATUS ATP", 1},
	3:   {"STATUS MMI", 1},
	4:   {"ATP-MMI channel 2", anyLength},
	21:  {"VDX in (port 384)", 8},
	22:  {"VDX out 1 (port 392)", 8},
	23:  {"VDX out 2 (port 393)", 8},
	24:  {"VDX out 3 (port 394)", 8},
	31:  {"DX in (port 2176)", 2},
	32:  {"DX status (port 2177)", anyLength},
	33:  {"DX out (port 2184)", 2},
	41:  {"BTM command (port 648)", 16},
	42:  {"BTM status (port 642)", 16},
	43:  {"BTM telegram part 1 (port 643)", partBytes},
	44:  {"BTM telegram part 2 (port 644)", partBytes},
	45:  {"BTM telegram part 3 (port 645)", partBytes},
	46:  {"BTM telegram part 4 (port 646)", partBytes},
	47:  {"BTM telegram part 5 (port 647)", partBytes},
	51:  {"SDU 1 (port 256)", 16},
	52:  {"SDU 2 (port 272)", 16},
	61:  {"ODO config (port 1283)", 32},
	62:  {"ODO message (port 1285)", 32},
	63:  {"ODO message (port 1286)", 32},
	64:  {"ODO/BTM status (port 1284)", 16},
	71:  {"PM log (port 100)", 32},
	72:  {"PM application log (port 1287)", anyLength},
	91:  {"PRS info", 1},
	201: {"ATP down", 8},
	211: {"periodic speed and distance", 0},
	216: {"button event", 1},
	221: {"counter board", anyLength},
	222: {"USB status", 1},
	223: {"PRS", 1},
	224: {"speedometer", 1},
	225: {"data download", 1},
	227: {"MVB", 1},
	228: {"GPP", 1},
}

// lastKind is the highest known type.
const lastKind = 228

// bodyFields gives the fields of a body, nil when its layout is not known.
func bodyFields(typ uint8) []string {
	switch typ {
	case typeMMI1, typeMMI2:
		return []string{"packet:1:u8", "l_packet:2:u16:bit"}
	case typeMarker:
		return []string{"marker:1:u8"}
	case 3, 222, 223, 224, 225, 227, 228:
		return []string{"status:1:u8"}
	case 21:
		return []string{"inputs:1:u8", "other_inputs:7:bin"}
	case 43:
		return []string{
			"sequence:1:u8", "flags:1:u8", "contact_first:4:u32:ms", "contact_last:4:u32:ms", "contact_centre:4:u32:ms",
			"unknown:8:bin", "user_bytes_0_3:4:bin", "trailer:6:bin",
		}
	case 44:
		return []string{"sequence:1:u8", "user_bytes_4_28:25:bin", "trailer:6:bin"}
	case 45:
		return []string{"sequence:1:u8", "user_bytes_29_53:25:bin", "trailer:6:bin"}
	case 46:
		return []string{"sequence:1:u8", "user_bytes_54_78:25:bin", "trailer:6:bin"}
	case 47:
		return []string{"sequence:1:u8", "user_bytes_79_103:25:bin", "trailer:6:bin"}
	case 91:
		return []string{"info:1:u8"}
	case typeDown:
		return []string{"ground_location:4:u32:mm", "ground_speed:4:i32:cm/s"}
	case 211:
		return []string{}
	case 216:
		return []string{"button:1:u8"}
	}
	return nil
}

// hasLayout says whether a record's body is known to its fields.
func hasLayout(typ uint8) bool { return bodyFields(typ) != nil }

// typeName gives a type's name for messages.
func typeName(typ int) string {
	if n := kinds[typ].name; n != "" {
		return n
	}
	return "unknown"
}

// typeLabels gives the names by number, for an enum column.
func typeLabels() []string {
	out := make([]string, lastKind+1)
	for i := range out {
		out[i] = kinds[i].name
	}
	return out
}

// typeLengths gives body lengths by number, as a sniff rule writes them.
func typeLengths() map[string]int {
	out := make(map[string]int)
	for i, k := range kinds {
		if k.name != "" {
			out[strconv.Itoa(i)] = int(k.length)
		}
	}
	return out
}

// layouts names the fields of each type whose body is known, header first.
func layouts() []abi.Layout {
	var out []abi.Layout
	for i := range kinds {
		body := bodyFields(uint8(i))
		if body == nil {
			continue
		}
		all := append(headerFields(), body...)
		out = append(out, abi.Layout{When: map[string][]int64{"type": {int64(i)}}, Fields: layFields(all)})
	}
	return out
}

// headerFields are the fields that every record begins with.
func headerFields() []string {
	return []string{
		"type:1:u8", "year:1:u8:a", "month:1:u8", "day:1:u8", "hour:1:u8", "minute:1:u8", "second:1:u8",
		"location:4:i32:cm", "speed:4:i32:cm/s", "length:1:u8:By",
	}
}

// layFields lays out consecutive fields, each "name:bytes:type" or "name:bytes:type:unit".
func layFields(specs []string) []abi.LayoutField {
	out := make([]abi.LayoutField, 0, len(specs))
	var at int64
	for _, s := range specs {
		p := strings.Split(s, ":")
		n, err := strconv.ParseInt(p[1], 10, 64)
		if err != nil {
			panic(fmt.Sprintf("layout %q: %v", s, err))
		}
		f := abi.LayoutField{Name: p[0], At: at, Length: n, Type: p[2]}
		if len(p) > 3 {
			f.Unit = p[3]
		}
		out = append(out, f)
		at += n
	}
	return out
}
