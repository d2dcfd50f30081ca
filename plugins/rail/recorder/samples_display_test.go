package recorder

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// facts gives the rows of facts.tsv by file.
func facts(t *testing.T, dir string) map[string]map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "facts.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	head := strings.Split(lines[0], "\t")
	out := map[string]map[string]string{}
	for _, l := range lines[1:] {
		row := map[string]string{}
		for i, v := range strings.Split(l, "\t") {
			row[head[i]] = v
		}
		out[row["file"]] = row
	}
	return out
}

// decodeSample decodes a sample with what its owner may see.
func decodeSample(t *testing.T, dir, file string) ([]byte, *sdktest.Result) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	r := sdktest.Run(Plugin(), bytes.NewReader(b), map[string]string{"reveal": "true"})
	if r.Code != 0 {
		t.Fatalf("decode: %s %s", r.FailCode, r.FailText)
	}
	return b, r
}

// TestSampleDisplayPackets counts the packets of each number over all tables, and the rows with brakes on.
func TestSampleDisplayPackets(t *testing.T) {
	dir := samples(t)
	for file, want := range facts(t, dir) {
		t.Run(file, func(t *testing.T) {
			_, r := decodeSample(t, dir, file)
			counts := map[string]int{"1": r.Tables["mmi_dynamic"].Len, "2": r.Tables["mmi_status"].Len, "9": r.Tables["failures"].Len}
			seen := map[any]bool{}
			for i := range r.Tables["track_description"].Len {
				seen[r.Tables["track_description"].Value(i, "record")] = true
			}
			counts["4"] = len(seen)
			for table, column := range map[string]string{
				"train_data": "packet", "driver_messages": "packet", "driver_data": "packet", "mmi_packets": "number",
			} {
				for i := range r.Tables[table].Len {
					counts[fmt.Sprint(r.Tables[table].Value(i, column))]++
				}
			}
			for number, n := range counts {
				if n == 0 {
					delete(counts, number)
				}
			}
			if got := join(counts); got != want["mmi_counts"] {
				t.Errorf("packets %s, want %s", got, want["mmi_counts"])
			}
			eb, sb := 0, 0
			for i := range r.Tables["mmi_status"].Len {
				if r.Tables["mmi_status"].Value(i, "eb") != uint64(0) {
					eb++
				}
				if r.Tables["mmi_status"].Value(i, "sb") != uint64(0) {
					sb++
				}
			}
			if strconv.Itoa(eb) != want["eb_status_rows"] || strconv.Itoa(sb) != want["sb_status_rows"] {
				t.Errorf("%d rows with the emergency brake, %d with the service brake, want %s and %s", eb, sb, want["eb_status_rows"], want["sb_status_rows"])
			}
			sampleMission(t, r, want)
		})
	}
}

func sampleMission(t *testing.T, r *sdktest.Result, want map[string]string) {
	t.Helper()
	m := r.Tables["mission"]
	if m.Len != 1 {
		t.Fatalf("%d missions", m.Len)
	}
	stamp := func(column string) string {
		return time.UnixMicro(m.Value(0, column).(int64)).UTC().Format("2006-01-02T15:04:05")
	}
	records := r.Tables["records"]
	top, groups := int64(0), map[[2]any]bool{}
	for i := range records.Len {
		top = max(top, records.Value(i, "speed_kmh").(int64))
	}
	for i := range r.Tables["telegrams"].Len {
		if g := r.Tables["telegrams"].Value(i, "nid_bg").(uint64); g < 16380 {
			groups[[2]any{r.Tables["telegrams"].Value(i, "nid_c"), g}] = true
		}
	}
	way := records.Value(records.Len-1, "location_m").(int64) - records.Value(0, "location_m").(int64)
	for column, w := range map[string]any{
		"records": int64(records.Len), "telegrams": int64(r.Tables["telegrams"].Len), "distance_m": way, "max_speed_kmh": top,
		"balise_groups": uint64(len(groups)), "incomplete_telegrams": int64(0), "isolation": false, "failures_wayside": uint64(0),
		"failures_cabin": uint64(r.Tables["failures"].Len),
	} {
		if got := m.Value(0, column); got != w {
			t.Errorf("mission %s: %v, want %v", column, got, w)
		}
	}
	if stamp("start") != want["first"] || stamp("end") != want["last"] {
		t.Errorf("mission from %s to %s, want %s to %s", stamp("start"), stamp("end"), want["first"], want["last"])
	}
}

// TestSampleBrakesAndStops compares with what the console's design shows of the same recordings.
func TestSampleBrakesAndStops(t *testing.T) {
	dir := samples(t)
	_, r := decodeSample(t, dir, "20241106_9172_092451.MMI")
	if m := r.Tables["mission"]; m.Value(0, "eb_count") != uint64(1) || m.Value(0, "sb_count") != uint64(1) {
		t.Errorf("%v emergency and %v service brakings, want 1 and 1", m.Value(0, "eb_count"), m.Value(0, "sb_count"))
	}
	for file, want := range map[string]string{
		"20241106_9172_092451.MMI": "0/86/0/- 108/135/3438/- 592/607/87350/-",
		// Every stop but the first, whose announcement is in the hour before, is at the station that was announced.
		"20241115_9042_120001.MMI": "0/26/1250198/- 371/451/1884908/9 596/648/2172539/7 969/1035/2639246/210 " +
			"1140/1177/2765072/6 1306/1331/2901383/5 1505/1543/3203136/211 1808/2085/3471800/4",
	} {
		_, r := decodeSample(t, dir, file)
		stops, start := r.Tables["stops"], r.Tables["mission"].Value(0, "start").(int64)
		var got []string
		at := 0
		for i := range stops.Len {
			station := "-"
			if v := stops.Value(i, "station_id"); v != nil {
				station = fmt.Sprint(v)
				at++
			}
			got = append(got, fmt.Sprintf("%d/%d/%d/%s", (stops.Value(i, "time_from").(int64)-start)/1e6,
				(stops.Value(i, "time_to").(int64)-start)/1e6, stops.Value(i, "location_m"), station))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: stops %s, want %s", file, s, want)
		}
		if n := r.Tables["mission"].Value(0, "station_stops"); n != uint64(at) {
			t.Errorf("%s: %v stops at stations, want %d", file, n, at)
		}
	}
}

// TestSampleLinks holds the distances that packets 5 announce against the odometer.
func TestSampleLinks(t *testing.T) {
	dir := samples(t)
	var differences []int64
	within, announcing := 0, 0
	for file := range facts(t, dir) {
		_, r := decodeSample(t, dir, file)
		for i := range r.Tables["packets"].Len {
			if r.Tables["packets"].Value(i, "nid_packet") == uint64(5) {
				announcing++
			}
		}
		links := r.Tables["links"]
		for i := range links.Len {
			d, a := links.Value(i, "difference_m").(int64), links.Value(i, "announced_m").(int64)
			if d != links.Value(i, "odometer_m").(int64)-a {
				t.Errorf("%s: link %d: difference %d", file, i+1, d)
			}
			differences = append(differences, d)
			if float64(max(d, -d)) <= max(1000, 0.03*float64(a)) {
				within++
			}
		}
	}
	slices.Sort(differences)
	n := len(differences)
	if n < 140 {
		t.Fatalf("%d links of %d packets 5", n, announcing)
	}
	median, share := differences[n/2], float64(within)/float64(n)
	t.Logf("%d links of %d packets 5: median error %d cm, %.1f %% within max(10 m, 3 %%)", n, announcing, median, 100*share)
	if max(median, -median) > 20 || share < 0.98 {
		t.Errorf("median error %d cm, %.1f %% within max(10 m, 3 %%)", median, 100*share)
	}
}

// TestSampleDynamic holds packets 1 against the headers of their records: the same speed, and the same place within
// what a train goes in the second between them.
func TestSampleDynamic(t *testing.T) {
	dir := samples(t)
	for file := range facts(t, dir) {
		in, r := decodeSample(t, dir, file)
		rows := r.Tables["mmi_dynamic"]
		for i := range rows.Len {
			off := rows.Value(i, "offset").(int64)
			body := in[off+headerBytes : off+headerBytes+30]
			if v := rows.Value(i, "v_train"); v != int64(int16(binary.BigEndian.Uint16(body[3:])))*36 {
				t.Fatalf("%s at %d: v_train %v", file, off, v)
			}
			if p, l := rows.Value(i, "o_train").(int64), rows.Value(i, "location_m").(int64); far(p, l, 80_00) {
				t.Fatalf("%s at %d: o_train %d, record at %d", file, off, p, l)
			}
			if record := rows.Value(i, "record").(int64); r.Tables["records"].Value(int(record-1), "offset") != off {
				t.Fatalf("%s at %d: record %d", file, off, record)
			}
		}
		packets := r.Tables["mmi_packets"]
		for i := range packets.Len {
			off, n := packets.Value(i, "offset").(int64), int64(packets.Value(i, "length").(uint64))
			if !bytes.Equal(packets.Value(i, "body").([]byte), in[off+headerBytes:off+headerBytes+n]) {
				t.Fatalf("%s at %d: body %s", file, off, hex.EncodeToString(packets.Value(i, "body").([]byte)))
			}
			set := packets.Value(i, "set_time")
			if (packets.Value(i, "number") == uint64(3)) != (set != nil) {
				t.Fatalf("%s at %d: set_time %v", file, off, set)
			}
			if set == nil {
				continue
			}
			if d := set.(int64) - packets.Value(i, "time").(int64); d < -1e6 || d > 3e6 {
				t.Fatalf("%s at %d: the time that was set is %d µs from the record's", file, off, d)
			}
		}
	}
}
