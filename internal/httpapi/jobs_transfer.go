package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

const (
	ndjsonType = "application/x-ndjson"
	// exportPage is how many jobs are in memory at once; each may have a payload of 256 KiB.
	exportPage = 50
	// An import enqueues so many jobs, or bytes of them, at a time.
	importJobs  = 500
	importBytes = 1 << 20
	// maxImportLine holds a job with the largest payload and result, and ten errors.
	maxImportLine = 1 << 20
	// importedIDs is how far back a job of an import may depend: the jobs of a flow stand together.
	importedIDs = 1 << 16
)

// Imported is the answer to POST /jobs/import.
type Imported struct {
	Imported   int `json:"imported" doc:"jobs made"`
	Duplicates int `json:"duplicates" doc:"jobs that were there: their unique key is held, or the same import was here before"`
	Skipped    int `json:"skipped" doc:"jobs that had ended"`
}

type exportJobsInput struct{ JobFilterParams }

type importInput struct{ request *http.Request }

// Resolve keeps the request, whose body is read while jobs are made. The name is huma's.
func (in *importInput) Resolve(ctx huma.Context) []error {
	in.request = requestOf(ctx.Context())
	return nil
}

type importOutput struct{ Body Imported }

func (s *Server) routeTransfer(api huma.API, bodies map[string]*huma.RequestBody) {
	register(s, api, operation{
		id: "export-jobs", method: http.MethodGet, path: "/jobs/export", scope: scopeRead, summary: "Export jobs, the oldest first, one document a line",
		detail:  "Without results and errors, and without jobs of the appliance's own. POST /jobs/import takes it.",
		answers: map[string]*huma.Response{"200": streams("The jobs", ndjsonType)},
	}, func(ctx context.Context, in *exportJobsInput) (*huma.StreamResponse, error) {
		return s.stream(func(c echo.Context) error { //nolint:contextcheck // the request in c carries it
			return s.exportJobs(ctx, c, in.filter())
		}), nil
	})
	const id = "import-jobs"
	register(s, api, operation{
		id: id, method: http.MethodPost, path: "/jobs/import", scope: scopeAdmin, summary: "Make the jobs of an export anew",
		detail: "Jobs that have ended are skipped, those at work are made ready; they get new ids, all their attempts, and keep payload, limits, " +
			"keys, run_at and what they depend on within the import. Jobs are made a few hundred at a time: a wrong line says how many were made " +
			"before it. The same import within 24 h makes nothing twice.",
	}, s.importJobs)
	bodies[id] = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		ndjsonType: {Schema: &huma.Schema{Type: huma.TypeString, Description: "a job a line, as GET /jobs/export gives it"}},
	}}
}

func (s *Server) exportJobs(ctx context.Context, c echo.Context, f queue.Filter) error {
	stateOf(ctx).stream = true
	f.Limit = exportPage
	res := c.Response()
	var line, compact bytes.Buffer
	for first := true; first || f.Cursor != ""; first = false {
		page, err := s.deps.Queue.Jobs.List(ctx, f)
		if err != nil {
			return fmt.Errorf("export jobs: %w", err)
		}
		if first {
			res.Header().Set("Content-Type", ndjsonType)
			res.Header().Set("Cache-Control", "no-store")
			res.WriteHeader(http.StatusOK)
		}
		for i := range page.Jobs {
			if s.deps.Queue.Internal(page.Jobs[i].Type) {
				continue
			}
			line.Reset()
			line.Write(appendJob(line.AvailableBuffer(), &page.Jobs[i]))
			compact.Reset()
			if err := json.Compact(&compact, line.Bytes()); err != nil { // a payload may have line breaks
				return fmt.Errorf("export job %s: %w", page.Jobs[i].ID, err)
			}
			compact.WriteByte('\n')
			if _, err := res.Write(compact.Bytes()); err != nil {
				return fmt.Errorf("export jobs: %w", err)
			}
		}
		f.Cursor = page.Next
	}
	return nil
}

// importing is an import under way.
type importing struct {
	server *Server
	batch  []queue.New
	olds   []string // ids that the jobs of batch had
	bytes  int
	sum    []byte            // hash of the lines of batch, which makes its idempotency key
	ids    map[string]string // old ids to new ones, "" = ended
	order  []string          // keys of ids, the oldest first
	done   Imported
}

func (s *Server) importJobs(ctx context.Context, in *importInput) (*importOutput, error) {
	stateOf(ctx).stream = true
	imp := &importing{server: s, ids: map[string]string{}}
	lines := bufio.NewScanner(in.request.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxImportLine)
	n := 0
	for lines.Scan() {
		n++
		data := bytes.TrimSpace(lines.Bytes())
		if len(data) == 0 {
			continue
		}
		if err := imp.line(ctx, data); err != nil {
			return nil, imp.failed(n, err)
		}
	}
	err := lines.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		err = errcode.Newf(errcode.TooLarge, "longer than %d bytes", maxImportLine)
	case err != nil:
		err = bodyFailure(in.request)
		if err == nil {
			err = errcode.New(errcode.Malformed, "the request body was cut off")
		}
	default:
		if err = imp.flush(ctx); err == nil {
			return &importOutput{Body: imp.done}, nil
		}
	}
	return nil, imp.failed(n+1, err)
}

// failed says where an import ended, and how far it came.
func (imp *importing) failed(line int, err error) error {
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok {
		return fmt.Errorf("import jobs: %w", err)
	}
	out := *e
	out.Text = fmt.Sprintf("line %d: %s; %d jobs were made before", line, e.Text, imp.done.Imported)
	return fmt.Errorf("import jobs: %w", &out)
}

// line takes one job.
func (imp *importing) line(ctx context.Context, data []byte) error {
	var j importedJob
	if err := decodeJSON(data, &j); err != nil {
		return err
	}
	if queue.Status(j.Status).Final() {
		imp.done.Skipped++
		imp.remember(j.ID, "")
		return nil
	}
	if err := imp.server.checkNew(&j.NewJob); err != nil {
		return err
	}
	if !time.Time(j.RunAt).IsZero() && j.Status == string(queue.Retry) {
		j.RunAt = moment{} // it has all its attempts again: there is nothing to wait for
	}
	if len(j.DependsOn) > 0 && len(imp.batch) > 0 {
		if err := imp.flush(ctx); err != nil { // what it depends on is to have its new id
			return err
		}
	}
	deps := j.DependsOn
	j.DependsOn = nil
	for _, old := range deps {
		id, known := imp.ids[old]
		if !known {
			return errcode.Invalid("depends_on", "job %s does not stand before this one", old)
		}
		if id != "" {
			j.DependsOn = append(j.DependsOn, id)
		}
	}
	n := j.job(IDs{})
	if _, err := n.Prepare(queue.Rules{}.WithDefaults(), time.Time{}); err != nil {
		return err //nolint:wrapcheck // failed says where
	}
	imp.batch, imp.olds, imp.bytes = append(imp.batch, n), append(imp.olds, j.ID), imp.bytes+len(data)
	sum := sha256.Sum256(append(imp.sum, data...))
	imp.sum = sum[:]
	if len(imp.batch) >= importJobs || imp.bytes >= importBytes {
		return imp.flush(ctx)
	}
	return nil
}

// flush makes the jobs that were gathered.
func (imp *importing) flush(ctx context.Context) error {
	if len(imp.batch) == 0 {
		return nil
	}
	imp.batch[0].IdempotencyKey = "import:" + hex.EncodeToString(imp.sum)
	made, err := imp.server.deps.Queue.Jobs.Enqueue(ctx, imp.batch...)
	if err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	for i := range made {
		imp.remember(imp.olds[i], string(made[i].ID))
		if made[i].Duplicate {
			imp.done.Duplicates++
		} else {
			imp.done.Imported++
		}
	}
	imp.batch, imp.olds, imp.bytes, imp.sum = nil, nil, 0, nil
	return nil
}

// remember keeps the new id of a job for those that depend on it, for a while.
func (imp *importing) remember(old, id string) {
	if old == "" {
		return
	}
	if len(imp.order) == importedIDs {
		delete(imp.ids, imp.order[0])
		imp.order = imp.order[1:]
	}
	imp.ids[old] = id
	imp.order = append(imp.order, old)
}

// importedJob is a line of an import: a Job, of which most is not taken over, or a NewJob.
type importedJob struct {
	NewJob
	ID           string  `json:"id"`
	Status       string  `json:"status"`
	Result       anyJSON `json:"result"`
	Progress     float64 `json:"progress"`
	ProgressText string  `json:"progress_text"`
	Attempt      int     `json:"attempt"`
	Crashes      int     `json:"crashes"`
	FlowID       string  `json:"flow_id"`
	FlowKey      string  `json:"flow_key"`
	ScheduleID   string  `json:"schedule_id"`
	Worker       string  `json:"worker"`
	CreatedAt    moment  `json:"created_at"`
	StartedAt    moment  `json:"started_at"`
	FinishedAt   moment  `json:"finished_at"`
	Duplicate    bool    `json:"duplicate"`
	Errors       anyJSON `json:"errors"`
}
