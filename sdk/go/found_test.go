package sdk_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// finder runs a decoder with one table of its manifest.
func finder(decode func(in *sdk.Input, known *sdk.Table) error) *sdktest.Result {
	p := sdk.New(sdk.Info{ID: "finder"}, func(s *sdk.Schema) *sdk.Table { return s.Table("known", "") }, decode)
	return sdktest.Run(p, bytes.NewReader(nil), nil)
}

func TestTableFoundAtRunTime(t *testing.T) {
	r := finder(func(in *sdk.Input, known *sdk.Table) error {
		known.EndRow()
		for n := range 2 {
			tab := in.Table(fmt.Sprintf("found_%d", n), "found")
			v := tab.Int32(tab.Name("Temp. [°C]"), sdk.Attr{Unit: "Cel", Nullable: true})
			w := tab.Text(tab.Name("temp c"), sdk.Attr{Description: "a \"text\""})
			if err := tab.Open(); err != nil {
				return err
			}
			for i := range 10_000 {
				v.SetOr(int32(i), i%3 != 0)
				w.Set(fmt.Sprint("row ", i))
				tab.EndRow()
			}
		}
		known.EndRow()
		return nil
	})
	if r.Code != abi.DecodeOK || r.Tables["known"].Len != 2 {
		t.Fatalf("%d %s %s, %+v", r.Code, r.FailCode, r.FailText, r.Tables["known"])
	}
	for _, name := range []string{"found_0", "found_1"} {
		rows := r.Tables[name]
		if rows == nil || rows.Len != 10_000 {
			t.Fatalf("%s: %+v", name, rows)
		}
		if c := rows.Table.Columns; len(c) != 3 || c[1].Unit != "Cel" || c[2].Description != `a "text"` {
			t.Errorf("%s: %+v", name, c)
		}
		if seq, v, w := rows.Value(9_998, "seq"), rows.Value(9_998, "temp_c"), rows.Value(9_999, "temp_c_2"); seq != int64(9_999) || v != int64(9_998) || w != "row 9999" {
			t.Errorf("%s: %v %v %v", name, seq, v, w)
		}
		if v := rows.Value(9_999, "temp_c"); v != nil {
			t.Errorf("%s: a null became %v", name, v)
		}
	}
}

// names are texts of headers and the names that every SDK makes of them; the tests in C and Rust have the same.
var names = [][2]string{
	{"Temp. [°C]", "temp_c"},
	{"temp c", "temp_c_2"},
	{"temp_c", "temp_c_3"},
	{"seq", "seq_4"},
	{"", "column"},
	{"--", "column_5"},
	{"1. Achse", "c1_achse"},
	{" U(t) ", "u_t"},
	{"\xff\xfe", "column_6"},
	{strings.Repeat("a", 62) + " b", strings.Repeat("a", 62) + "_"},
	{strings.Repeat("a", 62) + "-c", strings.Repeat("a", 61) + "_7"},
}

func TestColumnNames(t *testing.T) {
	finder(func(in *sdk.Input, _ *sdk.Table) error {
		tab := in.Table("t", "")
		for _, n := range names {
			got := tab.Name(n[0])
			if got != n[1] {
				t.Errorf("%q: %s, want %s", n[0], got, n[1])
			}
			tab.Int8(got, sdk.Attr{})
		}
		return tab.Open()
	})
}

// TestManyColumnsOfOneName is a header whose names are meant to collide: it must not take the time of its square's square.
func TestManyColumnsOfOneName(t *testing.T) {
	r := finder(func(in *sdk.Input, _ *sdk.Table) error {
		tab := in.Table("t", "")
		for i := range abi.MaxColumns - 1 {
			name := "x"
			if i > 0 && i < 2000 {
				name = fmt.Sprint("x_", i+1)
			}
			tab.Int8(tab.Name(name), sdk.Attr{})
		}
		return tab.Open()
	})
	if r.Code != abi.DecodeOK || len(r.Tables["t"].Table.Columns) != abi.MaxColumns {
		t.Errorf("%d %s", r.Code, r.FailText)
	}
}

func TestTableLimits(t *testing.T) {
	one := func(in *sdk.Input, table, column string) error {
		tab := in.Table(table, "")
		tab.Int8(column, sdk.Attr{})
		return tab.Open()
	}
	for name, c := range map[string]struct {
		decode func(in *sdk.Input) error
		code   string
		tables int
	}{
		"tables": {func(in *sdk.Input) error {
			for i := range abi.MaxTables {
				if err := one(in, fmt.Sprint("t", i), "v"); err != nil {
					return err
				}
			}
			return nil
		}, sdk.CodeTableLimit, abi.MaxTables},
		"columns": {func(in *sdk.Input) error {
			tab := in.Table("t", "")
			for i := range abi.MaxColumns {
				tab.Int8(fmt.Sprint("c", i), sdk.Attr{})
			}
			return tab.Open()
		}, sdk.CodeTableLimit, 1},
		"schemas": {func(in *sdk.Input) error {
			for i := range 3 {
				tab := in.Table(fmt.Sprint("t", i), strings.Repeat("x", abi.MaxManifestBytes/3))
				if err := tab.Open(); err != nil {
					return err
				}
			}
			return nil
		}, sdk.CodeTableLimit, 3},
		"name of a table":  {func(in *sdk.Input) error { return one(in, "T", "v") }, sdk.CodeTrap, 1},
		"the host's own":   {func(in *sdk.Input) error { return one(in, abi.ReservedTable, "v") }, sdk.CodeTrap, 1},
		"name of a column": {func(in *sdk.Input) error { return one(in, "t", "a b") }, sdk.CodeTrap, 1},
		"a long name":      {func(in *sdk.Input) error { return one(in, "t", strings.Repeat("a", 64)) }, sdk.CodeTrap, 1},
		"seq":              {func(in *sdk.Input) error { return one(in, "t", "seq") }, sdk.CodeTrap, 1},
		"known":            {func(in *sdk.Input) error { return one(in, "known", "v") }, sdk.CodeTrap, 1},
		"twice":            {func(in *sdk.Input) error { return errors.Join(one(in, "t", "v"), one(in, "t", "v")) }, sdk.CodeTrap, 2},
		"opened twice":     {func(in *sdk.Input) error { tab := in.Table("t", ""); return errors.Join(tab.Open(), tab.Open()) }, sdk.CodeTrap, 2},
		"rows before open": {func(in *sdk.Input) error { in.Table("t", "").EndRow(); return nil }, sdk.CodeTrap, 1},
		"a value before":   {func(in *sdk.Input) error { in.Table("t", "").Int8("v", sdk.Attr{}).Set(1); return nil }, sdk.CodeTrap, 1},
		"a late column": {func(in *sdk.Input) error {
			tab := in.Table("t", "")
			err := tab.Open()
			tab.Int8("v", sdk.Attr{})
			return err
		}, sdk.CodeTrap, 2},
		"never opened": {func(in *sdk.Input) error { in.Table("t", "").Int8("v", sdk.Attr{}); return nil }, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := finder(func(in *sdk.Input, _ *sdk.Table) error { return c.decode(in) })
			if r.FailCode != c.code || len(r.Tables) != c.tables {
				t.Errorf("%s: %s, %d tables", r.FailCode, r.FailText, len(r.Tables))
			}
		})
	}
}
