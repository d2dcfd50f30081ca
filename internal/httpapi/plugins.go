package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// Plugin is a decoder on the wire.
type Plugin struct {
	ID           string            `json:"id" doc:"of a module whose manifest cannot be read: its file's name"`
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	SHA256       string            `json:"sha256"`
	Source       string            `json:"source" enum:"builtin,system,data"`
	File         string            `json:"file" doc:"name of the module's file"`
	State        string            `json:"state" enum:"active,disabled,rejected,compiling,standby" doc:"standby, only as the answer to an upload: it could be used, and another version is"`
	Reason       text              `json:"reason" doc:"why it is rejected, or on standby"`
	Signature    Signature         `json:"signature"`
	Checks       []PluginCheck     `json:"checks" nullable:"false" doc:"what the module goes through before it may decode, in that order"`
	Description  string            `json:"description"`
	Licence      string            `json:"licence"`
	Formats      []Format          `json:"formats" nullable:"false"`
	Tables       []TableSchema     `json:"tables" nullable:"false"`
	ParamsSchema object            `json:"params_schema" doc:"JSON Schema of its parameters; {} = it has none"`
	Params       map[string]string `json:"params" nullable:"false" doc:"defaults of parameters that the configuration sets"`
	Capabilities []string          `json:"capabilities" nullable:"false"`
	Limits       PluginLimits      `json:"limits"`
	Stats        PluginStats       `json:"stats"`
	Others       []PluginVersion   `json:"others" nullable:"false" doc:"other modules of this id, the best first: rejected, about to take over, or older"`
}

// Signature is what is known of a module's signature, on the wire.
type Signature struct {
	State string `json:"state" enum:"none,valid,unknown_key,invalid"`
	KeyID text   `json:"key_id" doc:"of the key that signed; with unknown_key what the module says"`
}

// PluginLimits bound one decode by a plugin, on the wire.
type PluginLimits struct {
	MemoryBytes         int64   `json:"memory_bytes"`
	StallSeconds        float64 `json:"stall_seconds"`
	TimeoutSeconds      float64 `json:"timeout_seconds"`
	TimeoutPerMBSeconds float64 `json:"timeout_per_mb_seconds"`
	OutputRatio         int64   `json:"output_ratio"`
	OutputBaseBytes     int64   `json:"output_base_bytes"`
	MaxIssues           int64   `json:"max_issues"`
	MaxLogBytes         int64   `json:"max_log_bytes"`
}

// PluginStats is what a plugin has done since the start, on the wire.
type PluginStats struct {
	Decodes int64 `json:"decodes"`
	Failed  int64 `json:"failed"`
	Rows    int64 `json:"rows"`
	Bytes   int64 `json:"bytes" doc:"read"`
	Workers int   `json:"workers" doc:"processes that hold it now"`
}

// PluginVersion is a module that does not serve the id it has, on the wire.
type PluginVersion struct {
	Version   text      `json:"version" doc:"null if it cannot be read"`
	SHA256    string    `json:"sha256"`
	Source    string    `json:"source" enum:"builtin,system,data"`
	File      string    `json:"file"`
	State     string    `json:"state" enum:"compiling,rejected,standby"`
	Reason    text      `json:"reason"`
	Signature Signature `json:"signature"`
	// Checks are never nil.
	Checks []PluginCheck `json:"checks" nullable:"false" doc:"what the module goes through before it may decode, in that order"`
	Tables []TableSchema `json:"tables,omitempty" nullable:"false" doc:"with columns=true, where its manifest can be read"`
}

// PluginCheck is one of the checks of a module on the wire.
type PluginCheck struct {
	Name   string `json:"name" enum:"module,manifest,signature,rules,compile,golden" doc:"rules: the static limits of modules; golden: its golden vectors, those of a built-in one with the appliance"`
	State  string `json:"state" enum:"passed,failed,not_reached"`
	Reason text   `json:"reason" doc:"why it failed"`
}

// Format is a kind of file on the wire.
type Format struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Extensions []string        `json:"extensions" nullable:"false"`
	MediaTypes []string        `json:"media_types" nullable:"false"`
	Sequence   maybe[Sequence] `json:"sequence" doc:"how files of the format follow each other as one recording; null if they cannot"`
}

// Sequence is the place in the files of a format whose bytes order them, on the wire.
type Sequence struct {
	At     int64 `json:"at"`
	Length int   `json:"length"`
}

// TableSchema is a table of a plugin's manifest on the wire.
type TableSchema struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Columns     int    `json:"columns"`
	// Fields are what Columns counts.
	Fields []TableField `json:"fields,omitempty" nullable:"false" doc:"its columns, with columns=true"`
}

// TableField is a column of a plugin's manifest on the wire.
type TableField struct {
	Name string `json:"name"`
	Type string `json:"type" example:"dec32(2)"`
	Unit string `json:"unit" doc:"UCUM; may be empty"`
}

type pluginsInput struct{ PageParams }

type pluginsOutput struct{ Body List[Plugin] }

type pluginInput struct {
	ID string `path:"id" maxLength:"255" doc:"plugin id"`
}

type getPluginInput struct {
	ID      string `path:"id" maxLength:"255" doc:"plugin id"`
	Columns bool   `query:"columns" doc:"with the columns of its tables, and the tables of its other versions"`
}

type pluginOutput struct{ Body Plugin }

func (s *Server) routePlugins(api huma.API, bodies map[string]*huma.RequestBody) {
	register(s, api, operation{
		id: "list-plugins", method: http.MethodGet, path: "/plugins", scope: scopeRead, summary: "List the decoders",
	}, func(_ context.Context, in *pluginsInput) (*pluginsOutput, error) {
		list, err := listOf(s.deps.Plugins.Plugins(), in.PageParams, func(p *runtime.Plugin) string { return p.ID }, s.pluginDTO)
		return &pluginsOutput{Body: list}, err
	})
	register(s, api, operation{
		id: "get-plugin", method: http.MethodGet, path: "/plugins/{id}", scope: scopeRead, summary: "Get a decoder",
	}, func(_ context.Context, in *getPluginInput) (*pluginOutput, error) {
		all := s.deps.Plugins.Plugins()
		for i := range all {
			if all[i].ID != in.ID {
				continue
			}
			if in.Columns {
				return &pluginOutput{Body: s.wholePlugin(&all[i])}, nil
			}
			return &pluginOutput{Body: s.pluginDTO(&all[i])}, nil
		}
		return nil, errcode.New(errcode.NotFound, "no such plugin")
	})
	s.routePluginAdmin(api, bodies)
}

// wholePlugin is a plugin with the columns of its tables, and those of its other versions.
func (s *Server) wholePlugin(p *runtime.Plugin) Plugin {
	out := s.pluginDTO(p)
	out.Tables = tablesDTO(p.Tables, true)
	for i := range p.Others {
		out.Others[i].Tables = tablesDTO(p.Others[i].Tables, true)
	}
	return out
}

func (s *Server) pluginDTO(p *runtime.Plugin) Plugin {
	out := Plugin{
		ID: p.ID, Name: p.Name, Version: p.Version, SHA256: p.SHA256, Source: string(p.Source), File: p.File, State: string(p.State),
		Reason: text(p.Reason), Signature: signatureDTO(p.Signature), Checks: checksDTO(p.Checks), Description: p.Description, Licence: p.Licence,
		Formats: make([]Format, 0, len(p.Formats)), Tables: tablesDTO(p.Tables, false), ParamsSchema: object(p.ParamsSchema),
		Params: map[string]string{}, Capabilities: append([]string{}, p.Capabilities...), Limits: limitsDTO(p.Limits),
		Stats: PluginStats(s.deps.Plugins.Usage(p.ID)), Others: make([]PluginVersion, 0, len(p.Others)),
	}
	if p.Params != nil {
		out.Params = p.Params
	}
	for _, f := range p.Formats {
		out.Formats = append(out.Formats, formatDTO(&f))
	}
	for _, o := range p.Others {
		out.Others = append(out.Others, PluginVersion{
			Version: text(o.Version), SHA256: o.SHA256, Source: string(o.Source), File: o.File, State: string(o.State),
			Reason: text(o.Reason), Signature: signatureDTO(o.Signature), Checks: checksDTO(o.Checks),
		})
	}
	return out
}

func checksDTO(all []runtime.Check) []PluginCheck {
	out := make([]PluginCheck, len(all))
	for i, c := range all {
		out[i] = PluginCheck{Name: string(c.Name), State: string(c.State), Reason: text(c.Reason)}
	}
	return out
}

func tablesDTO(all []*table.Schema, fields bool) []TableSchema {
	out := make([]TableSchema, len(all))
	for i, t := range all {
		out[i] = TableSchema{Name: t.Name, Description: t.Description, Columns: len(t.Columns)}
		for j := 0; fields && j < len(t.Columns); j++ {
			c := &t.Columns[j]
			out[i].Fields = append(out[i].Fields, TableField{Name: c.Name, Type: c.TypeName(), Unit: c.Unit})
		}
	}
	return out
}

func formatDTO(f *runtime.Format) Format {
	out := Format{
		ID: f.ID, Name: f.Name, Extensions: append([]string{}, f.Extensions...), MediaTypes: append([]string{}, f.MediaTypes...),
	}
	if f.Sequence != nil {
		seq := Sequence(*f.Sequence)
		out.Sequence.v = &seq
	}
	return out
}

func signatureDTO(s runtime.Signature) Signature {
	if s.State == "" { // of a module that could not be read
		s.State = runtime.SignatureNone
	}
	return Signature{State: string(s.State), KeyID: text(s.KeyID)}
}

func limitsDTO(l runtime.Limits) PluginLimits {
	return PluginLimits{
		MemoryBytes: int64(l.MemoryMiB) << 20, StallSeconds: l.Stall.Seconds(), TimeoutSeconds: l.Total.Seconds(),
		TimeoutPerMBSeconds: l.PerMB.Seconds(), OutputRatio: l.OutputRatio, OutputBaseBytes: l.OutputBase,
		MaxIssues: l.Issues, MaxLogBytes: l.LogBytes,
	}
}
