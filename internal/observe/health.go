package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Status is how a part of the appliance does.
type Status string

// Statuses. A degraded part works with less; a part that is down does not work.
const (
	OK       Status = "ok"
	Degraded Status = "degraded"
	Down     Status = "down"
)

// Component is one part in a Report.
type Component struct {
	Name   string
	Status Status
	Detail string // for people, may be empty; nothing private, no paths
}

// Check asks a part how it does. It must be quick and heed ctx, and may be called from any goroutine.
type Check func(ctx context.Context) (status Status, detail string)

// Report is the state of the appliance and its parts.
type Report struct {
	Status     Status // the worst of the components
	Ready      bool   // it can take work: it has started, does not stop, and no essential part is down
	Components []Component
}

// checkTime bounds all checks of one report.
const checkTime = 2 * time.Second

// Health knows the parts and asks them. The zero value has none and is not ready.
type Health struct {
	mu    sync.Mutex // guards parts; not held while a part is asked
	parts []part
	phase atomic.Int32
}

type part struct {
	name      string
	essential bool
	check     Check
}

const (
	starting int32 = iota
	running
	stopping
)

// Register adds a part, or replaces that of the same name. Without an essential part the appliance takes no work.
func (h *Health) Register(name string, essential bool, check Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := part{name, essential, check}
	if i := slices.IndexFunc(h.parts, func(p part) bool { return p.name == name }); i >= 0 {
		h.parts[i] = p
		return
	}
	h.parts = append(h.parts, p)
}

// Started says that the appliance can take work from now on.
func (h *Health) Started() { h.phase.CompareAndSwap(starting, running) }

// Stopping says that the appliance takes no more work.
func (h *Health) Stopping() { h.phase.Store(stopping) }

// Ready asks every part.
func (h *Health) Ready(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	h.mu.Lock()
	parts := slices.Clone(h.parts)
	h.mu.Unlock()
	r := Report{Status: OK, Ready: true}
	switch h.phase.Load() {
	case starting:
		r.add(Component{"appliance", Down, "starting"}, true)
	case stopping:
		r.add(Component{"appliance", Down, "stopping"}, true)
	default:
		r.add(Component{"appliance", OK, ""}, true)
	}
	for _, p := range parts {
		r.add(p.ask(ctx), p.essential)
	}
	slices.SortStableFunc(r.Components[1:], func(a, b Component) int { return strings.Compare(a.Name, b.Name) })
	return r
}

func (r *Report) add(c Component, essential bool) {
	r.Components = append(r.Components, c)
	if rank(c.Status) > rank(r.Status) {
		r.Status = c.Status
		if !essential {
			r.Status = Degraded // the appliance as a whole works with less
		}
	}
	if essential && c.Status == Down {
		r.Ready = false
	}
}

func rank(s Status) int {
	switch s {
	case OK:
		return 0
	case Degraded:
		return 1
	default:
		return 2
	}
}

// ask asks a part; one that panics or answers nonsense is down.
func (p part) ask(ctx context.Context) (c Component) {
	defer func() {
		if r := recover(); r != nil {
			c = Component{p.name, Down, "its check failed"}
		}
	}()
	if err := context.Cause(ctx); err != nil {
		return Component{p.name, Degraded, "not asked in time"}
	}
	status, detail := p.check(ctx)
	if status != OK && status != Degraded && status != Down {
		return Component{p.name, Down, fmt.Sprintf("unknown status %q", status)}
	}
	return Component{p.name, status, text(detail)}
}
