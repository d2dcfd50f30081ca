package kv

import (
	"errors"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/aof"
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// Persistence is who keeps what commands change; aof.Log is.
type Persistence interface {
	// Position is behind the last effect that was taken. It is asked under the engine's lock.
	Position() int64
	// Kept says whether what was taken before a position is kept as well as was promised: answers go out after it. While
	// nothing can be kept, what was taken before own, which is the caller's, is enough. If it is not, moved is closed when it
	// is worth asking again. It does not wait.
	Kept(position, own int64) (kept bool, moved <-chan struct{})
	// Failure is why nothing can be kept at the moment: commands that write are refused.
	Failure() error
	// Rewrite begins to write all keys anew, beside everything else. It does not wait.
	Rewrite()
	Status() aof.Status
}

const errNotKept = "ERR nothing is kept: the server has no folder to write to"

// Keep has the server ask p before it answers. It is called before Run.
func (s *Server) Keep(p Persistence) { s.keeper, s.failing = p, p.Failure() }

// position is how far changes are taken to be kept.
func (s *Server) position() int64 {
	if s.keeper == nil {
		return 0
	}
	return s.keeper.Position()
}

// patience is how long answers wait for what they tell of to be kept.
func (s *Server) patience() time.Duration { return orDefault(s.cfg.Patience, 10*time.Second) }

// waitKept waits until what was taken is kept. It must not be called under the lock.
func (s *Server) waitKept(position, own int64) error {
	if s.keeper == nil {
		return nil
	}
	var late <-chan time.Time
	for {
		kept, moved := s.keeper.Kept(position, own)
		if kept {
			return nil
		}
		if late == nil {
			timer := time.NewTimer(s.patience())
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-moved:
		case <-late:
			return errNotInTime
		}
	}
}

var errNotInTime = errors.New("it was not kept in time")

// notKept tells of a client that is closed because of that.
func (s *Server) notKept(c *client, err error) {
	s.log.Warn("client closed: its answers tell of what could not be kept in time", "client", c.addr, "error", err.Error())
}

// saving is a rewrite that clients were told of.
type saving struct {
	running   bool
	since     time.Time
	rewrites  int64 // before it
	lastError error // of those before it
	last      time.Time
	ends      []func(answer func(c *engine.Ctx)) // of SAVEs that wait
}

// saveBegin begins a rewrite; false after an error was answered.
func (s *Server) saveBegin(c *engine.Ctx) bool {
	if s.keeper == nil {
		c.Fail(errNotKept)
		return false
	}
	if s.saving.running {
		c.Fail("ERR Background save already in progress")
		return false
	}
	st := s.keeper.Status()
	s.saving.running, s.saving.since, s.saving.rewrites, s.saving.lastError = true, time.Now(), st.Rewrites, st.RewriteErr
	s.keeper.Rewrite()
	return true
}

// saveLook finds out whether the rewrite has ended. It is called every tick.
func (s *Server) saveLook() {
	if s.keeper == nil {
		return
	}
	if failure := s.keeper.Failure(); (failure != nil) != (s.failing != nil) {
		s.failing = failure
		s.refreeAll()
	}
	st := s.keeper.Status()
	failed := !errors.Is(st.RewriteErr, s.saving.lastError) && st.RewriteErr != nil
	if !s.saving.running || st.Rewrites == s.saving.rewrites && !failed {
		return
	}
	s.saving.running = false
	answer := func(c *engine.Ctx) { c.OK() }
	if failed {
		answer = func(c *engine.Ctx) { c.Fail("ERR the keys could not be saved; the log says why") }
	} else {
		s.saving.last = time.Now()
		s.engine.Stats().Dirty = 0
	}
	ends := s.saving.ends
	s.saving.ends = nil
	for _, end := range ends {
		end(answer)
	}
}

// saveCmd waits until all is written; others do not.
func (s *Server) saveCmd(c *engine.Ctx) {
	if c.Nested() {
		c.Fail("ERR SAVE cannot wait within a script")
		return
	}
	if s.saveBegin(c) {
		s.saving.ends = append(s.saving.ends, c.Hold())
	}
}

func (s *Server) bgsaveCmd(c *engine.Ctx) {
	if len(c.Args) > 2 || len(c.Args) == 2 && !c.Is(1, "schedule") {
		c.Fail(errSyntax)
		return
	}
	if s.saveBegin(c) {
		c.Out.Simple("Background saving started")
	}
}

func (s *Server) bgrewriteaofCmd(c *engine.Ctx) {
	if s.keeper != nil && s.saving.running {
		c.Fail("ERR Background append only file rewriting already in progress")
		return
	}
	if s.saveBegin(c) {
		c.Out.Simple("Background append only file rewriting started")
	}
}

func (s *Server) lastsaveCmd(c *engine.Ctx) {
	at := s.begun
	if !s.saving.last.IsZero() {
		at = s.saving.last
	}
	c.Out.Int(at.Unix())
}

func (s *Server) infoPersistence(w *infoWriter) {
	var st aof.Status
	enabled, last := 0, s.begun
	if s.keeper != nil {
		st = s.keeper.Status()
		enabled = 1
	}
	if !s.saving.last.IsZero() {
		last = s.saving.last
	}
	state := func(err error) string {
		if err != nil {
			return "err"
		}
		return "ok"
	}
	busy, since, took, failures := 0, int64(-1), int64(-1), 0
	if st.Rewriting || s.saving.running {
		busy = 1
	}
	if s.saving.running {
		since = int64(time.Since(s.saving.since) / time.Second)
	}
	if st.Rewrites > 0 {
		took = int64(st.RewriteTook / time.Second)
	}
	if st.RewriteErr != nil {
		failures = 1
	}
	w.fields("loading", 0, "async_loading", 0, "current_cow_peak", 0, "current_cow_size", 0, "current_cow_size_age", 0, "current_fork_perc", "0.00",
		"current_save_keys_processed", 0, "current_save_keys_total", 0, "rdb_changes_since_last_save", s.engine.Stats().Dirty,
		"rdb_bgsave_in_progress", busy, "rdb_last_save_time", last.Unix(), "rdb_last_bgsave_status", state(st.RewriteErr),
		"rdb_last_bgsave_time_sec", took, "rdb_current_bgsave_time_sec", since, "rdb_saves", st.Rewrites, "rdb_last_cow_size", 0,
		"rdb_last_load_keys_expired", 0, "rdb_last_load_keys_loaded", 0, "aof_enabled", enabled, "aof_rewrite_in_progress", busy,
		"aof_rewrite_scheduled", 0, "aof_last_rewrite_time_sec", took, "aof_current_rewrite_time_sec", since,
		"aof_last_bgrewrite_status", state(st.RewriteErr), "aof_rewrites", st.Rewrites, "aof_rewrites_consecutive_failures", failures,
		"aof_last_write_status", state(st.Failure), "aof_last_cow_size", 0, "module_fork_in_progress", 0, "module_fork_last_cow_size", 0)
	if enabled == 1 {
		w.fields("aof_current_size", st.Size, "aof_base_size", st.BaseSize, "aof_pending_rewrite", 0, "aof_buffer_length", st.Backlog,
			"aof_pending_bio_fsync", 0, "aof_delayed_fsync", 0)
	}
}
