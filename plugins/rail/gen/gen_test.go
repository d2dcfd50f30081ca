package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommittedTablesAreCurrent(t *testing.T) {
	specs := filepath.FromSlash("../../../../shared/specs")
	if _, err := os.Stat(specs); err != nil {
		t.Skip("no facts of SUBSET-026 beside the project: ", err)
	}
	want, err := generate(specs)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.FromSlash("../balise/tables_gen.go"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("balise/tables_gen.go differs from what is made: go generate ./plugins/rail/balise")
	}
}

func TestLayoutsThatAreWrongAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"A:8 IF B == 1 {C:1}":     "condition on B",
		"A:8 REPEAT N_ITER {B:1}": "repetition by N_ITER",
		"A:65":                    "field",
		"A:8 }":                   "unexpected",
		"A:8 ?":                   "unexpected",
		"A:8 IF A == x {B:1}":     "condition on A",
	} {
		err := newProgram().addPacket(&packet{text: text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSpecialValues(t *testing.T) {
	for _, c := range []struct {
		special string
		bits    int
		value   uint64
		want    string
	}{
		{"00 Left; 01 Right; 10 Both; 11 Spare", 2, 2, "Both"},
		{"0 Level 0; 1 Level NTC; 10 x; 5-7 Spare", 4, 10, "x"},
		{"0 Level 0; 1 Level NTC; 10 x; 5-7 Spare", 4, 6, "Spare"},
		{"1111 1111 never", 15, 32767, "never"},
		{"xxxx xxx1 G1; xxxx xx1x GA; 0000 0000 Spare; 1xxx xxxx Spare", 8, 3, "G1, GA"},
		{"xxxx xxx1 G1; xxxx xx1x GA; 0000 0000 Spare; 1xxx xxxx Spare", 8, 0, "Spare"},
		{"000 a; 011-110 mid", 3, 5, "mid"},
		{"1.05 - 1.55 Spare", 5, 21, "Spare"},
		{"FFFF FFFF none", 32, 0xffffffff, "none"},
		{"A-E Not used; 7 seven", 8, 7, "seven"},
		{"1 AC 16_7 Hz", 4, 1, "AC 16.7 Hz"},
	} {
		d := &described{units: newNames(), meanings: newNames()}
		if err := d.special(fact{special: c.special}, c.bits, &variable{times: 5, by: 100}); err != nil {
			t.Errorf("%s: %v", c.special, err)
			continue
		}
		got := ""
		for _, r := range d.ranges {
			if c.value >= r.from && c.value <= r.to {
				got = d.meanings.list[r.text]
				break
			}
		}
		if got != c.want {
			t.Errorf("%s: %d means %q, want %q", c.special, c.value, got, c.want)
		}
	}
	d := &described{units: newNames(), meanings: newNames()}
	if err := d.special(fact{special: "what is this"}, 8, &variable{}); err == nil {
		t.Error("an entry without a value was taken")
	}
}
