package app

import (
	"log/slog"

	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/observe"
)

// logView shows the log to the HTTP API.
type logView struct {
	lines *event.Bus
	logs  *observe.Logs
}

func (v logView) Subscribe(after uint64, topics ...string) *event.Sub {
	return v.lines.Subscribe(after, topics...)
}

func (v logView) Kept(topic string) []event.Event { return v.lines.Kept(topic) }

func (v logView) Levels() httpapi.LogLevels {
	base, modules := v.logs.Levels()
	out := httpapi.LogLevels{Level: observe.LevelName(base), Loggers: map[string]string{}}
	for name, level := range modules {
		out.Loggers[name] = observe.LevelName(level)
	}
	return out
}

func (v logView) SetLevel(logger, level string) {
	to := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warning": slog.LevelWarn, "error": slog.LevelError}
	v.logs.ChangeLevels(func(base *slog.Level, modules map[string]slog.Level) {
		switch {
		case logger == "":
			*base = to[level]
		case level == "":
			delete(modules, logger)
		default:
			modules[logger] = to[level]
		}
	})
}
