package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/store"
)

// Beginnings of keys.
const (
	alertPrefix   = 'a' // + id: record
	silencePrefix = 's' // + id: Silence
)

// records are the alerts and silences of the database.
type records struct {
	db    *store.DB
	space store.Space
	last  *uint64 // number of the newest id; guarded by Engine.mu
}

// record is an Alert as it is kept.
type record struct {
	Alert
	Told       Level     `json:"told,omitempty"`
	WarningAt  time.Time `json:"warning_at,omitzero"`
	CriticalAt time.Time `json:"critical_at,omitzero"`
}

func openRecords(db *store.DB) (records, error) {
	if db == nil {
		return records{}, errors.New("alert: no database")
	}
	return records{db: db, space: db.Space("alert/"), last: new(uint64)}, nil
}

const idKind = 'a'

// id gives the next id. The newest alert is never forgotten before older ones, so that numbers go on after a restart; only that of
// a silence that was deleted may be given again.
func (r records) id() string {
	*r.last++
	return store.FormatID(idKind, *r.last)
}

// load reads everything. A record that cannot be read is left out, and said.
func (r records) load(ctx context.Context, log *slog.Logger) ([]*Alert, []Silence, error) {
	var alerts []*Alert
	var silences []Silence
	damaged := func(k []byte) { log.WarnContext(ctx, "an alert's record is damaged and left out", "key", string(k)) }
	onCorrupt := func(k []byte) error {
		damaged(k)
		return nil
	}
	err := r.space.Scan(ctx, store.ScanOptions{OnCorrupt: onCorrupt}, func(k, v []byte) (bool, error) {
		_, n, bad := store.ParseID(string(k[1:]))
		*r.last = max(*r.last, n)
		var rec record
		var s Silence
		switch {
		case bad != nil:
			damaged(k)
		case k[0] == alertPrefix && json.Unmarshal(v, &rec) == nil:
			a := rec.Alert
			a.told = told{rec.Told, rec.WarningAt, rec.CriticalAt}
			alerts = append(alerts, &a)
		case k[0] == silencePrefix && json.Unmarshal(v, &s) == nil:
			silences = append(silences, s)
		default:
			damaged(k)
		}
		return true, nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read alerts: %w", err)
	}
	return alerts, silences, nil
}

func alertKey(id string) []byte   { return append([]byte{alertPrefix}, id...) }
func silenceKey(id string) []byte { return append([]byte{silencePrefix}, id...) }

// recordMost is how many alerts go into one batch: far fewer than one takes.
const recordMost = 256

// record makes what changed durable, and forgets the oldest alerts that are resolved. What the database refuses, or does not
// take in time, is tried again by the next look.
func (e *Engine) record(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	e.mu.Lock()
	gone := e.forget()
	e.mu.Unlock()
	for {
		b, written := e.stage(ctx, &gone)
		if b == nil {
			return
		}
		if err := e.db.db.Commit(ctx, b); err != nil {
			e.log.WarnContext(ctx, "alerts could not be recorded; it is tried again", "error", err)
			e.mu.Lock()
			for _, a := range written {
				e.dirty[a] = true
			}
			e.mu.Unlock()
			return
		}
	}
}

// stage makes a batch of some that changed and some that are gone, nil: there are none.
func (e *Engine) stage(ctx context.Context, gone *[]*Alert) (b *store.Batch, written []*Alert) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range *gone {
		delete(e.dirty, a)
	}
	if len(e.dirty) == 0 && len(*gone) == 0 {
		return nil, nil
	}
	b = e.db.db.Batch()
	b.Essential() // that the disk is full is worth a record
	for a := range e.dirty {
		if len(written) == recordMost {
			break
		}
		delete(e.dirty, a)
		t := a.told
		if had, telling := e.untold[a]; telling {
			t = had // until they were told: rather twice than never
		}
		v, err := json.Marshal(record{Alert: *a, Told: t.level, WarningAt: t.warningAt, CriticalAt: t.criticalAt})
		if err != nil { // a value that is no number, which a rule cannot be beyond
			e.log.ErrorContext(ctx, "alert could not be recorded", "alert", a.Rule, "error", err)
			continue
		}
		b.Set(e.db.space, alertKey(a.ID), v)
		written = append(written, a)
	}
	n := min(recordMost, len(*gone))
	for _, a := range (*gone)[:n] {
		b.Delete(e.db.space, alertKey(a.ID))
	}
	*gone = (*gone)[n:]
	return b, written
}

// forget takes the oldest resolved alerts beyond the bound out of the list. The newest alert of all stays, for its number.
func (e *Engine) forget() []*Alert {
	resolved := 0
	for _, a := range e.alerts {
		if a.State == Resolved {
			resolved++
		}
	}
	var gone []*Alert
	for i := 0; resolved > maxHistory && i < len(e.alerts)-1; {
		a := e.alerts[i]
		if a.State != Resolved {
			i++
			continue
		}
		gone = append(gone, a)
		e.alerts = slices.Delete(e.alerts, i, i+1)
		delete(e.untold, a)
		if k := (key{a.Rule, a.Subject}); e.latest[k] == a {
			delete(e.latest, k)
		}
		resolved--
	}
	return gone
}
