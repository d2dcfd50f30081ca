package config

import (
	"strings"
	"time"
)

// Units of a Limit's number.
const (
	UnitNumber  = "number" // a count, a factor or a rate
	UnitBytes   = "bytes"
	UnitSeconds = "seconds"
	UnitPercent = "percent"
)

// Limit is a key whose value is an amount: it bounds what the appliance takes, keeps or waits for.
type Limit struct {
	Key    string
	Value  string // as it would be written in the file
	Number float64
	Unit   string
	Source string // default, file, environment or flag; not where exactly, which can hold a path
	Live   bool   // a reload applies it without a restart
	Doc    string
}

// Limits gives the keys whose values are amounts, in the order of the documentation. Texts are none of them, so there
// is no secret, path or address among them. From reloaded, nil where nothing was, come those that a reload applies.
func (c *Config) Limits(reloaded *Config) []Limit {
	var out []Limit
	tb := newTable()
	for i := range tb.keys {
		k, from := &tb.keys[i], c
		if k.live && reloaded != nil {
			from = reloaded
		}
		number, unit, ok := k.amount(from)
		if !ok || !k.built {
			continue
		}
		out = append(out, Limit{
			Key: k.name, Value: k.show(from), Number: number, Unit: unit, Source: layer(from.entries[i].Source), Live: k.live, Doc: k.doc,
		})
	}
	return out
}

// amount gives the number of a key that has one, in the least unit of its kind.
func (k *key) amount(c *Config) (number float64, unit string, ok bool) {
	switch p := k.at(c).(type) {
	case *Size:
		return float64(*p), UnitBytes, true
	case *time.Duration:
		return p.Seconds(), UnitSeconds, true
	case *int64:
		return float64(*p), UnitNumber, true
	case *int:
		return float64(*p), UnitNumber, k.name != "cache.db" // which of the databases
	case *float64:
		if k.percent {
			return *p, UnitPercent, true
		}
		return *p, UnitNumber, true
	}
	return 0, "", false
}

// layer gives the kind of an Entry's source.
func layer(source string) string {
	switch first, _, named := strings.Cut(source, " "); {
	case source == "default":
		return "default"
	case first == "flag":
		return "flag"
	case first == "env", named && strings.Contains("/"+first, "/.env:"):
		return "environment"
	}
	return "file"
}
