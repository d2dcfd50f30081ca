package redact

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// pair is a value and what has to be shown of it.
type pair struct{ in, want any }

type valuer struct{ v slog.Value }

func (v valuer) LogValue() slog.Value { return v.v }

type marshaler struct{ v any }

func (m marshaler) MarshalJSON() ([]byte, error) { return json.Marshal(m.v) }

type textMarshaler struct{ s string }

func (m textMarshaler) MarshalText() ([]byte, error) { return []byte(m.s), nil }

type namedBytes []byte

type namedText string

// textPair is a text with something private in it, or with nothing.
func textPair(t *rapid.T) (in, want string) {
	safe := rapid.SampledFrom([]string{
		"decode finished", "no such file", "token_count=5", "email_queue: 3", "41 of 1700000000000000000", "/api/v1/files/01J", "é ü\n\t",
		"", "at 12:30:15", "a@b", "100% of 5", "-5 --dry-run x", "driver: x", "x.run", "the cards 4111111111111112",
		"id 12345678-1234-1234-1234-123456789012", "/var/lib/wayside/db", "https://example.ru/a?x=1", "basic authentication",
	})
	key := privateKey(t)
	if strings.HasSuffix(strings.ToLower(key), "authorization") {
		key = "token" // else the rest of the line belongs to it
	}
	hidden := rapid.SampledFrom([][2]string{
		{"", ""},
		{key + "=" + canary, key + "=" + Mask},
		{key + ": \"" + canary + " x\"", key + ": \"" + Mask + "\""},
		{`{"` + key + `":"` + canary + `"}`, `{"` + key + `":"` + Mask + `"}`},
		{`{"pass\u0077ord":"` + canary + `"}`, `{"pass\u0077ord":"` + Mask + `"}`},
		{"run --" + strings.ReplaceAll(key, ".", "-") + " " + canary + " -v", "run --" + strings.ReplaceAll(key, ".", "-") + " " + Mask + " -v"},
		{"https://h/p?a=1&" + escape(t, "token") + "=" + canary + "&b=2", ""},
		{"got Bearer " + canary + " from", "got Bearer " + Mask + " from"},
		{"redis://u:" + canary + "@host:6379/1", "redis://u:" + Mask + "@host:6379/1"},
		{"mail " + canary + "@mail.example.org failed", "mail " + Mask + " failed"},
		{"card 4111 1111 1111 1111 " + "used", "card " + Mask + " used"},
		{"open /in/" + canary + " 7/163152.RU: gone", "open /in/" + Mask + "/163152.RU: gone"},
		{`open C:\in\` + canary + `\163152.mmi`, `open C:\in\` + Mask + `\163152.mmi`},
		{"file " + canary + "_9042.MMI read", "file " + Mask + ".MMI read"},
	}).Draw(t, "hidden")
	if hidden[1] == "" && hidden[0] != "" { // what the letters of the key became is not foretold
		at := strings.Index(hidden[0], canary)
		hidden[1] = hidden[0][:at] + Mask + hidden[0][at+len(canary):]
	}
	before, after := safe.Draw(t, "before"), safe.Draw(t, "after")
	return before + " ; " + hidden[0] + " ; " + after, before + " ; " + hidden[1] + " ; " + after
}

func leaf(t *rapid.T) pair {
	in, want := textPair(t)
	switch rapid.IntRange(0, 12).Draw(t, "leaf") {
	case 0:
		n := rapid.Int64().Draw(t, "number") // also one that could be a card's: numbers are no text
		return pair{n, n}
	case 1:
		return pair{4111111111111111, 4111111111111111}
	case 2:
		return pair{true, true}
	case 3:
		return pair{nil, nil}
	case 4:
		return pair{math.NaN(), "NaN"}
	case 5:
		return pair{errors.New(in), want}
	case 6:
		return pair{stringer{in}, want}
	case 7:
		return pair{[]byte(in), want}
	case 8:
		return pair{namedBytes(in), want}
	case 9:
		return pair{namedText(in), want}
	case 10:
		return pair{textMarshaler{in}, want}
	case 11:
		return pair{valuer{slog.StringValue(in)}, want}
	}
	return pair{in, want}
}

func structure(t *rapid.T, depth int) pair {
	if depth == 0 {
		return leaf(t)
	}
	p := structure(t, depth-1)
	key, other := privateKey(t), rapid.SampledFrom([]string{"a", "token_count", "phone_model", "Path"}).Draw(t, "other")
	switch rapid.IntRange(0, 11).Draw(t, "container") {
	case 0:
		return pair{map[string]any{other: p.in, key: structure(t, depth-1).in}, map[string]any{other: p.want, key: Mask}}
	case 1:
		return pair{[]any{p.in, 1}, []any{p.want, 1}}
	case 2:
		return pair{[1]any{p.in}, []any{p.want}}
	case 3:
		return pair{
			struct {
				Field    any `json:"field"`
				DriverID any
				P        any `json:"user_email,omitempty"`
				hidden   any
			}{p.in, p.in, canary, canary},
			map[string]any{"field": p.want, "DriverID": Mask, "user_email": Mask},
		}
	case 4:
		return pair{&p.in, p.want}
	case 5:
		return pair{map[int]any{7: p.in}, map[string]any{"7": p.want}}
	case 6:
		return pair{slog.GroupValue(slog.Any(other, p.in), slog.Any(key, p.in)), map[string]any{other: p.want, key: Mask}}
	case 7:
		return pair{[]slog.Attr{slog.Any("x", p.in), slog.String(key, canary+" and more")}, map[string]any{"x": p.want, key: Mask}}
	case 8:
		return pair{valuer{slog.GroupValue(slog.Any("x", p.in))}, map[string]any{"x": p.want}}
	case 9:
		return pair{http.Header{"Authorization": {canary}, "X-Api-Key": {canary, canary}, "Accept": {"*/*"}}, map[string]any{
			"Authorization": Mask, "X-Api-Key": Mask, "Accept": []any{"*/*"},
		}}
	case 10:
		return pair{map[string]any{"name": key, "value": canary, "x": p.in}, map[string]any{"name": key, "value": Mask, "x": p.want}}
	}
	in, want := textPair(t)
	raw, err := json.Marshal(map[string]any{"x": []any{in, 5}, key: canary})
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]any{"x": []any{want, 5}, key: Mask}
	return rapid.SampledFrom([]pair{{json.RawMessage(raw), shown}, {marshaler{json.RawMessage(raw)}, shown}}).Draw(t, "raw")
}

// plainly gives a value as a reader of its JSON has it.
func plainly(t *rapid.T, v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever is thrown at it: what is private is hidden, and not a byte else is changed.
func TestOnlyWhatIsPrivateIsHidden(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := structure(t, rapid.IntRange(0, 5).Draw(t, "depth"))
		got := plainly(t, (Redactor{}).Value(p.in))
		if d := cmp.Diff(plainly(t, p.want), got); d != "" {
			t.Fatalf("%#v: %s", p.in, d)
		}
		if strings.Contains(fmt.Sprint(got), canary) {
			t.Fatalf("%#v shows: %v", p.in, got)
		}
	})
}

// To hide twice is to hide once: lines are made of errors whose text went through it before.
func TestHidingTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, _ := textPair(t)
		once := (Redactor{}).String(in)
		if twice := (Redactor{}).String(once); twice != once {
			t.Fatalf("%q became %q", once, twice)
		}
	})
}

type tree struct{ Left, Right *tree }

type refuser struct{}

func (refuser) MarshalJSON() ([]byte, error) { panic("no") }

// A value whose parts meet again, or that is very large, costs no more than others and says that something is left out.
func TestValueBounded(t *testing.T) {
	knot := &tree{}
	knot.Left, knot.Right = knot, knot
	list := []any{nil, nil}
	list[0], list[1] = list, list
	loop := map[string]any{}
	loop["a"], loop["b"] = loop, loop
	long := strings.Repeat("word ", 1<<20)
	many := map[string]string{}
	for i := range 100_000 {
		many[fmt.Sprint(i)] = "x"
	}
	for name, v := range map[string]any{
		"knot": knot, "list": list, "loop": loop, "text": long, "bytes": []byte(long), "many": many, "numbers": make([]int, 1<<20),
		"texts": []string{long, long, long, long}, "json": json.RawMessage(`["` + long + `"]`), "deep json": json.RawMessage(strings.Repeat("[", 9000)),
		"error": errors.New(long), "texts of a list": strings.Split(strings.Repeat(strings.Repeat("x", 1<<10)+" ", 1<<10), " "),
	} {
		began := time.Now()
		b, err := json.Marshal((Redactor{}).Value(v))
		if err != nil || len(b) > 2*maxBytes {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		if name != "deep json" && !strings.Contains(string(b), more) {
			t.Errorf("%s: nothing tells that something is left out: %.100s", name, b)
		}
		if took := time.Since(began); took > 3*time.Second { // some ms; without a bound it does not end
			t.Errorf("%s took %v", name, took)
		}
	}
	if got := (Redactor{}).Value(refuser{}); got != "!PANIC" {
		t.Errorf("a type that panics: %v", got)
	}
}

// What stands at the cut of a long text may be the beginning of something private, which cannot be told any more.
func TestCutText(t *testing.T) {
	for shift := range 40 {
		s := strings.Repeat("password="+strings.Repeat("x", 1000)+" ", 33)
		s = s[:4*MaxText-shift-8] + " mail " + canary + "@example.org" + strings.Repeat(" and more", 9)
		if got := (Redactor{}).Text(s); strings.Contains(got, canary[:3]) || !strings.Contains(got, "bytes more") {
			t.Fatalf("%d: %q", shift, got[max(0, len(got)-100):])
		}
	}
}

func TestMissions(t *testing.T) {
	const m = Mask
	for _, tc := range []struct{ in, want string }{
		{"/in/9042 Doe/163152.RU", "/in/" + m + "/163152.RU"},
		{"/in/9042 Doe/day_1.RU", "/in/" + m + "/" + m + ".RU"},
		{`"20241115 Jo Doe.MMI" is cut`, `"` + m + `.MMI" is cut`},
		{"read 20241115_9042.mmi, 5 bytes", "read " + m + ".mmi, 5 bytes"},
		{"9042/163152.ru and 9043/163152.ru", m + "/163152.ru " + m + "/163152.ru"},
		{"name=9042%2F163152.RU&x=1", "name=" + m + ".RU&x=1"},
		{"/163152.RU", "/163152.RU"},
		{"163152.RU", "163152.RU"},
		{"https://example.ru/a https://www.example.ru", "https://example.ru/a https://www.example.ru"},
		{"example.ru", "example.ru"},
		{"a.RUN b.rule", "a.RUN b.rule"},
		{".RU", ".RU"},
	} {
		if got := (Redactor{}).String(tc.in); got != tc.want {
			t.Errorf("String(%q)\n got %q\nwant %q", tc.in, got, tc.want)
		}
	}
}

func BenchmarkValue(b *testing.B) {
	u, err := url.Parse("https://h/p?x=1&token=abc")
	if err != nil {
		b.Fatal(err)
	}
	for name, v := range map[string]any{
		"int": 5, "error": errors.New("open blob: no such file or directory"), "url": u,
		"header":  http.Header{"Authorization": {"Bearer abc"}, "Accept": {"*/*"}, "User-Agent": {"curl/8"}, "X-Request-Id": {"01J"}},
		"payload": json.RawMessage(`{"to":"jo@example.org","subject":"report","params":{"token":"t","rows":[1,2,3]},"text":"hello, all is well"}`),
		"huge":    make([]int, 1<<20),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				(Redactor{}).Value(v)
			}
		})
	}
}
