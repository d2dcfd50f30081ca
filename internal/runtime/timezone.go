package runtime

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/internal/zone"
)

// The parameter timezone is the host's, like reveal: a decoder writes the clock as it was recorded, and the worker makes
// instants of it, so that no decoder has to bring a time zone database. Every plugin whose manifest has naive times takes
// it, whether its schema names it or not; a plugin that finds its tables only at run time takes it by naming it. It is
// kept in the parameters only when it names a zone, so that a decode without it has the same identity as ever.

// zoneProperty is what the schema of a plugin's parameters shows of it.
const zoneProperty = `{"type":"string","examples":["Europe/Berlin"],"description":` +
	`"IANA time zone of the recording's clock: its times become instants (UTC); without it they stay as recorded"}`

// settleZone gives the zone among a decode's parameters its spelling, or takes it out where it is empty, and says what
// is wrong with it.
func settleZone(values map[string]any) (problem string) {
	switch name := values[zone.Param].(type) {
	case nil:
		delete(values, zone.Param)
	case string:
		if name == "" {
			delete(values, zone.Param)
			return ""
		}
		found, err := zone.Find(name)
		if err != nil {
			return err.Error()
		}
		values[zone.Param] = found
	default:
		return "is the name of a time zone"
	}
	return ""
}

// show gives the schema of a plugin's parameters with the zone, where the host adds it.
func (ps *paramSchema) show(raw json.RawMessage) (json.RawMessage, error) {
	if _, named := ps.properties()[zone.Param]; named || !ps.naive {
		return raw, nil
	}
	doc := map[string]json.RawMessage{"type": json.RawMessage(`"object"`)}
	props := map[string]json.RawMessage{}
	if ps.schema != nil {
		if err := json.Unmarshal(raw, &doc); err != nil {
			return nil, fmt.Errorf("parse schema: %w", err)
		}
		if err := inlineRef(doc, raw); err != nil {
			return nil, fmt.Errorf("resolve schema: %w", err)
		}
		if p, ok := doc["properties"]; ok {
			if err := json.Unmarshal(p, &props); err != nil {
				return nil, fmt.Errorf("parse schema: %w", err)
			}
		}
	}
	props[zone.Param] = json.RawMessage(zoneProperty)
	var err error
	if doc["properties"], err = json.Marshal(props); err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return out, nil
}

// naive reports whether tables hold times without a zone.
func naive(schemas []*table.Schema) bool { return slices.ContainsFunc(schemas, (*table.Schema).Naive) }

// localize takes the zone of the parameters over into the request. They were checked when they were given, but maybe by
// another version of the program, with another database.
func (r *Request) localize() error {
	r.zone = zone.Given(r.Params)
	if r.zone == "" {
		return nil
	}
	if _, err := zone.Load(r.zone); err != nil {
		return errcode.Invalid(paramPrefix+zone.Param, "%s%s: %v", paramPrefix, zone.Param, err)
	}
	return nil
}

// schemas gives tables as the decode writes them.
func (r *Request) schemas(in ...*table.Schema) []*table.Schema {
	if r.zone == "" {
		return slices.Clone(in)
	}
	return table.Instants(in)
}
