package recorder

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// samples gives the folder of real recordings, and skips the test where it is absent.
func samples(t *testing.T) string {
	t.Helper()
	dir := filepath.FromSlash("../../../../shared/samples/rail-recorder")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no sample recordings beside the project: ", err)
	}
	return dir
}

// reference is a telegram as the reference tool decoded it.
type reference struct {
	Offset   int64             `json:"offset"`
	Time     string            `json:"time"`
	Location int64             `json:"loc_cm"`
	Speed    int64             `json:"speed_cm_s"`
	Seq      uint64            `json:"seq"`
	UserBits string            `json:"user_bits_hex"`
	Header   map[string]uint64 `json:"header"`
	Packets  []struct {
		NID    uint64               `json:"nid"`
		Name   string               `json:"name"`
		Length uint64               `json:"l_packet"`
		Values [][2]json.RawMessage `json:"values"`
	} `json:"packets"`
}

func TestSamplesAgreeWithReference(t *testing.T) {
	dir := samples(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.telegrams.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no reference outputs in %s: %v", dir, err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			b, err := os.ReadFile(strings.TrimSuffix(f, ".telegrams.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			r := sdktest.Run(Plugin(), bytes.NewReader(b), nil)
			if r.Code != 0 {
				t.Fatalf("decode: %s %s", r.FailCode, r.FailText)
			}
			for _, i := range r.Issues {
				if i.Code != codeNoLayout && i.Code != codeReordered {
					t.Error(i)
				}
			}
			c := &comparison{t: t, r: r}
			ref, err := os.Open(f)
			if err != nil {
				t.Fatal(err)
			}
			defer ref.Close()
			lines := bufio.NewScanner(ref)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				var want reference
				if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
					t.Fatal(err)
				}
				c.telegram(&want)
			}
			if n := r.Tables["telegrams"].Len; n != c.row || r.Tables["packets"].Len != c.packet {
				t.Errorf("%d telegrams and %d packets, reference %d and %d", n, r.Tables["packets"].Len, c.row, c.packet)
			}
			t.Logf("%d telegrams, %d packets, %d variables agree; %d more variables of packet 44", c.row, c.packet, c.compared, c.more)
		})
	}
}

// comparison walks through decoded rows beside the reference.
type comparison struct {
	t                     *testing.T
	r                     *sdktest.Result
	row, packet, variable int
	compared, more        int
}

func (c *comparison) telegram(want *reference) {
	c.t.Helper()
	rows := c.r.Tables["telegrams"]
	if c.row >= rows.Len {
		c.t.Fatalf("only %d telegrams", rows.Len)
	}
	at, err := time.Parse("2006-01-02T15:04:05", want.Time)
	if err != nil {
		c.t.Fatal(err)
	}
	user, err := hex.DecodeString(want.UserBits)
	if err != nil {
		c.t.Fatal(err)
	}
	expect := map[string]any{
		"seq": int64(c.row + 1), "time": at.UnixMicro(), "location_m": want.Location,
		"speed_kmh": want.Speed * 36, "sequence": want.Seq, "user_bits": user, "status": "ok",
	}
	for k, v := range want.Header {
		expect[strings.ToLower(k)] = v
	}
	// The reference gives the offset of the record that completed the telegram, table telegrams that of part 1.
	if off := rows.Value(c.row, "offset").(int64); off > want.Offset || off < want.Offset-20*48 {
		c.t.Fatalf("telegram at %d: offset %d", want.Offset, off)
	}
	for k, v := range expect {
		if diff := cmp.Diff(v, rows.Value(c.row, k)); diff != "" {
			c.t.Fatalf("telegram at %d, %s: %s", want.Offset, k, diff)
		}
	}
	var nids []string
	for i := range want.Packets {
		p := &want.Packets[i]
		nids = append(nids, strconv.FormatUint(p.NID, 10))
		got := c.r.Tables["packets"]
		if c.packet >= got.Len {
			c.t.Fatalf("only %d packets", got.Len)
		}
		for k, v := range map[string]any{
			"telegram": int64(c.row + 1), "index": uint64(i), "nid_packet": p.NID, "name": p.Name, "l_packet": p.Length, "status": "ok",
		} {
			if diff := cmp.Diff(v, got.Value(c.packet, k)); diff != "" {
				c.t.Fatalf("telegram at %d, packet %d, %s: %s", want.Offset, i, k, diff)
			}
		}
		c.packet++
		c.values(p.Values, p.NID)
	}
	if got := rows.Value(c.row, "packets"); got != strings.Join(nids, " ") {
		c.t.Fatalf("telegram at %d: packets %q", want.Offset, got)
	}
	c.row++
}

// values compares a packet's variables. The reference leaves what packet 44 carries for its user undecoded.
func (c *comparison) values(want [][2]json.RawMessage, nid uint64) {
	c.t.Helper()
	rows := c.r.Tables["variables"]
	n := 0
	for ; c.variable < rows.Len && rows.Value(c.variable, "packet") == int64(c.packet); c.variable++ {
		if n >= len(want) {
			if nid != 44 {
				c.t.Fatalf("packet %d: more variables than the reference", nid)
			}
			c.more++
			continue
		}
		got := fmt.Sprintf("%q %d", rows.Value(c.variable, "name"), rows.Value(c.variable, "raw"))
		if w := fmt.Sprintf("%s %s", want[n][0], want[n][1]); got != w {
			c.t.Fatalf("packet %d, variable %d: %s, reference %s", nid, n, got, w)
		}
		c.compared++
		n++
	}
	if n < len(want) {
		c.t.Fatalf("packet %d: %d variables, reference %d", nid, n, len(want))
	}
}

func TestSamplesAgreeWithFacts(t *testing.T) {
	dir := samples(t)
	b, err := os.ReadFile(filepath.Join(dir, "facts.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	head := strings.Split(lines[0], "\t")
	for _, l := range lines[1:] {
		want := make(map[string]string)
		for i, v := range strings.Split(l, "\t") {
			want[head[i]] = v
		}
		t.Run(want["file"], func(t *testing.T) {
			in, err := os.ReadFile(filepath.Join(dir, want["file"]))
			if err != nil {
				t.Fatal(err)
			}
			r := sdktest.Run(Plugin(), bytes.NewReader(in), nil)
			got := countFacts(r)
			for k, v := range got {
				if want[k] != v {
					t.Errorf("%s: %s, want %s", k, v, want[k])
				}
			}
			if s := sniff(in); s < 50 {
				t.Errorf("sniff: %d", s)
			}
		})
	}
}

// countFacts counts what facts.tsv counts.
func countFacts(r *sdktest.Result) map[string]string {
	records, telegrams, packets, variables := r.Tables["records"], r.Tables["telegrams"], r.Tables["packets"], r.Tables["variables"]
	types, nids, sub, groups := map[string]int{}, map[string]int{}, map[string]int{}, map[any]bool{}
	for i := range records.Len {
		types[fmt.Sprint(records.Value(i, "type"))]++
	}
	for i := range packets.Len {
		nids[fmt.Sprint(packets.Value(i, "nid_packet"))]++
	}
	if telegrams.Len > 0 {
		nids["255"] = telegrams.Len
	}
	for i := range telegrams.Len {
		groups[[2]any{telegrams.Value(i, "nid_c"), telegrams.Value(i, "nid_bg")}] = true
	}
	for i := range variables.Len {
		if variables.Value(i, "name") == "NID_XDATA" {
			sub[fmt.Sprint(variables.Value(i, "raw"))]++
		}
	}
	stamp := func(row int) string {
		return time.UnixMicro(records.Value(row, "time").(int64)).UTC().Format("2006-01-02T15:04:05")
	}
	return map[string]string{
		"records": strconv.Itoa(records.Len), "first": stamp(0), "last": stamp(records.Len - 1),
		"type_counts": join(types), "telegrams": strconv.Itoa(telegrams.Len), "distinct_NID_BG": strconv.Itoa(len(groups)),
		"packet_counts": join(nids), "p44_sub": join(sub),
	}
}

func join(counts map[string]int) string {
	var keys []int
	for k := range counts {
		n, _ := strconv.Atoi(k)
		keys = append(keys, n)
	}
	sort.Ints(keys)
	var out []string
	for _, k := range keys {
		out = append(out, fmt.Sprintf("%d:%d", k, counts[strconv.Itoa(k)]))
	}
	return strings.Join(out, ",")
}
