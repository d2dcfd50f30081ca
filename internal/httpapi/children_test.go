package httpapi

import (
	"testing"

	"github.com/wayside-edge/wayside/internal/catalog"
)

func TestParentAndChildrenOnTheWire(t *testing.T) {
	w := newWorld(t)
	f, d := w.addDecode(catalog.Done, "RU1")
	w.mu.Lock()
	w.files[0].Parent = &catalog.Parent{FileID: "f0000", DecodeID: "d0000", RootID: "f0000", Depth: 2}
	w.decode(d.ID).Children = []string{"f0007"}
	w.mu.Unlock()
	w.start()
	c := newContract(t, w)
	res := w.get("/files/" + f.ID)
	c.check("GET /files/{id}", res)
	if p, _ := res.json(t)["parent"].(map[string]any); p["file_id"] != "f0000" || p["decode_id"] != "d0000" || p["depth"] != 2.0 || p["root_id"] != nil {
		t.Errorf("%s", res.body)
	}
	res = w.get("/decodes/" + d.ID)
	c.check("GET /decodes/{id}", res)
	if kids, _ := res.json(t)["children"].([]any); len(kids) != 1 || kids[0] != "f0007" {
		t.Errorf("%s", res.body)
	}
	c.check("GET /files", w.get("/files?parent=f0000"))
}
