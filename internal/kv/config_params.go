package kv

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// parameters makes the table of CONFIG.
func (s *Server) parameters() map[string]*parameter {
	t := map[string]*parameter{}
	add := func(list []*parameter) {
		for _, p := range list {
			p.secret = secretParameter(p.name)
			t[p.name] = p
		}
	}
	add(s.keptParameters())
	add(s.scriptParameters())
	add(s.fixedParameters())
	add(s.serverParameters())
	add(s.memoryParameters())
	add(s.encodingParameters())
	for _, p := range s.cfg.Parameters {
		add([]*parameter{{name: p.Name, get: p.Get, set: p.Set}})
	}
	return t
}

// number is a parameter that is an integer.
func number(name string, lo, hi int64, get func() int64, set func(n int64)) *parameter {
	return &parameter{name: name, get: func() string { return strconv.FormatInt(get(), 10) }, set: func(v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return errors.New("argument couldn't be parsed into an integer")
		}
		if n < lo || n > hi {
			return fmt.Errorf("argument must be between %d and %d inclusive", lo, hi)
		}
		set(n)
		return nil
	}}
}

// memory is a parameter that is a number of bytes, with a unit or without.
func memory(name string, lo, hi int64, get func() int64, set func(n int64)) *parameter {
	return &parameter{name: name, get: func() string { return strconv.FormatInt(get(), 10) }, set: func(v string) error {
		n, ok := ParseMemory(v)
		if !ok {
			return errors.New("argument must be a memory value")
		}
		if n < lo || n > hi {
			return fmt.Errorf("argument must be between %d and %d inclusive", lo, hi)
		}
		set(n)
		return nil
	}}
}

// ParseMemory reads a number of bytes as Redis's configuration has it: 1k is 1000, 1kb is 1024.
func ParseMemory(v string) (int64, bool) {
	v = strings.ToLower(v)
	unit := int64(1)
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"k", 1000}, {"m", 1000 * 1000}, {"g", 1000 * 1000 * 1000}, {"b", 1}} {
		if rest, has := strings.CutSuffix(v, u.suffix); has {
			v, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, false
	}
	return n * unit, true
}

// choice is a parameter that is one of some words.
func choice(name string, words []string, get func() string, set func(word string)) *parameter {
	return &parameter{name: name, get: get, set: func(v string) error {
		i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, v) })
		if i < 0 {
			return errors.New("argument(s) must be one of the following: " + strings.Join(words, ", "))
		}
		set(words[i])
		return nil
	}}
}

// yesNo is a parameter that is a truth value.
func yesNo(name string, get func() bool, set func(on bool)) *parameter {
	return &parameter{name: name, get: func() string { return yesOrNo(get()) }, set: func(v string) error {
		if !strings.EqualFold(v, "yes") && !strings.EqualFold(v, "no") {
			return errors.New("argument must be 'yes' or 'no'")
		}
		set(strings.EqualFold(v, "yes"))
		return nil
	}}
}

func yesOrNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// serverParameters are about clients and what is recorded.
func (s *Server) serverParameters() []*parameter {
	set := &s.set
	return []*parameter{
		number("maxclients", 1, math.MaxUint32, func() int64 { return int64(set.maxClients) }, func(n int64) { set.maxClients = int(n) }),
		number("timeout", 0, math.MaxInt32, func() int64 { return int64(set.idle / time.Second) }, func(n int64) { set.idle = time.Duration(n) * time.Second }),
		number("tcp-keepalive", 0, math.MaxInt32, func() int64 { return int64(set.keepAlive / time.Second) }, func(n int64) { set.keepAlive = time.Duration(n) * time.Second }),
		number("slowlog-log-slower-than", -1, math.MaxInt64, func() int64 { return set.slowerThan }, func(n int64) { set.slowerThan = n }),
		number("slowlog-max-len", 0, math.MaxInt32, func() int64 { return int64(set.slowMax) }, func(n int64) {
			set.slowMax = int(n)
			s.slow.trim(int(n))
		}),
		number("tracking-table-max-keys", 0, math.MaxInt32, func() int64 { return int64(set.trackingMax) }, func(n int64) {
			set.trackingMax = int(n)
			s.boundTracked()
		}),
		number("acllog-max-len", 0, math.MaxInt32, func() int64 { return int64(set.aclLogMax) }, func(n int64) {
			set.aclLogMax = int(n)
			s.acl.trimLog(int(n))
		}),
		choice("acl-pubsub-default", []string{"resetchannels", "allchannels"}, func() string {
			if set.aclChannels {
				return "allchannels"
			}
			return "resetchannels"
		}, func(word string) { set.aclChannels = word == "allchannels" }),
		yesNo("latency-tracking", func() bool { return set.latencyStats }, func(on bool) { set.latencyStats = on }),
		number("latency-monitor-threshold", 0, math.MaxInt64, func() int64 { return set.latencyFrom }, func(n int64) { set.latencyFrom = n }),
		{name: "latency-tracking-info-percentiles", get: s.percentiles, set: s.setPercentiles},
		memory("client-query-buffer-limit", mib, math.MaxInt64, func() int64 { return set.queryBuffer }, func(n int64) { set.queryBuffer = n }),
		memory("proto-max-bulk-len", mib, int64(resp.Full.Bulk), func() int64 { return set.bulk }, s.setBulk),
		{name: "client-output-buffer-limit", get: s.outputLimits, set: s.setOutputLimits},
		{name: "requirepass", get: func() string { return set.password }, set: s.setPassword},
		{name: "notify-keyspace-events", get: func() string { return s.engine.Notify() }, set: func(v string) error {
			if !s.engine.SetNotify(v) {
				return ruleError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
			}
			return nil
		}},
	}
}

// setBulk changes the longest argument, for all clients that have said who they are.
func (s *Server) setBulk(n int64) {
	s.set.bulk = n
	for _, c := range s.clients {
		c.relimit()
		if c.doing {
			c.in.SetLimits(c.lim)
		}
	}
}

// setPassword changes the password of the user default. Where strangers may connect it cannot be taken away.
func (s *Server) setPassword(v string) error {
	if v == "" && s.exposed() {
		return ErrOpenToAll
	}
	s.set.password = v
	s.acl.def.setPassword(v)
	s.refreeAll()
	return nil
}

// refreeAll works out anew what may be skipped for each client, after rights have changed.
func (s *Server) refreeAll() {
	for _, c := range s.clients {
		c.refree()
	}
}

// outputLimits is client-output-buffer-limit.
func (s *Server) outputLimits() string {
	one := func(class string, l OutputLimit) string {
		return fmt.Sprintf("%s %d %d %d", class, l.Hard, l.Soft, int64(l.For/time.Second))
	}
	return one("normal", s.set.outputNormal) + " " + one("slave", s.set.outputSlave) + " " + one("pubsub", s.set.outputPubSub)
}

func (s *Server) setOutputLimits(v string) error {
	words := strings.Fields(v)
	if len(words)%4 != 0 || len(words) == 0 {
		return ruleError("Wrong number of arguments in buffer limit configuration.")
	}
	normal, slave, pubsub := s.set.outputNormal, s.set.outputSlave, s.set.outputPubSub
	for i := 0; i < len(words); i += 4 {
		hard, ok1 := ParseMemory(words[i+1])
		soft, ok2 := ParseMemory(words[i+2])
		seconds, err := strconv.ParseInt(words[i+3], 10, 32)
		if !ok1 || !ok2 || err != nil || seconds < 0 {
			return ruleError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
		}
		l := OutputLimit{Hard: hard, Soft: soft, For: time.Duration(seconds) * time.Second}
		switch strings.ToLower(words[i]) {
		case "normal":
			normal = l
		case "pubsub":
			pubsub = l
		case "slave", "replica":
			slave = l
		default:
			return ruleError("Invalid client class specified in buffer limit configuration.")
		}
	}
	s.set.outputNormal, s.set.outputSlave, s.set.outputPubSub = normal, slave, pubsub
	for _, c := range s.clients {
		c.limits()
	}
	return nil
}

// memoryParameters are about the keyspace as a whole.
func (s *Server) memoryParameters() []*parameter {
	e := func() *engine.Engine { return s.engine }
	var policies []string
	for p := engine.NoEviction; p <= engine.VolatileTTL; p++ {
		policies = append(policies, p.String())
	}
	return []*parameter{
		memory("maxmemory", 0, math.MaxInt64, func() int64 { n, _ := e().MaxMemory(); return n }, func(n int64) {
			_, p := e().MaxMemory()
			e().SetMaxMemory(n, p)
		}),
		choice("maxmemory-policy", policies, func() string { _, p := e().MaxMemory(); return p.String() }, func(word string) {
			n, _ := e().MaxMemory()
			p, _ := engine.ParsePolicy(word)
			e().SetMaxMemory(n, p)
		}),
	}
}

// encodingParameters are the bounds of compact forms, each with its older name.
func (s *Server) encodingParameters() []*parameter {
	lim := s.engine.Encodings()
	var list []*parameter
	bound := func(field *int, lo int64, names ...string) {
		for _, name := range names {
			p := number(name, lo, math.MaxInt32, func() int64 { return int64(*field) }, func(n int64) { *field = int(n) })
			p.same = names[0]
			list = append(list, p)
		}
	}
	bound(&lim.HashEntries, 0, "hash-max-listpack-entries", "hash-max-ziplist-entries")
	bound(&lim.HashValue, 0, "hash-max-listpack-value", "hash-max-ziplist-value")
	bound(&lim.SetInts, 0, "set-max-intset-entries")
	bound(&lim.ZSetEntries, 0, "zset-max-listpack-entries", "zset-max-ziplist-entries")
	bound(&lim.ZSetValue, 0, "zset-max-listpack-value", "zset-max-ziplist-value")
	bound(&lim.ListEntries, math.MinInt32, "list-max-listpack-size", "list-max-ziplist-size")
	bound(&lim.HLLSparse, 0, "hll-sparse-max-bytes")
	bound(&lim.StreamEntries, 0, "stream-node-max-entries")
	bound(&lim.StreamBytes, 0, "stream-node-max-bytes")
	return list
}
