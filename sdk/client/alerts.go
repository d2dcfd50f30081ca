package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// AlertTopic is the topic of Events on which changes of alerts are told; their data is an Alert.
const AlertTopic = "alert"

// Alert is a figure beyond its limit, from the first time until it was within again.
type Alert struct {
	ID         string     `json:"id"`
	Rule       string     `json:"rule"`
	Subject    *string    `json:"subject"` // a queue, a plugin; nil = the appliance
	State      string     `json:"state"`   // firing, resolved
	Level      string     `json:"level"`   // warning, critical: now, or the last before it was resolved
	Worst      string     `json:"worst"`
	Value      float64    `json:"value"` // in the unit of the rule
	Limit      float64    `json:"limit"` // of the level
	Text       string     `json:"text"`  // for people
	StartedAt  time.Time  `json:"started_at"`
	ChangedAt  time.Time  `json:"changed_at"`
	ResolvedAt *time.Time `json:"resolved_at"` // nil while it fires
	Times      int        `json:"times"`       // how often it fired within the time of de-duplication
	Silenced   bool       `json:"silenced"`
}

// AlertRule is what is watched.
type AlertRule struct {
	Name     string   `json:"name"`
	Text     string   `json:"text"`     // what the figure is
	Unit     *string  `json:"unit"`     // %, s; nil = a number
	Below    bool     `json:"below"`    // a figure below the limit is bad, not one above
	Warning  *float64 `json:"warning"`  // nil = none
	Critical *float64 `json:"critical"` // nil = none
	For      float64  `json:"for"`      // seconds beyond the limit before it is told
}

// Silence keeps alerts from being told for a while; they are listed all the same.
type Silence struct {
	ID        string    `json:"id"`
	Rule      *string   `json:"rule"`    // nil = every rule
	Subject   *string   `json:"subject"` // nil = every subject
	Comment   *string   `json:"comment"`
	CreatedBy *string   `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	Until     time.Time `json:"until"`
}

// NewSilence says what is to be silent. Until or For is needed, not both.
type NewSilence struct {
	Rule    string        // "" = every rule
	Subject string        // "" = every subject
	Comment string        // why
	Until   time.Time     // its end, at most in a year
	For     time.Duration // from now, by the clock of the appliance
}

// MarshalJSON writes it as the appliance reads it.
func (s NewSilence) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Rule    string    `json:"rule,omitempty"`
		Subject string    `json:"subject,omitempty"`
		Comment string    `json:"comment,omitempty"`
		Until   time.Time `json:"until,omitzero"`
		Seconds float64   `json:"seconds,omitempty"`
	}{s.Rule, s.Subject, s.Comment, s.Until, s.For.Seconds()})
}

// AlertFilter selects alerts; an empty field selects all.
type AlertFilter struct {
	State string // firing, resolved
	Level string // warning, critical
	Rule  string
}

// Alerts lists those that fire and the last that are resolved, the newest first.
func (c *Client) Alerts(ctx context.Context, f AlertFilter) ([]Alert, error) {
	q := url.Values{}
	for name, v := range map[string]string{"state": f.State, "level": f.Level, "rule": f.Rule} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return allOf[Alert](ctx, c, "/alerts", q)
}

// AlertRules lists what is watched, and its limits.
func (c *Client) AlertRules(ctx context.Context) ([]AlertRule, error) {
	return all[AlertRule](ctx, c, "/alerts/rules")
}

// Silences lists the silences that hold.
func (c *Client) Silences(ctx context.Context) ([]Silence, error) {
	return all[Silence](ctx, c, "/alerts/silences")
}

// CreateSilence keeps alerts quiet for a while.
func (c *Client) CreateSilence(ctx context.Context, n NewSilence) (s Silence, err error) {
	err = c.send(ctx, http.MethodPost, "/alerts/silences", n, &s)
	return s, err
}

// DeleteSilence ends a silence. What still fires is told then.
func (c *Client) DeleteSilence(ctx context.Context, id string) error {
	return c.act(ctx, http.MethodDelete, "/alerts/silences/"+url.PathEscape(id), nil)
}
