// Package boardtest reads the dashboards and the alerting rules that are shipped in packaging, and what their expressions
// ask for, for tests.
//
// It is apart so that the tests of the metrics, which know what there is, and those of the running appliance, which ask a
// real Prometheus, read the same files in the same way. It knows as much of PromQL as names a metric or a label; whether
// an expression as a whole is right is Prometheus's to say. It owns no goroutine and no lock.
package boardtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Board is a dashboard of Grafana, as far as ours have something in it. What is not here is refused when one is read.
type Board struct {
	ID            *int     `json:"id"` // of an instance: null
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Description   string   `json:"description"`
	Tags          []string `json:"tags"`
	SchemaVersion int      `json:"schemaVersion"`
	Editable      bool     `json:"editable"`
	GraphTooltip  int      `json:"graphTooltip"`
	Refresh       string   `json:"refresh"`
	Timezone      string   `json:"timezone"`
	Time          struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"time"`
	Links       []map[string]any `json:"links"`
	Annotations struct {
		List []Annotation `json:"list"`
	} `json:"annotations"`
	Templating struct {
		List []Variable `json:"list"`
	} `json:"templating"`
	Panels []Panel `json:"panels"`

	File string `json:"-"`
}

// Annotation is what a dashboard marks on its graphs.
type Annotation struct {
	Name       string      `json:"name"`
	Enable     bool        `json:"enable"`
	IconColor  string      `json:"iconColor"`
	Datasource *Datasource `json:"datasource"`
	Target     struct {
		RefID    string `json:"refId"`
		Expr     string `json:"expr"`
		Interval string `json:"interval"`
	} `json:"target"`
	Title     string `json:"titleFormat"`
	Text      string `json:"textFormat"`
	ValueTime bool   `json:"useValueForTime"` // the value is when it was, in milliseconds
}

// Variable is what the reader of a dashboard chooses.
type Variable struct {
	Name       string          `json:"name"`
	Label      string          `json:"label"`
	Type       string          `json:"type"`
	Query      json.RawMessage `json:"query"`
	Definition string          `json:"definition"`
	Datasource *Datasource     `json:"datasource"`
	Hide       int             `json:"hide"`
	Refresh    int             `json:"refresh"`
	Sort       int             `json:"sort"`
	Multi      bool            `json:"multi"`
	IncludeAll bool            `json:"includeAll"`
	AllValue   string          `json:"allValue"`
	Options    []string        `json:"options"`
	Current    map[string]any  `json:"current"`
	Regex      string          `json:"regex"`
}

// Datasource is where figures come from.
type Datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Panel is one picture of a dashboard, or the heading of a row of them.
type Panel struct {
	ID          int         `json:"id"`
	Type        string      `json:"type"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Datasource  *Datasource `json:"datasource"`
	GridPos     struct {
		H int `json:"h"`
		W int `json:"w"`
		X int `json:"x"`
		Y int `json:"y"`
	} `json:"gridPos"`
	Targets     []Target       `json:"targets"`
	FieldConfig FieldConfig    `json:"fieldConfig"`
	Options     map[string]any `json:"options"`
	Collapsed   bool           `json:"collapsed"`
	Panels      []Panel        `json:"panels"` // of a row that is folded
}

// Target is a question to Prometheus.
type Target struct {
	RefID   string `json:"refId"`
	Expr    string `json:"expr"`
	Legend  string `json:"legendFormat"`
	Instant bool   `json:"instant"`
	Range   bool   `json:"range"`
	Format  string `json:"format"`
}

// FieldConfig is how values are shown.
type FieldConfig struct {
	Defaults struct {
		Unit       string           `json:"unit"`
		Min        *float64         `json:"min"`
		Max        *float64         `json:"max"`
		Decimals   *int             `json:"decimals"`
		NoValue    string           `json:"noValue"`
		Color      map[string]any   `json:"color"`
		Mappings   []map[string]any `json:"mappings"`
		Custom     map[string]any   `json:"custom"`
		Thresholds struct {
			Mode  string `json:"mode"`
			Steps []struct {
				Color string   `json:"color"`
				Value *float64 `json:"value"`
			} `json:"steps"`
		} `json:"thresholds"`
	} `json:"defaults"`
	Overrides []map[string]any `json:"overrides"`
}

// Boards reads the dashboards of a folder, by name of file.
func Boards(dir string) ([]Board, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no dashboards in %s: %w", dir, errors.Join(err, os.ErrNotExist))
	}
	out := make([]Board, len(files))
	for i, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read dashboard: %w", err)
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&out[i]); err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", path, err)
		}
		if rest := bytes.TrimSpace(b[dec.InputOffset():]); len(rest) > 0 {
			return nil, fmt.Errorf("dashboard %s: more after its end: %.40s", path, rest)
		}
		out[i].File = filepath.Base(path)
	}
	return out, nil
}

// All gives the panels with those of folded rows, without the rows.
func (b *Board) All() []Panel {
	var out []Panel
	for _, p := range b.Panels {
		if p.Type == "row" {
			out = append(out, p.Panels...)
			continue
		}
		out = append(out, p)
	}
	return out
}

// Query is an expression of a dashboard and where it stands.
type Query struct {
	Where, Expr, Legend string
}

// Queries gives the expressions of all panels and annotations, with Grafana's variables.
func (b *Board) Queries() []Query {
	var out []Query
	for _, p := range b.All() {
		for _, t := range p.Targets {
			out = append(out, Query{fmt.Sprintf("%s: %s (%s)", b.File, p.Title, t.RefID), t.Expr, t.Legend})
		}
	}
	for _, a := range b.Annotations.List {
		out = append(out, Query{fmt.Sprintf("%s: annotation %s", b.File, a.Name), a.Target.Expr, a.Text})
	}
	return out
}

// Rule is an alerting rule.
type Rule struct {
	Group       string            `yaml:"-"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Rules reads a file of rules.
func Rules(path string) ([]Rule, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []Rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("rules %s: %w", path, err)
	}
	var out []Rule
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			r.Group, r.Expr = g.Name, strings.TrimSpace(r.Expr)
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no rules in %s", path)
	}
	return out, nil
}
