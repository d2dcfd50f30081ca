//go:build e2e

package e2e

import "strings"

// contractSteps are the requests of the replay, in their order.
func contractSteps() []step {
	const v1 = "/api/v1"
	form := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\nA\r\n--b\r\n" +
		"Content-Disposition: form-data; name=\"file\"; filename=\"b.bin\"\r\n\r\nB\r\n--b--\r\n"
	formCT := "Content-Type: multipart/form-data; boundary=b"
	return []step{
		// beside the API
		{request: "GET /", want: 200},
		{request: "GET /assets/start.css", want: 200},
		{request: "GET /docs", want: 200},
		{request: "GET /docs/docs.js", want: 200},
		{request: "GET /docs/docs.css", want: 200},
		{request: "GET /health", want: 200},
		{request: "GET /health/live", want: 200},
		{request: "GET /health/ready", want: 200},
		{request: "GET /metrics", want: 200},
		{request: "GET " + v1 + "/openapi.json", want: 200},
		{request: "GET " + v1 + "/system", want: 200},

		// files
		{request: "POST " + v1 + "/files?name=example.RU&wait=30", body: "{example}", want: 201, keep: "file=file.id decode=decode.id"},
		{request: "POST " + v1 + "/files?name=example.RU&wait=30", body: "{example}", want: 200},
		{request: "POST " + v1 + "/files?name=unknown.bin", body: "nothing that is known", want: 201, keep: "unknown=file.id"},
		{request: "POST " + v1 + "/files", body: form, header: formCT, want: 201},
		{request: "POST " + v1 + "/files", body: form[:60], header: formCT, want: 400},
		{request: "POST " + v1 + "/files", body: form, header: "Content-Type: multipart/mixed; boundary=b", want: 415},
		{request: "POST " + v1 + "/files?wait=x", body: "x", want: 422},
		{request: "GET " + v1 + "/files?limit=2", want: 200},
		{request: "GET " + v1 + "/files?fields=id,name", want: 200},
		{request: "GET " + v1 + "/files/{file}", want: 200},
		{request: "GET " + v1 + "/files/{file}/content", want: 200},
		{request: "GET " + v1 + "/files/{file}/hex?length=16", want: 200},
		{request: "GET " + v1 + "/files/{file}/hex?offset=99999999999", want: 416},

		// decodes and tables
		{request: "GET " + v1 + "/decodes", want: 200},
		{request: "GET " + v1 + "/decodes/{decode}?wait=30", want: 200},
		{request: "GET " + v1 + "/decodes/{decode}/tables", want: 200},
		{request: "GET " + v1 + "/decodes/{decode}/issues", want: 200},
		{request: "GET " + v1 + "/decodes/{decode}/tables/records/rows?limit=5&sort=seq&order=desc", want: 200},
		{request: "GET " + v1 + "/decodes/{decode}/tables/records/rows?where=seq:eq:x", want: 422},
		{request: "GET " + v1 + "/decodes/{decode}/tables/records/rows?cursor=!!", want: 400},
		{request: "GET " + v1 + "/decodes/{decode}/issues?cursor=!!", want: 400},
		{request: "GET " + v1 + "/decodes/{decode}/tables/records/series?x=seq&y=speed_kmh&points=10", want: 200},
		{request: "GET " + v1 + "/decodes/{decode}/tables/records.parquet", want: 200},
		{request: "GET " + v1 + "/decodes/{decode}/tables/records.csv?columns=seq", want: 200},
		{request: "GET " + v1 + "/decodes/{decode}/tables/records.ndjson", want: 200},
		{request: "GET " + v1 + "/decodes/{decode}/tables/records.json", want: 200},
		{request: "GET " + v1 + "/decodes/{decode}/tables/records.arrow", want: 200},
		{request: "POST " + v1 + "/decodes", body: `{"file_id":"{file}"}`, want: 200},
		{request: "POST " + v1 + "/decodes", body: `{"file_id":"{file}","force":true}`, want: 201, keep: "again=id"},
		{request: "GET " + v1 + "/decodes/{again}?wait=30", want: 200},
		{request: "POST " + v1 + "/decodes/{again}/cancel", want: 409},
		{request: "DELETE " + v1 + "/decodes/{again}", want: 204},
		{request: "POST " + v1 + "/decode?to=csv&table=records", body: "{example}", want: 200},
		{request: "POST " + v1 + "/decode?to=json", body: "{example}", want: 200},
		{request: "POST " + v1 + "/decode?to=csv&table=records", body: "nothing that is known", want: 422},
		{request: "POST " + v1 + "/decode?to=csv&table=records", body: form, header: "Content-Type: multipart/mixed; boundary=b", want: 415},
		{request: "POST " + v1 + "/decode?to=csv&table=records", body: form[:60], header: formCT, want: 400},
		{request: "POST " + v1 + "/detect", body: "{example}", want: 200},
		{request: "POST " + v1 + "/detect", body: "nothing that is known", want: 422},
		{request: "POST " + v1 + "/detect", body: form, header: "Content-Type: multipart/mixed; boundary=b", want: 415},
		{request: "POST " + v1 + "/detect", body: form[:60], header: formCT, want: 400},

		// plugins
		{request: "GET " + v1 + "/plugins", want: 200},
		{request: "GET " + v1 + "/plugins/rail", want: 200},
		{request: "POST " + v1 + "/plugins", body: "\x00asm\x01\x00\x00\x00", header: "Content-Type: application/wasm", want: 201, keep: "plugin=id"},
		{request: "POST " + v1 + "/plugins", body: "\x00asm\x01\x00\x00\x00", header: "Content-Type: application/wasm", want: 200},
		{request: "DELETE " + v1 + "/plugins/{plugin}", want: 204},
		{request: "POST " + v1 + "/plugins", body: form, header: "Content-Type: multipart/mixed; boundary=b", want: 415},
		{request: "POST " + v1 + "/plugins", body: strings.Repeat("\x00", 17<<20), header: "Content-Type: application/wasm", want: 413},
		{request: "POST " + v1 + "/plugins", body: "no module", header: "Content-Type: application/wasm", want: 422},
		{request: "POST " + v1 + "/plugins", body: form[:60], header: formCT, want: 400},
		{request: "POST " + v1 + "/plugins/rail/reload", want: 200},
		{request: "POST " + v1 + "/plugins/rail/disable", want: 200},
		{request: "POST " + v1 + "/decodes", body: `{"file_id":"{file}","decoder":"rail","force":true}`, want: 409},
		{request: "POST " + v1 + "/decode?to=csv&table=records&decoder=rail", body: "{example}", want: 409},
		{request: "POST " + v1 + "/plugins/rail/enable", want: 200},
		{request: "DELETE " + v1 + "/plugins/rail", want: 409},

		// jobs
		{request: "POST " + v1 + "/jobs", body: `{"type":"thumbnail","unique_key":"one"}`, want: 201, keep: "job=id"},
		{request: "POST " + v1 + "/jobs", body: `{"type":"thumbnail","unique_key":"one"}`, want: 200},
		{request: "POST " + v1 + "/jobs", body: `{"jobs":[{"type":"thumbnail"},{"type":"thumbnail","priority":1}]}`, want: 201},
		{request: "POST " + v1 + "/jobs", body: `{"type":"thumbnail"}`, header: jsonCT + "\nIdempotency-Key: k1", want: 201},
		{request: "POST " + v1 + "/jobs", body: `{"type":"report"}`, header: jsonCT + "\nIdempotency-Key: k1", want: 409},
		{request: "GET " + v1 + "/jobs", want: 200},
		{request: "GET " + v1 + "/jobs/{job}", want: 200},
		{request: "GET " + v1 + "/jobs/{job}/result", want: 200},
		{request: "PATCH " + v1 + "/jobs/{job}", body: `{"priority":9}`, want: 200},
		{request: "POST " + v1 + "/jobs/{job}/retry", want: 409},
		{request: "POST " + v1 + "/jobs/{job}/promote", want: 409},
		{request: "POST " + v1 + "/leases", body: `{"worker":"w1","queues":["default"],"max":1}`, want: 200, keep: "leased=jobs.0.id lease=jobs.0.lease"},
		{request: "PATCH " + v1 + "/jobs/{leased}", body: `{"priority":1}`, want: 409},
		{request: "DELETE " + v1 + "/jobs/{leased}", want: 409},
		{request: "POST " + v1 + "/leases/heartbeat", body: `{"worker":"w1","leases":[{"id":"{leased}","lease":"{lease}","progress":0.5}]}`, want: 200},
		{request: "POST " + v1 + "/leases/finish", body: `{"worker":"w1","ack":[{"id":"{leased}","lease":"{lease}","result":1}]}`, want: 200},
		{request: "POST " + v1 + "/jobs/{leased}/cancel", want: 409},
		{request: "GET " + v1 + "/workers", want: 200},
		{request: "POST " + v1 + "/workers/w1/drain", want: 200},
		{request: "POST " + v1 + "/workers/w1/resume", want: 200},
		{request: "GET " + v1 + "/jobs/export", want: 200},
		{request: "POST " + v1 + "/jobs/import", body: `{"version":1,"type":"thumbnail","status":"ready"}` + "\n", header: "Content-Type: application/x-ndjson", want: 200},
		{request: "POST " + v1 + "/jobs/import", body: `{"version":2}` + "\n", header: "Content-Type: application/x-ndjson", want: 422},
		{request: "POST " + v1 + "/jobs/import", body: "no line\n", header: "Content-Type: application/x-ndjson", want: 400},
		{request: "POST " + v1 + "/jobs/import", body: strings.Repeat(" ", 2<<20), header: "Content-Type: application/x-ndjson", want: 413},
		{request: "POST " + v1 + "/jobs", body: `{"type":"thumbnail","delay":3600}`, want: 201, keep: "later=id"},
		{request: "POST " + v1 + "/jobs/{later}/promote", want: 200},
		{request: "POST " + v1 + "/jobs/{later}/cancel", want: 200},
		{request: "POST " + v1 + "/jobs/{later}/retry", want: 200},
		{request: "POST " + v1 + "/jobs/actions", body: `{"action":"cancel","filter":{"ids":["{later}"]}}`, want: 200},
		{request: "DELETE " + v1 + "/jobs/{later}", want: 204},

		// queues
		{request: "GET " + v1 + "/queues", want: 200},
		{request: "PUT " + v1 + "/queues/mine", body: `{"weight":2}`, want: 200},
		{request: "PATCH " + v1 + "/queues/mine", body: `{"max_active":2}`, want: 200},
		{request: "GET " + v1 + "/queues/mine", want: 200},
		{request: "POST " + v1 + "/queues/mine/pause", want: 200},
		{request: "POST " + v1 + "/queues/mine/resume", want: 200},
		{request: "POST " + v1 + "/queues/mine/drain", want: 200},
		{request: "POST " + v1 + "/queues/mine/purge", want: 200},
		{request: "DELETE " + v1 + "/queues/mine", want: 204},
		{request: "DELETE " + v1 + "/queues/default", want: 409},

		// schedules and flows
		{request: "POST " + v1 + "/schedules", body: `{"id":"nightly","cron":"0 3 * * *","job":{"type":"report"}}`, want: 201},
		{request: "POST " + v1 + "/schedules", body: `{"id":"nightly","cron":"0 3 * * *","job":{"type":"report"}}`, want: 200},
		{request: "POST " + v1 + "/schedules", body: `{"id":"nightly","cron":"0 4 * * *","job":{"type":"report"}}`, want: 409},
		{request: "PUT " + v1 + "/schedules/probe", body: `{"cron":"0 4 * * *","job":{"type":"probe"}}`, want: 200},
		{request: "GET " + v1 + "/schedules", want: 200},
		{request: "GET " + v1 + "/schedules/nightly", want: 200},
		{request: "POST " + v1 + "/schedules/nightly/run", want: 200},
		{request: "POST " + v1 + "/schedules/nightly/pause", want: 200},
		{request: "POST " + v1 + "/schedules/nightly/resume", want: 200},
		{request: "DELETE " + v1 + "/schedules/nightly", want: 204},
		{request: "POST " + v1 + "/flows", body: `{"jobs":[{"key":"a","type":"fetch","unique_key":"f"},{"key":"b","type":"report","depends_on":["a"]}]}`, want: 201, keep: "flow=id"},
		{request: "POST " + v1 + "/flows", body: `{"jobs":[{"key":"a","type":"fetch","unique_key":"f"}]}`, want: 409},
		{request: "GET " + v1 + "/flows", want: 200},
		{request: "GET " + v1 + "/flows/{flow}", want: 200},
		{request: "POST " + v1 + "/flows/{flow}/cancel", want: 200},

		// access
		{request: "GET " + v1 + "/session", want: 200},
		{request: "DELETE " + v1 + "/session", want: 204},

		{request: "DELETE " + v1 + "/files/{file}", want: 204},
		{request: "GET " + v1 + "/files/{file}", want: 404},
	}
}
