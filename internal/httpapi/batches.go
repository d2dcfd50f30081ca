package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/batch"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
)

// Batches keeps batches; it is batch.Engine.
type Batches interface {
	Create(ctx context.Context, n batch.New) (batch.Batch, error)
	Get(ctx context.Context, id string) (batch.Batch, error)
	// Items gives files of a batch in its order, at most limit of them, from the one at a place on.
	Items(ctx context.Context, id string, from, limit int) ([]batch.Item, error)
	List(ctx context.Context, q batch.Query) (items []batch.Batch, next string, err error)
	Cancel(ctx context.Context, id string) (batch.Batch, error)
	Retry(ctx context.Context, id string) (batch.Batch, error)
	Delete(ctx context.Context, id string) error
}

// BatchLine is a batch as lists show it.
type BatchLine struct {
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	Decoder        text              `json:"decoder" doc:"null: the content decides"`
	Params         map[string]string `json:"params" nullable:"false"`
	Concurrency    int               `json:"concurrency" doc:"files that are decoded at a time"`
	TimeoutPerFile float64           `json:"timeout_per_file" doc:"seconds from the moment its decode runs; 0: none of its own"`
	Status         string            `json:"status" enum:"queued,running,done,partial,failed,cancelled" doc:"partial: some files were decoded, failed: none"`
	Total          int               `json:"total" doc:"files"`
	Successful     int               `json:"successful"`
	Failed         int               `json:"failed" doc:"those that were cancelled too"`
	Running        int               `json:"running"`
	Progress       float64           `json:"progress" doc:"0 to 1"`
	CreatedAt      Stamp             `json:"created_at"`
	FinishedAt     Stamp             `json:"finished_at" doc:"null: it goes on"`
}

// BatchDetail is a batch with its files.
type BatchDetail struct {
	BatchLine
	Results []BatchResult `json:"results" nullable:"false" doc:"files that were decoded, in the order of the batch"`
	Errors  []BatchError  `json:"errors" nullable:"false" doc:"files that were not, in the order of the batch"`
	Pending []BatchFile   `json:"pending" nullable:"false" doc:"files that have not ended, in the order of the batch"`

	NextCursor text `json:"next_cursor" doc:"null: the lists have the last file of the batch"`
}

// BatchResult is a file of a batch that was decoded.
type BatchResult struct {
	FileID   string `json:"file_id"`
	DecodeID string `json:"decode_id"`
	Name     string `json:"name"`
	Partial  bool   `json:"partial" doc:"not all of it could be decoded; its decode says why"`
	Success  bool   `json:"success" doc:"true"`
}

// BatchError is a file of a batch that was not decoded.
type BatchError struct {
	FileID   string  `json:"file_id"`
	DecodeID text    `json:"decode_id" doc:"null: none was begun"`
	Name     string  `json:"name"`
	Error    Failure `json:"error"`
	Success  bool    `json:"success" doc:"false"`
}

// BatchFile is a file of a batch that has not ended.
type BatchFile struct {
	FileID   string `json:"file_id"`
	DecodeID text   `json:"decode_id" doc:"null: it has not begun"`
	Name     string `json:"name"`
}

type batchesInput struct {
	PageParams
	Status string `query:"status" enum:"queued,running,done,partial,failed,cancelled"`
}

type batchesOutput struct{ Body List[BatchLine] }

type batchInput struct {
	IDParam
	Wait   float64 `query:"wait" minimum:"0" maximum:"30" doc:"seconds to wait for the batch to end"`
	Limit  int     `query:"limit" minimum:"1" maximum:"10000" default:"10000" doc:"most files of the answer, all lists of it together"`
	Cursor string  `query:"cursor" maxLength:"16" doc:"next_cursor of the answer before"`
}

type batchOutput struct{ Body BatchDetail }

type batchLineOutput struct{ Body BatchLine }

type newBatchOutput struct {
	Location string `header:"Location"`
	Body     BatchDetail
}

func batchDTO(b *batch.Batch) BatchLine {
	params := b.Params
	if params == nil {
		params = map[string]string{}
	}
	return BatchLine{
		ID: b.ID, Name: b.Name, Decoder: text(b.Decoder), Params: params, Concurrency: b.Concurrency, TimeoutPerFile: b.Timeout.Seconds(),
		Status: string(b.Status), Total: b.Total, Successful: b.Successful, Failed: b.Failed, Running: b.Running, Progress: b.Progress,
		CreatedAt: Stamp(b.CreatedAt), FinishedAt: Stamp(b.FinishedAt),
	}
}

// batchDetail gives a batch with some of its files.
func (s *Server) batchDetail(ctx context.Context, b *batch.Batch, from, limit int) (BatchDetail, error) {
	items, err := s.deps.Batches.Items(ctx, b.ID, from, limit)
	if err != nil {
		return BatchDetail{}, fmt.Errorf("get files of batch: %w", err)
	}
	out := BatchDetail{BatchLine: batchDTO(b), Results: []BatchResult{}, Errors: []BatchError{}, Pending: []BatchFile{}}
	if n := len(items); n == limit && items[n-1].At+1 < b.Total {
		out.NextCursor = text(strconv.Itoa(items[n-1].At + 1))
	}
	for i := range items {
		switch it := &items[i]; it.State {
		case batch.ItemDone:
			out.Results = append(out.Results, BatchResult{FileID: it.FileID, DecodeID: it.DecodeID, Name: it.Name, Partial: it.Partial, Success: true})
		case batch.ItemFailed, batch.ItemCancelled:
			x := BatchError{FileID: it.FileID, DecodeID: text(it.DecodeID), Name: it.Name}
			if it.Error != nil {
				x.Error = Failure{Code: string(it.Error.Code), Message: it.Error.Message, Offset: it.Error.Offset}
			}
			out.Errors = append(out.Errors, x)
		default:
			out.Pending = append(out.Pending, BatchFile{FileID: it.FileID, DecodeID: text(it.DecodeID), Name: it.Name})
		}
	}
	return out, nil
}

func (s *Server) routeBatches(api huma.API, bodies map[string]*huma.RequestBody) {
	s.events.renderers[batch.Topic] = func(ctx context.Context, ev event.Event) (any, bool, error) {
		b, err := s.deps.Batches.Get(ctx, ev.Key)
		if err != nil {
			return nil, false, fmt.Errorf("get batch: %w", err)
		}
		return batchDTO(&b), false, nil
	}
	s.routeNewBatch(api, bodies)
	s.routeBatchTables(api)
	register(s, api, operation{
		id: "list-batches", method: http.MethodGet, path: "/batches", scope: scopeRead, summary: "List batches, the newest first",
	}, s.listBatches)
	register(s, api, operation{
		id: "get-batch", method: http.MethodGet, path: "/batches/{id}", scope: scopeRead, summary: "Get a batch with its files, or wait for its end",
	}, s.getBatch)
	register(s, api, operation{
		id: "delete-batch", method: http.MethodDelete, path: "/batches/{id}", scope: scopeAdmin,
		summary: "Delete a batch; its files and their decodes stay", detail: "Decodes that it started and that have not ended are cancelled.",
	}, func(ctx context.Context, in *IDParam) (*noContent, error) {
		if err := s.deps.Batches.Delete(ctx, in.ID); err != nil {
			return nil, fmt.Errorf("delete batch: %w", err)
		}
		return nil, nil //nolint:nilnil // huma's way to say: no body
	})
	for _, a := range []struct {
		name, summary, detail string
		do                    func(context.Context, string) (batch.Batch, error)
	}{
		{"cancel", "Cancel a batch that has not ended", "What has ended stays; decodes that are somebody else's too go on.", func(ctx context.Context, id string) (batch.Batch, error) { return s.deps.Batches.Cancel(ctx, id) }},
		{"retry", "Decode the files of a batch that failed or were cancelled anew", "The batch has to have ended.", func(ctx context.Context, id string) (batch.Batch, error) { return s.deps.Batches.Retry(ctx, id) }},
	} {
		register(s, api, operation{
			id: a.name + "-batch", method: http.MethodPost, path: "/batches/{id}/" + a.name, scope: scopeUpload, summary: a.summary, detail: a.detail,
		}, func(ctx context.Context, in *IDParam) (*batchLineOutput, error) {
			b, err := a.do(ctx, in.ID)
			if err != nil {
				return nil, fmt.Errorf("%s batch: %w", a.name, err)
			}
			return &batchLineOutput{Body: batchDTO(&b)}, nil
		})
	}
}

func (s *Server) listBatches(ctx context.Context, in *batchesInput) (*batchesOutput, error) {
	if err := checkFields[BatchLine](in.Fields); err != nil {
		return nil, err
	}
	items, next, err := s.deps.Batches.List(ctx, batch.Query{Status: batch.Status(in.Status), Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, fmt.Errorf("list batches: %w", err)
	}
	out := &batchesOutput{Body: List[BatchLine]{Items: make([]BatchLine, len(items)), NextCursor: text(next), fields: in.Fields}}
	for i := range items {
		out.Body.Items[i] = batchDTO(&items[i])
	}
	return out, nil
}

func (s *Server) getBatch(ctx context.Context, in *batchInput) (*batchOutput, error) {
	from := 0
	if in.Cursor != "" {
		var err error
		if from, err = strconv.Atoi(in.Cursor); err != nil || from < 0 || from >= batch.MaxItems {
			return nil, errcode.New(errcode.Malformed, "cursor is not one that this list gave")
		}
	}
	b, err := s.batchOnce(ctx, in.ID, in.Wait)
	if err != nil {
		return nil, fmt.Errorf("get batch: %w", err)
	}
	detail, err := s.batchDetail(ctx, &b, from, in.Limit)
	if err != nil {
		return nil, err
	}
	return &batchOutput{Body: detail}, nil
}

// batchOnce gives a batch, once it has ended or as it is after so many seconds, or when the server begins to stop.
func (s *Server) batchOnce(ctx context.Context, id string, wait float64) (batch.Batch, error) {
	if wait <= 0 {
		return s.deps.Batches.Get(ctx, id) //nolint:wrapcheck // the caller says what it is for
	}
	stateOf(ctx).stream = true
	sub := s.deps.Events.Subscribe(event.Now, batch.Topic)
	defer sub.Close()
	timed, cancel := s.waiting(ctx, time.Duration(wait*float64(time.Second)))
	defer cancel()
	for {
		b, err := s.deps.Batches.Get(ctx, id)
		if err != nil || !b.FinishedAt.IsZero() || timed.Err() != nil {
			return b, err //nolint:wrapcheck // the caller says what it is for
		}
		for {
			ev, err := sub.Next(timed)
			if err != nil || ev.Reset || ev.Key == id {
				break // the time is over, or it is to be looked at
			}
		}
	}
}
