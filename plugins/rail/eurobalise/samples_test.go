package eurobalise_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/eurobalise"
	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// sampleLines gives the lines of a file of the sample collection, and skips the test where that is absent.
func sampleLines(t *testing.T, name string) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(filepath.FromSlash("../../../../shared/samples/rail-balise"), name))
	if err != nil {
		t.Skip("no sample telegrams beside the project: ", err)
	}
	defer f.Close()
	var out []string
	lines := bufio.NewScanner(f)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		if lines.Text() != "" {
			out = append(out, lines.Text())
		}
	}
	return out
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	if len(s)%2 != 0 {
		s += "0"
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// agree decodes a sample, compares the user bits, and has the encoder make the sample again.
func agree(t *testing.T, dec *eurobalise.Decoder, sample, user string) eurobalise.Telegram {
	t.Helper()
	b := unhex(t, sample)
	got, err := dec.Decode(b, len(b) == 128)
	if err != nil {
		t.Fatalf("%s: %v", sample, err)
	}
	var digits strings.Builder
	for _, bit := range railtest.Unpack(got.User[:], got.UserBits) {
		digits.WriteByte('0' + bit)
	}
	if digits.String() != user {
		t.Fatalf("%s: user bits\n%s, want\n%s", sample, digits.String(), user)
	}
	again := railtest.Shaping{SB: got.SB, ESB: got.ESB}.Shape(railtest.Unpack(got.User[:], got.UserBits))
	if s := hex.EncodeToString(again.Pack()); !strings.EqualFold(s, sample) {
		t.Errorf("%s is shaped as %s", sample, s)
	}
	return got
}

func TestSamplesAgreeWithReference(t *testing.T) {
	dec := eurobalise.NewDecoder()
	for _, name := range []string{"sedlogram_real_dev", "tra_reshaped_dev"} {
		want := sampleLines(t, name+".expected.jsonl")
		lines := sampleLines(t, name+".hex")
		if len(want) != len(lines) || len(lines) == 0 {
			t.Fatalf("%s: %d telegrams, %d expected", name, len(lines), len(want))
		}
		for i, line := range lines {
			var ref struct {
				User     string `json:"user_bits"`
				SB       uint16 `json:"sb"`
				ESB      uint16 `json:"esb"`
				Shift    int    `json:"shift"`
				Inverted bool   `json:"inverted"`
			}
			if err := json.Unmarshal([]byte(want[i]), &ref); err != nil {
				t.Fatal(err)
			}
			got := agree(t, dec, line, ref.User)
			if got.SB != ref.SB || got.ESB != ref.ESB || got.Shift != ref.Shift || got.Inverted != ref.Inverted {
				t.Errorf("%s line %d: %d %d %d %v, want %+v", name, i+1, got.SB, got.ESB, got.Shift, got.Inverted, ref)
			}
		}
		t.Logf("%s: %d telegrams agree", name, len(lines))
	}
}

func TestSamplesOfBothLengths(t *testing.T) {
	dec := eurobalise.NewDecoder()
	lines, want := sampleLines(t, "sedlogram_a.hex"), sampleLines(t, "sedlogram_a.expected")
	if len(lines) != len(want) || len(lines) == 0 {
		t.Fatalf("%d telegrams, %d expected", len(lines), len(want))
	}
	for i, line := range lines {
		n := eurobalise.ShortUserBits
		if len(line) == 256 {
			n = eurobalise.LongUserBits
		}
		var digits strings.Builder
		for _, bit := range railtest.Unpack(unhex(t, want[i]), n) {
			digits.WriteByte('0' + bit)
		}
		agree(t, dec, line, digits.String())
	}
}

// TestEncoderFindsTheSamplesShaping has the encoder choose what the reference encoder chose: the first scrambling
// and extra shaping bits that meet every condition.
func TestEncoderFindsTheSamplesShaping(t *testing.T) {
	dec := eurobalise.NewDecoder()
	lines := sampleLines(t, "tra_reshaped_dev.hex")
	for i, line := range lines {
		got, err := dec.Decode(unhex(t, line), true)
		if err != nil {
			t.Fatal(err)
		}
		s, _, ok := railtest.Shaping{SB: got.SB}.Find(railtest.Unpack(got.User[:], got.UserBits))
		if !ok || s.SB != got.SB || s.ESB != got.ESB {
			t.Errorf("line %d: %+v (%v), the sample has %d and %d", i+1, s, ok, got.SB, got.ESB)
		}
	}
}
