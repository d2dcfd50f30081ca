package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/ingest"
)

type decodesInput struct {
	PageParams
	FileID  string `query:"file_id" maxLength:"26"`
	Status  string `query:"status" enum:"queued,running,done,partial,failed,cancelled"`
	Decoder string `query:"decoder" maxLength:"255" doc:"plugin id"`
	Format  string `query:"format" maxLength:"255" doc:"format id"`
}

type decodesOutput struct{ Body List[Decode] }

type decodeInput struct {
	IDParam
	Wait float64 `query:"wait" minimum:"0" maximum:"30" doc:"seconds to wait for the decode to end"`
}

type decodeOutput struct{ Body Decode }

// RedecodeRequest is the body of POST /decodes.
type RedecodeRequest struct {
	FileID  string                `json:"file_id" maxLength:"26"`
	Decoder string                `json:"decoder,omitempty" maxLength:"255" doc:"plugin or format id; without it the content decides"`
	Params  map[string]paramValue `json:"params,omitempty" doc:"parameters of the decoder"`
	Force   bool                  `json:"force,omitempty" doc:"decode anew even where a result exists"`
}

type redecodeInput struct{ Body RedecodeRequest }

type redecodeOutput struct {
	Status   int
	Location string `header:"Location"`
	Replayed string `header:"Idempotent-Replayed"`
	Body     Decode
}

// paramValue is a parameter of a decoder as JSON gives it. The plugin's schema says what it means, so it is kept as
// text.
type paramValue string

// UnmarshalJSON takes any value.
func (p *paramValue) UnmarshalJSON(b []byte) error {
	var str string
	if err := json.Unmarshal(b, &str); err == nil && b[0] == '"' {
		*p = paramValue(str)
		return nil
	}
	*p = paramValue(b)
	return nil
}

// Schema describes any value.
func (paramValue) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

func (s *Server) routeDecodes(api huma.API) {
	register(s, api, operation{
		id: "create-decode", method: http.MethodPost, path: "/decodes", scope: scopeUpload, created: true, keyed: true,
		summary: "Decode a stored file, with another decoder or other parameters",
		detail:  "Answers 201, or 200 with the decode that is there already.",
	}, s.createDecode)
	register(s, api, operation{
		id: "list-decodes", method: http.MethodGet, path: "/decodes", scope: scopeRead, summary: "List decodes, the newest first",
	}, s.listDecodes)
	register(s, api, operation{
		id: "get-decode", method: http.MethodGet, path: "/decodes/{id}", scope: scopeRead, summary: "Get a decode, or wait for its end",
	}, s.getDecode)
	register(s, api, operation{
		id: "delete-decode", method: http.MethodDelete, path: "/decodes/{id}", scope: scopeAdmin,
		summary: "Delete a decode and its tables; the files that it found stay with its file",
	}, func(ctx context.Context, in *IDParam) (*noContent, error) {
		if err := s.deps.Ingester.DeleteDecode(ctx, in.ID); err != nil {
			return nil, fmt.Errorf("delete decode: %w", err)
		}
		return nil, nil //nolint:nilnil // huma's way to say: no body
	})
	register(s, api, operation{
		id: "cancel-decode", method: http.MethodPost, path: "/decodes/{id}/cancel", scope: scopeUpload,
		summary: "Cancel a decode that has not ended",
	}, func(ctx context.Context, in *IDParam) (*decodeOutput, error) {
		if _, err := s.decodeFor(ctx, in.ID); err != nil {
			return nil, err
		}
		d, err := s.deps.Ingester.Cancel(ctx, in.ID)
		if err != nil {
			return nil, fmt.Errorf("cancel decode: %w", err)
		}
		return &decodeOutput{Body: decodeDTO(d)}, nil
	})
}

func (s *Server) createDecode(ctx context.Context, in *redecodeInput) (*redecodeOutput, error) {
	var params map[string]string
	for k, v := range in.Body.Params {
		if params == nil {
			params = map[string]string{}
		}
		params[k] = string(v)
	}
	if err := s.checkReveal(requestOf(ctx), params); err != nil {
		return nil, err
	}
	again := ingest.Redecode{
		FileID: in.Body.FileID, Decoder: in.Body.Decoder, Params: params, Force: in.Body.Force,
		Trace: RequestIDs(ctx).trace(),
	}
	call, err := s.beginOnce(requestOf(ctx))
	if err != nil {
		return nil, err
	}
	d, existing, replayed := catalog.Decode{}, false, false
	if call != nil {
		defer call.End()
		if d, existing, replayed, err = s.decodeOnce(ctx, call, in, &again); err != nil {
			return nil, err
		}
	}
	if !replayed {
		if d, existing, err = s.deps.Ingester.Redecode(ctx, again); err != nil {
			return nil, fmt.Errorf("decode file %s: %w", in.Body.FileID, err)
		}
	}
	out := &redecodeOutput{Status: http.StatusCreated, Location: pathPrefix + "/decodes/" + d.ID, Body: decodeDTO(d)}
	if existing {
		out.Status = http.StatusOK
	}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

func (s *Server) listDecodes(ctx context.Context, in *decodesInput) (*decodesOutput, error) {
	if err := checkFields[Decode](in.Fields); err != nil {
		return nil, err
	}
	items, next, err := s.deps.Decodes.Decodes(ctx, catalog.DecodeQuery{
		FileID: in.FileID, Status: catalog.Status(in.Status), Decoder: in.Decoder, Format: in.Format, Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, fmt.Errorf("list decodes: %w", err)
	}
	out := &decodesOutput{Body: List[Decode]{Items: make([]Decode, 0, len(items)), NextCursor: text(next), fields: in.Fields}}
	admin := stateOf(ctx).allows(scopeAdmin)
	for _, d := range items {
		if d.Reveal && !admin {
			continue
		}
		out.Body.Items = append(out.Body.Items, decodeDTO(d))
	}
	return out, nil
}

func (s *Server) getDecode(ctx context.Context, in *decodeInput) (*decodeOutput, error) {
	if in.Wait <= 0 {
		d, err := s.decodeFor(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &decodeOutput{Body: decodeDTO(d)}, nil
	}
	stateOf(ctx).stream = true
	watch := s.watchDecodes()
	defer watch.close()
	if _, err := s.decodeFor(ctx, in.ID); err != nil {
		return nil, err
	}
	d, err := watch.final(ctx, in.ID, time.Now().Add(time.Duration(in.Wait*float64(time.Second))))
	if err != nil {
		return nil, err
	}
	return &decodeOutput{Body: decodeDTO(d)}, nil
}

// decodeFor gives a decode to a caller who may see it: one with sensitive values is for admins only.
func (s *Server) decodeFor(ctx context.Context, id string) (catalog.Decode, error) {
	d, err := s.deps.Decodes.Decode(ctx, id)
	if err != nil {
		return d, fmt.Errorf("get decode: %w", err)
	}
	if d.Reveal && !stateOf(ctx).allows(scopeAdmin) {
		return d, errcode.New(errcode.Forbidden, "this decode shows sensitive values: it needs scope admin")
	}
	return d, nil
}
