package queue

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wayside-edge/wayside/internal/errcode"
)

func TestParseExported(t *testing.T) {
	for line, want := range map[string]errcode.Code{
		"":                                errcode.Malformed,
		"null":                            errcode.ValidationFailed,
		`{"version":2}`:                   errcode.ValidationFailed,
		`{"version":1,"colour":"red"}`:    errcode.Malformed,
		`{"version":1,"priority":"high"}`: errcode.Malformed,
		`{"version":1,"type":"` + strings.Repeat("x", 1<<20) + `"}`: errcode.TooLarge,
	} {
		if _, err := ParseExported([]byte(line)); !errcode.Is(err, want) {
			t.Errorf("%.40s: %v, want %s", line, err, want)
		}
	}
}

func FuzzParseExported(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"j1","type":"a","status":"retry","payload":{"a":1},"timeout":1e9,"errors":[{"attempt":1,"at":"2026-03-01T12:00:00Z","code":"trap"}]}`))
	f.Add([]byte(`{"version":1,"backoff":{"delays":[1e308,-1]},"status":"active","attempt":3,"crashes":3,"result":1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		x, err := ParseExported(line)
		if err != nil {
			return
		}
		raw, err := json.Marshal(x)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", x, err)
		}
		again, err := ParseExported(raw)
		if len(raw) > MaxTransferLine {
			return
		}
		again.Payload, again.Result, x.Payload, x.Result = nil, nil, nil, nil // written without spaces
		if diff := cmp.Diff(x, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%v (-before +after):\n%s", err, diff)
		}
		if s, err := x.State(); err == nil && (s.Status == Active || s.Attempt < 0 || s.Crashes > s.Attempt) {
			t.Errorf("%+v gives %+v", x, s)
		}
		_, _ = x.New().Prepare(Rules{}.WithDefaults(), x.CreatedAt)
	})
}
