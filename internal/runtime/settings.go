package runtime

import (
	"maps"
	"strings"
	"time"
)

// Settings are what an administrator says about one plugin. The zero value of a field is what holds for all plugins.
type Settings struct {
	Disabled    bool
	MemoryMiB   int // instead of what the manifest asks for, at most Limits.MaxMemory
	Stall       time.Duration
	Total       time.Duration
	PerMB       time.Duration
	OutputRatio int64
	OutputBase  int64
	Issues      int64
	LogBytes    int64
	Params      map[string]string // defaults of parameters: a caller's own go before them
}

// limits gives what bounds a decode by a module, with the memory it really gets. The caller holds mu.
func (r *Registry) limits(e *entry) Limits {
	l, want := r.cfg.Limits, 0
	m := e.manifest.Load()
	if m != nil {
		want = m.MemoryMiB
	}
	l.MemoryMiB = l.memory(want)
	if m == nil {
		return l
	}
	s := r.rules.Settings[m.ID]
	if s.MemoryMiB > 0 {
		l.MemoryMiB = min(s.MemoryMiB, l.MaxMemory)
	}
	for _, d := range []struct{ to, from *time.Duration }{{&l.Stall, &s.Stall}, {&l.Total, &s.Total}, {&l.PerMB, &s.PerMB}} {
		if *d.from > 0 {
			*d.to = *d.from
		}
	}
	for _, n := range []struct{ to, from *int64 }{
		{&l.OutputRatio, &s.OutputRatio}, {&l.OutputBase, &s.OutputBase}, {&l.Issues, &s.Issues}, {&l.LogBytes, &s.LogBytes},
	} {
		if *n.from > 0 {
			*n.to = *n.from
		}
	}
	return l
}

// limitsOf is limits for those who do not hold mu.
func (r *Registry) limitsOf(e *entry) Limits {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.limits(e)
}

// withDefaultParams lays what a caller gave over the parameters that the settings of the plugin name.
func (p *Plugin) withDefaultParams(given map[string]string) map[string]string {
	if len(p.Params) == 0 {
		return given
	}
	out := maps.Clone(p.Params)
	maps.Copy(out, given)
	return out
}

// fromSettings tells of a wrong parameter that it was not the caller who gave it.
func (p *Plugin) fromSettings(field string, given map[string]string) string {
	name := strings.TrimPrefix(field, paramPrefix)
	if _, own := given[name]; own {
		return ""
	}
	if _, set := p.Params[name]; !set {
		return ""
	}
	return " (it is set in plugins.settings." + p.ID + ".params)"
}
