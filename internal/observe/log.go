package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lmittmann/tint"

	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/redact"
)

// LogConfig says what is logged, how and where.
type LogConfig struct {
	Service string                // field "service", default "wayside"
	Level   slog.Level            // least level, default info
	Modules map[string]slog.Level // by logger name; "queue" counts for "queue.local" too
	Format  string                // "json" (default) or "console"
	Output  string                // "stdout" (default), "stderr" or a file, which is appended to
	MaxSize int64                 // bytes at which a file is set aside, whole MiB; 0 = never
	Keep    int                   // files that were set aside; 0 = all

	// Context gives what belongs to the request or job of a context: request_id, correlation_id. They come before the
	// fields of the line; empty ones are left out. nil = none.
	Context func(context.Context) []slog.Attr

	// Journal is the variable JOURNAL_STREAM. Where it says that the output is the journal, lines carry their
	// priority in front, which the journal takes off.
	Journal string

	Stdout, Stderr io.Writer // default os.Stdout and os.Stderr

	// Lines is told of every line that is written, as an event of TopicLog whose data is the line as JSON, a []byte. Its ring
	// is what can be looked back at. nil = nobody.
	Lines *event.Bus
}

// TopicLog is the topic of lines on LogConfig.Lines.
const TopicLog = "log"

// maxLine bounds a line that is kept to be looked back at: the ring of lines is bounded in number, and so in bytes.
const maxLine = 16 << 10

// levels is the threshold of every logger.
type levels struct {
	base    slog.Level
	modules map[string]slog.Level
}

// of gives the threshold of a logger: its own, that of the part of its name before a dot, or the common one.
func (l *levels) of(name string) slog.Level {
	for name != "" {
		if level, ok := l.modules[name]; ok {
			return level
		}
		name = name[:max(0, strings.LastIndexByte(name, '.'))]
	}
	return l.base
}

// Logs is the log of the process. Any number of goroutines may use it.
type Logs struct {
	cfg    LogConfig
	out    *output
	levels atomic.Pointer[levels]
}

// OpenLogs opens the output.
func OpenLogs(cfg LogConfig) (*Logs, error) {
	if cfg.Service == "" {
		cfg.Service = "wayside"
	}
	if cfg.Stdout == nil {
		cfg.Stdout = os.Stdout
	}
	if cfg.Stderr == nil {
		cfg.Stderr = os.Stderr
	}
	if cfg.Format != "" && cfg.Format != "json" && cfg.Format != "console" {
		return nil, fmt.Errorf("log.format: %q is neither json nor console", cfg.Format)
	}
	out, err := openOutput(cfg)
	if err != nil {
		return nil, err
	}
	l := &Logs{cfg: cfg, out: out}
	l.SetLevels(cfg.Level, cfg.Modules)
	return l, nil
}

// Logger gives the logger of a part: api, decoder, database, performance, queue, kv, plugin.
func (l *Logs) Logger(name string) *slog.Logger {
	return slog.New(&handler{logs: l, name: name, inner: l.format()})
}

// format makes the handlers that write finished records.
func (l *Logs) format() []slog.Handler {
	const all = slog.Level(-1 << 20) // the outer handler decides
	asJSON := func(w io.Writer) slog.Handler {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: all, ReplaceAttr: rename})
	}
	if l.cfg.Format != "console" {
		return []slog.Handler{asJSON(lines{l.cfg.Lines, l.out})}
	}
	list := []slog.Handler{tint.NewTextHandler(l.out, &tint.Options{Level: all, TimeFormat: time.TimeOnly + ".000", NoColor: !l.out.terminal})}
	if l.cfg.Lines != nil {
		list = append(list, asJSON(lines{l.cfg.Lines, io.Discard}))
	}
	return list
}

// lines passes lines on to an output and to the ring.
type lines struct {
	ring *event.Bus // nil = none
	to   io.Writer
}

// Write passes one line on. What the output does not take, on a full disk, can be looked back at all the same.
func (w lines) Write(line []byte) (int, error) {
	if w.ring != nil {
		kept := bytes.TrimRight(line, "\n")
		if len(kept) > maxLine {
			kept = shortened(kept)
		}
		w.ring.Publish(TopicLog, "", bytes.Clone(kept))
	}
	return w.to.Write(line) //nolint:wrapcheck // Handle wraps it
}

// shortened gives what a very long line begins with, without the fields of its own.
func shortened(line []byte) []byte {
	var head struct {
		Timestamp     string `json:"timestamp"`
		Level         string `json:"level"`
		Message       string `json:"message"`
		Logger        string `json:"logger"`
		RequestID     string `json:"request_id,omitempty"`
		CorrelationID string `json:"correlation_id,omitempty"`
		TraceID       string `json:"trace_id,omitempty"`
		LeftOut       int    `json:"left_out_bytes"`
	}
	head.LeftOut = len(line)
	if json.Unmarshal(line, &head) != nil || len(head.Message) > redact.MaxText*2 {
		head.Message = "a line that is too long to be kept"
	}
	out, err := json.Marshal(head)
	if err != nil {
		return nil
	}
	return out
}

// rename gives the built-in fields of a line the names and forms of the log format.
func rename(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		if a.Value.Kind() == slog.KindTime {
			return slog.String("timestamp", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000000Z"))
		}
	case slog.LevelKey:
		if level, ok := a.Value.Any().(slog.Level); ok {
			return slog.String(slog.LevelKey, LevelName(level))
		}
	case slog.MessageKey:
		a.Key = "message"
	}
	return a
}

// LevelName gives the name of a level in the log: debug, info, warning or error.
func LevelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warning"
	}
	return "error"
}

// SetLevels changes the thresholds while running.
func (l *Logs) SetLevels(base slog.Level, modules map[string]slog.Level) {
	l.levels.Store(&levels{base: base, modules: maps.Clone(modules)})
}

// ChangeLevels changes some of the thresholds while running: two changes at once are both in effect. change may be called
// more than once.
func (l *Logs) ChangeLevels(change func(base *slog.Level, modules map[string]slog.Level)) {
	for {
		now := l.levels.Load()
		next := &levels{base: now.base, modules: map[string]slog.Level{}}
		maps.Copy(next.modules, now.modules)
		change(&next.base, next.modules)
		if l.levels.CompareAndSwap(now, next) {
			return
		}
	}
}

// Levels gives the thresholds in force.
func (l *Logs) Levels() (base slog.Level, modules map[string]slog.Level) {
	now := l.levels.Load()
	return now.base, maps.Clone(now.modules)
}

// Reopen opens a log file anew, after it was moved away. Without a file it does nothing.
func (l *Logs) Reopen() error { return l.out.reopen() }

// Close closes a log file. Loggers may still be used; what they say is dropped.
func (l *Logs) Close() error { return l.out.close() }

func openOutput(cfg LogConfig) (*output, error) {
	switch cfg.Output {
	case "", "stdout":
		return stream(cfg.Stdout, cfg.Journal), nil
	case "stderr":
		return stream(cfg.Stderr, cfg.Journal), nil
	}
	f := &logFile{path: cfg.Output, maxSize: cfg.MaxSize, keep: cfg.Keep, complain: cfg.Stderr}
	if err := f.reopen(); err != nil {
		return nil, err
	}
	return &output{w: f, file: f}, nil
}

func stream(w io.Writer, journal string) *output {
	o := &output{w: w}
	f, ok := w.(*os.File)
	if !ok {
		return o
	}
	info, err := f.Stat()
	if err != nil {
		return o
	}
	o.terminal = info.Mode()&os.ModeCharDevice != 0 && info.Mode()&os.ModeDevice != 0 && os.Getenv("NO_COLOR") == ""
	if st, ok := info.Sys().(*syscall.Stat_t); ok && journal != "" {
		o.journal = journal == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	return o
}

var errClosed = errors.New("the log is closed")
