package httpapi

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Readings knows how the figures of the appliance were in the last 24 hours.
type Readings interface {
	// Readings gives those of some kinds, all for none, and of one subject, all for "", in at most points buckets.
	Readings(kinds []string, subject string, last time.Duration, points int) ReadingsSeen
}

// ReadingsSeen is readings in buckets of equal length.
type ReadingsSeen struct {
	From   time.Time
	Step   time.Duration
	Series []ReadingSeen
}

// ReadingSeen is one kind and subject. NaN is a gap.
type ReadingSeen struct {
	Kind, Text, Unit, Subject string
	Limit                     float64 // 0 = none
	Min, Max, Mean            []float64
}

// ReadingList is readings of the last while, on the wire.
type ReadingList struct {
	From   Stamp         `json:"from" doc:"when the first bucket begins"`
	Step   float64       `json:"step" doc:"seconds of a bucket; the last one is not over"`
	Series []ReadingLine `json:"series" nullable:"false" doc:"by kind, then subject"`
}

// ReadingLine is one kind of reading, of the appliance or of one subject, on the wire.
type ReadingLine struct {
	Kind    string   `json:"kind" doc:"one of those that docs/observability.md lists"`
	Subject text     `json:"subject" doc:"name of the queue; null: the appliance"`
	Text    string   `json:"text" doc:"for people"`
	Unit    string   `json:"unit" doc:"UCUM; empty: a number of things"`
	Limit   *float64 `json:"limit" doc:"beyond which it is bad, of disk_free below; null: none"`
	Min     values   `json:"min" doc:"least value of each bucket; null: a gap, the appliance was off or it could not be told"`
	Max     values   `json:"max" doc:"largest value of each bucket, or null"`
	Mean    values   `json:"mean" doc:"mean of each bucket, or null"`
}

type readingsInput struct {
	Kinds   []string `query:"kinds" nullable:"false" maxItems:"32" doc:"only these, separated by commas"`
	Subject string   `query:"subject" maxLength:"200" doc:"only of this queue"`
	Last    int      `query:"last" minimum:"60" maximum:"86400" default:"86400" doc:"how many seconds back"`
	Points  int      `query:"points" minimum:"1" maximum:"1440" default:"288" doc:"most buckets"`
}

type readingsOutput struct{ Body ReadingList }

func (s *Server) routeReadings(api huma.API) {
	register(s, api, operation{
		id: "get-readings", method: http.MethodGet, path: "/readings", scope: scopeRead, whole: true,
		summary: "See how the figures of the appliance were in the last 24 hours",
		detail:  "They are read every 10 seconds and kept by the minute, also over a restart. Where the appliance was off is a gap.",
	}, func(_ context.Context, in *readingsInput) (*readingsOutput, error) {
		seen := s.deps.Readings.Readings(in.Kinds, in.Subject, time.Duration(in.Last)*time.Second, in.Points)
		out := &readingsOutput{Body: ReadingList{From: Stamp(seen.From), Step: seen.Step.Seconds(), Series: make([]ReadingLine, 0, len(seen.Series))}}
		for i := range seen.Series {
			r := &seen.Series[i]
			line := ReadingLine{
				Kind: r.Kind, Subject: text(r.Subject), Text: r.Text, Unit: r.Unit, Min: numbersOrNull(r.Min), Max: numbersOrNull(r.Max), Mean: numbersOrNull(r.Mean),
			}
			if r.Limit > 0 {
				line.Limit = &r.Limit
			}
			out.Body.Series = append(out.Body.Series, line)
		}
		return out, nil
	})
}

// numbersOrNull writes numbers, with null for NaN. They were kept with the precision of float32.
func numbersOrNull(list []float64) values {
	out := []byte{'['}
	for i, v := range list {
		if i > 0 {
			out = append(out, ',')
		}
		if math.IsNaN(v) {
			out = append(out, "null"...)
		} else {
			out = strconv.AppendFloat(out, v, 'g', 7, 64)
		}
	}
	return append(out, ']')
}
