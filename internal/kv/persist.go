package kv

import (
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

const errNotKept = "ERR nothing is kept: the server has no folder to write to"

// save begins to write all keys; false after an error was answered.
func (s *Server) save(c *engine.Ctx, done func(error)) bool {
	if s.cfg.Persistence == nil {
		c.Fail(errNotKept)
		return false
	}
	if s.counts.saving {
		c.Fail("ERR Background save already in progress")
		return false
	}
	err := s.cfg.Persistence.Save(func(err error) {
		s.engine.Lock()
		s.counts.saving = false
		if err != nil {
			s.log.Error("keys not saved", "error", err)
		} else {
			s.engine.Stats().Dirty = 0
		}
		if done != nil {
			done(err)
		}
		s.engine.Unlock()
	})
	if err != nil {
		s.log.Error("keys not saved", "error", err)
		c.Fail("ERR the save could not begin; the log says why")
		return false
	}
	s.counts.saving = true
	return true
}

// saveCmd waits until all is written; others do not.
func (s *Server) saveCmd(c *engine.Ctx) {
	if c.Nested() {
		c.Fail("ERR SAVE cannot wait within a script")
		return
	}
	var end func(answer func(c *engine.Ctx))
	if !s.save(c, func(err error) {
		end(func(c *engine.Ctx) {
			if err != nil {
				c.Fail("ERR the keys could not be saved; the log says why")
				return
			}
			c.OK()
		})
	}) {
		return
	}
	end = c.Hold()
}

func (s *Server) bgsaveCmd(c *engine.Ctx) {
	if len(c.Args) > 2 || len(c.Args) == 2 && !c.Is(1, "schedule") {
		c.Fail(errSyntax)
		return
	}
	if s.save(c, nil) {
		c.Out.Simple("Background saving started")
	}
}

func (s *Server) bgrewriteaofCmd(c *engine.Ctx) {
	if s.cfg.Persistence != nil && s.counts.saving {
		c.Fail("ERR Background append only file rewriting already in progress")
		return
	}
	if s.save(c, nil) {
		c.Out.Simple("Background append only file rewriting started")
	}
}

func (s *Server) lastsaveCmd(c *engine.Ctx) {
	at := s.begun
	if s.cfg.Persistence != nil {
		if st := s.cfg.Persistence.Status(); !st.LastSave.IsZero() {
			at = st.LastSave
		}
	}
	c.Out.Int(at.Unix())
}
