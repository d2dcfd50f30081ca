package kv

import (
	"errors"
	"math"
	"net"
	"strconv"
	"strings"
)

// keptParameters are those of Redis that clients and tools set as a matter of course and that mean nothing here. They are
// checked, remembered and answered.
func (s *Server) keptParameters() []*parameter {
	kept := s.set.kept
	var list []*parameter
	text := func(name, value string) {
		kept[name] = value
		list = append(list, &parameter{name: name, get: func() string { return kept[name] }, set: func(v string) error {
			kept[name] = v
			return nil
		}})
	}
	num := func(name string, lo, hi, value int64) {
		kept[name] = strconv.FormatInt(value, 10)
		list = append(list, number(name, lo, hi, func() int64 {
			n, _ := strconv.ParseInt(kept[name], 10, 64)
			return n
		}, func(n int64) { kept[name] = strconv.FormatInt(n, 10) }))
	}
	yes := func(name string, value bool) {
		kept[name] = yesOrNo(value)
		list = append(list, yesNo(name, func() bool { return kept[name] == "yes" }, func(on bool) { kept[name] = yesOrNo(on) }))
	}
	for _, name := range []string{
		"activedefrag", "appendonly", "lazyfree-lazy-eviction", "lazyfree-lazy-expire", "lazyfree-lazy-server-del",
		"lazyfree-lazy-user-del", "lazyfree-lazy-user-flush", "repl-diskless-load", "replica-ignore-maxmemory",
	} {
		yes(name, false)
	}
	for _, name := range []string{
		"activerehashing", "aof-use-rdb-preamble", "dynamic-hz", "protected-mode", "rdbcompression",
		"replica-read-only", "replica-serve-stale-data", "stop-writes-on-bgsave-error", "no-appendfsync-on-rewrite",
	} {
		yes(name, true)
	}
	num("hz", 1, 500, 10)
	num("list-compress-depth", 0, math.MaxInt32, 0)
	num("lfu-log-factor", 0, math.MaxInt32, 10)
	num("lfu-decay-time", 0, math.MaxInt32, 1)
	num("maxmemory-samples", 1, 64, 8)
	num("maxmemory-eviction-tenacity", 0, 100, 10)
	num("auto-aof-rewrite-percentage", 0, math.MaxInt32, 100)
	num("min-replicas-to-write", 0, math.MaxInt32, 0)
	num("min-replicas-max-lag", 0, math.MaxInt32, 10)
	num("repl-timeout", 1, math.MaxInt32, 60)
	num("repl-backlog-size", 1, math.MaxInt64, 1<<20)
	text("save", "")
	text("appendfsync", "everysec")
	text("loglevel", "notice")
	text("masterauth", "")
	text("sanitize-dump-payload", "no")
	for _, name := range []string{"slaveof", "replicaof"} {
		list = append(list, &parameter{name: name, get: func() string { return "" }})
	}
	kept["maxmemory-clients"] = "0"
	return append(list, &parameter{name: "maxmemory-clients", get: func() string { return kept["maxmemory-clients"] }, set: func(v string) error {
		if err := checkShare(v); err != nil {
			return err
		}
		kept["maxmemory-clients"] = v
		return nil
	}})
}

// checkShare says whether a value is a number of bytes or a percentage.
func checkShare(v string) error {
	percent, is := strings.CutSuffix(v, "%")
	if !is {
		if _, ok := ParseMemory(v); !ok {
			return errors.New("argument must be a memory or percent value")
		}
		return nil
	}
	if n, err := strconv.ParseUint(percent, 10, 32); err != nil || n > 100 {
		return errors.New("percentage argument must be less or equal to 100")
	}
	return nil
}

// fixedParameters are those that were decided when the server started.
func (s *Server) fixedParameters() []*parameter {
	fixed := func(name, value string) *parameter {
		return &parameter{name: name, get: func() string { return value }}
	}
	// same may be set to what it is: tools set back what they have read.
	same := func(name, value, refusal string) *parameter {
		return &parameter{name: name, get: func() string { return value }, set: func(v string) error {
			if v != value {
				return errors.New(refusal)
			}
			return nil
		}}
	}
	refused := func(name string) *parameter {
		return &parameter{name: name, get: func() string { return "" }, reason: "can't set protected config"}
	}
	host, port, tlsPort := "", "0", "0"
	for i, addr := range s.Addrs() {
		a, tcp := addr.(*net.TCPAddr)
		switch {
		case tcp && i == 0 && s.cfg.Addr != "":
			host, port = a.IP.String(), strconv.Itoa(a.Port)
		case tcp:
			tlsPort = strconv.Itoa(a.Port)
		}
	}
	delay := fixed("key-load-delay", "0") // of Redis's own tests, which look for it
	delay.hidden = true
	return []*parameter{
		delay, fixed("databases", strconv.Itoa(s.engine.Databases())), same("bind", host, "Failed to bind to specified addresses."), same("port", port, "Unable to listen on this port. Check server logs."),
		same("tls-port", tlsPort, "Unable to listen on this port. Check server logs."), fixed("unixsocket", s.cfg.Socket), fixed("unixsocketperm", "600"), fixed("cluster-enabled", "no"),
		fixed("daemonize", "no"), fixed("io-threads", "1"), fixed("logfile", ""), fixed("pidfile", ""), fixed("supervised", "no"),
		fixed("appendfilename", ""), fixed("appenddirname", ""), fixed("aclfile", s.cfg.Users), fixed("tcp-backlog", "511"),
		fixed("enable-debug-command", yesOrNo(s.cfg.Engine.Debug)), fixed("enable-module-command", "no"), fixed("enable-protected-configs", "no"),
		refused("dir"), refused("dbfilename"),
	}
}
