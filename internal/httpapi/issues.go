package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/table"
)

type issuesInput struct {
	IDParam
	PageParams
	Severity []string `query:"severity" nullable:"false" enum:"info,warning,error,fatal" doc:"only these, separated by commas"`
	Code     string   `query:"code" maxLength:"255"`
	Table    string   `query:"table" maxLength:"63" doc:"table the issue concerns"`
	Row      int64    `query:"row" minimum:"0" doc:"row (seq) of that table; 0 = any"`
}

// Issue is a problem at a byte offset of the input, on the wire.
type Issue struct {
	Seq      int64   `json:"seq"`
	Offset   *int64  `json:"offset"`
	Severity string  `json:"severity" enum:"info,warning,error,fatal"`
	Code     string  `json:"code"`
	Message  string  `json:"message"`
	Table    *string `json:"table" doc:"table the issue concerns"`
	Row      *int64  `json:"row" doc:"row (seq) of that table"`
}

type issuesOutput struct{ Body List[Issue] }

func (s *Server) routeIssues(api huma.API) {
	register(s, api, operation{
		id: "list-issues", method: http.MethodGet, path: "/decodes/{id}/issues", scope: scopeRead,
		summary: "List the issues of a decode, in the order they were met",
	}, s.listIssues)
}

func (s *Server) listIssues(ctx context.Context, in *issuesInput) (*issuesOutput, error) {
	if err := checkFields[Issue](in.Fields); err != nil {
		return nil, err
	}
	d, err := s.decodeFor(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	none := int64(0)
	out := &issuesOutput{Body: List[Issue]{Items: []Issue{}, Total: &none, fields: in.Fields}}
	if len(d.Tables) == 0 {
		return out, nil
	}
	name := table.Issues().Name
	t, err := s.openTable(ctx, in.ID, name)
	if err != nil {
		return nil, err
	}
	defer t.close()
	where, err := in.conditions(t.schema)
	if err != nil {
		return nil, err
	}
	page, err := t.reader.Page(ctx, table.Query{Columns: jsonNames[Issue](), Where: where, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, fmt.Errorf("read issues of decode %s: %w", in.ID, err)
	}
	out.Body.NextCursor, out.Body.Total = text(page.NextCursor), page.Total
	for _, row := range page.Rows {
		var it Issue
		cells := []any{&it.Seq, &it.Offset, &it.Severity, &it.Code, &it.Message, &it.Table, &it.Row}
		if err := json.Unmarshal(row, &cells); err != nil {
			return nil, fmt.Errorf("read issue: %w", err)
		}
		out.Body.Items = append(out.Body.Items, it)
	}
	return out, nil
}

// conditions makes the conditions on the table of issues.
func (in *issuesInput) conditions(s *table.Schema) ([]table.Condition, error) {
	var exprs []string
	for expr, on := range map[string]bool{
		"severity:in:" + strings.Join(in.Severity, ","): len(in.Severity) > 0,
		"code:eq:" + in.Code:                            in.Code != "",
		"table:eq:" + in.Table:                          in.Table != "",
		"row:eq:" + strconv.FormatInt(in.Row, 10):       in.Row > 0,
	} {
		if on {
			exprs = append(exprs, expr)
		}
	}
	slices.Sort(exprs) // a cursor belongs to the conditions in their order
	return MatchParams{Where: exprs}.conditions(s)
}

// jsonNames gives the names of the members of T, in their order.
func jsonNames[T any]() []string { return membersOf(reflect.TypeFor[T]()) }
