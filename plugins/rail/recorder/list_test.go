package recorder

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

func decodeList(lines ...string) *sdktest.Result {
	return sdktest.Run(Plugin(), strings.NewReader(strings.Join(lines, "\n")), nil)
}

// listed gives a telegram of version 1.0 with a link, as it is sent and as user bits, in hex.
func listed(t *testing.T, bits int) (shaped, user string, s railtest.Shaping) {
	t.Helper()
	tel := &railtest.Telegram{}
	tel.Header(0x10, 0, 1, 7, 1001, 42)
	to(43, 500)(tel)
	all := tel.Bytes()
	u := railtest.Unpack(all[:], bits)
	for sb := range uint16(200) {
		if found, b, ok := (railtest.Shaping{SB: sb}).Find(u); ok {
			return hex.EncodeToString(b.Pack()), hex.EncodeToString(u.Pack()), found
		}
	}
	t.Fatal("no scrambling bits do")
	return "", "", s
}

func TestListOfTelegrams(t *testing.T) {
	long, user, s := listed(t, 830)
	short, shortUser, _ := listed(t, 210)
	r := decodeList("# a comment", long+"; at the buffer stop", "", user, short, strings.ToUpper(shortUser))
	if r.Code != abi.DecodeOK || len(r.Issues) > 0 {
		t.Fatal(r.FailText, r.Issues)
	}
	rows := r.Tables["telegrams"]
	if rows.Len != 4 {
		t.Fatalf("%d telegrams", rows.Len)
	}
	if rows.Value(0, "sb") != uint64(s.SB) {
		t.Error("sb", rows.Value(0, "sb"))
	}
	want := "12 long false 0 1001 42 5 ok | %d long <nil> <nil> 1001 42 5 ok | %d short false 0 1001 42 5 ok | %d short <nil> <nil> 1001 42 5 ok"
	second := 12 + len(long) + len("; at the buffer stop") + 2
	want = fmt.Sprintf(want, second, second+len(user)+1, second+len(user)+1+len(short)+1)
	if got := cellsOf(r, "telegrams", "offset", "format", "inverted", "shift", "nid_c", "nid_bg", "packets", "status"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for i, u := range []string{user, user, shortUser, shortUser} {
		if got := hex.EncodeToString(rows.Value(i, "user_bits").([]byte)); got != u {
			t.Errorf("telegram %d: user bits %s, want %s", i+1, got, u)
		}
		for _, c := range []string{"time", "location_m", "speed_kmh", "contact_first_ms", "contact_last_ms", "contact_centre_ms", "sequence"} {
			if v := rows.Value(i, c); v != nil {
				t.Errorf("telegram %d: %s is %v", i+1, c, v)
			}
		}
	}
	if n := r.Tables["packets"].Len; n != 4 {
		t.Errorf("%d packets", n)
	}
	if got := cellsOf(r, "variables", "telegram", "name", "raw"); !strings.Contains(got, "4 D_LINK 500") {
		t.Error(got)
	}
	for _, name := range []string{"records", "mission", "links", "stops"} {
		if n := r.Tables[name].Len; n > 0 {
			t.Errorf("%d rows of %s", n, name)
		}
	}
}

// TestReceivedOtherwise has the telegram rotated and inverted, as a receiver may take it.
func TestReceivedOtherwise(t *testing.T) {
	shaped, user, _ := listed(t, 830)
	b, err := hex.DecodeString(shaped)
	if err != nil {
		t.Fatal(err)
	}
	bits := railtest.Unpack(b, 1023)
	for _, shift := range []int{1, 511, 1022} {
		for _, inverted := range []bool{false, true} {
			w := bits.From(shift)
			if inverted {
				w = w.Inverted()
			}
			r := decodeList(hex.EncodeToString(w.Pack()))
			if len(r.Issues) > 0 || r.Tables["telegrams"].Len != 1 {
				t.Fatal(shift, inverted, r.Issues)
			}
			want := fmt.Sprintf("%s %v %d", user, inverted, shift)
			if got := cellsOf(r, "telegrams", "user_bits", "inverted", "shift"); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
}

// TestDamagedLines says that each line that is no telegram is an issue at its offset, with its reason, and that the
// others are decoded.
func TestDamagedLines(t *testing.T) {
	shaped, user, _ := listed(t, 830)
	flipped := []byte(shaped)
	flipped[30] ^= 1 // another hex digit
	if flipped[30] == shaped[30] || !bytes.ContainsRune([]byte("0123456789abcdef"), rune(flipped[30])) {
		flipped[30] = "0123456789abcdef"[(strings.IndexByte("0123456789abcdef", shaped[30])+1)%16]
	}
	r := decodeList(user, string(flipped), "no telegram at all", user[:100], strings.Repeat("0", 256), strings.Repeat("f", 208), user)
	if r.Code != abi.DecodeOK {
		t.Fatal(r.FailText)
	}
	var codes []string
	for _, i := range r.Issues {
		codes = append(codes, i.Severity.String()+" "+i.Code)
	}
	want := []string{"error parity", "error bad_line", "error bad_length", "error sync", "warning unsupported_version"}
	if !slices.Equal(codes, want) {
		t.Errorf("issues %q, want %q", codes, want)
	}
	if off := r.Issues[0].Offset; off != int64(len(user)+1) {
		t.Errorf("the first is at %d", off)
	}
	if got := cellsOf(r, "telegrams", "status"); got != "ok | unsupported_version | ok" {
		t.Error(got)
	}
	if r := decodeList("nothing here is a telegram", "nor here"); r.FailCode != codeCorrupt {
		t.Error(r.FailCode, r.FailText)
	}
}

// TestListsWithOddBytes says that what is not read of a list may be anything.
func TestListsWithOddBytes(t *testing.T) {
	_, user, _ := listed(t, 830)
	for _, text := range []string{
		"# page\f one\n" + user, user + ";\x01\x00\n", "#\xff\xfe\n" + user, "\xef\xbb\xbf" + user, "\n\n;;\n \t" + user,
	} {
		r := decodeList(text)
		if r.Tables["telegrams"].Len != 1 || len(r.Issues) > 0 || sniff([]byte(text)) != 90 {
			t.Errorf("%.20q: %d telegrams, %s %v", text, r.Tables["telegrams"].Len, r.FailText, r.Issues)
		}
	}
	wide := "\xff\xfe"
	for _, c := range user {
		wide += string(c) + "\x00"
	}
	if r := decodeList(wide); !strings.Contains(r.FailText, "UTF-16") {
		t.Error(r.FailText)
	}
}

// TestLogThatLooksLikeText has a record of September 2034 without a byte that text does not have: the train rolls back.
func TestLogThatLooksLikeText(t *testing.T) {
	l := &railtest.Log{Time: time.Date(2034, 9, 9, 9, 40, 50, 0, time.UTC), Location: 1_234_568_21, Speed: -1}
	for range 4 {
		l.Record(61, bytes.Repeat([]byte{' '}, 32))
	}
	r := decodeLog(l)
	if n := r.Tables["records"].Len; n != 4 || sniff(l.Bytes()) != 90 {
		t.Error(n, r.FailText)
	}
}

// TestListsInParts says that offsets count on over the files of one decode.
func TestListsInParts(t *testing.T) {
	_, user, _ := listed(t, 830)
	r := sdktest.RunParts(Plugin(), []sdktest.Part{{Name: "a", Data: []byte(user + "\n")}, {Name: "b", Data: []byte("\n" + user)}}, nil)
	if got := cellsOf(r, "telegrams", "offset"); got != fmt.Sprintf("0 | %d", len(user)+2) {
		t.Error(got, r.Issues)
	}
}

// TestListSamples holds lists against what the reference tool made of them, down to each variable.
func TestListSamples(t *testing.T) {
	dir := filepath.Join(filepath.Dir(samples(t)), "rail-balise")
	for _, name := range []string{"tra_reshaped_dev", "sedlogram_real_dev"} {
		in, err := os.ReadFile(filepath.Join(dir, name+".hex"))
		if err != nil {
			t.Fatal(err)
		}
		r := sdktest.Run(Plugin(), bytes.NewReader(in), nil)
		if r.Code != abi.DecodeOK || len(r.Issues) > 0 {
			t.Fatal(name, r.FailText, r.Issues)
		}
		f, err := os.Open(filepath.Join(dir, name+".expected.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c := &listComparison{t: t, r: r}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			c.telegram(lines.Bytes())
		}
		if c.row != r.Tables["telegrams"].Len || c.packet != r.Tables["packets"].Len {
			t.Errorf("%s: %d telegrams and %d packets, want %d and %d", name, r.Tables["telegrams"].Len, r.Tables["packets"].Len, c.row, c.packet)
		}
		t.Logf("%s: %d telegrams, %d packets, %d variables agree", name, c.row, c.packet, c.variables)
	}
}

type listComparison struct {
	t                      *testing.T
	r                      *sdktest.Result
	row, packet, variables int
}

func (c *listComparison) telegram(line []byte) {
	c.t.Helper()
	var want struct {
		UserBits string            `json:"user_bits"`
		SB       uint64            `json:"sb"`
		ESB      uint64            `json:"esb"`
		Shift    uint64            `json:"shift"`
		Inverted bool              `json:"inverted"`
		Header   map[string]uint64 `json:"header"`
		Packets  []struct {
			NID    uint64               `json:"nid"`
			Length uint64               `json:"l_packet"`
			Values [][2]json.RawMessage `json:"values"`
		} `json:"packets"`
	}
	if err := json.Unmarshal(line, &want); err != nil {
		c.t.Fatal(err)
	}
	rows := c.r.Tables["telegrams"]
	bits := ""
	for _, b := range rows.Value(c.row, "user_bits").([]byte) {
		bits += fmt.Sprintf("%08b", b)
	}
	if bits[:len(want.UserBits)] != want.UserBits {
		c.t.Fatalf("telegram %d: user bits", c.row+1)
	}
	expect := map[string]any{"sb": want.SB, "esb": want.ESB, "shift": want.Shift, "inverted": want.Inverted, "status": "ok"}
	for k, v := range want.Header {
		expect[strings.ToLower(k)] = v
	}
	for k, v := range expect {
		if got := rows.Value(c.row, k); got != v {
			c.t.Fatalf("telegram %d: %s is %v, want %v", c.row+1, k, got, v)
		}
	}
	c.row++
	for _, p := range want.Packets {
		got := c.r.Tables["packets"]
		if got.Value(c.packet, "nid_packet") != p.NID || got.Value(c.packet, "l_packet") != p.Length || got.Value(c.packet, "status") != "ok" {
			c.t.Fatalf("telegram %d: packet %d", c.row, p.NID)
		}
		c.packet++
		vars, n := c.r.Tables["variables"], 0
		for i := range vars.Len {
			if vars.Value(i, "packet") != int64(c.packet) || n >= len(p.Values) {
				continue
			}
			got := fmt.Sprintf("%q %d", vars.Value(i, "name"), vars.Value(i, "raw"))
			// The reference tells instances of a variable in packet 3 apart by endings of its own.
			name := strings.Trim(string(p.Values[n][0]), `"`)
			same := got == fmt.Sprintf("%q %s", name, p.Values[n][1]) ||
				got == fmt.Sprintf("%q %s", regexp.MustCompile(`(_?[a-z]+|\d)$`).ReplaceAllString(name, ""), p.Values[n][1])
			if !same {
				c.t.Fatalf("packet %d: %s, want %s %s", c.packet, got, name, p.Values[n][1])
			}
			n++
			c.variables++
		}
		if n < len(p.Values) {
			c.t.Fatalf("packet %d: %d variables, want %d", c.packet, n, len(p.Values))
		}
	}
}
