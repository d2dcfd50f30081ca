package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/access"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

func (w *world) Usage(id string) runtime.Usage {
	return runtime.Usage{Decodes: int64(len(id)), Workers: 1}
}

// Install takes what begins like a module. It compiles until the first event about it.
func (w *world) Install(_ context.Context, body io.Reader) (runtime.Plugin, bool, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return runtime.Plugin{}, false, err
	}
	id, ok := strings.CutPrefix(string(b), "\x00asm ")
	if !ok {
		return runtime.Plugin{}, false, &runtime.RefusedError{
			Err:    errcode.New(errcode.ValidationFailed, "not a WebAssembly module"),
			Checks: []runtime.Check{{Name: runtime.CheckModule, State: runtime.CheckFailed, Reason: "no module"}, {Name: runtime.CheckManifest, State: runtime.CheckNotReached}},
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.plugins {
		if p.ID == id {
			return p, true, nil
		}
	}
	p := runtime.Plugin{ID: id, Version: "1.0.0", SHA256: id, Source: runtime.Data, State: runtime.Compiling}
	w.plugins = append(w.plugins, p)
	w.events.Publish(runtime.TopicPlugin, id, p)
	return p, false, nil
}

func (w *world) Module(sha string) (runtime.Plugin, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, p := range w.plugins {
		if p.SHA256 == sha {
			if p.State == runtime.Compiling {
				p.State, p.Reason = runtime.Rejected, "it is not good"
				w.plugins[i] = p
			}
			return p, true
		}
	}
	return runtime.Plugin{}, false
}

func (w *world) change(id string, f func(p *runtime.Plugin)) (runtime.Plugin, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.plugins, func(p runtime.Plugin) bool { return p.ID == id })
	if i < 0 {
		return runtime.Plugin{}, errcode.New(errcode.NotFound, "no such plugin")
	}
	f(&w.plugins[i])
	return w.plugins[i], nil
}

func (w *world) Remove(_ context.Context, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.plugins, func(p runtime.Plugin) bool { return p.ID == id })
	switch {
	case i < 0:
		return errcode.New(errcode.NotFound, "no such plugin")
	case w.plugins[i].Source != runtime.Data:
		return errcode.New(errcode.Conflict, "it is built in")
	}
	w.plugins = slices.Delete(w.plugins, i, i+1)
	return nil
}

func (w *world) SetEnabled(_ context.Context, id string, on bool) (runtime.Plugin, error) {
	return w.change(id, func(p *runtime.Plugin) {
		if p.State = runtime.Disabled; on {
			p.State = runtime.Active
		}
	})
}

func (w *world) Reload(_ context.Context, id string) (runtime.Plugin, error) {
	return w.change(id, func(*runtime.Plugin) {})
}

func TestPluginRoutes(t *testing.T) {
	w := newWorld(t)
	w.plugins[0].Others = []runtime.Version{{
		Version: "2.0.0", SHA256: "b", Source: runtime.Data, File: "rail.wasm", State: runtime.Rejected, Reason: "no good",
		Checks: []runtime.Check{{Name: runtime.CheckSignature, State: runtime.CheckFailed, Reason: "no key"}, {Name: runtime.CheckRules, State: runtime.CheckNotReached}},
		Tables: []*table.Schema{{Name: "new", Columns: []table.Column{{Name: "v", Type: table.Dec32, Scale: 2, Unit: "m/s"}}}},
	}}
	w.plugins[0].Formats[0].Sequence = &runtime.Sequence{At: 3, Length: 7}
	w.plugins[0].Signature = runtime.Signature{State: runtime.SignatureValid, KeyID: "aa"}
	w.plugins[0].Limits.MemoryMiB = 2
	w.start()
	form, formType := form(t, "x.wasm", "\x00asm formed")
	for _, tc := range []struct {
		method, path, body string
		opts               []option
		status             int
		state, code        string
	}{
		{"POST", "/plugins", "\x00asm one", nil, 201, "compiling", ""},
		{"POST", "/plugins?wait=5", "\x00asm two", nil, 201, "rejected", ""},
		{"POST", "/plugins", "\x00asm two", nil, 200, "rejected", ""},
		{"POST", "/plugins", form, []option{formType}, 201, "compiling", ""},
		{"POST", "/plugins", "(module)", nil, 422, "", "validation_failed"},
		{"POST", "/plugins/rail/disable", "", nil, 200, "disabled", ""},
		{"POST", "/plugins/rail/enable", "", nil, 200, "active", ""},
		{"POST", "/plugins/rail/reload", "", nil, 200, "active", ""},
		{"POST", "/plugins/none/enable", "", nil, 404, "", "not_found"},
		{"DELETE", "/plugins/rail", "", nil, 409, "", "conflict"},
		{"DELETE", "/plugins/one", "", nil, 204, "", ""},
		{"DELETE", "/plugins/one", "", nil, 404, "", "not_found"},
	} {
		res := w.do(tc.method, tc.path, strings.NewReader(tc.body), tc.opts...)
		var got struct {
			State string `json:"state"`
			Code  string `json:"code"`
		}
		if len(res.body) > 0 {
			if err := json.Unmarshal(res.body, &got); err != nil {
				t.Fatal(err)
			}
		}
		if res.StatusCode != tc.status || got.State != tc.state || got.Code != tc.code {
			t.Errorf("%s %s: %d %s, want %d %s %s", tc.method, tc.path, res.StatusCode, res.body, tc.status, tc.state, tc.code)
		}
	}
	refused := string(w.do("POST", "/plugins", strings.NewReader("(module)")).body)
	if want := `"checks":[{"name":"module","state":"failed","reason":"no module"},{"name":"manifest","state":"not_reached","reason":null}]`; !strings.Contains(refused, want) {
		t.Errorf("no %s in %s", want, refused)
	}
	list := string(w.get("/plugins").body)
	if strings.Contains(list, `"fields"`) || !strings.Contains(list, `"columns":4}`) {
		t.Errorf("the list has the columns of tables: %s", list)
	}
	body := string(w.get("/plugins/rail?columns=true").body)
	for _, part := range []string{
		`"sequence":{"at":3,"length":7}`, `"signature":{"state":"valid","key_id":"aa"}`, `"memory_bytes":2097152`, `"decodes":4,`,
		`"others":[{"version":"2.0.0","sha256":"b","source":"data","file":"rail.wasm","state":"rejected","reason":"no good"`,
		`"checks":[{"name":"signature","state":"failed","reason":"no key"},{"name":"rules","state":"not_reached","reason":null}],"tables":[{"name":"new","description":"","columns":1,"fields":[{"name":"v","type":"dec32(2)","unit":"m/s"}]}]`,
		`"fields":[{"name":"seq","type":"i64","unit":""},`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
}

// tokens allows what the token says.
type tokens struct{ auth }

func (tokens) Check(token string) (access.Grant, bool) {
	return access.Grant{ID: token, Scopes: []access.Scope{access.Scope(token)}}, true
}

func TestPluginsAreChangedByAdminsOnly(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth = tokens{}
	w.start()
	for _, route := range []string{"POST /plugins", "DELETE /plugins/rail", "POST /plugins/rail/enable", "POST /plugins/rail/disable", "POST /plugins/rail/reload"} {
		method, path, _ := strings.Cut(route, " ")
		for _, scope := range []string{"read", "upload", "work"} {
			if res := w.do(method, path, strings.NewReader("x"), header("X-API-Key", scope)); res.StatusCode != 403 {
				t.Errorf("%s with scope %s: %d", route, scope, res.StatusCode)
			}
		}
	}
	if res := w.do("POST", "/plugins/rail/reload", nil, header("X-API-Key", "admin")); res.StatusCode != 200 {
		t.Errorf("admin: %d %s", res.StatusCode, res.body)
	}
}
