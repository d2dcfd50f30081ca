package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

// Limits of a page of a list.
const (
	defaultPage = 100
	maxPage     = 1000
	// maxPageBytes is how much of payloads a page has, but for its last job: a thousand of the largest are 256 MiB.
	maxPageBytes = 8 << 20
)

// List implements queue.Engine.
func (e *Engine) List(ctx context.Context, f queue.Filter) (queue.Page, error) {
	if f.Limit <= 0 {
		f.Limit = defaultPage
	}
	f.Limit = min(f.Limit, maxPage)
	var page queue.Page
	size := 0
	err := e.find(ctx, f, func(n uint64, j queue.Job) (bool, error) {
		if k := len(page.Jobs); k == f.Limit || size >= maxPageBytes {
			page.Next = string(page.Jobs[k-1].ID)
			return false, nil
		}
		if j.ID == "" { // the filter was content with the record
			var err error
			if j, _, err = e.glance(n); errors.Is(err, queue.ErrNotFound) {
				return true, nil // removed meanwhile
			} else if err != nil {
				return false, err
			}
		}
		if f.Errors && j.Errors == nil && j.Status != queue.Completed {
			if err := e.addFailures(ctx, n, &j); err != nil {
				return false, err
			}
		}
		page.Jobs = append(page.Jobs, j)
		size += len(j.Payload)
		return true, nil
	})
	if err != nil {
		return queue.Page{}, fmt.Errorf("list jobs: %w", err)
	}
	return page, nil
}

// find calls fn for the jobs that a filter lets through, in its order and from its cursor on, until fn wants no more.
// What the record tells is looked at first. A job is read only if more is asked for; otherwise fn is given none.
func (e *Engine) find(ctx context.Context, f queue.Filter, fn func(n uint64, j queue.Job) (more bool, err error)) error {
	f.Text = strings.ToLower(f.Text)
	visit := func(n uint64, r record) (bool, error) {
		if !e.matches(f, n, r) {
			return true, nil
		}
		j, ok, err := e.look(ctx, f, n)
		if err != nil || !ok {
			return err == nil, err
		}
		return fn(n, j)
	}
	var from uint64
	if f.Cursor != "" {
		var err error
		if from, err = parseID(queue.ID(f.Cursor)); err != nil {
			return errcode.New(errcode.Malformed, "cursor is not one that this list gave")
		}
	}
	if f.IDs != nil {
		return e.findNamed(f, from, visit)
	}
	o := store.ScanOptions{Prefix: []byte{stateKey}, Reverse: f.Newest, OnCorrupt: func([]byte) error { return nil }}
	if f.Cursor != "" {
		o.From, o.After = key(stateKey, from), true
	}
	err := e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		if !isNumberKey(k) {
			return true, nil
		}
		r, err := decodeRecord(v, plainNames)
		if err != nil {
			return true, nil //nolint:nilerr // a damaged record is no part of a list; Lease and Open deal with it
		}
		return visit(numberOf(k), r)
	})
	if err != nil {
		return fmt.Errorf("read jobs: %w", err)
	}
	return nil
}

// findNamed visits the jobs that a filter names.
func (e *Engine) findNamed(f queue.Filter, from uint64, visit func(uint64, record) (bool, error)) error {
	numbers := make([]uint64, 0, len(f.IDs))
	for _, id := range f.IDs {
		if n, err := parseID(id); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	if f.Newest {
		slices.Reverse(numbers)
	}
	for _, n := range numbers {
		if f.Cursor != "" && ((f.Newest && n >= from) || (!f.Newest && n <= from)) {
			continue
		}
		r, err := e.loadRecord(n)
		if isCorrupt(err) {
			continue
		} else if err != nil {
			return err
		}
		if more, err := visit(n, r); err != nil || !more {
			return err
		}
	}
	return nil
}

// matches reports whether a job's record lets it through.
func (e *Engine) matches(f queue.Filter, n uint64, r record) bool {
	switch {
	case f.Queue != "" && f.Queue != r.queue, f.Type != "" && f.Type != r.typ,
		f.LimitKey != "" && r.more&hasLimitKey == 0, f.Flow != "" && r.more&inFlow == 0:
		return false
	case len(f.Status) == 0:
		return true
	}
	e.mu.Lock()
	s := e.statusOf(n, r)
	e.mu.Unlock()
	return slices.Contains(f.Status, s)
}

// look reads a job if a filter asks for more than its record tells, and reports whether it lets the job through.
func (e *Engine) look(ctx context.Context, f queue.Filter, n uint64) (queue.Job, bool, error) {
	failures := f.Code != "" || f.Text != ""
	if !failures && f.LimitKey == "" && f.Flow == "" && f.Schedule == "" && f.Since.IsZero() && f.Until.IsZero() {
		return queue.Job{}, true, nil
	}
	j, _, err := e.glance(n)
	if errors.Is(err, queue.ErrNotFound) {
		return j, false, nil // removed meanwhile
	}
	if err != nil {
		return j, false, err
	}
	switch {
	case f.LimitKey != "" && f.LimitKey != j.LimitKey, f.Flow != "" && f.Flow != j.FlowID,
		f.Schedule != "" && f.Schedule != j.ScheduleID,
		!f.Since.IsZero() && j.CreatedAt.Before(f.Since), !f.Until.IsZero() && !j.CreatedAt.Before(f.Until):
		return j, false, nil
	case !failures:
		return j, true, nil
	}
	if err := e.addFailures(ctx, n, &j); err != nil {
		return j, false, err
	}
	var last queue.Failure
	if len(j.Errors) > 0 {
		last = j.Errors[len(j.Errors)-1]
	}
	if f.Code != "" && f.Code != last.Code {
		return j, false, nil
	}
	return j, f.Text == "" || strings.Contains(strings.ToLower(last.Message), f.Text) ||
		bytes.Contains(bytes.ToLower(j.Payload), []byte(f.Text)), nil
}
