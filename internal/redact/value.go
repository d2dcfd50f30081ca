package redact

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// maxNesting is how deep values are followed; what lies deeper is not shown. It also ends cycles of pointers.
const maxNesting = 32

// Value hides what is private in a value of any type. Structs become maps by the names JSON gives their fields, errors
// and Stringers become text. Numbers, booleans and times stay as they are. The value itself is never changed.
func (r Redactor) Value(v any) any { return r.value(v, 0) }

func (r Redactor) value(v any, depth int) any {
	switch v := v.(type) {
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64,
		time.Duration, time.Time, json.Number:
		return v
	case string:
		return r.String(v)
	case []string:
		out := make([]any, len(v))
		for i, s := range v {
			out[i] = r.String(s)
		}
		return out
	case json.RawMessage:
		return r.rawJSON(v, depth)
	case []byte:
		if !utf8.Valid(v) {
			return fmt.Sprintf("<%d bytes>", len(v))
		}
		return r.String(string(v))
	case url.URL:
		return r.String(v.String())
	}
	return r.other(v, depth)
}

// other follows types that are not known by name.
func (r Redactor) other(v any, depth int) any {
	if depth >= maxNesting {
		return "…"
	}
	rv := reflect.ValueOf(v)
	if nilable(rv) && rv.IsNil() {
		return nil
	}
	switch v := v.(type) {
	case error:
		return r.text(v.Error)
	case json.Marshaler:
		b, err := json.Marshal(v)
		if err != nil {
			return "!ERROR " + r.String(err.Error())
		}
		return r.rawJSON(b, depth)
	case encoding.TextMarshaler:
		b, err := v.MarshalText()
		if err != nil {
			return "!ERROR " + r.String(err.Error())
		}
		return r.String(string(b))
	case fmt.Stringer:
		return r.text(v.String)
	}
	return r.reflected(rv, depth)
}

// text calls a method of a foreign type, which may panic.
func (r Redactor) text(get func() string) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s = "!PANIC"
		}
	}()
	return r.String(get())
}

func (r Redactor) reflected(rv reflect.Value, depth int) any {
	switch rv.Kind() {
	case reflect.Pointer, reflect.Interface:
		return r.value(rv.Elem().Interface(), depth+1)
	case reflect.Map:
		out := make(map[string]any, rv.Len())
		for it := rv.MapRange(); it.Next(); {
			name := r.mapKey(it.Key())
			if r.Key(name) {
				out[name] = Mask
			} else {
				out[r.String(name)] = r.value(it.Value().Interface(), depth+1)
			}
		}
		return out
	case reflect.Slice, reflect.Array:
		out := make([]any, rv.Len())
		for i := range out {
			out[i] = r.value(rv.Index(i).Interface(), depth+1)
		}
		return out
	case reflect.Struct:
		out := make(map[string]any, rv.NumField())
		r.fields(out, rv, depth)
		return out
	case reflect.String:
		return r.String(rv.String())
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr:
		return rv.Type().String()
	case reflect.Complex64, reflect.Complex128:
		return fmt.Sprint(rv.Complex())
	default: // named numbers and booleans
		return rv.Interface()
	}
}

func (r Redactor) mapKey(k reflect.Value) string {
	if k.Kind() == reflect.String {
		return k.String()
	}
	return r.text(func() string { return fmt.Sprint(k.Interface()) })
}

// fields adds the exported fields of a struct by their JSON names. A field is private by either of its names.
func (r Redactor) fields(out map[string]any, rv reflect.Value, depth int) {
	t := rv.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fv := rv.Field(i)
		if f.Anonymous && tag == "" {
			if fv.Kind() == reflect.Pointer && !fv.IsNil() {
				fv = fv.Elem()
			}
			if fv.Kind() == reflect.Struct && depth < maxNesting {
				r.fields(out, fv, depth+1)
				continue
			}
		}
		if !f.IsExported() || tag == "-" {
			continue
		}
		name := f.Name
		if tag != "" {
			name = tag
		}
		if r.Key(name) || r.Key(f.Name) {
			out[name] = Mask
		} else {
			out[name] = r.value(fv.Interface(), depth+1)
		}
	}
}

func nilable(rv reflect.Value) bool {
	switch rv.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface, reflect.Func, reflect.Chan:
		return true
	default:
		return false
	}
}

// rawJSON hides what is private in a JSON document; what is none is treated as text.
func (r Redactor) rawJSON(b []byte, depth int) any {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || dec.More() {
		return r.String(string(b))
	}
	return r.value(v, depth+1)
}

// Query hides what is private in a raw query string and leaves the rest as it was written.
func (r Redactor) Query(raw string) string {
	if raw == "" {
		return ""
	}
	var out strings.Builder
	for i, pair := range strings.FieldsFunc(raw, func(c rune) bool { return c == '&' || c == ';' }) {
		if i > 0 {
			out.WriteByte('&')
		}
		name, value, ok := strings.Cut(pair, "=")
		plainName := name
		for range maxDepth {
			plainName = unescape(strings.ReplaceAll(plainName, "+", " "))
		}
		switch {
		case ok && r.Key(plainName):
			out.WriteString(r.String(name) + "=" + Mask)
		case ok:
			out.WriteString(r.String(name) + "=" + r.queryValue(value))
		default:
			out.WriteString(r.queryValue(name))
		}
	}
	return out.String()
}

// queryValue keeps a value as it was encoded unless something in it is private.
func (r Redactor) queryValue(value string) string {
	decoded := unescape(strings.ReplaceAll(value, "+", " "))
	if hidden := r.String(decoded); hidden != decoded {
		return strings.ReplaceAll(url.QueryEscape(hidden), url.QueryEscape(Mask), Mask)
	}
	return r.String(value)
}
