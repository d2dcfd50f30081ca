//go:build e2e

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/httpapi/certtest"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// TestRedisServerOverTLS speaks to the same keys over TLS and without, and finds that what is not TLS is not answered there.
func TestRedisServerOverTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	roots := x509.NewCertPool()
	roots.AddCert(certtest.Write(t, cert, key, "redis"))
	plain, secure := kvAddress(t), kvAddress(t)
	t.Setenv("WAYSIDE_KV_TLS_LISTEN", secure)
	t.Setenv("WAYSIDE_KV_TLS_CERT", cert)
	t.Setenv("WAYSIDE_KV_TLS_KEY", key)
	start(t, t.TempDir(), "--kv-listen", plain)

	conn, err := tls.Dial("tcp", secure, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	c := kvtest.On(t, conn)
	if got := c.Text("SET", "key", "over TLS"); got != "OK" {
		t.Errorf("SET over TLS: %s", got)
	}
	if got := kvtest.Dial(t, plain).Text("GET", "key"); got != "over TLS" {
		t.Errorf("GET without TLS: %s", got)
	}
	bare, err := net.Dial("tcp", secure)
	if err != nil {
		t.Fatal(err)
	}
	b := kvtest.On(t, bare)
	b.Send("PING")
	if !b.Closed() {
		t.Error("a client without TLS is not closed")
	}
}

// TestRedisServerWithoutTakenAddresses starts the appliance where others have its addresses: it does without those, says
// which they are, and serves on the rest.
func TestRedisServerWithoutTakenAddresses(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certtest.Write(t, cert, key, "redis")
	socket := filepath.Join(dir, "kv.sock")
	hold, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	plain := kvAddress(t)
	t.Setenv("WAYSIDE_KV_TLS_LISTEN", taken.Addr().String())
	t.Setenv("WAYSIDE_KV_TLS_CERT", cert)
	t.Setenv("WAYSIDE_KV_TLS_KEY", key)
	t.Setenv("WAYSIDE_KV_UNIX_SOCKET", socket)
	a := start(t, t.TempDir(), "--kv-listen", plain)
	if got := kvtest.Dial(t, plain).Text("PING"); got != "PONG" {
		t.Errorf("PING where the address is free: %s", got)
	}
	var h struct {
		Components []struct{ Name, Status, Detail string }
	}
	a.get("/health/ready", &h)
	for _, part := range h.Components {
		if part.Name == "kv" {
			if part.Status != "degraded" || !strings.Contains(part.Detail, "kv.tls_listen: "+taken.Addr().String()) ||
				!strings.Contains(part.Detail, "kv.unix_socket: "+socket) || strings.Contains(part.Detail, "kv.listen") {
				t.Errorf("health says %+v", part)
			}
			return
		}
	}
	t.Errorf("health says nothing: %+v", h)
}
