package kv

import (
	"fmt"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

func timeCmd(c *engine.Ctx) {
	now := time.Now()
	c.Out.Array(2)
	c.Out.Bulk(appendInt(nil, now.Unix()))
	c.Out.Bulk(appendInt(nil, int64(now.Nanosecond()/1000)))
}

func (s *Server) lolwutCmd(c *engine.Ctx) {
	text := "Wayside " + s.cfg.Version + ", a wayside cross of two lines:\n\n      |\n      |\n ---- + ----\n      |\n      |\n\nRedis ver. " + redisVersion + "\n"
	c.Out.Verbatim("txt", text)
}

func roleCmd(c *engine.Ctx) {
	c.Out.Array(3)
	c.Out.BulkString("master")
	c.Out.Int(0)
	c.Out.Array(0)
}

func replicaofCmd(c *engine.Ctx) {
	if c.Is(1, "no") && c.Is(2, "one") {
		c.OK()
		return
	}
	c.Fail("ERR this server replicates nobody: REPLICAOF NO ONE is all it knows")
}

func (s *Server) shutdownCmd(c *engine.Ctx) {
	for i := 1; i < len(c.Args); i++ {
		if !c.Is(i, "save") && !c.Is(i, "nosave") && !c.Is(i, "now") && !c.Is(i, "force") && (!c.Is(i, "abort") || len(c.Args) > 2) {
			c.Fail(errSyntax)
			return
		}
	}
	switch {
	case len(c.Args) == 2 && c.Is(1, "abort"):
		c.Fail("ERR No shutdown in progress.")
	case s.cfg.Shutdown == nil:
		c.Fail("ERR SHUTDOWN is not allowed here: the appliance ends its server itself")
	default:
		s.cfg.Shutdown()
		if cl := clientOf(c.S); cl != nil {
			cl.closing = true
		}
	}
}

// moduleListCmd says that there are no modules: clients ask for them when they connect.
func moduleListCmd(c *engine.Ctx) { c.Out.Array(0) }

func moduleCmd(c *engine.Ctx) {
	c.Fail("ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.")
}

func clusterCmd(c *engine.Ctx) {
	c.Fail("ERR This instance has cluster support disabled")
}

func (s *Server) memoryDoctorCmd(c *engine.Ctx) {
	most, policy := c.E.MaxMemory()
	switch used := c.E.Used(); {
	case most == 0:
		c.Out.Verbatim("txt", "There is no bound: maxmemory is 0.\n")
	case used > most/10*9:
		c.Out.Verbatim("txt", fmt.Sprintf("%s of %s are used, and the policy is %s.\n", human(used), human(most), policy))
	default:
		c.Out.Verbatim("txt", "Nothing is wrong with memory.\n")
	}
}

func (s *Server) memoryMallocStatsCmd(c *engine.Ctx) {
	var b strings.Builder
	for _, m := range heapMetrics() {
		fmt.Fprintf(&b, "%s %d\n", m.name, m.value)
	}
	c.Out.Verbatim("txt", b.String())
}

func (s *Server) memoryPurgeCmd(c *engine.Ctx) {
	s.purge()
	c.OK()
}

func (s *Server) memoryStatsCmd(c *engine.Ctx) {
	var keys int64
	for db := range c.E.Databases() {
		n, _ := c.E.Size(db)
		keys += int64(n)
	}
	used := c.E.Used()
	perKey := int64(0)
	if keys > 0 {
		perKey = used / keys
	}
	rows := []struct {
		name  string
		value int64
	}{
		{"peak.allocated", max(s.counts.peak, used)},
		{"total.allocated", used},
		{"startup.allocated", 0},
		{"replication.backlog", 0},
		{"clients.slaves", 0},
		{"clients.normal", s.clientBytes()},
		{"overhead.total", s.clientBytes()},
		{"keys.count", keys},
		{"keys.bytes-per-key", perKey},
		{"dataset.bytes", used},
	}
	c.Out.Map(len(rows))
	for _, r := range rows {
		c.Out.BulkString(r.name)
		c.Out.Int(r.value)
	}
}

// clientBytes is what the buffers of all clients take.
func (s *Server) clientBytes() (n int64) {
	for _, c := range s.clients {
		n += int64(c.held+c.s.QueuedBytes()) + c.memory()
	}
	return n
}
