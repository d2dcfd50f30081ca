package sdk_test

import (
	"bytes"
	"testing"

	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

func TestLossyTextsAndWholeNumbers(t *testing.T) {
	type table struct {
		*sdk.Table
		text   *sdk.Text
		number *sdk.Int64
	}
	texts := map[string]string{"plain": "plain", "a\xff\xfeb\xe2\x82c\xed\xa0\x80\xf0\x9f\x98\x80": "a\uFFFDb\uFFFDc\uFFFD😀", "": ""}
	numbers := map[string]int64{"n": -12, "none": 9, "broken": 9, "huge": 9}
	var order []string
	p := sdk.New(sdk.Info{ID: "t"}, func(s *sdk.Schema) table {
		t := s.Table("t", "")
		return table{Table: t, text: t.Text("text", sdk.Attr{}), number: t.Int64("number", sdk.Attr{})}
	}, func(in *sdk.Input, out table) error {
		for v := range texts {
			order = append(order, v)
			out.text.SetLossy([]byte(v))
			out.number.Set(0)
			out.EndRow()
		}
		for key, want := range numbers {
			if got := in.IntParam(key, 9); got != want {
				return sdk.Fail("corrupt_record", "%s is %d, not %d", key, got, want)
			}
		}
		return nil
	})
	r := sdktest.Run(p, bytes.NewReader(nil), map[string]string{"n": "-12", "broken": "1x", "huge": "99999999999999999999"})
	if r.Code != 0 {
		t.Fatal(r.FailCode, r.FailText)
	}
	for i, v := range order {
		if got := r.Tables["t"].Value(i, "text"); got != texts[v] {
			t.Errorf("%q became %q", v, got)
		}
	}
}
