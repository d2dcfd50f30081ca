package httpapi

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
)

// TestHalfClosedCallerReadsNoSuccess: who closes its side in the middle of a request may still read. What was broken off for its
// sake is not to look like a success without content.
func TestHalfClosedCallerReadsNoSuccess(t *testing.T) {
	w := newWorld(t).start()
	_, d := w.addDecode(catalog.Queued, "RU1")
	conn, err := net.Dial("tcp", w.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET /api/v1/decodes/%s?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n", d.ID); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(conn); len(got) > 0 {
		t.Errorf("answered %.60q", got)
	}
}
