package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

const (
	ndjsonType = "application/x-ndjson"
	// An import makes so many jobs, or bytes of them, at a time, so that its memory does not grow with it; jobs of one
	// flow stay together, up to mostImport bytes.
	importJobs  = 5_000
	importBytes = 4 << 20
	mostImport  = 64 << 20
)

// Imported is the answer to POST /jobs/import.
type Imported struct {
	Imported   int `json:"imported" doc:"jobs made"`
	Duplicates int `json:"duplicates" doc:"jobs whose unique key is held by another"`
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
		detail: "With payload, errors and result, without jobs of the appliance's own. Every line stands for itself: files can be cut and " +
			"joined. POST /jobs/import takes them.",
		answers: map[string]*huma.Response{"200": streams("The jobs", ndjsonType)},
	}, func(ctx context.Context, in *exportJobsInput) (*huma.StreamResponse, error) {
		return s.stream(func(c echo.Context) error { //nolint:contextcheck // the request in c carries it
			return s.exportJobs(ctx, c, in.filter())
		}), nil
	})
	const id = "import-jobs"
	register(s, api, operation{
		id: id, method: http.MethodPost, path: "/jobs/import", scope: scopeAdmin, summary: "Make the jobs of an export anew",
		detail: "They get new ids; what was at work is ready, what had ended has ended. Jobs that depend on each other are to stand near " +
			"each other, as an export has them. Jobs are made some thousands at a time: an error says how many were made before.",
	}, s.importJobs)
	bodies[id] = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		ndjsonType: {Schema: &huma.Schema{Type: huma.TypeString, Description: "a job a line, as GET /jobs/export gives it"}},
	}}
}

func (s *Server) exportJobs(ctx context.Context, c echo.Context, f queue.Filter) error {
	stateOf(ctx).stream = true
	res := c.Response()
	begin := func() {
		if !res.Committed {
			res.Header().Set("Content-Type", ndjsonType)
			res.Header().Set("Cache-Control", "no-store")
			res.WriteHeader(http.StatusOK)
		}
	}
	err := s.deps.Queue.Transfer.Export(ctx, f, func(x queue.Exported) error {
		if s.deps.Queue.Internal(x.Type) {
			return nil
		}
		line, err := jsonBytes(x)
		if err != nil {
			return fmt.Errorf("export job %s: %w", x.ID, err)
		}
		begin()
		if _, err := res.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("write export: %w", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("export jobs: %w", err)
	}
	begin() // also when there was none
	return nil
}

// importing is an import under way.
type importing struct {
	server *Server
	batch  []queue.Exported
	bytes  int
	done   Imported
}

func (s *Server) importJobs(ctx context.Context, in *importInput) (*importOutput, error) {
	stateOf(ctx).stream = true
	imp := &importing{server: s}
	lines := bufio.NewScanner(in.request.Body)
	lines.Buffer(make([]byte, 0, 64<<10), queue.MaxTransferLine)
	n := 0
	for lines.Scan() {
		n++
		data := bytes.TrimSpace(lines.Bytes())
		if len(data) == 0 {
			continue
		}
		if err := imp.line(ctx, data); err != nil {
			return nil, imp.failed(fmt.Sprintf("line %d: ", n), err)
		}
	}
	err := lines.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		err = errcode.Newf(errcode.TooLarge, "line %d: longer than %d bytes", n+1, queue.MaxTransferLine)
	case err != nil:
		if err = bodyFailure(in.request); err == nil {
			err = errcode.New(errcode.Malformed, "the request body was cut off")
		}
	default:
		if err = imp.flush(ctx); err == nil {
			return &importOutput{Body: imp.done}, nil
		}
	}
	return nil, imp.failed("", err)
}

// failed says where an import ended, and how far it came.
func (imp *importing) failed(place string, err error) error {
	e, ok := errors.AsType[*errcode.Error](err)
	if !ok {
		return fmt.Errorf("import jobs: %w", err)
	}
	out := *e
	out.Text = fmt.Sprintf("%s%s; %d jobs were made before", place, e.Text, imp.done.Imported)
	return fmt.Errorf("import jobs: %w", &out)
}

// line takes one job.
func (imp *importing) line(ctx context.Context, data []byte) error {
	x, err := queue.ParseExported(data)
	if err != nil {
		return err //nolint:wrapcheck // failed says where
	}
	if imp.server.deps.Queue.Internal(x.Type) {
		return errcode.Invalid("type", "jobs of type %s are made by the appliance alone", x.Type)
	}
	if imp.full() && !imp.belongs(&x) {
		if err := imp.flush(ctx); err != nil {
			return err
		}
	}
	if imp.bytes += len(data); imp.bytes > mostImport {
		return errcode.Newf(errcode.TooLarge, "the jobs of one flow, or that depend on each other, are larger than %d bytes together", mostImport)
	}
	imp.batch = append(imp.batch, x)
	return nil
}

func (imp *importing) full() bool { return len(imp.batch) >= importJobs || imp.bytes >= importBytes }

// belongs reports whether a job has to be made together with those before it.
func (imp *importing) belongs(x *queue.Exported) bool {
	last := &imp.batch[len(imp.batch)-1]
	return len(x.DependsOn) > 0 || (x.FlowID != "" && x.FlowID == last.FlowID)
}

// flush makes the jobs that were gathered.
func (imp *importing) flush(ctx context.Context) error {
	if len(imp.batch) == 0 {
		return nil
	}
	made, err := imp.server.deps.Queue.Transfer.Import(ctx, imp.batch)
	for i := range made {
		switch {
		case made[i].ID == "": // it was not made
		case made[i].Duplicate:
			imp.done.Duplicates++
		default:
			imp.done.Imported++
		}
	}
	if err != nil {
		return fmt.Errorf("make jobs: %w", err)
	}
	imp.batch, imp.bytes = imp.batch[:0], 0
	return nil
}
