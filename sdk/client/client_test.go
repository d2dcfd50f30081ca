package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestCalls(t *testing.T) {
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = append(got, strings.Join([]string{r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(b)}, "|"))
		switch {
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, `{"items":[{"id":"a","reason":null,"others":[{"version":null,"state":"rejected"}]}],"next_cursor":null}`)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "/enable"):
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"code":"conflict","detail":"it is off in the configuration"}`)
		case strings.HasSuffix(r.URL.Path, "/disable"):
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>")
		case strings.HasSuffix(r.URL.Path, "/reload"):
			_, _ = io.WriteString(w, "<html>")
		default:
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"id":"new","state":"rejected","reason":"no good"}`)
		}
	}))
	defer srv.Close()
	c, err := New(Config{Server: strings.TrimPrefix(srv.URL, "http://") + "/", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Plugins(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != "a" || list[0].Others[0].State != "rejected" {
		t.Errorf("list: %+v %v", list, err)
	}
	p, existing, err := c.InstallPlugin(t.Context(), strings.NewReader("wasm"), 4, 1500*time.Millisecond)
	if err != nil || existing || p.ID != "new" || p.Reason != "no good" {
		t.Errorf("install: %+v %v %v", p, existing, err)
	}
	if err := c.RemovePlugin(t.Context(), "system:a b.wasm"); err != nil {
		t.Errorf("remove: %v", err)
	}
	_, err = c.EnablePlugin(t.Context(), "a")
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != "conflict" || e.Status != 409 || err.Error() != "it is off in the configuration" {
		t.Errorf("enable: %v", err)
	}
	_, err = c.DisablePlugin(t.Context(), "a")
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != "" || err.Error() != "the server answered 502" {
		t.Errorf("disable: %v", err)
	}
	if _, err = c.ReloadPlugin(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "not an appliance's") {
		t.Errorf("reload: %v", err)
	}
	want := []string{
		"GET|/api/v1/plugins?limit=1000|Bearer t||", "POST|/api/v1/plugins?wait=1.5|Bearer t|application/wasm|wasm",
		"DELETE|/api/v1/plugins/system:a%20b.wasm|Bearer t||", "POST|/api/v1/plugins/a/enable|Bearer t||",
	}
	for i, w := range want {
		if got[i] != w {
			t.Errorf("call %d: %s, want %s", i, got[i], w)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, bad := range []string{"", "ftp://x", "http://", "::", "/x"} {
		if _, err := New(Config{Server: bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	srv := httptest.NewServer(nil)
	srv.Close()
	c, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Plugins(t.Context()); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), srv.URL) {
		t.Errorf("nobody there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Plugins(ctx); errors.Is(err, ErrUnreachable) || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
