package httpapi

import (
	"encoding/binary"
	"math"
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func appendLE(b []byte, x uint64) []byte { return binary.LittleEndian.AppendUint64(b, x) }

func floatBits(f float64) uint64 { return math.Float64bits(f) }

func TestUploadListGet(t *testing.T) {
	w := newWorld(t).start()
	res := w.post("/files?name=a.ru", "RU12345")
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("status %d: %s", res.StatusCode, res.body)
	}
	t.Log(string(res.body))
	for _, p := range []string{"/files", "/files/f0001", "/decodes", "/decodes/d0001", "/system", "/health", "/health/live", "/health/ready", "/plugins", "/plugins/rail", "/files/f0001/hex?length=3", "/files/f0001/content"} {
		res := w.get(p)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d: %s", p, res.StatusCode, res.body)
		}
		t.Log(p, string(res.body))
	}
	t.Log(string(w.get("/api/v1/openapi.json").body))
	t.Log(string(w.get("/files/zzz").body))
	t.Log(string(w.do("BREW", "/files", nil).body))
	t.Log(string(w.get("/files?limit=x").body))
	t.Log(string(w.get("/nothing").body))
	t.Log(string(w.post("/decodes", "{").body))
	t.Log(string(w.post("/decodes", `{"file_id":7}`).body))
}
