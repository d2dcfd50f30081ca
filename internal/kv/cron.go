package kv

import (
	"context"
	"time"
)

const (
	cronTick   = 100 * time.Millisecond
	keepSpare  = 2 * time.Second // of silence, for which a client keeps its buffers of output
	cronRounds = 10              // ticks in which each client is looked at once
	linger     = time.Minute     // in which a client that is closing takes nothing of what is left for it
)

// cron closes clients that are silent for too long, or leave too much unread for too long, and gives memory back.
func (s *Server) cron(ctx context.Context) {
	ticker := time.NewTicker(cronTick)
	defer ticker.Stop()
	for round := int64(0); ; round++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.tick(round % cronRounds)
		}
	}
}

// tick looks at a tenth of the clients.
func (s *Server) tick(round int64) {
	e := s.engine
	e.Lock()
	defer e.Unlock()
	s.broadcast()
	s.saveLook()
	if s.counts.rate.sample(e.Now(), e.Stats().Commands, s.counts.input, s.sent.Load()) && s.reclaim.due(s.load()) {
		s.purge()
	}
	s.counts.peak = max(s.counts.peak, e.Used())
	for id, c := range s.clients {
		if id%cronRounds == round {
			s.look(c, e.Now())
		}
	}
}

// look closes a client whose time is over, and lets go of what one that is silent does not need.
func (s *Server) look(c *client, now int64) {
	silent := time.Duration(now-c.active) * time.Millisecond
	if silent > keepSpare && c.unsent.Load() == 0 && !c.has() {
		c.out.Buf, c.spare = nil, nil
		if len(c.later.Buf) == 0 {
			c.later.Buf = nil
		}
	}
	switch {
	case c.closing:
		if n := c.pending(); n != c.left {
			c.left, c.active = n, now
		} else if silent > linger {
			c.kill()
		}
	case c.s.Blocked() && c.link.ended(): // what it waits for must not be given to nobody
		c.kill()
	case !c.within():
		s.log.Warn("client closed: it has not read for too long what it gets", "client", c.addr, "waiting_bytes", c.pending())
		c.kill()
	case s.acl.asksFor(c) && time.Duration(now-c.born)*time.Millisecond > orDefault(s.cfg.AuthTimeout, time.Minute):
		s.log.Info("client closed: it has not said who it is", "client", c.addr)
		c.kill()
	case s.set.idle > 0 && silent > s.set.idle && !c.s.Blocked() && !c.subscribed() && !c.monitor:
		s.log.Info("client closed: it was silent for too long", "client", c.addr)
		c.kill()
	}
}

// rate is how many commands and bytes there were a second, over the last samples.
type rate struct {
	at                                   int64
	commands, input, output              int64
	perSecond, inPerSecond, outPerSecond float64
}

// sample takes a sample if a second has passed.
func (r *rate) sample(now, commands, input, output int64) bool {
	passed := now - r.at
	if passed < 1000 {
		return false
	}
	each := func(n, before int64) float64 { return float64(max(n-before, 0)) * 1000 / float64(passed) }
	if r.at != 0 {
		r.perSecond, r.inPerSecond, r.outPerSecond = each(commands, r.commands), each(input, r.input), each(output, r.output)
	}
	r.at, r.commands, r.input, r.output = now, commands, input, output
	return true
}
