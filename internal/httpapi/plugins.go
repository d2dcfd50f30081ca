package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// Plugin is a decoder on the wire.
type Plugin struct {
	ID           string        `json:"id"`
	Name         string        `json:"name"`
	Version      string        `json:"version"`
	SHA256       string        `json:"sha256"`
	Source       string        `json:"source" enum:"builtin,system,data"`
	State        string        `json:"state" enum:"active,disabled,rejected,compiling"`
	Reason       text          `json:"reason" doc:"why it is rejected"`
	Description  string        `json:"description"`
	Licence      string        `json:"licence"`
	Formats      []Format      `json:"formats" nullable:"false"`
	Tables       []TableSchema `json:"tables" nullable:"false"`
	ParamsSchema object        `json:"params_schema" doc:"JSON Schema of its parameters; {} = it has none"`
	Capabilities []string      `json:"capabilities" nullable:"false"`
}

// Format is a kind of file on the wire.
type Format struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Extensions []string `json:"extensions" nullable:"false"`
	MediaTypes []string `json:"media_types" nullable:"false"`
}

// TableSchema is a table of a plugin's manifest on the wire.
type TableSchema struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Columns     int    `json:"columns"`
}

type pluginsInput struct {
	Fields []string `query:"fields" nullable:"false" doc:"only these members of the items, separated by commas"`
}

type pluginsOutput struct{ Body List[Plugin] }

type pluginInput struct {
	ID string `path:"id" maxLength:"255" doc:"plugin id"`
}

type pluginOutput struct{ Body Plugin }

func (s *Server) routePlugins(api huma.API) {
	register(s, api, operation{
		id: "list-plugins", method: http.MethodGet, path: "/plugins", scope: scopeRead, summary: "List the decoders",
	}, func(_ context.Context, in *pluginsInput) (*pluginsOutput, error) {
		if err := checkFields[Plugin](in.Fields); err != nil {
			return nil, err
		}
		all := s.deps.Plugins.Plugins()
		total := int64(len(all))
		out := &pluginsOutput{Body: List[Plugin]{Items: make([]Plugin, 0, len(all)), Total: &total, fields: in.Fields}}
		for i := range all {
			out.Body.Items = append(out.Body.Items, pluginDTO(&all[i]))
		}
		return out, nil
	})
	register(s, api, operation{
		id: "get-plugin", method: http.MethodGet, path: "/plugins/{id}", scope: scopeRead, summary: "Get a decoder",
	}, func(_ context.Context, in *pluginInput) (*pluginOutput, error) {
		all := s.deps.Plugins.Plugins()
		for i := range all {
			if all[i].ID == in.ID {
				return &pluginOutput{Body: pluginDTO(&all[i])}, nil
			}
		}
		return nil, errcode.New(errcode.NotFound, "no such plugin")
	})
}

func pluginDTO(p *runtime.Plugin) Plugin {
	out := Plugin{
		ID: p.ID, Name: p.Name, Version: p.Version, SHA256: p.SHA256, Source: string(p.Source), State: string(p.State),
		Reason: text(p.Reason), Description: p.Description, Licence: p.Licence, Formats: make([]Format, 0, len(p.Formats)),
		Tables: make([]TableSchema, 0, len(p.Tables)), ParamsSchema: object(p.ParamsSchema),
		Capabilities: append([]string{}, p.Capabilities...),
	}
	for _, f := range p.Formats {
		out.Formats = append(out.Formats, Format{
			ID: f.ID, Name: f.Name, Extensions: append([]string{}, f.Extensions...), MediaTypes: append([]string{}, f.MediaTypes...),
		})
	}
	for _, t := range p.Tables {
		out.Tables = append(out.Tables, TableSchema{Name: t.Name, Description: t.Description, Columns: len(t.Columns)})
	}
	return out
}
