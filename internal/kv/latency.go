package kv

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// latencySamples is how many delays are kept of an event.
const latencySamples = 160

// latency is the delays that were longer than latency-monitor-threshold, by event.
type latency map[string]*delays

type delays struct {
	most int64 // milliseconds
	list []delay
}

type delay struct{ at, ms int64 } // seconds of Unix time, milliseconds

// add records a delay. Of those within one second the longest stays.
func (l latency) add(event string, at int64, took time.Duration) {
	d := l[event]
	if d == nil {
		d = &delays{}
		l[event] = d
	}
	ms := took.Milliseconds()
	d.most = max(d.most, ms)
	if n := len(d.list); n > 0 && d.list[n-1].at == at {
		d.list[n-1].ms = max(d.list[n-1].ms, ms)
		return
	}
	if len(d.list) == latencySamples {
		d.list = slices.Delete(d.list, 0, 1)
	}
	d.list = append(d.list, delay{at, ms})
}

// timed records how long a command took.
func (s *Server) timed(cmd *engine.Command, took time.Duration) {
	if s.set.latencyStats {
		cmd.Observe(took)
	}
	if most := s.set.latencyFrom; most > 0 && took.Milliseconds() >= most {
		event := "command"
		if cmd.Flags&engine.Fast != 0 {
			event = "fast-command"
		}
		s.late.add(event, s.engine.Now()/1000, took)
	}
}

func (s *Server) latencyLatestCmd(c *engine.Ctx) {
	c.Out.Array(len(s.late))
	for _, event := range slices.Sorted(maps.Keys(s.late)) {
		d := s.late[event]
		last := d.list[len(d.list)-1]
		c.Out.Array(4)
		c.Out.BulkString(event)
		c.Out.Int(last.at)
		c.Out.Int(last.ms)
		c.Out.Int(d.most)
	}
}

func (s *Server) latencyHistoryCmd(c *engine.Ctx) {
	d := s.late[string(c.Args[2])]
	if d == nil {
		c.Out.Array(0)
		return
	}
	c.Out.Array(len(d.list))
	for _, one := range d.list {
		c.Out.Array(2)
		c.Out.Int(one.at)
		c.Out.Int(one.ms)
	}
}

func (s *Server) latencyResetCmd(c *engine.Ctx) {
	n := len(s.late)
	if len(c.Args) == 2 {
		clear(s.late)
	}
	for _, event := range c.Args[2:] {
		delete(s.late, string(event))
	}
	c.Out.Int(int64(n - len(s.late)))
}

func (s *Server) latencyDoctorCmd(c *engine.Ctx) {
	var b strings.Builder
	switch {
	case s.set.latencyFrom == 0:
		b.WriteString("Delays are not recorded: latency-monitor-threshold is 0. SLOWLOG lists the commands that took long.\n")
	case len(s.late) == 0:
		fmt.Fprintf(&b, "No command took %d ms or longer.\n", s.set.latencyFrom)
	}
	for _, event := range slices.Sorted(maps.Keys(s.late)) {
		d := s.late[event]
		sum := int64(0)
		for _, one := range d.list {
			sum += one.ms
		}
		fmt.Fprintf(&b, "%s: %d delays, %d ms on average, %d ms at most. SLOWLOG may name the commands.\n", event, len(d.list), sum/int64(len(d.list)), d.most)
	}
	c.Out.Verbatim("txt", b.String())
}

// latencyHistogramCmd answers how long the runs of commands took; without names, of all that ran.
func (s *Server) latencyHistogramCmd(c *engine.Ctx) {
	mark, n := c.Out.Mark(), 0
	write := func(cmd *engine.Command) {
		if cmd.Times() == nil {
			return
		}
		n++
		writeHistogram(c.Out, cmd)
	}
	if len(c.Args) == 2 {
		s.eachCommand(write)
	}
	for _, name := range c.Args[2:] {
		if cmd := named(c, name); cmd != nil {
			write(cmd)
			for _, sub := range cmd.Subcommands() {
				write(sub)
			}
		}
	}
	c.Out.MapAt(mark, n)
}

func writeHistogram(w engine.Reply, cmd *engine.Command) {
	w.BulkString(cmd.FullName())
	w.Map(2)
	w.BulkString("calls")
	w.Int(cmd.Times().Calls())
	w.BulkString("histogram_usec")
	mark, n := w.Mark(), 0
	cmd.Times().Cumulative(func(usec int64, runs uint64) {
		w.Int(usec)
		w.Int(int64(runs))
		n++
	})
	w.MapAt(mark, n)
}

func (s *Server) infoLatency(w *infoWriter) {
	if !s.set.latencyStats {
		return
	}
	s.eachCommand(func(cmd *engine.Command) {
		if cmd.Times() == nil {
			return
		}
		var list []string
		for _, p := range s.set.percentiles {
			usec := float64(cmd.Times().Percentile(p)) / float64(time.Microsecond)
			list = append(list, fmt.Sprintf("p%s=%.3f", strconv.FormatFloat(p, 'f', -1, 64), usec))
		}
		w.field("latency_percentiles_usec_"+cmd.FullName(), strings.Join(list, ","))
	})
}

// percentiles is the parameter latency-tracking-info-percentiles.
func (s *Server) percentiles() string {
	var list []string
	for _, p := range s.set.percentiles {
		list = append(list, strconv.FormatFloat(p, 'f', -1, 64))
	}
	return strings.Join(list, " ")
}

func (s *Server) setPercentiles(v string) error {
	var list []float64
	for word := range strings.FieldsSeq(v) {
		p, err := strconv.ParseFloat(word, 64)
		if err != nil || math.IsNaN(p) || p < 0 || p > 100 {
			return ruleError("latency-tracking-info-percentiles value must be between 0.0 and 100.0 inclusive")
		}
		list = append(list, p)
	}
	s.set.percentiles = list
	return nil
}
