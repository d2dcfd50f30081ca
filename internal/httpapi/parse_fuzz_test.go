package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// FuzzBatchCursor: what a client sends as a cursor begins in the batch, or is none; those that were given are read back.
func FuzzBatchCursor(f *testing.F) {
	u := &united{members: []member{{at: 1, decode: "d1"}, {at: 4, decode: "d4"}}}
	for _, s := range []string{batchCursor{1, "d1", ""}.String(), batchCursor{4, "d4", "x"}.String(), batchCursor{4, "d1", ""}.String(), "", "e30", "bnVsbA", "W10"} {
		f.Add(s, 1, "d1", "")
	}
	f.Fuzz(func(t *testing.T, s string, at int, decode, rows string) {
		left, _, err := u.start(s)
		if code := errcode.Of(err); err != nil && code != errcode.Malformed && code != errcode.Conflict || (err == nil) != (len(left) > 0) {
			t.Errorf("cursor %q: %v %v", s, left, err)
		}
		c := batchCursor{at, decode, rows}
		left, inner, err := u.start(c.String())
		i := slices.IndexFunc(u.members, func(m member) bool { return m.at == at && m.decode == decode })
		if utf8 := strings.ToValidUTF8(rows, "\ufffd"); i >= 0 && (err != nil || len(left) != len(u.members)-i || utf8 == rows && inner != rows) {
			t.Errorf("%+v: %v %q %v", c, left, inner, err)
		}
		if i < 0 && err == nil && strings.ToValidUTF8(decode, "\ufffd") == decode {
			t.Errorf("%+v is taken", c)
		}
	})
}

// FuzzTrim compares fields= with what encoding/json makes of the same document.
func FuzzTrim(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[{"a":2}],"c":"\"a\":,}"}`, `{}`, `[{"a":1},{"b":2}]`, `{"a":{"b":"\\"},"b":null}`, `{"a":1,"a":2}`, `[]`} {
		f.Add([]byte(s), "a", "b")
	}
	f.Fuzz(func(t *testing.T, doc []byte, one, two string) {
		_, _ = trimBody(doc, []string{one, two}) // whatever it is
		var whole map[string]json.RawMessage
		if one == two || json.Unmarshal(doc, &whole) != nil || whole == nil {
			return
		}
		for name := range whole {
			if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) }) {
				return // names of members are plain ones
			}
		}
		var compact bytes.Buffer
		plain, err := json.Marshal(whole)
		if err != nil || json.Compact(&compact, plain) != nil {
			t.Fatal(err)
		}
		out, err := trimBody(compact.Bytes(), []string{one, two})
		if err != nil {
			t.Fatalf("%s: %v", compact.Bytes(), err)
		}
		var want []string
		for _, name := range []string{one, two} {
			if v, ok := whole[name]; ok {
				var c bytes.Buffer
				_ = json.Compact(&c, v)
				m, _ := json.Marshal(map[string]json.RawMessage{name: v})
				want = append(want, strings.Trim(string(m), "{}"))
			}
		}
		var got, expected map[string]json.RawMessage
		if json.Unmarshal(out, &got) != nil || json.Unmarshal([]byte("{"+strings.Join(want, ",")+"}"), &expected) != nil {
			return
		}
		for name, v := range expected {
			if !bytes.Equal(got[name], v) {
				t.Errorf("%s of %s is %s", name, compact.Bytes(), out)
			}
		}
		if len(got) != len(expected) {
			t.Errorf("%q and %q of %s are %s", one, two, compact.Bytes(), out)
		}
	})
}

// FuzzIDs: what is taken over from a client into logs and headers is plain.
func FuzzIDs(f *testing.F) {
	f.Add("r1", "c.2-x_y", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("a b", strings.Repeat("x", 129), "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("", "\x00", "01-00000000000000000000000000000000-b7ad6b7169203331-01-more")
	f.Fuzz(func(t *testing.T, request, correlation, trace string) {
		st := newState(&http.Request{Header: http.Header{"X-Request-Id": {request}, "X-Correlation-Id": {correlation}, "Traceparent": {trace}}})
		for _, id := range []string{st.ids.Request, st.ids.Correlation} {
			if !validID(id) {
				t.Errorf("id %q", id)
			}
		}
		if id := st.ids.Trace; id != "" && (len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || !strings.Contains(trace, id)) {
			t.Errorf("trace %q of %q", id, trace)
		}
		if validID(request) && st.ids.Request != request {
			t.Errorf("%q became %q", request, st.ids.Request)
		}
	})
}

// FuzzHostName: names that differ in more than case, port and a final dot do not become one.
func FuzzHostName(f *testing.F) {
	for _, s := range []string{"localhost", "LOCALHOST:8000", "[::1]:80", "::1", "localhost.", "localhost:1:2", "[localhost", "a@localhost", "localhost.evil", " localhost"} {
		f.Add(s)
	}
	s := &Server{hosts: allowedHosts(Config{Listen: "127.0.0.1:0"})}
	f.Fuzz(func(t *testing.T, host string) {
		if !s.known(&http.Request{}, host) {
			return
		}
		rest := strings.ToLower(host)
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			rest = strings.Replace(rest, name, "", 1)
		}
		if i := strings.LastIndexByte(rest, ':'); i >= 0 {
			rest = rest[:i]
		}
		if rest = strings.Trim(rest, "[]."); rest != "" {
			t.Errorf("Host %q is known", host)
		}
	})
}
