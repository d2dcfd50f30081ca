package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-05-01T00:00:00Z": time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC),
		"12h":                  now.Add(12 * time.Hour),
		"90d":                  now.AddDate(0, 0, 90),
		"1d":                   now.AddDate(0, 0, 1),
	} {
		if got, err := expiry(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"0d", "-1d", "1.5d", "01d", "99999d", "d", "0s", "-3h", "tomorrow", "2026-05-01", "9999999999999h", " 1d"} {
		if got, err := expiry(text, now); err == nil || !strings.Contains(err.Error(), "--expires") {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}

// TestOwnCertificate: the appliance of this machine is known by its certificate, whatever names it has, and another one is not.
func TestOwnCertificate(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	dir := t.TempDir()
	write := func(name string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	mine := srv.Certificate().Raw
	other := append([]byte{}, mine...)
	other[len(other)-1] ^= 1
	nonsense := filepath.Join(dir, "nonsense")
	if err := os.WriteFile(nonsense, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	call := func(caFile, own string) error {
		c, err := httpClient(caFile, own)
		if err != nil {
			return err
		}
		defer c.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(srv.URL, "127.0.0.1", "localhost", 1), nil)
		if err != nil {
			return err
		}
		res, err := c.Do(req) // localhost is no name of this certificate
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	}
	for name, tc := range map[string]struct{ caFile, own, want string }{
		"itself":           {own: write("mine", mine)},
		"another":          {own: write("other", other), want: "does not have the certificate"},
		"no certificate":   {own: nonsense, want: "holds no certificate"},
		"no file":          {own: filepath.Join(dir, "none"), want: "no such file"},
		"authority, name":  {caFile: write("ca", mine), want: "not localhost"},
		"no authority":     {caFile: nonsense, want: "holds no certificate"},
		"no file of those": {caFile: filepath.Join(dir, "none"), want: "no such file"},
	} {
		err := call(tc.caFile, tc.own)
		if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
