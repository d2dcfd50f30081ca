package config

import (
	"cmp"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// variable is a value with the place it came from.
type variable struct {
	value, place string
}

// older reads the names that earlier systems used. They are the weakest layer above the defaults. Variables of the
// process win over those of `.env`.
func (l *loader) older(dot map[string]variable) {
	vars := map[string]variable{}
	maps.Copy(vars, dot)
	for name, value := range l.env {
		if value != "" {
			vars[name] = variable{value, "env " + name}
		}
	}
	o := &olderNames{loader: l, vars: vars, values: map[string]any{}, places: map[string]string{}}
	for i := range l.table.keys {
		k := &l.table.keys[i]
		if len(k.older) == 1 && !slices.Contains(manyToOne(), k.older[0]) {
			o.copy(k.older[0], k.name)
		}
	}
	o.logs()
	o.redis()
	o.prometheus()
	l.add(o.values, o.places)
}

// manyToOne are the older names that are more than another spelling of a key.
func manyToOne() []string {
	return []string{"REDIS_ENABLED", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "PROMETHEUS_PORT", "JSON_LOGS"}
}

type olderNames struct {
	*loader
	vars   map[string]variable
	values map[string]any
	places map[string]string
}

func (o *olderNames) set(key, value, place string) { o.values[key], o.places[key] = value, place }

func (o *olderNames) copy(name, key string) {
	if v, ok := o.vars[name]; ok {
		o.set(key, v.value, v.place)
	}
}

// enabled gives the boolean of a variable, true where it is not set or is wrong, which is reported.
func (o *olderNames) enabled(name string) bool {
	v, ok := o.vars[name]
	if !ok {
		return true
	}
	on, err := parseBool(strings.TrimSpace(v.value))
	if err != nil {
		o.problems = append(o.problems, problem{place: v.place, msg: err.Error()})
		return true
	}
	return on
}

// logs: LOG_FORMAT says what JSON_LOGS said before it.
func (o *olderNames) logs() {
	if v, ok := o.vars["JSON_LOGS"]; ok {
		format := "console"
		if o.enabled("JSON_LOGS") {
			format = "json"
		}
		o.set("log.format", format, v.place)
	}
	if v, ok := o.vars["LOG_FORMAT"]; ok {
		o.set("log.format", strings.ToLower(v.value), v.place)
	}
}

// redis: a host that is this machine is where the embedded server listens; another one is the cache's server.
func (o *olderNames) redis() {
	host, hostSet := o.vars["REDIS_HOST"]
	port, portSet := o.vars["REDIS_PORT"]
	place := cmp.Or(host.place, port.place)
	external := hostSet && !o.local(host.value)
	if hostSet || portSet {
		n := cmp.Or(port.value, "6379")
		if _, err := strconv.ParseUint(n, 10, 16); err != nil {
			o.problems = append(o.problems, problem{place: port.place, msg: strconv.Quote(clip(n)) + " is no port"})
		} else if external {
			o.set("cache.url", "redis://"+net.JoinHostPort(host.value, n), place)
		} else {
			h := cmp.Or(host.value, "127.0.0.1")
			if strings.EqualFold(h, "localhost") {
				h = "127.0.0.1"
			}
			o.set("kv.listen", net.JoinHostPort(h, n), place)
		}
	}
	if external {
		o.copy("REDIS_PASSWORD", "cache.password")
	} else {
		o.copy("REDIS_PASSWORD", "kv.password")
	}
	if !o.enabled("REDIS_ENABLED") {
		place := o.vars["REDIS_ENABLED"].place
		o.set("kv.listen", string(Off), place)
		o.set("cache.enabled", "false", place)
	}
}

// prometheus: a port that is given explicitly is a second listener; /metrics is on the main one anyway.
func (o *olderNames) prometheus() {
	v, ok := o.vars["PROMETHEUS_PORT"]
	if !ok {
		return
	}
	if _, err := strconv.ParseUint(v.value, 10, 16); err != nil {
		o.problems = append(o.problems, problem{place: v.place, msg: strconv.Quote(clip(v.value)) + " is no port"})
		return
	}
	o.set("metrics.listen", net.JoinHostPort("127.0.0.1", v.value), v.place)
}

// thisMachine reports whether a host names this machine.
func thisMachine(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	if name, err := os.Hostname(); err == nil && strings.EqualFold(name, host) {
		return true
	}
	ip := net.ParseIP(host)
	if ip == nil {
		return false
	}
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip)
	})
}
