package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// queueCall is a call of the queue's routes with what its answer has to hold. Calls build on each other: the first job
// is j0001, the first lease 1.
type queueCall struct {
	op, path, body string
	status         int
	want           string
}

func queueCalls() []queueCall {
	big := strings.Repeat("x", queue.MaxResult)
	return []queueCall{
		{"POST /jobs", "/jobs", `{"type":"mail","payload":{"to":"a"},"priority":9,"delay":0}`, 201, `"id":"j0001","type":"mail","queue":"default","priority":9,"status":"ready","payload":{"to":"a"}`},
		{"POST /jobs", "/jobs", `{"jobs":[{"type":"a","unique_key":"u"},{"type":"b","run_at":"2030-01-01T00:00:00+01:00"}]}`, 201, `"run_at":"2029-12-31T23:00:00.000000Z"`},
		{"POST /jobs", "/jobs", `{"type":"a","unique_key":"u"}`, 200, `"id":"j0002"`},
		{"POST /jobs", "/jobs", `{"type":"a","backoff":{"kind":"list","delays":[1,2.5],"jitter":0},"timeout":1.5,"limit_key":"d1","result_ttl":5}`, 201, `"backoff":{"kind":"list","delays":[1,2.5],"jitter":0}`},
		{"POST /jobs", "/jobs", `{"payload":1}`, 422, `"field":"type"`},
		{"POST /jobs", "/jobs", `{"type":"decode"}`, 422, `made by the appliance alone`},
		{"POST /jobs", "/jobs", `{"jobs":[{"type":"a"},{"type":"decode"}]}`, 422, `"field":"jobs[1].type"`},
		{"POST /jobs", "/jobs", `{"jobs":[{"type":"a"},{"type":"b","priority":11}]}`, 422, `"field":"jobs[1].priority"`},
		{"POST /jobs", "/jobs", `{"type":"a","priority":11}`, 422, `"field":"priority"`},
		{"POST /jobs", "/jobs", `{"type":"a","prio":1}`, 422, `"field":"prio","message":"unexpected property"`},
		{"POST /jobs", "/jobs", `{"type":"a","priority":"high"}`, 422, `expected integer, not string`},
		{"POST /jobs", "/jobs", `{"type":"a","run_at":"soon"}`, 422, `expected a time of RFC 3339`},
		{"POST /jobs", "/jobs", `{"type":"a","run_at":"2030-01-01T00:00:00Z","delay":1}`, 422, `"field":"delay"`},
		{"POST /jobs", "/jobs", `{"type":"a","delay":-1}`, 422, `"field":"delay"`},
		{"POST /jobs", "/jobs", `{"type":"a","timeout":1e300}`, 422, `"field":"timeout"`},
		{"POST /jobs", "/jobs", `{"type":"a","jobs":[{"type":"a"}]}`, 422, `either one job or jobs`},
		{"POST /jobs", "/jobs", `{"jobs":[]}`, 422, `1 to 10000 jobs`},
		{"POST /jobs", "/jobs", `{"type":"a"`, 400, `"code":"malformed"`},
		{"POST /jobs", "/jobs", `{"type":"a"} {}`, 400, `something follows`},
		{"POST /jobs", "/jobs", "{\"type\":\"a\xff\"}", 400, `UTF-8`},
		{"POST /jobs", "/jobs", ``, 400, `"code":"malformed"`},
		{"POST /jobs", "/jobs", `{"type":"a","payload":"` + strings.Repeat("x", maxJobsBody) + `"}`, 413, `"code":"too_large"`},
		{"GET /jobs", "/jobs?sort=oldest&limit=2", "", 200, `"next_cursor":"j0002"`},
		{"GET /jobs", "/jobs?status=ready,scheduled&queue=default&type=mail&q=to&since=2020-01-01T00:00:00Z&ids=j0001,j0002", "", 200, `"items":[{"id":"j0001"`},
		{"GET /jobs", "/jobs?fields=id,status&limit_key=d1", "", 200, `{"items":[{"id":"j0004","status":"ready"}],`},
		{"GET /jobs", "/jobs?status=odd", "", 422, `"field":"status[0]"`},
		{"GET /jobs", "/jobs?since=yesterday", "", 422, `"field":"since"`},
		{"GET /jobs", "/jobs?cursor=bad", "", 400, `"code":"malformed"`},
		{"GET /jobs/{id}", "/jobs/j0001", "", 200, `"errors":[]`},
		{"GET /jobs/{id}", "/jobs/j9999", "", 404, `no such job`},
		{"GET /jobs/{id}/result", "/jobs/j0001/result", "", 200, `{"id":"j0001","status":"ready","result":null,"error":null,"finished_at":null}`},
		{"GET /jobs/{id}/result", "/jobs/j0001/result?wait=31", "", 422, `"field":"wait"`},
		{"POST /jobs/{id}/promote", "/jobs/j0003/promote", "", 200, `"status":"ready"`},
		{"POST /jobs/{id}/promote", "/jobs/j0003/promote", "", 409, `"code":"conflict"`},
		{"PATCH /jobs/{id}", "/jobs/j0003", `{"priority":7,"payload":[1],"queue":"q","run_at":"2031-01-01T00:00:00Z"}`, 200, `"priority":7,"status":"ready","payload":[1]`},
		{"PATCH /jobs/{id}", "/jobs/j0003", `{"type":"c"}`, 422, `unexpected property`},
		{"PATCH /jobs/{id}", "/jobs/j0003", `{"run_at":"x"}`, 422, `RFC 3339`},
		{"POST /jobs/{id}/cancel", "/jobs/j0003/cancel", "", 200, `"status":"cancelled"`},
		{"POST /jobs/{id}/cancel", "/jobs/j0003/cancel", "", 409, `has ended`},
		{"POST /jobs/{id}/retry", "/jobs/j0003/retry", "", 200, `"status":"ready"`},
		{"DELETE /jobs/{id}", "/jobs/j0003", "", 204, ``},
		{"DELETE /jobs/{id}", "/jobs/j0003", "", 404, `no such job`},
		{"POST /jobs/actions", "/jobs/actions", `{"action":"retry","filter":{"status":["ready"]}}`, 200, `"done":0,"failed":3,"error":{"code":"conflict"`},
		{"POST /jobs/actions", "/jobs/actions", `{"action":"retry","filter":{}}`, 422, `"field":"filter"`},
		{"POST /jobs/actions", "/jobs/actions", `{"action":"explode","filter":{"queue":"a"}}`, 422, `"field":"action"`},

		{"POST /jobs", "/jobs", `{"type":"a","run_at":"tomorrow"}`, 422, `"field":"run_at","message":"expected a time of RFC 3339`},
		{"POST /jobs", "/jobs", `{"type":"a","run_at":5}`, 422, `"field":"run_at"`},
		{"POST /jobs", "/jobs", `{"jobs":[{"type":"a"},{"type":"a","run_at":"x"}]}`, 422, `"field":"jobs[1].run_at"`},
		{"POST /jobs", "/jobs", `{"type":"a","delay":"5s"}`, 422, `"field":"delay","message":"expected number, not string"`},
		{"POST /jobs", "/jobs", `{"jobs":[{"type":"a"},{"type":"a","delay":"5s"}]}`, 422, `"field":"jobs[1].delay"`},
		{"POST /jobs", "/jobs", `{"type":"a","max_attempts":1.5}`, 422, `"field":"max_attempts","message":"expected integer, not 1.5"`},
		{"POST /jobs", "/jobs", `{"type":"a","backoff":{"kind":"list","delays":[1,"x"]}}`, 422, `"field":"backoff.delays[1]"`},
		{"GET /jobs", "/jobs?since=yesterday", "", 422, `"field":"since","message":"expected a time of RFC 3339`},
		{"GET /jobs", "/jobs?until=2026-13-01", "", 422, `"field":"until","message":"expected a time of RFC 3339`},
		{"POST /jobs/actions", "/jobs/actions", `{"action":"retry","filter":{"status":["dead"],"since":"x"}}`, 422, `"field":"filter.since"`},
		{"POST /jobs/actions", "/jobs/actions", `{"action":"retry","filter":{"status":["dead"],"until":"2026-01-02t03:04:05z"}}`, 422, `"field":"filter.until"`},
		{"POST /leases", "/leases", `{"worker":"w1","release":[{"id":"j","lease":"1","delay":"1m"}]}`, 422, `"field":"release[0].delay"`},
		{"POST /leases/heartbeat", "/leases/heartbeat", `{"worker":"w1","leases":[{"id":"j","lease":"1","progress":"half"}]}`, 422, `"field":"leases[0].progress"`},
		{"POST /schedules", "/schedules", `{"id":"x","cron":"@daily","job":{"type":"a","run_at":"x"}}`, 422, `"field":"job.run_at"`},
		{"POST /flows", "/flows", `{"jobs":[{"key":"a","type":"x"},{"key":"b","type":"x","run_at":"x"}]}`, 422, `"field":"jobs[1].run_at"`},
		{"PATCH /queues/{name}", "/queues/mail", `{"rate":{"jobs":1,"per":"1m"}}`, 422, `"field":"rate.per"`},

		{"POST /leases", "/leases", `{"worker":"w1","max":2,"lease_seconds":60,"types":["mail","a"]}`, 200, `"lease":"1","lease_expires_at":"2026-01-02T03:05:05.000006Z"},{"id":"j0002"`},
		{"POST /leases", "/leases", `{"worker":"w1","types":["none"]}`, 200, `{"jobs":[],"drain":false,"acked":[],"failed":[],"released":[],"lost":[],"refused":[]}`},
		{"POST /leases", "/leases", `{"max":1}`, 422, `"field":"worker"`},
		{"POST /leases", "/leases", `{"worker":"a/b"}`, 422, `"field":"worker"`},
		{"POST /leases", "/leases", `{"worker":"w","types":["decode"]}`, 422, `"field":"types"`},
		{"POST /leases", "/leases", `{"worker":"w","wait":31}`, 422, `"field":"wait"`},
		{"POST /leases", "/leases", `{"worker":"w","max":257}`, 422, `"field":"max"`},
		{"POST /leases", "/leases", `{"worker":"w","lease_seconds":4}`, 422, `"field":"lease_seconds"`},
		{"POST /leases/heartbeat", "/leases/heartbeat", `{"worker":"w1","leases":[{"id":"j0001","lease":"1","progress":0.5,"progress_text":"half"},{"id":"j0001","lease":"9"},{"id":"j","lease":"?"}]}`, 200, `{"leases":[{"id":"j0001","state":"ok","expires_at":"2026-01-02T03:05:05.000006Z"},{"id":"j0001","state":"lost","expires_at":null},{"id":"j","state":"lost","expires_at":null}]}`},
		{"POST /leases/heartbeat", "/leases/heartbeat", `{"leases":[]}`, 422, `"field":"worker"`},
		{"GET /jobs/{id}", "/jobs/j0001", "", 200, `"progress":0.5,"progress_text":"half"`},
		{"PATCH /jobs/{id}", "/jobs/j0001", `{"priority":1}`, 409, `at work`},
		{"POST /leases/finish", "/leases/finish", `{"worker":"w1","ack":[{"id":"j0001","lease":"1","result":"` + big + `"}]}`, 200, `"refused":[{"id":"j0001","code":"too_large"`},
		{"POST /leases/finish", "/leases/finish", `{"worker":"w1","ack":[{"id":"j0001","lease":"1","result":{"n":1}},{"id":"j0001","lease":"1"}],"fail":[{"id":"j0002","lease":"2","error":{"code":"no_mail","message":"bad address"},"dead":true}]}`, 200, `{"acked":["j0001"],"failed":["j0002"],"released":[],"lost":["j0001"],"refused":[]}`},
		{"POST /leases/finish", "/leases/finish", `{"fail":[{"id":"j0002","lease":"2","error":{"code":"No Mail"}}]}`, 422, `"field":"fail[0].error.code"`},
		{"POST /leases/finish", "/leases/finish", `{"fail":[{"id":"j0002","lease":"2","error":{},"retry_in":-1}]}`, 422, `"field":"fail[0].retry_in"`},
		{"GET /jobs/{id}/result", "/jobs/j0001/result?wait=5", "", 200, `"status":"completed","result":{"n":1},"error":null`},
		{"GET /jobs/{id}/result", "/jobs/j0002/result", "", 200, `"status":"dead","result":null,"error":{"attempt":1,"at":"2026-01-02T03:04:05.000006Z","code":"no_mail","message":"bad address"}`},
		{"GET /jobs", "/jobs?code=no_mail&status=dead", "", 200, `"items":[{"id":"j0002"`},
		{"GET /jobs", "/jobs?code=no_mail", "", 200, `"errors":null,"last_error":{"attempt":1,"at":"2026-01-02T03:04:05.000006Z","code":"no_mail","message":"bad address"}`},
		{"GET /jobs", "/jobs?ids=j0002&fields=id,last_error", "", 200, `{"items":[{"id":"j0002","last_error":{"attempt":1,"at":"2026-01-02T03:04:05.000006Z","code":"no_mail","message":"bad address"}}]`},
		{"GET /jobs", "/jobs?ids=j0004&fields=errors,last_error", "", 200, `{"items":[{"errors":null,"last_error":null}]`},
		{"POST /leases", "/leases", `{"worker":"w1"}`, 200, `"id":"j0004"`},
		{"POST /leases", "/leases", `{"worker":"w1","release":[{"id":"j0004","lease":"3","delay":0}]}`, 200, `"lease":"4"`},
		{"GET /workers", "/workers", "", 200, `"id":"w1","external":true,"draining":false`},
		{"POST /workers/{id}/drain", "/workers/w1/drain", "", 200, `"draining":true`},
		{"POST /leases", "/leases", `{"worker":"w1","wait":30}`, 200, `"drain":true`},
		{"POST /workers/{id}/resume", "/workers/w1/resume", "", 200, `"draining":false`},
		{"POST /workers/{id}/drain", "/workers/none/drain", "", 404, `no such worker`},

		{"GET /queues", "/queues", "", 200, `"name":"decode","weight":5`},
		{"GET /queues/{name}", "/queues/none", "", 404, `no such queue`},
		{"PUT /queues/{name}", "/queues/mail", `{"weight":3,"max_active":2,"rate":{"jobs":10,"per":60}}`, 200, `"max_active":2,"rate":{"jobs":10,"per":60},"key_max_active":0,"key_rate":null`},
		{"PATCH /queues/{name}", "/queues/mail", `{"key_rate":{"jobs":1,"per":0.5,"burst":3}}`, 200, `"weight":3,"configured_weight":0,"paused":false`},
		{"GET /queues/{name}", "/queues/mail", "", 200, `"rate":{"jobs":10,"per":60},"key_max_active":0,"key_rate":{"jobs":1,"per":0.5,"burst":3}`},
		{"PATCH /queues/{name}", "/queues/mail", `{"rate":null}`, 200, `"rate":null,"key_max_active":0,"key_rate":{"jobs":1`},
		{"PATCH /queues/{name}", "/queues/mail", `{"rate":{"jobs":0,"per":1}}`, 422, `rate`},
		{"PUT /queues/{name}", "/queues/a%20b", `{}`, 422, `"field":"name"`},
		{"PUT /queues/{name}", "/queues/mail", `{"colour":1}`, 422, `unexpected property`},
		{"POST /queues/{name}/pause", "/queues/mail/pause", "", 200, `"paused":true`},
		{"POST /queues/{name}/resume", "/queues/mail/resume", "", 200, `"paused":false`},
		{"POST /queues/{name}/drain", "/queues/mail/drain?wait=5", "", 200, `"paused":true`},
		{"POST /queues/{name}/purge", "/queues/q/purge", "", 200, `{"removed":0}`},
		{"DELETE /queues/{name}", "/queues/mail", "", 204, ``},
		{"DELETE /queues/{name}", "/queues/decode", "", 409, `built in`},

		{"GET /queue-mode", "/queue-mode", "", 200, `{"mode":"weighted","ageing":600,"set":{"mode":null,"ageing":null},"configured":{"mode":"weighted","ageing":600}}`},
		{"PATCH /queue-mode", "/queue-mode", `{"mode":"strict","ageing":90}`, 200, `{"mode":"strict","ageing":90,"set":{"mode":"strict","ageing":90},`},
		{"PATCH /queue-mode", "/queue-mode", `{"ageing":null}`, 200, `{"mode":"strict","ageing":600,"set":{"mode":"strict","ageing":null},`},
		{"PATCH /queue-mode", "/queue-mode", `{"mode":"loose"}`, 422, `"field":"mode"`},
		{"PATCH /queue-mode", "/queue-mode", `{"ageing":0.5}`, 422, `"field":"ageing"`},
		{"PATCH /queue-mode", "/queue-mode", `{"mode":null}`, 200, `"set":{"mode":null,`},

		{"POST /schedules", "/schedules", `{"id":"nightly","cron":"0 3 * * *","timezone":"Europe/Berlin","job":{"type":"report","payload":1}}`, 201, `"missed":"once"`},
		{"POST /schedules", "/schedules", `{"id":"nightly","cron":"0 3 * * *","timezone":"Europe/Berlin","job":{"type":"report","payload":1}}`, 200, `"id":"nightly"`},
		{"POST /schedules", "/schedules", `{"id":"nightly","cron":"0 4 * * *","job":{"type":"report"}}`, 409, `there is another schedule`},
		{"POST /schedules", "/schedules", `{"id":"Nightly!","cron":"0 4 * * *","job":{"type":"report"}}`, 422, `"field":"id"`},
		{"POST /schedules", "/schedules", `{"id":"x","cron":"never","job":{"type":"report"}}`, 422, `"field":"cron"`},
		{"POST /schedules", "/schedules", `{"id":"x","cron":"@daily","job":{"type":"decode"}}`, 422, `"field":"job.type"`},
		{"PUT /schedules/{id}", "/schedules/x", `{"cron":"@daily","job":{"type":"report","delay":3}}`, 422, `"field":"job.delay"`},
		{"PUT /schedules/{id}", "/schedules/x", `{"cron":"@daily","job":{"type":"report"},"missed":"all","missed_max":3,"overlap":"queue"}`, 200, `"missed":"all","missed_max":3,"overlap":"queue"`},
		{"GET /schedule-times", "/schedule-times?cron=@hourly&timezone=Asia/Taipei&limit=2", "", 200, `{"times":[{"at":"2026-01-02T03:04:05.000006Z","local":"2026-01-02T11:04:05+08:00"},{"at":"2026-01-02T04:04:05.000006Z","local":"2026-01-02T12:04:05+08:00"}]}`},
		{"GET /schedule-times", "/schedule-times?cron=never", "", 422, `"field":"cron"`},
		{"GET /schedule-times", "/schedule-times?cron=@hourly&timezone=Nowhere", "", 422, `"field":"timezone"`},
		{"GET /schedule-times", "/schedule-times", "", 422, `cron`},
		{"GET /schedule-times", "/schedule-times?cron=@hourly&limit=21", "", 422, `limit`},
		{"GET /schedules", "/schedules?fields=id", "", 200, `{"items":[{"id":"nightly"},{"id":"x"}]`},
		{"GET /schedules", "/schedules", "", 200, `"total":2`},
		{"GET /schedules/{id}", "/schedules/nightly", "", 200, `"timezone":"Europe/Berlin","job":{"type":"report","queue":null`},
		{"GET /schedules/{id}", "/schedules/none", "", 404, `no such schedule`},
		{"POST /schedules/{id}/pause", "/schedules/x/pause", "", 200, `"paused":true`},
		{"POST /schedules/{id}/resume", "/schedules/x/resume", "", 200, `"paused":false`},
		{"POST /schedules/{id}/run", "/schedules/x/run", "", 200, `"schedule_id":"x"`},
		{"DELETE /schedules/{id}", "/schedules/x", "", 204, ``},
		{"DELETE /schedules/{id}", "/schedules/x", "", 404, `no such schedule`},

		{"POST /flows", "/flows", `{"jobs":[{"key":"a","type":"fetch"},{"key":"b","type":"merge","depends_on":["a"],"on_failure":"continue"}]}`, 201, `"key":"b","depends_on":["a"],"on_failure":"continue"`},
		{"POST /flows", "/flows", `{"jobs":[{"key":"a","type":"fetch","depends_on":["z"]}]}`, 422, `no job of the flow`},
		{"POST /flows", "/flows", `{"jobs":[{"key":"a","type":"fetch"},{"key":"b","type":"decode"}]}`, 422, `"field":"jobs[1].type"`},
		{"POST /flows", "/flows", `{"jobs":[]}`, 422, `"field":"jobs"`},
		{"POST /flows", "/flows", `{"jobs":[{"type":"fetch"}]}`, 422, `key`},
		{"GET /flows", "/flows?limit=1", "", 200, `"jobs":null`},
		{"GET /flows/{id}", "/flows/f1", "", 200, `"status":"active"`},
		{"GET /flows/{id}", "/flows/f9", "", 404, `no such flow`},
		{"POST /flows/{id}/cancel", "/flows/f1/cancel", "", 200, `"status":"cancelled"`},

		{"GET /jobs/export", "/jobs/export?type=report", "", 200, `"type":"report"`},
		{"POST /jobs/import", "/jobs/import", exported("j7", "moved", "") + "\n\n" + exported("j8", "moved", `,"unique_key":"k"`) + "\n" + exported("j9", "moved", `,"unique_key":"k"`), 200, `{"imported":2,"duplicates":1}`},
		{"POST /jobs/import", "/jobs/import", exported("j7", "moved", "") + "\n" + exported("j8", "decode", ""), 422, `line 2: type: `},
		{"POST /jobs/import", "/jobs/import", exported("j7", "moved", `,"attempt":-1`), 422, `"field":"jobs[0].attempt"`},
		{"POST /jobs/import", "/jobs/import", `{"type":"moved"}`, 422, `line 1: version: `},
		{"POST /jobs/import", "/jobs/import", `{"type":`, 400, `line 1: `},
		{"POST /jobs/import", "/jobs/import", `{"type":"` + strings.Repeat("x", queue.MaxTransferLine), 413, `line 1: `},
	}
}

// exported is a line of an export.
func exported(id, typ, more string) string {
	return `{"version":1,"id":"` + id + `","type":"` + typ + `","queue":"default","priority":5,"status":"ready","payload":{"x": 1},"max_attempts":4,` +
		`"timeout":60,"soft_timeout":50,"created_at":"2026-01-02T03:04:05Z"` + more + `}`
}

// checkCalls calls routes and holds their answers against the document.
func checkCalls(t *testing.T, w *world, c *contract, calls []queueCall) {
	t.Helper()
	for _, tc := range calls {
		method, _, _ := strings.Cut(tc.op, " ")
		res := w.do(method, tc.path, strings.NewReader(tc.body), header("Content-Type", "application/json"))
		if res.StatusCode != tc.status || !strings.Contains(string(res.body), tc.want) {
			t.Errorf("%s %s %.200s: %d %.900s, want %d %s", method, tc.path, tc.body, res.StatusCode, res.body, tc.status, tc.want)
		}
		if tc.status >= 400 {
			code, _ := res.json(t)["code"].(string)
			wantProblem(t, res, tc.status, code)
		}
		if !strings.Contains(tc.path, "fields=") {
			c.check(tc.op, res)
		}
	}
}

func TestJobsCarryTheIDsOfTheirRequest(t *testing.T) {
	w := newWorld(t).start()
	const trace = "0af7651916cd43dd8448eb211c80319c"
	for _, tc := range []struct{ path, body, request, correlation, trace string }{
		{"/jobs", `{"type":"a"}`, "r1", "c1", trace},
		{"/jobs", `{"jobs":[{"type":"a","request_id":"mine","correlation_id":"its","trace_id":"t"}]}`, "mine", "its", "t"},
		{"/flows", `{"jobs":[{"key":"k","type":"a"}]}`, "r1", "c1", trace},
	} {
		w.post(tc.path, tc.body, header("Content-Type", "application/json"), header("X-Request-ID", "r1"), header("X-Correlation-ID", "c1"),
			header("Traceparent", "00-"+trace+"-b7ad6b7169203331-01"))
		w.queue.mu.Lock()
		j := w.queue.jobs[len(w.queue.jobs)-1]
		w.queue.mu.Unlock()
		if want := (queue.Trace{RequestID: tc.request, CorrelationID: tc.correlation, TraceID: tc.trace}); j.Trace != want {
			t.Errorf("%s %s: %+v, want %+v", tc.path, tc.body, j.Trace, want)
		}
	}
}

func TestIdempotencyKeys(t *testing.T) {
	w := newWorld(t).start()
	post := func(key, body string) reply {
		return w.post("/jobs", body, header("Content-Type", "application/json"), header("Idempotency-Key", key))
	}
	if res := post("k", `{"type":"a"}`); res.StatusCode != 201 || res.json(t)["duplicate"] != false || res.Header.Get("Location") != "/api/v1/jobs/j0001" {
		t.Errorf("first: %d %s %v", res.StatusCode, res.body, res.Header)
	}
	if res := post("k", `{"type":"a"}`); res.StatusCode != 200 || res.json(t)["id"] != "j0001" || res.json(t)["duplicate"] != true {
		t.Errorf("again: %d %s", res.StatusCode, res.body)
	}
	wantProblem(t, post("k", `{"type":"b"}`), 409, "conflict")
	wantProblem(t, post(strings.Repeat("k", 129), `{"type":"b"}`), 422, "validation_failed")
	wantProblem(t, post("", `{"type":"b"}`), 422, "validation_failed")
}

func TestJobsNeedJSON(t *testing.T) {
	w := newWorld(t).start()
	wantProblem(t, w.post("/jobs", `a=b`, header("Content-Type", "application/x-www-form-urlencoded")), 415, "unsupported_media_type")
	if res := w.post("/jobs", `{"type":"a"}`, header("Content-Type", "application/json; charset=utf-8")); res.StatusCode != 201 {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
}

func TestTheApplianceOwnJobs(t *testing.T) {
	w := newWorld(t).start()
	w.queue.jobs = []queue.Job{{ID: "j0001", Type: "decode", Queue: "decode", Status: queue.Ready}, {ID: "j0002", Type: "mail", Status: queue.Ready}}
	wantProblem(t, w.do(http.MethodPatch, "/jobs/j0001", strings.NewReader(`{"priority":1}`), header("Content-Type", "application/json")), 409, "conflict")
	if res := w.get("/jobs/export"); strings.Contains(string(res.body), "decode") || strings.Count(string(res.body), "\n") != 1 {
		t.Errorf("export: %s", res.body)
	}
	if res := w.post("/jobs/j0001/cancel", ""); res.StatusCode != 200 {
		t.Errorf("cancel: %d %s", res.StatusCode, res.body)
	}
	if res := w.post("/jobs/j0001/retry", ""); res.StatusCode != 200 {
		t.Errorf("retry: %d %s", res.StatusCode, res.body)
	}
}

// await waits until so many calls wait in the queue. What they do then is the test.
func (q *fakeQueue) until(n int) {
	for q.waiters() != n {
		time.Sleep(time.Millisecond)
	}
}

func TestLongPolls(t *testing.T) {
	w := newWorld(t).start()
	ct := header("Content-Type", "application/json")
	leased, ended := make(chan reply, 1), make(chan reply, 1)
	go func() { leased <- w.post("/leases", `{"worker":"w","wait":30}`, ct) }()
	w.queue.until(1)
	w.post("/jobs", `{"type":"a"}`, ct)
	res := <-leased
	jobs, _ := res.json(t)["jobs"].([]any)
	if len(jobs) != 1 {
		t.Fatalf("leased: %s", res.body)
	}
	go func() { ended <- w.get("/jobs/j0001/result?wait=30") }()
	w.queue.until(1)
	w.post("/leases/finish", `{"ack":[{"id":"j0001","lease":"1","result":7}]}`, ct)
	if res := <-ended; res.json(t)["result"] != 7.0 {
		t.Errorf("result: %s", res.body)
	}
	if res := w.get("/jobs/j0001/result?wait=0.01"); res.json(t)["status"] != "completed" {
		t.Errorf("result: %s", res.body)
	}
	w.post("/jobs", `{"type":"a","run_at":"2030-01-01T00:00:00Z"}`, ct)
	if res := w.get("/jobs/j0002/result?wait=0.01"); res.StatusCode != 200 || res.json(t)["finished_at"] != nil || res.json(t)["status"] != "scheduled" {
		t.Errorf("wait that ends: %d %s", res.StatusCode, res.body)
	}
}

func TestLongPollsEndWithTheServer(t *testing.T) {
	w := newWorld(t).start()
	ct := header("Content-Type", "application/json")
	w.post("/jobs", `{"jobs":[{"type":"a","run_at":"2030-01-01T00:00:00Z"},{"type":"b"}]}`, ct)
	w.post("/leases", `{"worker":"w"}`, ct)
	w.queue.mu.Lock()
	w.queue.lines["busy"] = queue.Line{Counts: queue.Counts{Queue: "busy", Counts: map[queue.Status]int64{queue.Active: 1}}}
	w.queue.mu.Unlock()
	answers := make(chan reply, 3)
	go func() {
		answers <- w.post("/leases", `{"worker":"w","wait":30,"ack":[{"id":"j0002","lease":"1"}]}`, ct)
	}()
	go func() { answers <- w.get("/jobs/j0001/result?wait=30") }()
	go func() { answers <- w.post("/queues/busy/drain?wait=30", "") }()
	w.queue.until(3)
	began := time.Now()
	w.server.Drain()
	for range 3 {
		if res := <-answers; res.StatusCode != 200 {
			t.Errorf("%s: %d %s", res.Request.URL.Path, res.StatusCode, res.body)
		} else if res.Request.URL.Path == "/api/v1/leases" && !strings.HasPrefix(string(res.body), `{"jobs":[],"drain":false,"acked":["j0002"]`) {
			t.Errorf("lease: %s", res.body)
		}
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("waiting requests held the stop up for %v", took)
	}
	wantProblem(t, w.post("/leases", `{"worker":"w"}`, ct), 503, "shutting_down")
}

func TestLeasesOfWorkersThatLeft(t *testing.T) {
	w := newWorld(t).start()
	w.queue.jobs = []queue.Job{{ID: "j0001", Type: "a", Status: queue.Ready}}
	w.queue.fail = fmt.Errorf("look: %w", errcode.New(errcode.DiskFull, "the disk is full"))
	ct := header("Content-Type", "application/json")
	wantProblem(t, w.post("/leases", `{"worker":"w"}`, ct), 507, "disk_full")
	if res := w.post("/leases", `{"worker":"w"}`, ct); !strings.Contains(string(res.body), "j0001") {
		t.Fatalf("%s", res.body)
	}
	w.queue.fail = errcode.New(errcode.DiskFull, "the disk is full")
	wantProblem(t, w.post("/leases", `{"worker":"w","ack":[{"id":"j0001","lease":"1"}]}`, ct), 507, "disk_full")

	// A worker that has left when its job comes gets none, and the job has lost no attempt.
	w.queue.jobs[0].Status = queue.Ready
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, jobs, _, err := w.server.lease(ctx, nil, queue.ExternalRequest{Worker: "w"}, time.Second); err == nil || len(jobs) > 0 || w.queue.jobs[0].Status != queue.Ready {
		t.Errorf("%v %v, the job is %s", jobs, err, w.queue.jobs[0].Status)
	}
}

// TestImportKeepsTogetherWhatBelongsTogether: an import is cut where no job depends on one before, and its memory does
// not grow with it.
func TestImportKeepsTogetherWhatBelongsTogether(t *testing.T) {
	w := newWorld(t).start()
	var lines strings.Builder
	for i := range importJobs + 3 {
		more := ""
		switch {
		case i == importJobs:
			more = fmt.Sprintf(`,"flow_id":"f1","flow_key":"k%d"`, i)
		case i >= importJobs-1:
			more = fmt.Sprintf(`,"flow_id":"f1","flow_key":"k%d","depends_on":["j1"]`, i)
		}
		fmt.Fprintln(&lines, exported(fmt.Sprintf("j%d", i), "a", more))
	}
	fmt.Fprintln(&lines, exported("jx", "a", ""))
	res := w.post("/jobs/import", lines.String(), header("Content-Type", ndjsonType))
	if res.StatusCode != 200 || res.json(t)["imported"] != float64(importJobs+4) || fmt.Sprint(w.queue.imports) != fmt.Sprint([]int{importJobs + 3, 1}) {
		t.Fatalf("%d %s, imports of %v", res.StatusCode, res.body, w.queue.imports)
	}
	out := w.get("/jobs/export?type=a")
	if n := strings.Count(string(out.body), "\n"); n != importJobs+4 || out.Header.Get("Content-Type") != ndjsonType {
		t.Errorf("%d lines, %v", n, out.Header)
	}
	if again := w.post("/jobs/import", string(out.body), header("Content-Type", ndjsonType)); again.json(t)["imported"] != float64(importJobs+4) {
		t.Errorf("what was exported: %s", again.body)
	}
	if none := w.get("/jobs/export?type=none"); none.StatusCode != 200 || len(none.body) != 0 || none.Header.Get("Content-Type") != ndjsonType {
		t.Errorf("nothing: %d %v", none.StatusCode, none.Header)
	}
}

func TestWhoMayTouchJobs(t *testing.T) {
	w := newWorld(t)
	w.cfg.Auth = tokens{}
	w.start()
	for _, tc := range []struct{ route, body, scopes string }{
		{"GET /jobs", "", "read admin"},
		{"GET /jobs/export", "", "read admin"},
		{"GET /queues", "", "read admin"},
		{"GET /workers", "", "read admin"},
		{"GET /schedules", "", "read admin"},
		{"GET /schedule-times?cron=@daily", "", "read admin"},
		{"GET /flows", "", "read admin"},
		{"POST /jobs", `{"type":"a"}`, "admin"},
		{"POST /jobs/import", ``, "admin"},
		{"POST /jobs/actions", `{"action":"cancel","filter":{"queue":"q"}}`, "admin"},
		{"POST /flows", `{"jobs":[{"key":"k","type":"a"}]}`, "admin"},
		{"PUT /queues/q", `{}`, "admin"},
		{"POST /queues/q/purge", ``, "admin"},
		{"PUT /schedules/s", `{"cron":"@daily","job":{"type":"a"}}`, "admin"},
		{"POST /leases", `{"worker":"w"}`, "work admin"},
		{"POST /leases/finish", `{}`, "work admin"},
		{"POST /leases/heartbeat", `{"worker":"w","leases":[]}`, "work admin"},
		{"POST /workers/w/drain", ``, "admin"},
	} {
		method, path, _ := strings.Cut(tc.route, " ")
		for _, scope := range []string{"read", "upload", "work", "admin"} {
			res := w.do(method, path, strings.NewReader(tc.body), header("X-API-Key", scope), header("Content-Type", "application/json"))
			if may := strings.Contains(tc.scopes, scope); may != (res.StatusCode < 400) {
				t.Errorf("%s with scope %s: %d %s", tc.route, scope, res.StatusCode, res.body)
			}
		}
	}
}

func FuzzNewJobs(f *testing.F) {
	f.Add([]byte(`{"type":"a","payload":{"x":[1,2]},"delay":1e9,"run_at":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"jobs":[{"type":"a","backoff":{"kind":"list","delays":[1]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var in NewJobs
		if decodeJSON(data, &in) != nil {
			return
		}
		s := &Server{deps: Deps{Queue: newFakeQueue().deps()}}
		news, err := s.newJobs(&in, IDs{Request: "r"})
		if err != nil {
			return
		}
		for _, n := range news {
			j, err := n.Prepare(queue.Rules{}.WithDefaults(), fakeTime)
			if err != nil {
				continue
			}
			want, err := jsonBytes(oneJob(&j))
			if err != nil {
				t.Fatalf("%+v: %v", j, err)
			}
			var line Job
			if got := appendJob(nil, &j); decodeJSON(got, &jobOnly{}) != nil || len(want) == 0 {
				t.Errorf("%s is no job %v", got, line)
			}
		}
	})
}

// jobOnly reads what appendJob writes.
type jobOnly = map[string]any
