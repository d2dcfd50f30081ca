package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/alert"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
)

// Alerts knows which figures are beyond their limits; it is alert.Engine.
type Alerts interface {
	Alerts(q alert.Query) (list []alert.Alert, more bool)
	Rules() []alert.Rule
	Silences() []alert.Silence
	AddSilence(ctx context.Context, s alert.Silence) (alert.Silence, error)
	DeleteSilence(ctx context.Context, id string) error
}

// AlertLine is an alert on the wire.
type AlertLine struct {
	ID         string  `json:"id"`
	Rule       string  `json:"rule"`
	Subject    text    `json:"subject" doc:"what it is about: a queue, a plugin; null: the appliance"`
	State      string  `json:"state" enum:"firing,resolved"`
	Level      string  `json:"level" enum:"warning,critical" doc:"now, or the last before it was resolved"`
	Worst      string  `json:"worst" enum:"warning,critical" doc:"the worst level it ever had"`
	Value      float64 `json:"value" doc:"of the figure, in the unit of the rule"`
	Limit      float64 `json:"limit" doc:"of the level"`
	Text       string  `json:"text" doc:"for people"`
	StartedAt  Stamp   `json:"started_at"`
	ChangedAt  Stamp   `json:"changed_at" doc:"when state or level changed last"`
	ResolvedAt Stamp   `json:"resolved_at" doc:"null while it fires"`
	Times      int     `json:"times" doc:"how often it fired, within the time of de-duplication"`
	Silenced   bool    `json:"silenced" doc:"nobody is told of it, for a silence holds"`
}

// RuleLine is a rule of alerts on the wire.
type RuleLine struct {
	Name     string   `json:"name"`
	Text     string   `json:"text" doc:"what the figure is"`
	Unit     text     `json:"unit" doc:"%, s, or null for a number"`
	Below    bool     `json:"below" doc:"a figure below the limit is bad, not one above"`
	Warning  *float64 `json:"warning" doc:"limit; null: none"`
	Critical *float64 `json:"critical" doc:"limit; null: none"`
	For      float64  `json:"for" doc:"seconds beyond the limit before it is told"`
}

// SilenceLine is a silence on the wire.
type SilenceLine struct {
	ID        string `json:"id"`
	Rule      text   `json:"rule" doc:"null: every rule"`
	Subject   text   `json:"subject" doc:"null: every subject"`
	Comment   text   `json:"comment"`
	CreatedBy text   `json:"created_by" doc:"name of the token; null: of nobody who has one"`
	CreatedAt Stamp  `json:"created_at"`
	Until     Stamp  `json:"until"`
}

// NewSilence is the body of POST /alerts/silences.
type NewSilence struct {
	Rule    string    `json:"rule,omitempty" maxLength:"100" doc:"only alerts of this rule"`
	Subject string    `json:"subject,omitempty" maxLength:"1000" doc:"only alerts of this subject"`
	Comment string    `json:"comment,omitempty" maxLength:"1000"`
	Until   time.Time `json:"until,omitzero" doc:"its end, at most in a year; this or seconds"`
	Seconds float64   `json:"seconds,omitempty" minimum:"1" maximum:"31536000" doc:"how long it holds from now"`
}

func alertDTO(a *alert.Alert) AlertLine {
	line := AlertLine{
		ID: a.ID, Rule: a.Rule, Subject: text(a.Subject), State: string(a.State), Level: string(a.Level), Worst: string(a.Worst),
		Value: a.Value, Limit: a.Limit, Text: a.Text, StartedAt: Stamp(a.StartedAt), ChangedAt: Stamp(a.ChangedAt), Times: a.Times,
		Silenced: a.Silenced,
	}
	if a.ResolvedAt != nil {
		line.ResolvedAt = Stamp(*a.ResolvedAt)
	}
	return line
}

func silenceDTO(s *alert.Silence) SilenceLine {
	return SilenceLine{
		ID: s.ID, Rule: text(s.Rule), Subject: text(s.Subject), Comment: text(s.Comment), CreatedBy: text(s.CreatedBy),
		CreatedAt: Stamp(s.CreatedAt), Until: Stamp(s.Until),
	}
}

func ruleDTO(r *alert.Rule) RuleLine {
	limit := func(v float64) *float64 {
		if v != v { // NaN: none
			return nil
		}
		return &v
	}
	return RuleLine{
		Name: r.Name, Text: r.Text, Unit: text(r.Unit), Below: r.Below, Warning: limit(r.Warning), Critical: limit(r.Critical),
		For: r.For.Seconds(),
	}
}

type alertsInput struct {
	State string `query:"state" enum:"firing,resolved" doc:"only these"`
	Level string `query:"level" enum:"warning,critical" doc:"only these"`
	Rule  string `query:"rule" maxLength:"100" doc:"only of this rule"`
	PageParams
}

type alertsOutput struct{ Body List[AlertLine] }

type rulesInput struct{ PageParams }

type rulesOutput struct{ Body List[RuleLine] }

type silencesInput struct{ PageParams }

type silencesOutput struct{ Body List[SilenceLine] }

type newSilenceInput struct{ Body NewSilence }

type silenceOutput struct{ Body SilenceLine }

// SilenceParam is the id in a path. Exported for the same reason as IDParam.
type SilenceParam struct {
	ID string `path:"id" maxLength:"64" doc:"silence id"`
}

func (s *Server) routeAlerts(api huma.API) {
	s.events.renderers["alert"] = func(_ context.Context, ev event.Event) (any, bool, error) {
		a, ok := ev.Data.(alert.Alert)
		if !ok {
			return nil, false, fmt.Errorf("the event of alert %s has none", ev.Key)
		}
		return alertDTO(&a), false, nil
	}
	register(s, api, operation{
		id: "list-alerts", method: http.MethodGet, path: "/alerts", scope: scopeRead, summary: "List alerts, the newest first",
		detail: "Those that fire and the last thousand that are resolved. docs/observability.md tells what raises them.",
	}, s.listAlerts)
	register(s, api, operation{
		id: "list-alert-rules", method: http.MethodGet, path: "/alerts/rules", scope: scopeRead, summary: "List what is watched, and its limits",
	}, func(_ context.Context, in *rulesInput) (*rulesOutput, error) {
		list, err := listOf(s.deps.Alerts.Rules(), in.PageParams, func(r *alert.Rule) string { return r.Name }, ruleDTO)
		return &rulesOutput{Body: list}, err
	})
	register(s, api, operation{
		id: "list-silences", method: http.MethodGet, path: "/alerts/silences", scope: scopeRead, summary: "List the silences that hold",
	}, func(_ context.Context, in *silencesInput) (*silencesOutput, error) {
		list, err := listOf(s.deps.Alerts.Silences(), in.PageParams, func(x *alert.Silence) string { return x.ID }, silenceDTO)
		return &silencesOutput{Body: list}, err
	})
	register(s, api, operation{
		id: "create-silence", method: http.MethodPost, path: "/alerts/silences", scope: scopeAdmin, created: true, summary: "Be told of no alerts for a while",
		detail: "They are listed all the same. What still fires when the silence ends is told then.",
	}, s.createSilence)
	register(s, api, operation{
		id: "get-silence", method: http.MethodGet, path: "/alerts/silences/{id}", scope: scopeRead, summary: "Get a silence",
	}, func(_ context.Context, in *SilenceParam) (*silenceOutput, error) {
		all := s.deps.Alerts.Silences()
		i := slices.IndexFunc(all, func(x alert.Silence) bool { return x.ID == in.ID })
		if i < 0 {
			return nil, alert.ErrNotFound
		}
		return &silenceOutput{Body: silenceDTO(&all[i])}, nil
	})
	register(s, api, operation{
		id: "delete-silence", method: http.MethodDelete, path: "/alerts/silences/{id}", scope: scopeAdmin, summary: "End a silence",
	}, func(ctx context.Context, in *SilenceParam) (*noContent, error) {
		if err := s.deps.Alerts.DeleteSilence(ctx, in.ID); err != nil {
			return nil, fmt.Errorf("delete silence: %w", err)
		}
		return nil, nil //nolint:nilnil // huma's way to say: no body
	})
}

func (s *Server) listAlerts(_ context.Context, in *alertsInput) (*alertsOutput, error) {
	if err := checkFields[AlertLine](in.Fields); err != nil {
		return nil, err
	}
	q := alert.Query{State: alert.State(in.State), Level: alert.Level(in.Level), Rule: in.Rule, Limit: in.Limit}
	if in.Cursor != "" {
		var err error
		if q.Before, err = keyOfCursor(in.Cursor); err != nil {
			return nil, err
		}
	}
	found, more := s.deps.Alerts.Alerts(q)
	out := &alertsOutput{Body: List[AlertLine]{Items: []AlertLine{}, fields: in.Fields}}
	for i := range found {
		out.Body.Items = append(out.Body.Items, alertDTO(&found[i]))
	}
	if more {
		out.Body.NextCursor = text(cursorOfKey(found[len(found)-1].ID))
	}
	return out, nil
}

func (s *Server) createSilence(ctx context.Context, in *newSilenceInput) (*silenceOutput, error) {
	b := in.Body
	if b.Until.IsZero() == (b.Seconds == 0) {
		return nil, errcode.Invalid("until", "say either until when, or for how many seconds")
	}
	if b.Seconds > 0 {
		b.Until = time.Now().Add(time.Duration(b.Seconds * float64(time.Second)))
	}
	who := ""
	if g := stateOf(ctx).grant; g != nil {
		who = g.Name
	}
	made, err := s.deps.Alerts.AddSilence(ctx, alert.Silence{Rule: b.Rule, Subject: b.Subject, Comment: b.Comment, CreatedBy: who, Until: b.Until})
	if err != nil {
		return nil, fmt.Errorf("make silence: %w", err)
	}
	return &silenceOutput{Body: silenceDTO(&made)}, nil
}
