package kv

import (
	"context"
	"log/slog"
	"math"
	"time"
)

// scriptLog writes what a script logs; its levels are redis.LOG_DEBUG to redis.LOG_WARNING.
func (s *Server) scriptLog(level int, text string) {
	levels := [...]slog.Level{slog.LevelDebug, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn}
	s.log.Log(context.Background(), levels[min(max(level, 0), len(levels)-1)], "script", "text", text)
}

// scriptParameters are those of CONFIG about scripts.
func (s *Server) scriptParameters() []*parameter {
	limit := int64(5000)
	set := func(n int64) {
		limit = n
		s.scripts.SetLimit(time.Duration(min(n, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond)
	}
	get := func() int64 { return limit }
	return []*parameter{
		number("busy-reply-threshold", 0, math.MaxInt64, get, set),
		number("lua-time-limit", 0, math.MaxInt64, get, set),
	}
}
