package local

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
)

// maxAgeing bounds how long a job may be passed over: a limit that nobody lives to see is none.
const maxAgeing = 24 * time.Hour

// The mode has two sources: the configuration, and what an operator has set since, which is durable. What was set holds,
// whatever the configuration says, until it is taken back; so a reload or a restart never undoes it without a word. With
// weights it is the same, but that they are kept with the other settings of their queues.

func modeRecord() []byte { return append([]byte{metaKey}, "mode"...) }

// readMode reads what an operator has set. What is damaged is as if it had never been set.
func (e *Engine) readMode(ctx context.Context) error {
	var set queue.ModeSettings
	raw, err := e.space.Get(modeRecord())
	switch {
	case isNotThere(err):
	case err != nil && !isCorrupt(err):
		return fmt.Errorf("read mode of the queues: %w", err)
	default:
		if err == nil {
			err = json.Unmarshal(raw, &set) //nolint:musttag // the names of the model are those of the record
		}
		if err == nil {
			err = checkMode(set)
		}
		if err != nil {
			e.log.ErrorContext(ctx, "the mode of the queues is damaged, the configured one holds", "error", err)
			set = queue.ModeSettings{}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.table.mode.Set = set
	e.table.mode.settle()
	for _, o := range e.overridden() {
		e.log.InfoContext(ctx, "set over the API, the configuration does not change it", "setting", o)
	}
	return nil
}

func checkMode(s queue.ModeSettings) error {
	switch {
	case s.Mode != "" && s.Mode != queue.Weighted && s.Mode != queue.Strict:
		return errcode.Invalid("mode", "weighted or strict, or null for the configured one")
	case s.Ageing != 0 && (s.Ageing < time.Second || s.Ageing > maxAgeing):
		return errcode.Invalid("ageing", "1 to %d seconds, or null for the configured ones", int(maxAgeing.Seconds()))
	}
	return nil
}

// Mode implements queue.Manager.
func (e *Engine) Mode(context.Context) (queue.ModeLine, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.table.mode.ModeLine, nil
}

// SetMode implements queue.Manager.
func (e *Engine) SetMode(ctx context.Context, p queue.ModePatch) (queue.ModeLine, error) {
	if err := e.usable(); err != nil {
		return queue.ModeLine{}, err
	}
	e.configuring.Lock()
	defer e.configuring.Unlock()
	e.mu.Lock()
	s := e.table.mode.Set
	e.mu.Unlock()
	set(&s.Mode, p.Mode)
	set(&s.Ageing, p.Ageing)
	if err := checkMode(s); err != nil {
		return queue.ModeLine{}, err
	}
	raw, err := json.Marshal(s) //nolint:musttag // as above
	if err != nil {
		return queue.ModeLine{}, fmt.Errorf("encode mode of the queues: %w", err)
	}
	b := e.db.Batch()
	b.Essential() // also while the disk is full
	b.Set(e.space, modeRecord(), raw)
	b.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.table.mode.Set = s
		e.table.mode.settle()
		e.noteQueue()
	})
	if err := e.commit(ctx, b); err != nil {
		return queue.ModeLine{}, fmt.Errorf("set mode of the queues: %w", err)
	}
	return e.Mode(ctx)
}

// mode is how queues take turns.
type mode struct{ queue.ModeLine }

// settle makes what was set, and else what is configured, the mode in effect.
func (m *mode) settle() {
	m.ModeSettings = m.Configured
	if m.Set.Mode != "" {
		m.Mode = m.Set.Mode
	}
	if m.Set.Ageing != 0 {
		m.Ageing = m.Set.Ageing
	}
}

// Reconfigure gives the engine another configuration of mode, ageing and weights; zero ones, and the weights of queues
// that the map does not name, have their defaults. What an operator has set stays in effect: it says what that is.
func (e *Engine) Reconfigure(m queue.ModeSettings, weights map[string]int) (overridden []string) {
	all := builtIn()
	maps.Copy(all, weights)
	if m.Mode == "" {
		m.Mode = queue.Weighted
	}
	if m.Ageing == 0 {
		m.Ageing = DefaultAgeing
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.table.mode.Configured = m
	e.table.mode.settle()
	e.table.weights = all
	for name := range all {
		e.line(name)
	}
	for _, q := range e.table.order {
		q.weight = e.configuredWeight(q.name)
	}
	return e.overridden()
}

// overridden says which settings are in effect that the configuration says something else about. e.mu is held.
func (e *Engine) overridden() (out []string) {
	m := &e.table.mode
	if m.Mode != m.Configured.Mode {
		out = append(out, "queue.mode: "+string(m.Mode))
	}
	if m.Ageing != m.Configured.Ageing {
		out = append(out, "queue.ageing: "+m.Ageing.String())
	}
	var weights []string
	for _, q := range e.table.order {
		if q.share() != q.weight {
			weights = append(weights, fmt.Sprintf("queue.weights: %s: %d", q.name, q.share()))
		}
	}
	slices.Sort(weights)
	return append(out, weights...)
}

// configuredWeight gives the weight of a queue that has not been given one over the API. e.mu is held, or nobody else
// knows the engine yet.
func (e *Engine) configuredWeight(name string) int {
	if w := e.table.weights[name]; w > 0 {
		return w
	}
	return defaultWeight
}
