package redact

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestKey(t *testing.T) {
	private := []string{
		"password", "Password", "db_password", "userPassword", "dbpassword", "passwords", "password2", "token", "access_token",
		"accessToken", "X-Auth-Token", "api_key", "apiKey", "APIKey", "X-API-Key", "api-keys", "apikey", "secret", "client_secret",
		"secret_key", "Authorization", "Proxy-Authorization", "credit_card", "creditCardNumber", "ssn", "SSN", "user.ssn", "phone",
		"phone_number", "email", "E-Mail", "email_address", "email_addresses", "driver_id", "driverID", "driver id", "DRIVER_ID",
		"driver-id-number", "user[password]", "Set-Cookie",
	}
	open := []string{
		"", "token_count", "email_queue", "tokenizer", "emails_sent", "microphone", "driver", "id", "driver_name", "card", "number",
		"key", "api", "authorized", "secretary", "phone_model", "path", "api_key_count", "request_id", "_", "123", "password_policy",
		"cardinality", "api_requests", "hash", "sha256",
	}
	var r Redactor
	for _, k := range private {
		if !r.Key(k) {
			t.Errorf("Key(%q) = false, want true", k)
		}
	}
	for _, k := range open {
		if r.Key(k) {
			t.Errorf("Key(%q) = true, want false", k)
		}
	}
}

func TestString(t *testing.T) {
	const m = Mask
	for _, tc := range []struct{ in, want string }{
		{"login failed: password=hunter2", "login failed: password=" + m},
		{"password=hunter2&user=x", "password=" + m + "&user=x"},
		{"password=hun;ter2&user=x", "password=" + m + "&user=x"},
		{"secret=hun,ter,2 failed", "secret=" + m + " failed"},
		{"secret=hunter2,user=x;n:1", "secret=" + m + ",user=x;n:1"},
		{"secret=hunter2, then", "secret=" + m + ", then"},
		{"password:\n  hunter2\nuser: x", "password:\n  " + m + "\nuser: x"},
		{"password:\nuser: x", "password:\nuser: x"},
		{"run -password hunter2 -v", "run -password " + m + " -v"},
		{"run -v - password", "run -v - password"},
		{"dial: password: hunter2, user: x", "dial: password: " + m + ", user: x"},
		{`{"password":"a \"b\" c","n":1}`, `{"password":"` + m + `","n":1}`},
		{`{\"password\":\"abc\",\"n\":1}`, `{\"password\":\"` + m + `\",\"n\":1}`},
		{`{"emails": ["a", "b"], "n": 1}`, `{"emails": ` + m + `, "n": 1}`},
		{"map[password:foo n:1]", "map[password:" + m + " n:1]"},
		{"{Password:foo N:1}", "{Password:" + m + " N:1}"},
		{"https://h/p?x=1&token=abc#f", "https://h/p?x=1&token=" + m},
		{"https://h/p?pass%77ord=ab%26cd&x=1", "https://h/p?pass%77ord=" + m + "&x=1"},
		{"to=https%3A%2F%2Fh%3Ftoken%3Dab%2526cd%26x%3D1", "to=https://h?token=" + m + "&x=1"},
		{"q=%7B%22password%22%3A%22x%22%7D", `q={"password":"` + m + `"}`},
		{"Authorization: Bearer abc.def", "Authorization: " + m},
		{"Authorization: Digest username=\"a\", realm=b", "Authorization: " + m + "\"a\", realm=b"},
		{"got Bearer eyJhbGciOi.x-y_z= from", "got Bearer " + m + " from"},
		{"Basic dXNlcjpwYXNz", "Basic " + m},
		{"basic authentication is off, bearer token missing", "basic authentication is off, bearer token missing"},
		{"redis://u:p%40ss@host:6379/1", "redis://u:" + m + "@host:6379/1"},
		{"redis://:pass@host.example.org:6379/1", "redis://:" + m + "@host.example.org:6379/1"},
		{"mail to jo.doe+x@mail.example.org failed", "mail to " + m + " failed"},
		{"mail to jo%40example.org", "mail to " + m},
		{"driver id = 4711; speed = 3", "driver id = " + m + "; speed = 3"},
		{"card 4111 1111 1111 1111 used", "card " + m + " used"},
		{"card 4111-1111-1111-1111.", "card " + m + "."},
		{"card 4111111111111111", "card " + m},
		{"amex 3782 822463 10005", "amex " + m},
		{"order 12 4111111111111111", "order 12 " + m},
		{"card 4111111111111112", "card 4111111111111112"},   // checksum
		{"at 1700000000000000000", "at 1700000000000000000"}, // no issuer
		{"sha a4111111111111111", "sha a4111111111111111"},   // part of a word
		{"x 41111111111111110000", "x 41111111111111110000"}, // too long
		{"id 12345678-1234-1234-1234-123456789012", "id 12345678-1234-1234-1234-123456789012"},
		{"times 41 1234 5678 1005", "times 41 1234 5678 1005"}, // no card begins with a group of two
		{"0000 0000 0000 0000", "0000 0000 0000 0000"},
		{"token_count=5 email_queue: 3", "token_count=5 email_queue: 3"},
		{"open blob: no such file", "open blob: no such file"},
		{"ratio 100% of 5", "ratio 100% of 5"},
		{"a@b", "a@b"},
		{"", ""},
	} {
		if got := (Redactor{}).String(tc.in); got != tc.want {
			t.Errorf("String(%q)\n got %q\nwant %q", tc.in, got, tc.want)
		}
	}
}

func TestQuery(t *testing.T) {
	const m = Mask
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"a=1&b=%20x", "a=1&b=%20x"},
		{"token=abc&x=1", "token=" + m + "&x=1"},
		{"pass%77ord=a%26b&x=1", "pass%77ord=" + m + "&x=1"},
		{"p%2561ssword=1", "p%2561ssword=" + m},
		{"driver+id=7", "driver+id=" + m},
		{"user[password]=x", "user[password]=" + m},
		{"q=jo%40example.org", "q=" + m},
		{"where=speed:gt:5", "where=speed:gt:5"},
		{"next=%2Fx%3Ftoken%3Dabc", "next=%2Fx%3Ftoken%3D" + m},
		{"flag&token=", "flag&token=" + m},
	} {
		if got := (Redactor{}).Query(tc.in); got != tc.want {
			t.Errorf("Query(%q)\n got %q\nwant %q", tc.in, got, tc.want)
		}
	}
}

type stringer struct{ s string }

func (s stringer) String() string { return s.s }

type panicker struct{}

func (*panicker) Error() string { panic("no") }

type inner struct {
	Email string
	N     int
}

func TestValue(t *testing.T) {
	type outer struct {
		inner
		Hidden   string `json:"p"`
		Pass     string `json:"password,omitempty"`
		DriverID int
		Next     *outer `json:"next"`
		Secret   string `json:"s"`
		Skip     string `json:"-"`
		private  string
		Raw      json.RawMessage
		At       time.Time
		Err      error
		Str      fmt.Stringer
		Any      []any
		M        map[int]string
	}
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	in := outer{
		inner: inner{"a@b.org", 4111111111}, Hidden: "ok", Pass: "x", DriverID: 7, Secret: "x", Next: &outer{DriverID: 8}, Skip: "s",
		private: "p", Raw: json.RawMessage(`{"a":[{"token":"t","n":12345678901234567890}]}`), At: at,
		Err: fmt.Errorf("no: %w", errors.New("password=x")), Str: stringer{"email: y"},
		Any: []any{"Bearer abcdef", 5, map[string]any{"ssn": []int{1}}}, M: map[int]string{1: "secret=1"},
	}
	got := (Redactor{}).Value(in).(map[string]any)
	want := map[string]any{
		"Email": Mask, "N": 4111111111, "p": "ok", "password": Mask, "DriverID": Mask, "s": Mask, "At": at,
		"Raw": map[string]any{"a": []any{map[string]any{"token": Mask, "n": json.Number("12345678901234567890")}}},
		"Err": "no: password=" + Mask, "Str": "email: " + Mask,
		"Any": []any{"Bearer " + Mask, 5, map[string]any{"ssn": Mask}}, "M": map[string]any{"1": "secret=" + Mask},
	}
	next := got["next"].(map[string]any)
	if next["DriverID"] != Mask {
		t.Errorf("nested: %v", next)
	}
	delete(got, "next")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if in.Pass != "x" {
		t.Error("the value was changed")
	}
}

func TestValueHeld(t *testing.T) {
	type node struct {
		Self *node
		Map  map[string]any
	}
	n := &node{Map: map[string]any{}}
	n.Self, n.Map["m"] = n, n.Map
	if _, err := json.Marshal((Redactor{}).Value(n)); err != nil {
		t.Errorf("cycle: %v", err)
	}
	if got := (Redactor{}).Value(&panicker{}); got != "!PANIC" {
		t.Errorf("panic: %v", got)
	}
	if got := (Redactor{}).Value((*url.URL)(nil)); got != nil {
		t.Errorf("nil pointer: %v", got)
	}
	u, _ := url.Parse("http://u:pw@h/?token=x")
	if got := (Redactor{}).Value(u); strings.Contains(fmt.Sprint(got), "pw") || strings.Contains(fmt.Sprint(got), "=x") {
		t.Errorf("url: %v", got)
	}
	if got := (Redactor{}).Value(int64(4111111111111111)); got != int64(4111111111111111) {
		t.Errorf("number: %v", got)
	}
}

// canary is a value that stands in no other place of the inputs generated below.
const canary = "zQ7canaryX9"

// nest wraps a value in maps, lists, structs and JSON text at random.
func nest(t *rapid.T, v any) any {
	for range rapid.IntRange(0, 4).Draw(t, "depth") {
		switch rapid.IntRange(0, 5).Draw(t, "wrap") {
		case 0:
			v = map[string]any{"a": v, "b": 1}
		case 1:
			v = []any{1, v}
		case 2:
			v = struct{ Field any }{v}
		case 3:
			v = &v
		case 4:
			if b, err := json.Marshal(v); err == nil {
				v = string(b)
			}
		case 5:
			if b, err := json.Marshal(v); err == nil {
				v = json.RawMessage(b)
			}
		}
	}
	return v
}

func privateKey(t *rapid.T) string {
	key := rapid.SampledFrom([]string{
		"password", "token", "api_key", "secret", "authorization", "credit_card", "ssn", "phone",
		"email", "driver_id", "apiKey", "driverId",
	}).Draw(t, "key")
	prefix := rapid.SampledFrom([]string{"", "user_", "x-", "db.", "A_"}).Draw(t, "prefix")
	if rapid.Bool().Draw(t, "upper") && key == strings.ToLower(key) {
		key = strings.ToUpper(key)
	}
	return prefix + key
}

// No value of a private key is seen, wherever it stands and however deep.
func TestPrivateValuesNeverShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v any
		key := privateKey(t)
		switch rapid.IntRange(0, 6).Draw(t, "form") {
		case 0:
			v = map[string]any{key: canary}
		case 1:
			v = map[string][]string{key: {"x", canary}}
		case 2:
			v = "https://h/p?a=1&" + escape(t, key) + "=" + canary + "&b=2"
		case 3:
			v = url.QueryEscape("https://h/p?a=1&" + key + "=" + canary)
		case 4:
			v = errors.New("cannot open: " + key + ": " + canary)
		case 5:
			v = map[string]any{"x": map[string]any{key: map[string]any{"y": canary}}}
		case 6:
			v = stringer{"a " + key + "=\"" + canary + " z\" b"}
		}
		v = nest(t, v)
		b, err := json.Marshal((Redactor{}).Value(v))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), canary) {
			t.Fatalf("%T %#v shows: %s", v, v, b)
		}
	})
}

// escape writes some letters of a key percent-encoded.
func escape(t *rapid.T, s string) string {
	var b strings.Builder
	for i := range len(s) {
		if rapid.IntRange(0, 3).Draw(t, "escape") == 0 {
			fmt.Fprintf(&b, "%%%02x", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// Text that holds nothing private stays as it is, to the byte.
func TestOrdinaryTextStays(t *testing.T) {
	part := rapid.SampledFrom([]string{
		"file", "=", ":", " ", "\"", "\\", "&", "?", "%", "25", "3D", "abc", "@", ".", "4711", "://", "[", "]",
		"{", "}", "\n", "é", "_count", "token_count=5", "email_queue", "1700000000000000000",
	})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(part, 0, 20).Draw(t, "parts"), "")
		if strings.Contains(s, "@") && strings.Contains(s, ".") || strings.Contains(s, "://") {
			t.Skip("may be an address")
		}
		if got := (Redactor{}).String(s); got != s {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

// The work grows with the length of a text, not with its square.
func TestStringIsLinear(t *testing.T) {
	for _, unit := range []string{
		"token=", "://", "://u:p@", "password:\"", "email: [", "a=", "%25", ".RU", "/.ru", "a.mmi ", "--token ", "--a", `\\u0070`, `\\\\`, "bearer ", "4111 ", "@", "a@b.c",
		"token=\\\"", "1", "token= ", " ", "authorization:", "4111-1111-1111-1112 ",
	} {
		s := strings.Repeat(unit, 1<<18/len(unit))
		start := time.Now()
		(Redactor{}).String(s)
		if took := time.Since(start); took > 3*time.Second { // about 10 ms, with room for a busy machine; a square is minutes
			t.Errorf("256 KiB of %q took %v", unit, took)
		}
	}
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"password=x", "%", "%2", "a=%zz@b.c:d", "\\\"token\\\":\\\"", "Authorization:", "4111-", "://:@", "[[[", "token={", "/a b/1.RU", "--token x", "pass\\u0077ord:x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		(Redactor{}).String(s)
		(Redactor{}).Query(s)
		(Redactor{}).Key(s)
		if out := (Redactor{}).String("password=" + canary + " " + s); strings.Contains(out, canary) {
			t.Errorf("%q shows", out)
		}
	})
}

func BenchmarkString(b *testing.B) {
	for _, s := range []string{"decode finished", "open blob: no such file or directory", "GET /api/v1/files?limit=100&token=abc"} {
		b.Run(s[:6], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				(Redactor{}).String(s)
			}
		})
	}
}
