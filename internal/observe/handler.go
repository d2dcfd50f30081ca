package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/redact"
)

// handler is the one way from a logger to the output. It keeps what With and WithGroup added itself, because the
// fields that every line has stand at its root whatever groups were opened.
type handler struct {
	logs  *Logs
	name  string
	inner []slog.Handler
	scope []scoped // in the order they were added
}

// scoped is one call of WithGroup (group is set) or WithAttrs.
type scoped struct {
	group string
	attrs []slog.Attr
}

// Enabled tells whether the logger's threshold lets a level pass.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.logs.levels.Load().of(h.name)
}

// WithAttrs adds fields. They are cleaned once, here.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	c := *h
	c.scope = append(slices.Clip(h.scope), scoped{attrs: clean(attrs)})
	return &c
}

// WithGroup opens a group.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.scope = append(slices.Clip(h.scope), scoped{group: name})
	return &c
}

// Handle writes a record.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	fields := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields, a)
		return true
	})
	fields = clean(fields)
	for _, s := range slices.Backward(h.scope) {
		switch {
		case s.group == "":
			fields = slices.Concat(s.attrs, fields)
		case (redact.Redactor{}).Key(s.group) && len(fields) > 0:
			fields = []slog.Attr{slog.String(s.group, redact.Mask)}
		case len(fields) > 0:
			fields = []slog.Attr{{Key: s.group, Value: slog.GroupValue(fields...)}}
		}
	}
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	out := slog.NewRecord(r.Time, r.Level, text(r.Message), 0)
	if h.logs.cfg.Format != "console" {
		out.AddAttrs(slog.String("service", h.logs.cfg.Service))
	}
	out.AddAttrs(slog.String("logger", h.name))
	if h.logs.cfg.Context != nil {
		for _, a := range clean(h.logs.cfg.Context(ctx)) {
			if a.Value.String() != "" && !has(fields, a.Key) {
				out.AddAttrs(a)
			}
		}
	}
	for _, a := range fields {
		if reserved(a.Key) {
			a.Key += "_" // two fields of one name would make the line ambiguous
		}
		out.AddAttrs(a)
	}
	var errs []error
	for _, inner := range h.inner {
		errs = append(errs, inner.Handle(ctx, out))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("handle record: %w", err)
	}
	return nil
}

func has(attrs []slog.Attr, key string) bool {
	return slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == key })
}

func reserved(key string) bool {
	switch key {
	case "timestamp", "time", "level", "service", "logger", "message", "msg":
		return true
	}
	return false
}

// clean hides what is private in fields and resolves what is computed when it is logged. Groups without a name are
// taken apart, as slog does.
func clean(attrs []slog.Attr) []slog.Attr {
	out := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		v := a.Value.Resolve()
		switch {
		case a.Key == "" && v.Kind() == slog.KindGroup:
			out = append(out, clean(v.Group())...)
		case a.Equal(slog.Attr{}):
		case (redact.Redactor{}).Key(a.Key):
			out = append(out, slog.String(a.Key, redact.Mask))
		default:
			out = append(out, slog.Attr{Key: text(a.Key), Value: cleanValue(v)})
		}
	}
	return out
}

func cleanValue(v slog.Value) slog.Value {
	switch v.Kind() {
	case slog.KindString:
		return slog.StringValue(text(v.String()))
	case slog.KindGroup:
		return slog.GroupValue(clean(v.Group())...)
	case slog.KindDuration:
		return slog.Float64Value(v.Duration().Seconds())
	case slog.KindTime:
		return slog.TimeValue(v.Time().UTC())
	case slog.KindAny:
		return cleanAny(v.Any())
	default: // numbers and booleans say nothing private
		return v
	}
}

func cleanAny(v any) slog.Value {
	switch v := v.(type) {
	case slog.Attr:
		return slog.GroupValue(clean([]slog.Attr{v})...)
	case []slog.Attr:
		return slog.GroupValue(clean(v)...)
	case error:
		if s, ok := describe(v); ok {
			return slog.StringValue(text(s))
		}
	}
	hidden := (redact.Redactor{}).Value(v)
	if s, ok := hidden.(string); ok {
		return slog.StringValue(s)
	}
	return slog.AnyValue(hidden)
}

// describe words an error with the private causes that its own text leaves out: the log is where they belong.
func describe(err error) (s string, ok bool) {
	defer func() {
		if recover() != nil { // a nil pointer, or an Error method that panics
			s, ok = "", false
		}
	}()
	s = err.Error()
	for range 8 {
		coded, found := errors.AsType[*errcode.Error](err)
		if !found || coded.Unwrap() == nil {
			break
		}
		err = coded.Unwrap()
		if cause := err.Error(); !strings.Contains(s, cause) {
			s += ": " + cause
		}
	}
	return s, true
}

// text hides what is private in a text and bounds it.
func text(s string) string { return redact.Redactor{}.Text(s) }
