package recorder

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// cells gives the values of some columns of every row of a table, with blanks between them and bars between rows.
func cellsOf(r *sdktest.Result, table string, columns ...string) string {
	rows := r.Tables[table]
	var out []string
	for i := range rows.Len {
		var row []string
		for _, c := range columns {
			v := rows.Value(i, c)
			if b, ok := v.([]byte); ok {
				v = hex.EncodeToString(b)
			}
			row = append(row, fmt.Sprint(v))
		}
		out = append(out, strings.Join(row, " "))
	}
	return strings.Join(out, " | ")
}

func packet(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDisplayTables(t *testing.T) {
	for name, c := range map[string]struct {
		body    string
		table   string
		columns string
		want    string
	}{
		"dynamic": {
			"0100f0032efffe3b9d4c9c3b9dd2c2000004b004e2ffff05aa1c3b9d506d", "mmi_dynamic",
			"v_train a_train o_train o_braketarget v_target t_intervenwar v_permitted v_release v_intervention m_warning m_slip m_slide o_bcsp",
			"29304 -2 164508 198850 0 1200 45000 <nil> 52200 1 true true 165485",
		},
		"status": {
			"0200386472a500", "mmi_status", "m_adhesion mode mode_name level level_name eb sb override trip cabin",
			"100 7 Trip 2 Level 1 2 2 false true 1",
		},
		"status of no level": {"02003800090000", "mmi_status", "level level_name mode_name", "9 <nil> Full Supervision"},
		"driver": {
			"0e00b84142434445464748123441420042434445464720", "driver_data", "packet driver_id operation_number work_shift",
			"14 ABCDEFGH 12344142 BCDEFG",
		},
		"new driver, not ASCII": {
			"6800b8e142434445464748123441420000000000000000", "driver_data", "packet driver_id operation_number work_shift",
			"104 áBCDEFGH 12344142 ",
		},
		"message":         {"08004022b0012100", "driver_messages", "packet kind i_text q_text_class q_text_criteria q_text q_ack", "8 message 34 1 3 289 <nil>"},
		"acknowledgement": {"6f00282310", "driver_messages", "packet kind i_text q_text_class q_text_criteria q_text q_ack", "111 acknowledgement 35 <nil> <nil> <nil> 1"},
		"failure":         {"0900400501280530", "failures", "q_failure_class origin i_unit q_failure_severity i_failure_number q_failure_criteria", "5 cabin 1 1 10245 3"},
		"wayside failure": {"0900400f31280530", "failures", "q_failure_class origin i_unit", "15 wayside 4"},
		"time":            {"030038672b3628", "mmi_packets", "number name length body set_time geo_absolute", "3 MMI_SET_TIME_ATP 7 030038672b3628 1730885160000000 <nil>"},
		"position":        {"050040ffff9cfffe", "mmi_packets", "number set_time geo_absolute geo_relative v_stff", "5 <nil> -100 -2 <nil>"},
		"rules":           {"0b004804570000c350", "mmi_packets", "number v_stff l_stff", "11 39996 50000"},
		"rules, echoed":   {"670048ffff3caffba8", "mmi_packets", "number v_stff l_stff", "103 39996 50000"},
		"other":           {"770028006b", "mmi_packets", "number name body set_time geo_absolute geo_relative v_stff l_stff", "119 MMI_RU_DATA_FROM_CAB_1 770028006b <nil> <nil> <nil> <nil> <nil>"},
		"unknown number":  {"c8002800aa", "mmi_packets", "number name body", "200 <nil> c8002800aa"},
		"train": {
			"6e0178f26ef1e3f1e3f1e3fe43ffdc2bff89ffb9ff9bfa23f82ffeff8cfffffeff96fffffffffff1e3ff32ffee2039", "train_data",
			"packet v_maxtrain_1 v_maxtrain_4 m_train_type nid_engine a_max_dec a_max_acc t_cutofftraction t_brake_eb t_brake_sb eb_curve sb_curve traction m_axleload axle_load_t m_loadinggauge v_maxtrain l_train nc_train m_data_edit_enable",
			"110 125028 130032 444 9172 118 70 100 1500 2000 0:1.15 0:1.05  0 0 0 130032 205 17 57286",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := standingLog()
			l.Record(211, nil)
			l.Record(1, packet(t, c.body))
			r := decodeLog(l)
			if len(r.Issues) > 0 {
				t.Fatal(r.Issues)
			}
			if got := cellsOf(r, c.table, strings.Fields(c.columns)...); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			if got := cellsOf(r, c.table, "seq", "offset", "location_m", "speed_kmh", "record"); got != "1 16 500000 0 2" {
				t.Error(got)
			}
		})
	}
}

func TestTrackDescription(t *testing.T) {
	l := standingLog()
	l.Record(1, packet(t, "04013804e20204e23b9cc66601a03b9dd2c2fffc0100073b9d0e46013b9dd32605000009c4"[:74]))
	l.Record(4, packet(t, "040050ffff0000020000"))
	r := decodeLog(l)
	want := "1 mrsp 0 130150 45000 <nil> <nil> <nil> 45000 -4 | 1 mrsp 1 198850 14976 <nil> <nil> <nil> 45000 -4 | " +
		"1 gradient 0 148550 <nil> 7 <nil> <nil> 45000 -4 | 1 track_condition 0 198950 <nil> <nil> 5 2500 45000 -4 | " +
		"2 none 0 <nil> <nil> <nil> <nil> <nil> <nil> 2"
	got := cellsOf(r, "track_description", "record", "kind", "index", "position_m", "v_mrsp", "g_gradient", "m_trackcond", "l_trackcond", "v_mrsp_curr", "g_gradient_curr")
	if got != want {
		t.Errorf("%s\nwant %s\n%v", got, want, r.Issues)
	}
}

// TestPacketsOfAWrongLength says that nothing of them is lost: they are in mmi_packets, whole, with an issue.
func TestPacketsOfAWrongLength(t *testing.T) {
	for body, issues := range map[string]int{
		"0100f0032e":             1, // too short for its number and for its own length
		"010028032e":             1, // too short for its number
		"77003000":               1, // not as long as it says
		"0200406472a50000":       1, // a byte too many
		"04004004e2ff04e2":       1, // a count beyond the end
		"6e0040f26ef1e3f1":       1,
		"01":                     1,
		"0200380000000000000000": 1,
	} {
		l := standingLog()
		l.Record(1, packet(t, body))
		r := decodeLog(l)
		if got := cellsOf(r, "mmi_packets", "body"); got != body || r.Count(codeBadLength) != issues {
			t.Errorf("%s: %q, issues %v", body, got, r.Issues)
		}
		for name, rows := range r.Tables {
			if strings.HasPrefix(name, "mmi_") && name != "mmi_packets" && rows.Len > 0 {
				t.Errorf("%s: a row in %s", body, name)
			}
		}
	}
	l := standingLog()
	l.Record(1, nil)
	if r := decodeLog(l); r.Count(codeBadLength) != 1 || r.Tables["mmi_packets"].Len != 0 {
		t.Error(r.Issues)
	}
	// A length that is wrong while the layout fits: the row is there, and so is the issue.
	l = standingLog()
	l.Record(1, packet(t, "0200396472a500"))
	if r := decodeLog(l); r.Count(codeBadLength) != 1 || r.Tables["mmi_status"].Len != 1 {
		t.Error(r.Issues)
	}
}

// TestNoDriverDataOutsideItsTable looks for the driver in everything that is not marked sensitive.
func TestNoDriverDataOutsideItsTable(t *testing.T) {
	l := standingLog()
	for _, b := range []string{
		"0e00b84142434445464748123441420042434445464720", "6800b84142434445464748123441420042434445464720",
		"0e00c0414243444546474812344142004243444546472000", "0e0030414243", // of a wrong length
	} {
		l.Record(1, packet(t, b))
		l.Record(4, packet(t, b))
	}
	in := append(railtest.Example(), l.Bytes()...)
	for _, reveal := range []bool{false, true} {
		r := sdktest.Run(Plugin(), bytes.NewReader(in), map[string]string{"reveal": fmt.Sprint(reveal)})
		found := 0
		for name, rows := range r.Tables {
			for _, c := range rows.Table.Columns {
				if c.Sensitive {
					continue
				}
				for i := range rows.Len {
					v := fmt.Sprintf("%s", rows.Value(i, c.Name))
					if strings.Contains(v, "ABC") || strings.Contains(v, "INVENTED") || strings.Contains(v, "SHIFT") {
						found++
						if !reveal {
							t.Errorf("%s.%s of row %d: %q", name, c.Name, i+1, v)
						}
					}
				}
			}
		}
		if reveal && found == 0 {
			t.Error("driver data was asked for, and is not in the bodies")
		}
		if d := r.Tables["driver_data"]; d.Len != 6 || d.Value(0, "driver_id") != "INVENTED" {
			t.Errorf("%d rows of driver data", d.Len)
		}
	}
	sensitive := []string{}
	for _, tab := range Plugin().Manifest().Tables {
		for _, c := range tab.Columns {
			if c.Sensitive {
				sensitive = append(sensitive, tab.Name+"."+c.Name)
			}
		}
	}
	if want := []string{"driver_data.driver_id", "driver_data.operation_number", "driver_data.work_shift"}; !slices.Equal(sensitive, want) {
		t.Error(sensitive)
	}
}

// TestLayoutsCoverWholePackets adds up the fields of the layouts: the console shows a row's bytes by them.
func TestLayoutsCoverWholePackets(t *testing.T) {
	want := map[string][]int64{
		"mmi_dynamic": {46}, "mmi_status": {23}, "failures": {24}, "driver_data": {39}, "driver_messages": {24, 21},
	}
	for _, tab := range Plugin().Manifest().Tables {
		if tab.Name == "records" {
			continue
		}
		for i, l := range tab.Layouts {
			if end := end(l.Fields); end != want[tab.Name][i] {
				t.Errorf("%s: fields of %d bytes, want %d", tab.Name, end, want[tab.Name][i])
			}
		}
		if len(tab.Layouts) != len(want[tab.Name]) {
			t.Errorf("%s: %d layouts", tab.Name, len(tab.Layouts))
		}
	}
}

func end(fields []abi.LayoutField) int64 {
	n := int64(0)
	for _, f := range fields {
		if f.At != n {
			return -1
		}
		n += f.Length
	}
	return n
}

// TestBothWaysOfReadingPackets1 compares the loop over many packets with the reading of one by one, which packets in
// records without a time go.
func TestBothWaysOfReadingPackets1(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := append([]byte{1, 0, 240}, rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x3b, 0x9a, 0xca, 0x7f, 0x80, 0xff}), 27, 27).Draw(t, "body")...)
		l := standingLog()
		l.Record(1, body)
		timed := l.Bytes()
		untimed := slices.Clone(timed)
		untimed[2] = 13 // month
		r := sdktest.Run(Plugin(), bytes.NewReader(append(slices.Clone(timed), untimed...)), nil)
		rows := r.Tables["mmi_dynamic"]
		if rows.Len != 2 {
			t.Fatalf("%d rows, issues %v", rows.Len, r.Issues)
		}
		for _, c := range rows.Table.Columns {
			switch c.Name {
			case "seq", "offset", "time", "record":
				continue
			}
			if a, b := rows.Value(0, c.Name), rows.Value(1, c.Name); a != b {
				t.Errorf("%s: %v in the loop, %v by itself", c.Name, a, b)
			}
		}
		if rows.Value(1, "time") != nil || rows.Value(0, "record") != int64(1) || rows.Value(1, "record") != int64(2) {
			t.Error(rows.Value(1, "time"), rows.Value(0, "record"), rows.Value(1, "record"))
		}
	})
}
