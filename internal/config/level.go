package config

import (
	"fmt"
	"log/slog"
	"strings"
)

// Level is a log level.
type Level slog.Level

// levels are the names accepted, with those that Python's logging uses.
var levels = []struct { //nolint:gochecknoglobals // a constant table
	name  string
	level slog.Level
}{
	{"debug", slog.LevelDebug},
	{"info", slog.LevelInfo},
	{"warn", slog.LevelWarn},
	{"warning", slog.LevelWarn},
	{"error", slog.LevelError},
	{"critical", slog.LevelError},
}

// Slog gives the level for log/slog.
func (l Level) Slog() slog.Level { return slog.Level(l) }

// String gives the level's name as the file has it.
func (l Level) String() string { return strings.ToLower(slog.Level(l).String()) }

func parseLevel(s string) (Level, error) {
	for _, l := range levels {
		if strings.EqualFold(l.name, strings.TrimSpace(s)) {
			return Level(l.level), nil
		}
	}
	return 0, fmt.Errorf("%q is no level; use debug, info, warn or error", s)
}
