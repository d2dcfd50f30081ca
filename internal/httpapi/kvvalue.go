package httpapi

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// KVBytes is a byte string on the wire: as text where it is UTF-8, else in base64.
type KVBytes struct {
	Text   *string `json:"text,omitempty"`
	Base64 *string `json:"base64,omitempty"`
	Bytes  int64   `json:"bytes,omitempty" doc:"of the whole; if that is more than what is here, it is a part"`
}

// kvBytesDTO writes a byte string; nil is none.
func kvBytesDTO(t *KVText) *KVBytes {
	if t == nil {
		return nil
	}
	out := &KVBytes{Bytes: t.Size}
	if utf8.Valid(t.Data) {
		out.Text = new(string(t.Data))
	} else {
		out.Base64 = new(base64.StdEncoding.EncodeToString(t.Data))
	}
	return out
}

// data gives the bytes that a caller wrote.
func (b *KVBytes) data(field string) ([]byte, error) {
	var out []byte
	switch {
	case b == nil || (b.Text == nil) == (b.Base64 == nil):
		return nil, errcode.Invalid(field, "expected either text or base64")
	case b.Text != nil:
		out = []byte(*b.Text)
	default:
		var err error
		if out, err = base64.StdEncoding.DecodeString(*b.Base64); err != nil {
			return nil, errcode.Invalid(field+".base64", "expected base64")
		}
	}
	if b.Bytes != 0 && b.Bytes != int64(len(out)) {
		return nil, errcode.Invalid(field+".bytes", "this is a part of %d bytes, and would be all that is left", b.Bytes)
	}
	return out, nil
}

// KVMember is a member or an entry of a value on the wire. What it has depends on the type of the value.
type KVMember struct {
	ID         string    `json:"id,omitempty" maxLength:"64" doc:"of an entry of a stream; in a request for all entries, rising, or none: then they are made"`
	Field      *KVBytes  `json:"field,omitempty" doc:"of a hash"`
	Value      *KVBytes  `json:"value,omitempty" doc:"of a list, a set, a sorted set or a hash"`
	Score      string    `json:"score,omitempty" maxLength:"64" doc:"of a sorted set: a number, inf or -inf"`
	Fields     []KVField `json:"fields,omitempty" nullable:"false" maxItems:"256" doc:"of an entry of a stream"`
	FieldCount int       `json:"field_count,omitempty" doc:"of an entry of a stream, also where fewer are shown"`
}

// KVField is a field of an entry of a stream on the wire.
type KVField struct {
	Field KVBytes `json:"field"`
	Value KVBytes `json:"value"`
}

func kvMemberDTO(i *KVItem) KVMember {
	out := KVMember{ID: i.ID, Field: kvBytesDTO(i.Field), Value: kvBytesDTO(i.Value), Score: i.Score, FieldCount: i.Count}
	for _, f := range i.Fields {
		out.Fields = append(out.Fields, KVField{Field: *kvBytesDTO(f[0]), Value: *kvBytesDTO(f[1])})
	}
	return out
}

// KVValue is a key with a piece of its value, on the wire.
type KVValue struct {
	KVKeyLine
	Value      maybe[KVBytes] `json:"value" doc:"of a string, from the cursor on; else null"`
	Members    []KVMember     `json:"members" nullable:"false" doc:"of anything else"`
	NextCursor text           `json:"next_cursor" doc:"give it as cursor for what follows; null at the end"`
}

// KVPut is the body of PUT /kv/keys/{db}/{key}.
type KVPut struct {
	Type    string                 `json:"type,omitempty" enum:"string,list,set,zset,hash,stream" doc:"of the value; left out, with value and members, only the end of the key changes"`
	Value   *KVBytes               `json:"value,omitempty" doc:"of a string"`
	Members []KVMember             `json:"members,omitempty" nullable:"false" minItems:"1" maxItems:"1000" doc:"of anything else"`
	TTL     change[kvMilliseconds] `json:"ttl_ms,omitzero" doc:"milliseconds until it ends; null: never, which is also what a new value has unless it is given"`
}

type kvMilliseconds int64

// Schema bounds the milliseconds.
func (kvMilliseconds) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: new(1.0), Maximum: new(float64(maxKVTTL))}
}

// content gives the value that a body describes. What the keyspace would refuse is refused here: by then the old value
// would be gone.
func (p *KVPut) content() (KVNew, error) {
	out := KVNew{Type: p.Type}
	if p.Type == "string" {
		if p.Members != nil {
			return out, errcode.Invalid("members", "a string has none")
		}
		var err error
		out.Value, err = p.Value.data("value")
		return out, err
	}
	if p.Value != nil {
		return out, errcode.Invalid("value", "a %s has members", p.Type)
	}
	if len(p.Members) == 0 {
		return out, errcode.Invalid("members", "a %s has one at least; DELETE removes the key", p.Type)
	}
	var last kvEntryID
	for i := range p.Members {
		m, field := &p.Members[i], fmt.Sprintf("members[%d]", i)
		item, err := m.item(p.Type, field)
		if err == nil && p.Type == "stream" {
			err = last.follow(m.ID, i == 0, field+".id")
		}
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

// item gives what a member of a type has, and refuses what it cannot have.
func (m *KVMember) item(kind, place string) (KVItem, error) {
	has := map[string]bool{"id": m.ID != "", "field": m.Field != nil, "value": m.Value != nil, "score": m.Score != "", "fields": m.Fields != nil}
	takes := map[string][]string{
		"list": {"value"}, "set": {"value"}, "hash": {"field", "value"}, "zset": {"value", "score"}, "stream": {"fields"},
	}[kind]
	for name, there := range has {
		if optional := name == "id" && kind == "stream"; there != slices.Contains(takes, name) && !optional {
			return KVItem{}, errcode.Invalid(place, "a member of a %s has %s", kind, strings.Join(takes, " and "))
		}
	}
	out := KVItem{ID: m.ID}
	for _, part := range []struct {
		name string
		from *KVBytes
		to   **KVText
	}{{"field", m.Field, &out.Field}, {"value", m.Value, &out.Value}} {
		if part.from == nil {
			continue
		}
		b, err := part.from.data(place + "." + part.name)
		if err != nil {
			return out, err
		}
		*part.to = &KVText{Data: b}
	}
	if kind == "zset" {
		f, err := strconv.ParseFloat(m.Score, 64)
		if err != nil || math.IsNaN(f) {
			return out, errcode.Invalid(place+".score", "expected a number, inf or -inf")
		}
		out.Score = strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', -1, 64)), "+")
	}
	return out, m.entry(&out, place)
}

// entry gives the fields of an entry of a stream.
func (m *KVMember) entry(out *KVItem, place string) error {
	if m.Fields == nil {
		return nil
	}
	if len(m.Fields) == 0 {
		return errcode.Invalid(place+".fields", "an entry has one at least")
	}
	if m.FieldCount != 0 && m.FieldCount != len(m.Fields) {
		return errcode.Invalid(place+".field_count", "these are some of %d fields, and would be all that are left", m.FieldCount)
	}
	for i := range m.Fields {
		at := fmt.Sprintf("%s.fields[%d]", place, i)
		name, err := m.Fields[i].Field.data(at + ".field")
		if err != nil {
			return err
		}
		value, err := m.Fields[i].Value.data(at + ".value")
		if err != nil {
			return err
		}
		out.Fields = append(out.Fields, [2]*KVText{{Data: name}, {Data: value}})
	}
	return nil
}

// kvEntryID is the id of the entry before.
type kvEntryID struct {
	ms, seq uint64
	given   bool
}

// follow checks that an id may stand behind the last one: all entries have one, and they rise, or none has.
func (e *kvEntryID) follow(id string, first bool, field string) error {
	if id == "" {
		if e.given {
			return errcode.Invalid(field, "either all entries have one or none")
		}
		return nil
	}
	if !first && !e.given {
		return errcode.Invalid(field, "either all entries have one or none")
	}
	a, b, _ := strings.Cut(id, "-")
	ms, errMS := strconv.ParseUint(a, 10, 64)
	seq, errSeq := strconv.ParseUint(b, 10, 64)
	if errMS != nil || errSeq != nil {
		return errcode.Invalid(field, "expected two numbers with - between them, like 1700000000000-0")
	}
	if ms < e.ms || ms == e.ms && seq <= e.seq {
		return errcode.Invalid(field, "ids rise, and the first one is behind 0-0")
	}
	e.ms, e.seq, e.given = ms, seq, true
	return nil
}
