package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/table"
)

// values is a JSON array that was rendered before.
type values json.RawMessage

// MarshalJSON writes the array.
func (v values) MarshalJSON() ([]byte, error) {
	if len(v) == 0 {
		return []byte("[]"), nil
	}
	return v, nil
}

// Schema describes an array of any values.
func (values) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{}}
}

type seriesInput struct {
	IDParam
	TableParam
	MatchParams
	X      string   `query:"x" maxLength:"63" doc:"column along which it is drawn: a number, decimal or time; without it the time, else seq"`
	Y      []string `query:"y" nullable:"false" maxItems:"16" doc:"columns that are drawn, separated by commas: numbers, decimals, bools, enums; without it those of a speed, else values, else positions"`
	From   string   `query:"from" maxLength:"512" doc:"least value of x; without it where the values begin"`
	To     string   `query:"to" maxLength:"512" doc:"largest value of x; without it where the values end"`
	Points int      `query:"points" minimum:"1" maximum:"10000" default:"2000" doc:"most points of the answer"`
	Int64  string   `query:"int64" enum:"number,string" default:"number" doc:"how 64-bit integers are written"`
}

// Series is columns of a table along another one, on the wire.
type Series struct {
	XColumn string `json:"x_column" doc:"name of the column along which it is drawn"`
	Rows    int64  `json:"rows" doc:"rows that the points stand for"`
	Buckets int    `json:"buckets" doc:"0 = the points are the rows themselves, else they are this many buckets of equal width"`
	X       values `json:"x" doc:"never falls; of a row its value, of a bucket the value where it begins"`
	Series  []Line `json:"series" nullable:"false" doc:"in the order of y"`
}

// Line is one column of a Series, on the wire.
type Line struct {
	Name string `json:"name"`
	Unit string `json:"unit" doc:"UCUM; may be empty"`
	Min  values `json:"min" doc:"smallest value at each point, null where there is none"`
	Max  values `json:"max" doc:"largest value at each point, null where there is none"`
	Last values `json:"last" doc:"value of the last row in the table that has one at each point, null where there is none"`
}

type seriesOutput struct{ Body Series }

func (s *Server) routeSeries(api huma.API) {
	register(s, api, operation{
		id: "get-series", whole: true, method: http.MethodGet, path: "/decodes/{id}/tables/{table}/series", scope: scopeRead,
		summary: "Get columns of a table for a chart: minimum, maximum and last value along x",
		detail: "Where more rows count than points are wanted, they are put into buckets of equal width, so that no peak is lost. " +
			"A bucket without a value is null: a chart sees gaps.",
	}, s.getSeries)
}

func (s *Server) getSeries(ctx context.Context, in *seriesInput) (*seriesOutput, error) {
	t, err := s.openTable(ctx, in.ID, in.Table)
	if err != nil {
		return nil, err
	}
	defer t.close()
	where, err := in.conditions(t.schema)
	if err != nil {
		return nil, err
	}
	got, err := t.reader.Series(ctx, table.SeriesQuery{
		X: in.X, Y: in.Y, From: in.From, To: in.To, Points: in.Points, Where: where, Search: in.Q, Int64AsString: in.Int64 == "string",
	})
	if err != nil {
		return nil, fmt.Errorf("read series of table %s of decode %s: %w", in.Table, in.ID, err)
	}
	out := &seriesOutput{Body: Series{
		XColumn: got.Column.Name, Rows: got.Rows, Buckets: got.Buckets, X: values(got.X), Series: make([]Line, 0, len(got.Lines)),
	}}
	for _, l := range got.Lines {
		out.Body.Series = append(out.Body.Series, Line{
			Name: l.Column.Name, Unit: l.Column.Unit, Min: values(l.Min), Max: values(l.Max), Last: values(l.Last),
		})
	}
	return out, nil
}
