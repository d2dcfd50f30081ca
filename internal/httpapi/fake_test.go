package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/access"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/store"
	"github.com/wayside-edge/wayside/internal/table"
)

// world is an appliance in memory behind the server under test.
type world struct {
	t       testing.TB
	dir     string
	events  *event.Bus
	schemas []*table.Schema

	mu      sync.Mutex
	files   []catalog.File
	decodes []catalog.Decode
	uploads []ingest.Upload
	subs    []*event.Sub
	left    int   // uploads that failed and left nothing
	fail    error // of the next Accept, before it reads
	discard bool  // keep no bytes
	health  Health
	plugins []runtime.Plugin
	direct  func(ctx context.Context, r DirectRequest, w io.Writer) error
	log     bytes.Buffer
	server  *Server
	cfg     Config
	queue   *fakeQueue
	cache   *fakeCache
	kv      *fakeKV
	db      *store.DB // of idempotency keys, where a test wants them
}

func testSchema() *table.Schema {
	return &table.Schema{Name: "points", Description: "measured points", Columns: []table.Column{
		{Name: "seq", Type: table.I64, Description: "row"},
		{Name: "name", Type: table.UTF8, Nullable: true},
		{Name: "speed", Type: table.F64, Unit: "km/h"},
		{Name: "kind", Type: table.Enum8, Labels: []string{"a", "b"}},
	}, RowLength: &table.RowLength{Column: "seq", Plus: 2}, Layouts: []table.Layout{{
		When: map[string][]int64{"kind": {1}}, Fields: []table.LayoutField{{Name: "x", At: 0, Length: 2, Type: "u16"}},
	}}}
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{t: tb, dir: tb.TempDir(), events: event.New(0), schemas: []*table.Schema{testSchema(), table.Issues()}, queue: newFakeQueue()}
	w.cache, w.kv = newFakeCache(), newFakeKV()
	w.health = Health{Ready: true, Components: []Component{{Name: "store", Status: "healthy", Reasons: []Reason{}}}}
	w.plugins = []runtime.Plugin{{
		ID: "rail", Name: "Rail", Version: "1.0.0", SHA256: strings.Repeat("a", 64), Source: runtime.BuiltIn, State: runtime.Active,
		Formats: []runtime.Format{{ID: "rail.ru", Name: "recorder log", Extensions: []string{"ru"}}}, Tables: w.schemas[:1],
	}}
	w.cfg = Config{
		Listen: "127.0.0.1:0", Version: "test", Temp: tb.TempDir(), Logger: slog.New(&idHandler{slog.NewJSONHandler(&lockedWriter{w: &w.log, mu: &w.mu}, nil)}),
		Deps: Deps{
			Ingester: w, Files: w, Decodes: w, Blobs: blobs{w}, Results: results{w}, Events: w, Plugins: w, PluginAdmin: w, Direct: w, System: w,
			Wrapping: wrapping{}, Queue: w.queue.deps(),
			Batches: &fakeBatches{w: w}, Archives: fakeArchives{}, Alerts: fakeAlerts{},
			Logs: &fakeLogs{Bus: event.New(0), levels: LogLevels{Level: "info", Loggers: map[string]string{}}}, Cache: w.cache, CacheAdmin: w.cache, KV: w.kv,
			Readings: &asked{},
		},
	}
	return w
}

// start opens the server and serves until the test ends.
func (w *world) start() *world {
	w.t.Helper()
	s, err := Open(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.server = s
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background()) }()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			w.t.Errorf("close: %v", err)
		}
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
		w.events.Close()
	})
	return w
}

func (w *world) url(path string) string {
	if strings.HasPrefix(path, "http://") {
		return path
	}
	if strings.HasPrefix(path, "/api") || strings.HasPrefix(path, "/health") || path == "/" || strings.HasPrefix(path, "//") || strings.HasPrefix(path, "/docs") {
		return "http://" + w.server.Addr().String() + path
	}
	return "http://" + w.server.Addr().String() + pathPrefix + path
}

// Subscribe keeps who waits.
func (w *world) Subscribe(after uint64, topics ...string) *event.Sub {
	sub := w.events.Subscribe(after, topics...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subs = append(w.subs, sub)
	return sub
}

func (w *world) subscribers() []*event.Sub {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.subs
}

// reply is an answer read to its end.
type reply struct {
	*http.Response
	body []byte
}

func (r reply) json(tb testing.TB) map[string]any {
	tb.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.body, &m); err != nil {
		tb.Fatalf("not json: %v: %.200s", err, r.body)
	}
	return m
}

type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) {
		if name == "Host" {
			r.Host = value
			return
		}
		r.Header.Set(name, value)
	}
}

func (w *world) do(method, path string, body io.Reader, opts ...option) reply {
	w.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, w.url(path), body)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	for _, o := range opts {
		o(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{res, b}
}

func (w *world) get(path string, opts ...option) reply {
	return w.do(http.MethodGet, path, nil, opts...)
}

func (w *world) post(path, body string, opts ...option) reply {
	return w.do(http.MethodPost, path, strings.NewReader(body), opts...)
}

// addDecode records a file of the bytes and a decode of it.
func (w *world) addDecode(status catalog.Status, content string) (catalog.File, catalog.Decode) {
	w.t.Helper()
	acc, err := w.Accept(context.Background(), ingest.Upload{Name: "r.ru", MediaType: anyBytes, Body: strings.NewReader(content), Source: catalog.SourceAPI, Decode: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.decode(acc.Decode.ID)
	d.Status = status
	return acc.File, *d
}

func (w *world) decode(id string) *catalog.Decode {
	for i := range w.decodes {
		if w.decodes[i].ID == id {
			return &w.decodes[i]
		}
	}
	return nil
}

// finish ends a decode and tells the watchers.
func (w *world) finish(id string, status catalog.Status) {
	w.mu.Lock()
	d := w.decode(id)
	d.Status, d.FinishedAt = status, d.CreatedAt.Add(time.Second)
	w.mu.Unlock()
	w.events.Publish(ingest.TopicDecode, id, nil)
}

// writeTable stores a table of a decode with n rows.
func (w *world) writeTable(d catalog.Decode, n int) {
	w.t.Helper()
	s := w.schemas[0]
	f, err := os.OpenFile(filepath.Join(w.dir, d.ResultKey+"."+s.Name), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	enc, err := table.NewEncoder(table.Parquet, f, s, table.EncodeOptions{})
	if err == nil {
		err = enc.Write(points(n))
	}
	if err == nil {
		err = enc.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.decode(d.ID).Tables[0].Rows = int64(n)
}

// points makes rows: seq i+1, name "p<i>" or null every fifth, speed i/2, kind a or b.
func points(n int) *table.Batch {
	b := &table.Batch{Rows: n, Columns: make([]table.Vector, 4)}
	b.Columns[1].Offsets = []uint32{0}
	b.Columns[1].Validity = make([]byte, (n+7)/8)
	for i := range n {
		b.Columns[0].Data = appendLE(b.Columns[0].Data, uint64(i+1))
		if i%5 != 4 {
			b.Columns[1].Data = fmt.Appendf(b.Columns[1].Data, "p%d", i)
			b.Columns[1].Validity[i/8] |= 1 << (i % 8)
		}
		b.Columns[1].Offsets = append(b.Columns[1].Offsets, uint32(len(b.Columns[1].Data)))
		b.Columns[2].Data = appendLE(b.Columns[2].Data, floatBits(float64(i)/2))
		b.Columns[3].Data = append(b.Columns[3].Data, byte(i%2))
	}
	return b
}

func (w *world) Accept(_ context.Context, u ingest.Upload) (ingest.Accepted, error) {
	w.mu.Lock()
	fail := w.fail
	w.mu.Unlock()
	if fail != nil {
		return ingest.Accepted{}, fmt.Errorf("store recording: %w", fail)
	}
	sum := sha256.New()
	tmp, err := os.CreateTemp(w.dir, "upload-*")
	if err != nil {
		return ingest.Accepted{}, err
	}
	defer func() { _ = tmp.Close() }()
	var out io.Writer = tmp
	if w.discard {
		out = io.Discard
	}
	n, err := io.Copy(io.MultiWriter(out, sum), u.Body)
	if err != nil {
		w.mu.Lock()
		w.left++
		w.mu.Unlock()
		return ingest.Accepted{}, fmt.Errorf("store recording: %w", err)
	}
	sha := hex.EncodeToString(sum.Sum(nil))
	if err := os.Rename(tmp.Name(), filepath.Join(w.dir, sha)); err != nil {
		return ingest.Accepted{}, err
	}
	a := w.record(u, sha, n)
	if u.Also != nil {
		return a, w.commit(u.Also(a))
	}
	return a, nil
}

// commit makes durable what a request with an Idempotency-Key stages.
func (w *world) commit(stage ingest.Stage) error {
	b := w.db.Batch()
	if err := stage(b); err != nil {
		return err
	}
	return w.db.Commit(context.Background(), b)
}

func (w *world) record(u ingest.Upload, sha string, n int64) ingest.Accepted {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.uploads = append(w.uploads, u)
	for _, f := range w.files {
		if f.SHA256 == sha && f.Name == u.Name {
			acc := ingest.Accepted{File: f, Existing: true}
			for i := range w.decodes {
				if w.decodes[i].FileID == f.ID && u.Decode {
					acc.Decode = &w.decodes[i]
				}
			}
			return acc
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := catalog.File{ID: fmt.Sprintf("f%04d", len(w.files)+1), Name: u.Name, Size: n, SHA256: sha, MediaType: u.MediaType, Format: "rail.ru", CreatedAt: at, Source: u.Source}
	if strings.HasSuffix(u.Name, ".unknown") {
		f.Format = ""
	}
	w.files = append(w.files, f)
	if !u.Decode {
		return ingest.Accepted{File: f}
	}
	d := catalog.Decode{ID: fmt.Sprintf("d%04d", len(w.decodes)+1), FileID: f.ID, Format: f.Format, Status: catalog.Queued, JobID: "j1", CreatedAt: at, StartedAt: at, ResultKey: "key" + f.ID}
	d.Decoder = &catalog.Decoder{ID: "rail", Version: "1.0.0", SHA256: strings.Repeat("a", 64)}
	d.Tables = []catalog.Table{{Name: "points", Columns: 4}, {Name: "issues", Columns: 7}}
	if f.Format == "" {
		d.Decoder, d.Tables, d.Status, d.FinishedAt, d.ResultKey = nil, nil, catalog.Failed, at, ""
		d.Error = &catalog.Failure{Code: errcode.UnknownFormat, Message: "no decoder knows this format"}
	}
	if u.Params["reveal"] == "true" {
		d.Reveal = true
	}
	w.decodes = append(w.decodes, d)
	return ingest.Accepted{File: f, Decode: &d}
}

func (w *world) Redecode(_ context.Context, r ingest.Redecode) (catalog.Decode, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.decodes {
		if d.FileID == r.FileID {
			if !r.Force {
				return d, true, nil
			}
			d.ID, d.Params = fmt.Sprintf("d99%02d", len(w.decodes)), []byte(`{"a":1}`)
			if r.Also != nil {
				w.decodes = append(w.decodes, d)
				return d, false, w.commit(r.Also(d, false))
			}
			d.ID = "d9999"
			return d, false, nil
		}
	}
	return catalog.Decode{}, false, fmt.Errorf("decode again: %w", errcode.New(errcode.NotFound, "no such file"))
}

func (w *world) DeleteFile(_ context.Context, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.files)
	w.files = slices.DeleteFunc(w.files, func(f catalog.File) bool { return f.ID == id })
	if len(w.files) == before {
		return errcode.New(errcode.NotFound, "no such file")
	}
	return nil
}

func (w *world) DeleteDecode(_ context.Context, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.decode(id) == nil {
		return errcode.New(errcode.NotFound, "no such decode")
	}
	w.decodes = slices.DeleteFunc(w.decodes, func(d catalog.Decode) bool { return d.ID == id })
	return nil
}

func (w *world) Cancel(_ context.Context, id string) (catalog.Decode, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.decode(id)
	switch {
	case d == nil:
		return catalog.Decode{}, errcode.New(errcode.NotFound, "no such decode")
	case d.Status.Final():
		return catalog.Decode{}, errcode.New(errcode.Conflict, "the decode has ended")
	}
	d.Status = catalog.Cancelled
	return *d, nil
}

func (w *world) File(_ context.Context, id string) (catalog.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.files {
		if f.ID == id {
			return f, nil
		}
	}
	if id == "broken" {
		return catalog.File{}, fmt.Errorf("read record: %w", os.ErrPermission)
	}
	if id == "panic" {
		panic("secret state")
	}
	return catalog.File{}, errcode.New(errcode.NotFound, "no such file")
}

func (w *world) Files(_ context.Context, q catalog.FileQuery) ([]catalog.File, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if q.Cursor == "bad" {
		return nil, "", errcode.New(errcode.Malformed, "cursor is not one that this list gave")
	}
	var out []catalog.File
	for _, f := range w.files {
		if f.ID > q.Cursor && strings.Contains(f.Name, q.Name) && (q.Format == "" || q.Format == f.Format) {
			out = append(out, f)
		}
	}
	if len(out) > q.Limit {
		return out[:q.Limit], out[q.Limit-1].ID, nil
	}
	return out, "", nil
}

func (w *world) DecodesOf(_ context.Context, fileID string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, d := range w.decodes {
		if d.FileID == fileID {
			out = append(out, d.ID)
		}
	}
	return out, nil
}

func (w *world) Decode(_ context.Context, id string) (catalog.Decode, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := w.decode(id); d != nil {
		return *d, nil
	}
	return catalog.Decode{}, errcode.New(errcode.NotFound, "no such decode")
}

func (w *world) Decodes(_ context.Context, q catalog.DecodeQuery) ([]catalog.Decode, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []catalog.Decode
	for _, d := range w.decodes {
		if (q.Status == "" || d.Status == q.Status) && (q.FileID == "" || d.FileID == q.FileID) {
			out = append(out, d)
		}
	}
	return out, "", nil
}

func (w *world) Schemas(_ context.Context, d catalog.Decode) ([]*table.Schema, error) {
	if len(d.Tables) == 0 {
		return nil, nil
	}
	return w.schemas, nil
}

type blobs struct{ w *world }

func (b blobs) Open(sha string) (*os.File, error) { return os.Open(filepath.Join(b.w.dir, sha)) }

type results struct{ w *world }

func (r results) Open(key, name string) (*os.File, error) {
	f, err := os.Open(filepath.Join(r.w.dir, key+"."+name))
	if err != nil {
		return nil, errcode.Wrap(errcode.NotFound, err, "no such table")
	}
	return f, nil
}

func (w *world) Plugins() []runtime.Plugin { return w.plugins }

func (w *world) Detect(_ context.Context, head []byte, size int64, name string) (runtime.Detection, error) {
	if !bytes.HasPrefix(head, []byte("RU")) {
		return runtime.Detection{}, errcode.New(errcode.UnknownFormat, "no decoder knows this format")
	}
	c := runtime.Candidate{Format: "rail.ru", Decoder: "rail", Confidence: 0.9}
	return runtime.Detection{Format: fmt.Sprintf("%s/%d", name, size), Decoder: "rail", Confidence: 0.9, Candidates: []runtime.Candidate{c}}, nil
}

func (w *world) Direct(ctx context.Context, r DirectRequest, out TableWriter) error {
	out.Describe(runtime.Partial, runtime.IssueCounts{Errors: 1}, 2)
	return w.direct(ctx, r, out)
}

func (w *world) Info(context.Context) SystemInfo { return SystemInfo{Version: "test"} }

func (w *world) Limits() []Limit {
	return []Limit{{Key: "decode.memory", Value: "64 MiB", Number: 64 << 20, Unit: "bytes", Source: "file", Doc: "Memory."}}
}

func (w *world) Health(context.Context) Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.health
}

// lines gives the log lines with a message.
func (w *world) lines(msg string) []map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []map[string]any
	for line := range bytes.Lines(w.log.Bytes()) {
		m := map[string]any{}
		if json.Unmarshal(line, &m) == nil && m["msg"] == msg {
			out = append(out, m)
		}
	}
	return out
}

type lockedWriter struct {
	w  io.Writer
	mu *sync.Mutex
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// idHandler adds the ids of the request, as app's handler does.
type idHandler struct{ slog.Handler }

func (h *idHandler) Handle(ctx context.Context, r slog.Record) error {
	ids := RequestIDs(ctx)
	r.AddAttrs(slog.String("request_id", ids.Request), slog.String("correlation_id", ids.Correlation))
	return h.Handler.Handle(ctx, r)
}

// auth knows tokens and their scopes.
type auth map[string][]string

func (auth) Required() bool { return true }

func (a auth) Check(token string) (access.Grant, bool) {
	scopes, ok := a[token]
	g := access.Grant{ID: "t" + token, Name: "token " + token}
	for _, s := range scopes {
		g.Scopes = append(g.Scopes, access.Scope(s))
	}
	return g, ok
}

func (auth) Session(string) (g access.Grant, ok bool) { return g, false }

func (auth) SignIn(context.Context, string) (id string, g access.Grant, expires time.Time, err error) {
	return "", g, expires, errcode.New(errcode.Unauthorized, "no")
}

func (auth) SignOut(context.Context, string) error { return nil }

func (a auth) Any() bool { return len(a) > 0 }

func (auth) Tokens() []access.Token { return nil }

func (auth) Token(string) (t access.Token, err error) {
	return t, errcode.New(errcode.NotFound, "none")
}

func (auth) Create(context.Context, access.NewToken) (t access.Token, secret string, err error) {
	return t, "", errcode.New(errcode.Conflict, "none")
}

func (auth) Revoke(context.Context, string) error { return errcode.New(errcode.NotFound, "none") }

func sorted[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
