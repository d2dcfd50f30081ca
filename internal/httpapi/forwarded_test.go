package httpapi

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func behindProxies(forwarded bool) *Server {
	return &Server{cfg: Config{
		Forwarded: forwarded,
		Proxies:   []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")},
	}}
}

func TestForwarded(t *testing.T) {
	s := behindProxies(true)
	for _, tc := range []struct{ header, client, host, https string }{
		{"", "10.0.0.1", "", ""},
		{"for=203.0.113.9", "203.0.113.9", "", ""},
		{`For="203.0.113.9:4711";Proto=HTTPS;Host=box.example`, "203.0.113.9", "box.example", "yes"},
		{`for="[2001:db8::1]:80" ; proto=https ; host="box.example:8443"`, "2001:db8::1", "box.example:8443", "yes"},
		{`for="[2001:db8::1]";by=10.0.0.2;ext="a\",b;c=\\"`, "2001:db8::1", "", ""},
		{`for=203.0.113.9;ext="a,b\""`, "203.0.113.9", "", ""},
		{"for=6.6.6.6, for=203.0.113.9", "203.0.113.9", "", ""},
		{"for=6.6.6.6;host=evil.example, for=203.0.113.9", "203.0.113.9", "", ""},
		{"for=203.0.113.9;proto=https;host=box.example, for=10.1.2.3;proto=http;host=inner", "203.0.113.9", "box.example", "yes"},
		{`for="6.6.6.6, for=203.0.113.9`, "203.0.113.9", "", ""}, // a quote that is never closed
		{`for="6.6.6.6\", for=203.0.113.9`, "203.0.113.9", "", ""},
		{"for=unknown;proto=https", "10.0.0.1", "", "yes"},
		{"for=_hidden", "10.0.0.1", "", ""},
		{"for=203.0.113.9;for=6.6.6.6", "10.0.0.1", "", ""},
		{"for=203.0.113.9 6.6.6.6", "10.0.0.1", "", ""},
		{`for="203.0.113.9"x`, "10.0.0.1", "", ""},
		{"203.0.113.9", "10.0.0.1", "", ""},
		{"for=6.6.6.6, =", "10.0.0.1", "", ""},
		{"proto=https", "10.0.0.1", "", "yes"},
		{strings.Repeat("for=10.9.9.9,", 100) + "for=10.8.8.8", "10.9.9.9", "", ""},
	} {
		r := &http.Request{RemoteAddr: "10.0.0.1:5", Header: http.Header{"X-Forwarded-For": {"7.7.7.7"}, "X-Forwarded-Host": {"x.example"}}}
		if tc.header != "" {
			r.Header.Set("Forwarded", tc.header)
		}
		o := s.originOf(r)
		if o.client.String() != tc.client || o.host != tc.host || o.https != (tc.https != "") {
			t.Errorf("%s: %+v, want %+v", tc.header, o, tc)
		}
	}
	r := &http.Request{RemoteAddr: "192.0.2.1:5", Header: http.Header{"Forwarded": {"for=203.0.113.9;proto=https;host=x"}}}
	if o := s.originOf(r); o != (origin{client: netip.MustParseAddr("192.0.2.1")}) {
		t.Errorf("one that is no proxy is believed: %+v", o)
	}
}

func TestXForwarded(t *testing.T) {
	s := behindProxies(false)
	r := &http.Request{RemoteAddr: "10.0.0.1:5", Header: http.Header{
		"Forwarded": {"for=7.7.7.7;host=x;proto=http"}, "X-Forwarded-For": {"203.0.113.9"},
		"X-Forwarded-Proto": {"http", "https"}, "X-Forwarded-Host": {"evil.example, box.example"},
	}}
	if o := s.originOf(r); o != (origin{netip.MustParseAddr("203.0.113.9"), true, true, "box.example"}) {
		t.Errorf("it comes from %+v", o)
	}
	r.RemoteAddr = "192.0.2.1:5"
	if o := s.originOf(r); o != (origin{client: netip.MustParseAddr("192.0.2.1")}) {
		t.Errorf("one that is no proxy is believed: %+v", o)
	}
}

// FuzzForwarded: whatever a client sends, what the proxy adds after it counts, and what cannot be read leaves the proxy.
func FuzzForwarded(f *testing.F) {
	f.Add(`for=6.6.6.6;proto=https;host="a,b"`)
	f.Add(`for="6.6.6.6`)
	f.Add(`a="\`)
	f.Add(`"\\\"",=;=`)
	s := behindProxies(true)
	f.Fuzz(func(t *testing.T, forged string) {
		for _, header := range [][]string{{forged, "for=203.0.113.9;proto=http;host=box"}, {forged + ", for=203.0.113.9;proto=http;host=box"}} {
			r := &http.Request{RemoteAddr: "10.0.0.1:5", Header: http.Header{"Forwarded": header}}
			if o := s.originOf(r); o != (origin{netip.MustParseAddr("203.0.113.9"), true, false, "box"}) {
				t.Errorf("%q made it %+v", forged, o)
			}
		}
		r := &http.Request{RemoteAddr: "10.0.0.1:5", Header: http.Header{"Forwarded": {forged}}}
		if o := s.originOf(r); !o.client.IsValid() || o.client.Zone() != "" {
			t.Errorf("%q made it %+v", forged, o)
		}
		r.RemoteAddr = "192.0.2.1:5"
		if o := s.originOf(r); o != (origin{client: netip.MustParseAddr("192.0.2.1")}) {
			t.Errorf("%q is believed without a proxy: %+v", forged, o)
		}
	})
}

// TestBehindAProxy has this machine as a proxy: what it says of Host only takes rights away, and the cookie is Secure.
func TestBehindAProxy(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth = realAccess(t, false)
	w.cfg.Hosts = []string{"box.example"}
	w.cfg.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	w.start()
	asked := func(host string) option { return header("X-Forwarded-Host", host) }
	if res := w.get("/files", asked("box.example")); res.StatusCode != http.StatusOK {
		t.Errorf("by its name: %d %s", res.StatusCode, res.body)
	}
	wantProblem(t, w.get("/files", asked("evil.example")), 403, "forbidden")
	wantProblem(t, w.get("/files", asked("box.example"), func(r *http.Request) { r.Host = "evil.example" }), 403, "forbidden")
	// Where browsers do not say Sec-Fetch-Site, Origin is compared with the name the browser used.
	_, secret := w.makeToken(`{"name":"a","scopes":["admin"]}`, asked("box.example"), header("Origin", "https://box.example"))
	wantProblem(t, w.post("/session", "{}", asJSON, asked("box.example"), header("Origin", "https://evil.example")), 403, "forbidden")
	in := w.post("/session", `{"token":"`+secret+`"}`, asJSON, header("X-Forwarded-Proto", "https"))
	if c := in.Cookies(); len(c) != 1 || !c[0].Secure {
		t.Errorf("cookies of one who speaks HTTPS with the proxy: %v", c)
	}
}

// TestMetricsAreOpenHereOnly: through a proxy on this machine they are not, whether it is a known one or not.
func TestMetricsAreOpenHereOnly(t *testing.T) {
	for name, tc := range map[string]struct {
		proxy bool
		opts  []option
		open  bool
	}{
		"this machine":                 {open: true},
		"this machine, proxy known":    {proxy: true, open: true},
		"known proxy":                  {proxy: true, opts: []option{header("X-Forwarded-For", "203.0.113.9")}},
		"unknown proxy":                {opts: []option{header("X-Forwarded-For", "203.0.113.9")}},
		"unknown proxy, for itself":    {opts: []option{header("X-Forwarded-For", "127.0.0.1")}},
		"unknown proxy, standard form": {opts: []option{header("Forwarded", "for=127.0.0.1")}},
		"unknown proxy, Via":           {opts: []option{header("Via", "1.1 proxy")}},
		"known proxy, for nobody":      {proxy: true, opts: []option{header("X-Forwarded-For", "unknown")}},
		"known proxy, client's form":   {proxy: true, opts: []option{header("Forwarded", "for=127.0.0.1")}},
		"known proxy, Via":             {proxy: true, opts: []option{header("Via", "1.1 proxy")}},
		"known proxy, for itself":      {proxy: true, opts: []option{header("X-Forwarded-For", "127.0.0.1")}, open: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.cfg.Auth = auth{"r": {"read"}, "u": {"upload"}}
			w.cfg.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
			if tc.proxy {
				w.cfg.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			}
			w.start()
			metrics := "/../../metrics"
			want := http.StatusUnauthorized
			if tc.open {
				want = http.StatusOK
			}
			at := func(r *http.Request) { r.URL.Path = "/metrics" }
			if res := w.get(metrics, append(tc.opts, at)...); res.StatusCode != want {
				t.Errorf("%d, want %d", res.StatusCode, want)
			}
			if tc.open {
				return
			}
			if res := w.get(metrics, append(tc.opts, at, bearer("r"))...); res.StatusCode != http.StatusOK {
				t.Errorf("with a token: %d", res.StatusCode)
			}
			wantProblem(t, w.get(metrics, append(tc.opts, at, bearer("u"))...), 403, "forbidden")
		})
	}
}
