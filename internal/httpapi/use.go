package httpapi

// Use is how a server is used at the moment, for metrics.
type Use struct {
	Streams     int // readers of server-sent events
	Connections int
	Refused     int64 // connections since the start, for their number
}

// Use tells how the server is used.
func (s *Server) Use() Use {
	return Use{Streams: int(s.events.open.Load()), Connections: int(s.listener.open.Load()), Refused: s.listener.away.Load()}
}
