package recorder

import (
	"encoding/json"

	"github.com/wayside-edge/wayside/plugins/rail/telegramlist"
	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Version of the plugin.
const Version = "0.2.0"

// paramsSchema describes the parameters of a decode.
const paramsSchema = `{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "variables": {"type": "boolean", "default": true, "description": "write the table variables"},
    "reveal": {"type": "boolean", "default": false, "description": "keep driver data"}
  }
}`

func info() sdk.Info {
	return sdk.Info{
		ID:          "rail",
		Name:        "Rail recorder",
		Version:     Version,
		Description: "Recorder logs of train protection units and lists of balise telegrams, after SUBSET-026 and SUBSET-036",
		Licence:     "Apache-2.0",
		Formats: []abi.Format{{
			ID:         "rail-recorder",
			Name:       "Rail recorder log",
			Extensions: []string{".ru", ".mmi"},
			Sniff:      []abi.Sniff{{Walk: walkRule()}},
			Sequence:   &abi.Sequence{At: atTime, Length: 6}, // date and time of the first record
		}, {
			ID:         "rail-balise",
			Name:       "Balise telegram list",
			Extensions: []string{".hex", ".tlg"},
			Sniff:      []abi.Sniff{telegramlist.SniffRule()},
		}},
		Params: json.RawMessage(paramsSchema),
	}
}

// Records that a file must show to be taken for a recorder log.
const (
	sniffRecords = 4
	sniffLeast   = 1 // when the file ends right after
)

// walkRule is the format's sniff rule, which the host runs.
func walkRule() *abi.Walk {
	return &abi.Walk{
		Records: sniffRecords, Least: sniffLeast, Header: headerBytes, LengthAt: atLength, Lengths: typeLengths(),
		Ranges: []abi.Range{
			{At: atTime + 1, Min: 1, Max: 12},
			{At: atTime + 2, Min: 1, Max: 31},
			{At: atTime + 3, Max: 23},
			{At: atTime + 4, Max: 59},
			{At: atTime + 5, Max: 59},
		},
	}
}

// sniff is the rules of both formats on bytes: 90 for a file that begins with records or with a telegram, 0 otherwise.
func sniff(head []byte) int {
	if isText(head) {
		return telegramlist.Sniff(head)
	}
	for n := range sniffRecords {
		if len(head) == 0 && n >= sniffLeast {
			break
		}
		size, ok := plausible(head)
		if !ok {
			return 0
		}
		head = head[size:]
	}
	return 90
}

// plausible says whether bytes begin with a record of a known type, a fitting length and a possible time, and how
// long it is.
func plausible(b []byte) (int, bool) {
	if len(b) < headerBytes {
		return 0, false
	}
	k, n := kinds[b[0]], int(b[atLength])
	if k.name == "" || (k.length != anyLength && int(k.length) != n) || len(b) < headerBytes+n {
		return 0, false
	}
	for _, r := range [...]struct{ at, least, most byte }{{2, 1, 12}, {3, 1, 31}, {4, 0, 23}, {5, 0, 59}, {6, 0, 59}} {
		if v := b[r.at]; v < r.least || v > r.most {
			return 0, false
		}
	}
	return headerBytes + n, true
}
