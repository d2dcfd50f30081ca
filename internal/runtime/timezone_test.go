package runtime

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// summer and autumn are local times; the second comes twice in Berlin.
const (
	summer = "2024-07-15T12:00:00"
	autumn = "2024-10-27T02:30:00"
)

// clocked is a guest that writes two times, one of them null, into a table of its manifest and into one that it declares.
// After them it loops for ever if it is to.
func clocked(id, params string, loops bool) []byte {
	g := runtimetest.NewGuest(id, 1, 16)
	g.Change(func(m *abi.Manifest) {
		m.Params = json.RawMessage(params)
		m.Tables = []abi.Table{
			{Name: "rows", Columns: []abi.Column{{Name: "time", Type: abi.TypeTSus, Zone: "naive", Nullable: true}}},
			{Name: "never", Columns: []abi.Column{{Name: "time", Type: abi.TypeTSns, Zone: "naive"}}},
		}
	})
	var times []byte
	for _, s := range []string{summer, autumn} {
		at, _ := time.Parse("2006-01-02T15:04:05", s)
		times = binary.LittleEndian.AppendUint64(times, uint64(at.UnixMicro()))
	}
	g.Data(runtimetest.RowsAt, times)
	g.Data(0x2100, []byte{0b01})
	end := i32(0)
	if loops {
		end = join(runtimetest.Loop(runtimetest.Br(0)), end)
	}
	return g.Decode(
		g.Desc(runtimetest.DescAt, 0, 2, 1, 0, 0, runtimetest.RowsAt, 0x2100, 0, 16),
		g.Text(`{"name":"found","columns":[{"name":"time","type":"ts_us","zone":"naive"}]}`), runtimetest.Call(g.Table), runtimetest.Set(1),
		g.Desc(0x900, 2, 2, 1, 0, 0, runtimetest.RowsAt, 0, 0, 16), end).Wasm()
}

func TestTimesBecomeInstants(t *testing.T) {
	r := newRig(t, short, map[string][]byte{"clock": clocked("clock", "", false), "stops": clocked("stops", "", true)})
	for _, id := range []string{"clock", "stops"} { // the second is killed and run again
		j := r.request(id, []byte("input"))
		naiveTables := r.decode(j).Tables
		if got, want := j.file("rows"), "{\"time\":\""+summer+".000000\"}\n{\"time\":null}\n"; got != want {
			t.Errorf("%s, naive: %s", id, got)
		}
		j.Params = json.RawMessage(`{"timezone":"Europe/Berlin"}`)
		var made []string
		create := j.Create
		j.Create = func(s *table.Schema) (f *os.File, err error) {
			if s.Naive() {
				made = append(made, s.Name)
			}
			return create(s)
		}
		res := r.decode(j)
		if got, want := j.file("rows"), "{\"time\":\"2024-07-15T10:00:00.000000Z\"}\n{\"time\":null}\n"; got != want {
			t.Errorf("%s: %s", id, got)
		}
		if got, want := j.file("found"), "{\"time\":\"2024-07-15T10:00:00.000000Z\"}\n{\"time\":\"2024-10-27T00:30:00.000000Z\"}\n"; got != want {
			t.Errorf("%s, declared: %s", id, got)
		}
		if len(res.Tables) != 4 || len(made) > 0 {
			t.Errorf("%s: %d tables, files made for naive %v", id, len(res.Tables), made)
		}
		for i, tab := range res.Tables {
			if tab.Schema.Naive() || naiveTables[i].Schema.Naive() != (tab.Schema.Name != "issues") {
				t.Errorf("%s: table %s is naive", id, tab.Schema.Name)
			}
		}
	}
}

// TestKilledWithoutRowsHasInstants looks at the tables of a decode that was killed before its first row.
func TestKilledWithoutRowsHasInstants(t *testing.T) {
	g := runtimetest.NewGuest("hangs", 1, 16)
	g.Change(func(m *abi.Manifest) {
		m.Tables[0].Columns[0] = abi.Column{Name: "time", Type: abi.TypeTSus, Zone: "naive"}
	})
	r := newRig(t, short, map[string][]byte{"hangs": g.Decode(runtimetest.Loop(runtimetest.Br(0)), i32(0)).Wasm()})
	j := r.request("hangs", []byte("input"))
	for params, want := range map[string]bool{`{}`: true, `{"timezone":"UTC"}`: false} {
		j.Params = json.RawMessage(params)
		if res := r.decode(j); res.Status != Failed || res.Tables[0].Schema.Naive() != want {
			t.Errorf("%s: %+v", params, res)
		}
	}
}

func TestUnknownZoneInARequest(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"clock": clocked("clock", "", false)})
	for _, name := range []string{"Mars/Phobos", "europe/berlin", "Local"} {
		j := r.request("clock", []byte("input"))
		j.Params = json.RawMessage(`{"timezone":"` + name + `"}`)
		if _, err := r.pool.Decode(t.Context(), j.Request); fieldsOf(t, err) != "param.timezone" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTimezoneParam checks who takes the parameter, and what becomes of it.
func TestTimezoneParam(t *testing.T) {
	const closed = `{"type":"object","additionalProperties":false,"properties":{"deep":{"type":"boolean"}}}`
	found := func(id, params string) []byte {
		g := runtimetest.Lines(id)
		g.Change(func(m *abi.Manifest) { m.Params = json.RawMessage(params) })
		return g.Wasm()
	}
	r := newRig(t, nil, map[string][]byte{
		"clock": clocked("clock", "", false), "closed": clocked("closed", closed, false),
		"home":  clocked("home", `{"properties":{"timezone":{"type":"string","default":"Europe/Berlin"}}}`, false),
		"found": found("found", `{"properties":{"timezone":{"type":["string","null"]}}}`),
		"odd":   found("odd", `{"properties":{"timezone":{"type":"integer"}}}`),
		"lines": found("lines", ""),
	})
	for _, c := range []struct{ plugin, zone, want string }{
		{"clock", "Europe/Berlin", `{"timezone":"Europe/Berlin"}`},
		{"clock", "america/new_york", `{"timezone":"America/New_York"}`},
		{"clock", "", `{}`},
		{"closed", "UTC", `{"timezone":"UTC"}`},
		{"home", "Asia/Tokyo", `{"timezone":"Asia/Tokyo"}`},
		{"home", "", `{}`},
		{"home", "-", `{"timezone":"Europe/Berlin"}`},
		{"found", "utc", `{"timezone":"UTC"}`},
		{"found", "null", `{}`},
		{"clock", "Local", "param.timezone"},
		{"clock", "/etc/localtime", "param.timezone"},
		{"clock", "../Europe/Berlin", "param.timezone"},
		{"clock", "Berlin", "param.timezone"},
		{"closed", "true", "param.timezone"},
		{"odd", "1", "param.timezone"},
		{"lines", "UTC", "param.timezone"},
	} {
		given := map[string]string{"timezone": c.zone}
		if c.zone == "-" {
			given = nil
		}
		got, err := r.reg.Params(c.plugin, given)
		text := string(got)
		if err != nil {
			text = fieldsOf(t, err)
		}
		if text != c.want {
			t.Errorf("%s, %q: %s (%v), want %s", c.plugin, c.zone, text, err, c.want)
		}
	}
	_, err := r.reg.Params("clock", map[string]string{"timezone": "Europe/Berlni"})
	if want := `param.timezone: unknown time zone "Europe/Berlni"; did you mean Europe/Berlin?`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	_, err = r.reg.Params("closed", map[string]string{"zone": "UTC"})
	if err == nil || !strings.Contains(err.Error(), "there are deep, timezone") {
		t.Errorf("an unknown parameter: %v", err)
	}
	if !errcode.Is(err, errcode.ValidationFailed) {
		t.Errorf("%v", err)
	}
	checkShown(t, r)
}

// checkShown checks which plugins' schemas speak of the parameter.
func checkShown(t *testing.T, r *rig) {
	t.Helper()
	got := map[string]string{}
	for _, p := range r.reg.Plugins() {
		var doc struct {
			Type       string `json:"type"`
			Properties map[string]struct {
				Default     string `json:"default"`
				Description string `json:"description"`
			} `json:"properties"`
		}
		if p.ParamsSchema != nil {
			if err := json.Unmarshal(p.ParamsSchema, &doc); err != nil {
				t.Fatal(err)
			}
		}
		words := []string{doc.Type}
		for _, name := range []string{"deep", "timezone"} {
			if v, ok := doc.Properties[name]; ok {
				words = append(words, name+v.Default+strings.Repeat("!", min(len(v.Description), 1)))
			}
		}
		got[p.ID] = strings.Join(words, " ")
	}
	want := map[string]string{
		"clock": "object timezone!", "closed": "object deep timezone!", "home": " timezoneEurope/Berlin", "found": " timezone",
		"odd": " timezone", "lines": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("schemas of parameters (-want +got):\n%s", diff)
	}
}
