package runtime

import (
	"cmp"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/module"
)

// retiredFor is how long a module that was replaced or removed can still be asked for: a decode chooses its decoder
// first and needs it a moment later. Workers and decodes that have begun hold on to it themselves.
const retiredFor = 5 * time.Minute

// view is what callers see, made anew with every change.
type view struct {
	plugins  []Plugin
	entries  []*entry // beside plugins
	order    []int    // built-in plugins first, then by id: who goes first among equals
	heirs    map[*entry]bool
	byID     map[string]int
	byFormat map[string]int
	bySHA    map[string]int // of plugins that can be used
}

// change is what followed from a change of modules, to be told and kept when mu is free.
type change struct {
	plugins  []Plugin // that are different now
	promoted []*entry
	save     []string // ids
}

// settle makes everything follow from what the entries say now: which versions are the last good ones, the view, what
// is to be told. The caller holds mu.
func (r *Registry) settle(now time.Time) change {
	var c change
	for _, p := range r.places {
		if st, _ := r.verdict(p.now); st != Active || p.good == p.now {
			continue
		}
		if p.good != nil {
			r.retire(p.good, now)
		}
		p.good = p.now
		if p.source != BuiltIn {
			c.promoted = append(c.promoted, p.now)
		}
	}
	r.retired = slices.DeleteFunc(r.retired, func(e *entry) bool {
		return e.wanted == 0 && now.Sub(e.retiredAt) > retiredFor
	})
	old := r.now.Load()
	v := r.resolve()
	r.now.Store(v)
	c.plugins, c.save = differences(old, v), r.unsaved()
	if old == nil {
		r.refused = nil // see tellRejected
	}
	for _, e := range r.refused {
		if p := r.plugin(e); !slices.ContainsFunc(c.plugins, func(o Plugin) bool { return o.State == Rejected && o.SHA256 == p.SHA256 && o.File == p.File }) {
			p.ID = r.listedAs(e)
			c.plugins = append(c.plugins, p)
		}
	}
	r.refused = nil
	return c
}

// listedAs gives the id under which a module is shown. One whose own is not known counts as a version of what its file
// held before. The caller holds mu.
func (r *Registry) listedAs(e *entry) string {
	if e.manifest.Load() == nil {
		for _, p := range r.places {
			if p.now == e && p.good != nil && p.good != e {
				return p.good.id()
			}
		}
	}
	return e.id()
}

// retire keeps an entry for those who have chosen it already. The caller holds mu.
func (r *Registry) retire(e *entry, now time.Time) {
	e.retiredAt = now
	r.retired = append(r.retired, e)
}

// all gives every entry, those that serve or may come to serve first. The caller holds mu.
func (r *Registry) all() []*entry {
	var out []*entry
	for _, p := range r.places {
		out = append(out, p.entries()...)
	}
	return append(out, r.retired...)
}

// resolve decides which module serves each id and makes the view. Of one id the highest version wins, on equality
// data over system over built-in; one that is compiled goes before one that is not, so that a new version takes over
// when it can. A rejected module is listed under its own id only where no other serves it. The caller holds mu.
func (r *Registry) resolve() *view {
	groups, seen := map[string][]*entry{}, map[string]bool{}
	for _, p := range r.places {
		for _, e := range p.entries() {
			if seen[e.sha] {
				continue
			}
			seen[e.sha] = e.sha != ""
			id := r.listedAs(e)
			groups[id] = append(groups[id], e)
		}
	}
	v := &view{heirs: map[*entry]bool{}, byID: map[string]int{}, byFormat: map[string]int{}, bySHA: map[string]int{}}
	ids := make(map[*entry]string, len(groups)) // of those that serve
	for id, es := range groups {
		slices.SortFunc(es, r.compare)
		v.entries = append(v.entries, es[0])
		ids[es[0]] = id
		if h := r.heir(es); h != nil {
			v.heirs[h] = true
		}
	}
	slices.SortFunc(v.entries, func(a, b *entry) int { return cmp.Compare(a.id(), b.id()) })
	for i, e := range v.entries {
		p := r.plugin(e)
		p.ID = ids[e]
		p.Others = r.others(groups[p.ID][1:])
		v.plugins = append(v.plugins, p)
		v.order = append(v.order, i)
		v.byID[p.ID] = i
		if usable(p.State) {
			v.bySHA[p.SHA256] = i
		}
	}
	slices.SortStableFunc(v.order, func(a, b int) int {
		return cmp.Compare(dropped(&v.plugins[a]), dropped(&v.plugins[b]))
	})
	v.claim(usable)
	v.claim(func(s State) bool { return s == Disabled })
	return v
}

// claim gives formats that nobody has to the plugins in one of the states.
func (v *view) claim(in func(State) bool) {
	for _, i := range v.order {
		for _, f := range v.plugins[i].Formats {
			if _, taken := v.byFormat[f.ID]; !taken && in(v.plugins[i].State) {
				v.byFormat[f.ID] = i
			}
		}
	}
}

// compare orders the modules of one id, the one that serves first. The caller holds mu.
func (r *Registry) compare(a, b *entry) int {
	if c := r.rank(b) - r.rank(a); c != 0 {
		return c
	}
	return byVersion(a, b)
}

// rank says how ready a module is. One that is compiled again keeps its place.
func (r *Registry) rank(e *entry) int {
	switch st, _ := r.verdict(e); {
	case st == Rejected:
		return 0
	case st == Compiling && !e.stale:
		return 1
	}
	return 2
}

// byVersion orders modules of one id by what they are, the better first.
func byVersion(a, b *entry) int {
	if c := module.CompareVersions(b.version(), a.version()); c != 0 {
		return c
	}
	rank := map[Source]int{BuiltIn: 0, System: 1, Data: 2}
	if c := rank[b.source] - rank[a.source]; c != 0 {
		return c
	}
	return strings.Compare(a.file, b.file)
}

// heir gives the module that is to serve once all are compiled, nil = none. The caller holds mu.
func (r *Registry) heir(es []*entry) *entry {
	var best *entry
	for _, e := range es {
		if st, _ := r.verdict(e); st != Rejected && (best == nil || byVersion(e, best) < 0) {
			best = e
		}
	}
	return best
}

// others describes the modules of an id that do not serve it. The caller holds mu.
func (r *Registry) others(es []*entry) []Version {
	out := make([]Version, 0, len(es))
	for _, e := range es {
		st, reason := r.verdict(e)
		if st == Active {
			st, reason = Standby, "another version serves"
		}
		out = append(out, Version{
			Version: e.version(), SHA256: e.sha, Source: e.source, File: filepath.Base(e.file), State: st, Reason: reason,
			Signature: e.signature, Checks: r.checks(e), Tables: e.schemas(),
		})
	}
	return out
}

// plugin makes the description of a module. The caller holds mu.
func (r *Registry) plugin(e *entry) Plugin {
	p := Plugin{ID: e.id(), Name: filepath.Base(e.file), File: filepath.Base(e.file), SHA256: e.sha, Source: e.source, Signature: e.signature}
	p.State, p.Reason = r.verdict(e)
	p.Limits, p.Checks = r.limits(e), r.checks(e)
	m := e.manifest.Load()
	if m == nil {
		return p
	}
	if p.State != Rejected && r.off(m.ID) {
		p.State = Disabled
	}
	p.Params = r.rules.Settings[m.ID].Params
	p.Name, p.Version, p.Description, p.Licence = m.Name, m.Version, m.Description, m.Licence
	p.Tables, p.ParamsSchema, p.Capabilities = m.Schemas, e.params.Load().shown, m.Capabilities
	for _, f := range m.Formats {
		p.Formats = append(p.Formats, Format{
			ID: f.ID, Name: f.Name, Extensions: f.Extensions, MediaTypes: f.MediaTypes, Sequence: sequenceOf(f.Sequence),
		})
	}
	return p
}

// off reports whether a plugin is disabled. The caller holds mu.
func (r *Registry) off(id string) bool { return r.saved[id].Disabled || r.rules.Settings[id].Disabled }

// differences gives the plugins of v that old does not have like that, and those that are gone, as Removed.
func differences(old, v *view) []Plugin {
	if old == nil {
		return nil
	}
	var out []Plugin
	for _, p := range v.plugins {
		if i, ok := old.byID[p.ID]; !ok || !reflect.DeepEqual(brief(old.plugins[i]), brief(p)) {
			out = append(out, p)
		}
	}
	for _, p := range old.plugins {
		if _, ok := v.byID[p.ID]; !ok {
			p.State, p.Reason, p.Others = Removed, "", nil
			out = append(out, p)
		}
	}
	return out
}

// brief leaves out of a plugin what cannot change as long as the hash is the same.
func brief(p Plugin) Plugin {
	return Plugin{
		SHA256: p.SHA256, Source: p.Source, State: p.State, Reason: p.Reason, Signature: p.Signature, Limits: p.Limits,
		Params: p.Params, Others: p.Others, Checks: p.Checks,
	}
}

// dropped is 0 for a built-in plugin and 1 for any other.
func dropped(p *Plugin) int {
	if p.Source == BuiltIn {
		return 0
	}
	return 1
}
