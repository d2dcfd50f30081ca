package kv

import (
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// Stats is how the server is, for metrics: counts since the start, or since CONFIG RESETSTAT.
type Stats struct {
	Clients, Blocked  int
	Accepted, Refused int64 // connections
	Received, Sent    int64 // bytes
	Used, MaxMemory   int64 // bytes; 0 = no bound
	Expired, Evicted  int64 // keys
	Hits, Misses      int64 // of keys that commands looked for
	Errors            int64 // answers
	CommandsPerSecond float64
	Databases         []DatabaseStats   // by number
	Families          map[string]Family // by chapter of the documentation: string, list, …
}

// DatabaseStats are the keys of one database, and how many of them have an end.
type DatabaseStats struct{ Keys, Ends int }

// Family is what commands of one kind did.
type Family struct {
	Calls, Failed, Rejected int64 // answered, those of them with an error, and not run at all
	Took                    time.Duration
}

// Stats looks at the server. It holds the engine's lock for some microseconds, however many keys and clients there are.
func (s *Server) Stats() Stats {
	s.engine.Lock()
	defer s.engine.Unlock()
	es := s.engine.Stats()
	out := Stats{
		Clients: len(s.clients), Blocked: s.engine.Blocked(), Accepted: s.counts.accepted, Refused: s.counts.rejected,
		Received: s.counts.input, Sent: s.sent.Load(), Used: s.engine.Used(), Expired: es.Expired, Evicted: es.Evicted,
		Hits: es.Hits, Misses: es.Misses, Errors: es.Errors, CommandsPerSecond: s.counts.rate.perSecond,
		Databases: make([]DatabaseStats, s.engine.Databases()), Families: map[string]Family{},
	}
	out.MaxMemory, _ = s.engine.MaxMemory()
	for db := range out.Databases {
		out.Databases[db].Keys, out.Databases[db].Ends = s.engine.Size(db)
	}
	s.eachCommand(func(cmd *engine.Command) {
		st, f := cmd.Stats(), out.Families[cmd.Group]
		f.Calls += st.Calls
		f.Failed += st.Failed
		f.Rejected += st.Rejected
		f.Took += time.Duration(st.Nanos)
		out.Families[cmd.Group] = f
	})
	return out
}
