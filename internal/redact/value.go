package redact

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxNesting is how deep values are followed; what lies deeper is not shown. It also ends cycles of pointers.
	maxNesting = 32
	// maxValues and maxBytes bound what is looked at of one value: a tree whose branches meet again has few parts and
	// more ways to them than can be walked.
	maxValues = 4096
	maxBytes  = 256 << 10
	// MaxText bounds one text of a value. The journal cuts lines at 48 KiB, and nothing worth more is said in one.
	MaxText = 8 << 10
	// more stands for what is left out.
	more = "…"
)

// Value hides what is private in a value of any type. Structs become maps by the names JSON gives their fields, errors
// and Stringers become text. Numbers, booleans and times stay as they are. The value itself is never changed. What is
// beyond some thousand parts, or some hundred thousand bytes, is left out.
func (r Redactor) Value(v any) any {
	w := walk{r: r, values: maxValues, bytes: maxBytes}
	return w.value(v, 0)
}

// Text is String for texts of any length: of a long one it gives the beginning, and says how much it left out.
func (r Redactor) Text(s string) string {
	const edge = 512 // what stands at a cut may be the beginning of something private, which cannot be told any more
	whole := len(s)
	if whole > 4*MaxText {
		s = r.String(s[:4*MaxText])
		s = s[:max(0, len(s)-edge)]
	} else {
		s = r.String(s)
	}
	if len(s) <= MaxText && whole <= 4*MaxText {
		return s
	}
	s = strings.ToValidUTF8(s[:min(len(s), MaxText)], "")
	return s + fmt.Sprintf("… (%d bytes more)", max(0, whole-len(s)))
}

// walk is one way through a value: what it may still look at.
type walk struct {
	r      Redactor
	values int
	bytes  int
}

// spent takes one value, and reports that there is no room for it.
func (w *walk) spent() bool {
	w.values--
	return w.values < 0 || w.bytes < 0
}

// string hides what is private in a text of the value.
func (w *walk) string(s string) string {
	if w.bytes < 0 {
		return more
	}
	s = w.r.Text(s)
	w.bytes -= len(s)
	return s
}

func (w *walk) value(v any, depth int) any {
	if w.spent() {
		return more
	}
	switch v := v.(type) {
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, time.Duration, time.Time, json.Number:
		return v
	case float64:
		return finite(v, v)
	case float32:
		return finite(v, float64(v))
	case string:
		return w.string(v)
	case json.RawMessage:
		return w.rawJSON(v, depth)
	case []byte:
		return w.raw(v)
	case url.URL:
		return w.string(v.String())
	case slog.Value:
		return w.logged(v, depth)
	case slog.Attr:
		return w.attrs([]slog.Attr{v}, depth)
	case []slog.Attr:
		return w.attrs(v, depth)
	}
	return w.other(v, depth)
}

// finite gives a number as it is, and as text what JSON has no number for: it would refuse all that stands around it.
func finite(v any, f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Sprint(f)
	}
	return v
}

// raw shows bytes that are text.
func (w *walk) raw(b []byte) any {
	if !utf8.Valid(b) {
		return fmt.Sprintf("<%d bytes>", len(b))
	}
	return w.string(string(b))
}

// logged follows a value of the log, which may hide others until it is asked.
func (w *walk) logged(v slog.Value, depth int) any {
	v = v.Resolve()
	if v.Kind() == slog.KindGroup {
		return w.attrs(v.Group(), depth)
	}
	return w.value(v.Any(), depth+1)
}

func (w *walk) attrs(attrs []slog.Attr, depth int) any {
	if depth >= maxNesting {
		return more
	}
	out := make(map[string]any, len(attrs))
	for i, a := range attrs {
		if w.full(out, len(attrs)-i) {
			break
		}
		w.put(out, a.Key, a.Key, depth, func() any { return a.Value })
	}
	return paired(out, w.r)
}

// full notes in a map how many of its entries are left out, where there is no room for more.
func (w *walk) full(out map[string]any, left int) bool {
	if w.values > 0 && w.bytes >= 0 {
		return false
	}
	out[more] = left
	return true
}

// put adds an entry to a map, hidden where one of its two names is private.
func (w *walk) put(out map[string]any, name, alias string, depth int, get func() any) {
	if w.r.Key(name) || w.r.Key(alias) {
		w.values--
		out[w.string(name)] = Mask
		return
	}
	out[w.string(name)] = w.value(get(), depth+1)
}

// paired hides the value of an entry whose name stands beside it: {"name": "password", "value": …}.
func paired(out map[string]any, r Redactor) map[string]any {
	if len(out) > 8 { // such an object has few fields
		return out
	}
	private := false
	for k, v := range out {
		switch strings.ToLower(k) {
		case "name", "key", "header", "field", "param", "parameter":
			s, ok := v.(string)
			private = private || ok && r.Key(s)
		}
	}
	if !private {
		return out
	}
	for k, v := range out {
		switch strings.ToLower(k) {
		case "value", "values", "val":
			if v != nil {
				out[k] = Mask
			}
		}
	}
	return out
}

// other follows types that are not known by name.
func (w *walk) other(v any, depth int) any {
	if depth >= maxNesting {
		return more
	}
	rv := reflect.ValueOf(v)
	if nilable(rv) && rv.IsNil() {
		return nil
	}
	switch v := v.(type) {
	case slog.LogValuer:
		return w.logged(slog.AnyValue(v), depth)
	case error:
		return w.text(v.Error)
	case json.Marshaler:
		return w.marshalled(func() ([]byte, error) { return json.Marshal(v) }, depth)
	case encoding.TextMarshaler:
		return w.text(func() string {
			b, err := v.MarshalText()
			if err != nil {
				return "!ERROR " + err.Error()
			}
			return string(b)
		})
	case fmt.Stringer:
		return w.text(v.String)
	}
	return w.reflected(rv, depth)
}

// text calls a method of a foreign type, which may panic.
func (w *walk) text(get func() string) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s = "!PANIC"
		}
	}()
	return w.string(get())
}

// marshalled follows what a foreign type says it is in JSON.
func (w *walk) marshalled(get func() ([]byte, error), depth int) (out any) {
	defer func() {
		if p := recover(); p != nil {
			out = "!PANIC"
		}
	}()
	b, err := get()
	if err != nil {
		return "!ERROR " + w.string(err.Error())
	}
	return w.rawJSON(b, depth)
}

func (w *walk) reflected(rv reflect.Value, depth int) any {
	switch rv.Kind() {
	case reflect.Pointer, reflect.Interface:
		return w.value(rv.Elem().Interface(), depth+1)
	case reflect.Map:
		out := make(map[string]any, min(rv.Len(), maxValues))
		left := rv.Len()
		for it := rv.MapRange(); it.Next() && !w.full(out, left); left-- {
			name := w.mapKey(it.Key())
			w.put(out, name, name, depth, func() any { return it.Value().Interface() })
		}
		return paired(out, w.r)
	case reflect.Slice, reflect.Array:
		return w.list(rv, depth)
	case reflect.Struct:
		out := make(map[string]any, rv.NumField())
		w.fields(out, rv, depth)
		return paired(out, w.r)
	case reflect.String:
		return w.string(rv.String())
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr:
		return rv.Type().String()
	case reflect.Complex64, reflect.Complex128:
		return fmt.Sprint(rv.Complex())
	case reflect.Float32, reflect.Float64:
		return finite(rv.Interface(), rv.Float())
	default: // named numbers and booleans
		return rv.Interface()
	}
}

// list follows a list. One of bytes is a text, whatever its type is named.
func (w *walk) list(rv reflect.Value, depth int) any {
	if rv.Type().Elem().Kind() == reflect.Uint8 {
		b := make([]byte, rv.Len())
		for i := range b {
			b[i] = byte(rv.Index(i).Uint())
		}
		return w.raw(b)
	}
	out := make([]any, 0, min(rv.Len(), maxValues))
	for i := range rv.Len() {
		if w.values <= 0 || w.bytes < 0 {
			return append(out, fmt.Sprintf("… (%d more)", rv.Len()-i))
		}
		out = append(out, w.value(rv.Index(i).Interface(), depth+1))
	}
	return out
}

func (w *walk) mapKey(k reflect.Value) (name string) {
	if k.Kind() == reflect.String {
		return k.String()
	}
	defer func() {
		if p := recover(); p != nil {
			name = "!PANIC"
		}
	}()
	return fmt.Sprint(k.Interface())
}

// fields adds the exported fields of a struct by their JSON names. A field is private by either of its names.
func (w *walk) fields(out map[string]any, rv reflect.Value, depth int) {
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
				w.fields(out, fv, depth+1)
				continue
			}
		}
		if !f.IsExported() || tag == "-" {
			continue
		}
		if w.full(out, t.NumField()-i) {
			return
		}
		name := f.Name
		if tag != "" {
			name = tag
		}
		w.put(out, name, f.Name, depth, fv.Interface)
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

// rawJSON hides what is private in a JSON document; what is none, or very long, is treated as text.
func (w *walk) rawJSON(b []byte, depth int) any {
	if len(b) > maxBytes {
		return w.raw(b)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || dec.More() {
		return w.raw(b)
	}
	return w.value(v, depth+1)
}

// Query hides what is private in a raw query string and leaves the rest as it was written.
func (r Redactor) Query(raw string) string {
	var out strings.Builder
	for raw != "" {
		end := strings.IndexAny(raw, "&;")
		pair, sep := raw, ""
		if end >= 0 {
			pair, sep = raw[:end], raw[end:end+1]
		}
		raw = raw[len(pair)+len(sep):]
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
		out.WriteString(sep)
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
