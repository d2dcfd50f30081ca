package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
)

// pollEvery is how often a running decode is looked at: the stall clock, the deadline, progress.
const pollEvery = 50 * time.Millisecond

// Decode runs one decode and gives the verdict on it. It waits until the plugin is compiled and a worker is free, as
// long as ctx lasts. An error says that there is no verdict: ctx's cause, DiskFull, WorkerCrashed, ShuttingDown,
// PluginRejected, ValidationFailed (a time zone that is not known any more), Cancelled (the reader of an output has
// gone), or Internal.
func (p *Pool) Decode(ctx context.Context, req Request) (Result, error) {
	began := time.Now()
	if err := req.checkParts(); err != nil {
		return Result{}, fmt.Errorf("decode: %w", err)
	}
	if err := p.enter(); err != nil {
		return Result{}, err
	}
	defer p.active.Done()
	e, err := p.reg.wait(ctx, req.Plugin)
	if err != nil {
		return Result{}, fmt.Errorf("decode: %w", err)
	}
	req.Reveal = req.Reveal || revealed(req.Params)
	if err := req.localize(); err != nil {
		return Result{}, fmt.Errorf("decode with %s: %w", e.id(), err)
	}
	a, err := p.attempt(ctx, e, &req, 0)
	if err != nil {
		return Result{}, fmt.Errorf("decode with %s: %w", e.id(), err)
	}
	if a.killed != nil {
		if a, err = p.again(ctx, e, &req, a); err != nil {
			return Result{}, fmt.Errorf("decode with %s: %w", e.id(), err)
		}
	}
	res := a.result(e)
	res.Duration = time.Since(began)
	p.count(e.id(), &res)
	p.cfg.Recorder.DecodeEnded(ctx, e.id(), &res)
	return res, nil
}

// again runs a killed decode once more and stops it after the last step that was confirmed before the kill, so that the
// rows and sub-files until then are kept. If that run ends otherwise, there are none.
func (p *Pool) again(ctx context.Context, e *entry, req *Request, first *attempt) (*attempt, error) {
	lost := &attempt{req: req, killed: first.killed, done: wire.Done{Read: first.done.Read}}
	if first.confirmed == 0 {
		return lost, nil
	}
	second, err := p.attempt(ctx, e, req, first.confirmed)
	if err != nil {
		return nil, err
	}
	if second.killed != nil || !second.done.Stopped {
		return lost, nil
	}
	second.killed = first.killed
	return second, nil
}

// revealed reports whether parameters ask for sensitive values.
func revealed(params json.RawMessage) bool {
	var v struct {
		Reveal bool `json:"reveal"`
	}
	return len(params) > 0 && json.Unmarshal(params, &v) == nil && v.Reveal
}

// attempt is one run of a decode in a worker.
type attempt struct {
	req       *Request
	limits    *Limits
	log       *slog.Logger
	declared  []*table.Schema // tables of the manifest, then those declared
	createErr error           // why a table's file could not be made

	done      wire.Done
	killed    *Failure // the worker was killed for it
	confirmed uint64   // steps done before the kill: batches accepted, sub-files completed
	children  children
	heard     heard
}

// attempt runs the decode. The worker goes back to the pool, or ends. A worker that turns out to be dead before it
// has begun, or whose compiled plugin cannot be loaded, is replaced once.
func (p *Pool) attempt(ctx context.Context, e *entry, req *Request, stopAfter uint64) (*attempt, error) {
	for try := 0; ; try++ {
		w, err := p.acquire(ctx, e, stopAfter != 0)
		if errors.Is(err, errUnusable) && try == 0 {
			p.cfg.Logger.WarnContext(ctx, "compiled plugin is unusable, compiling it again", "plugin", e.id(), "error", err)
			if e, err = p.reg.recompile(ctx, e); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		used := w.files > 0
		a, begun, err := p.runIn(ctx, w, e, req, stopAfter)
		if err != nil && used && !begun && try == 0 && ctx.Err() == nil {
			continue
		}
		return a, err
	}
}

// runIn runs the decode in a worker and gives the worker back. begun is false where the worker never got the job.
func (p *Pool) runIn(ctx context.Context, w *proc, e *entry, req *Request, stopAfter uint64) (a *attempt, begun bool, err error) {
	limits := p.reg.limitsOf(e)
	a = &attempt{req: req, limits: &limits, declared: req.schemas(e.schemas()...)}
	a.log = p.cfg.Logger.With(req.LogAttrs...).With("plugin", w.plugin)
	w.files++
	job := req.job(a.limits)
	job.StopAfter = stopAfter
	job.Children = a.childRule()
	job.Notes, job.Cut = wireNotes(req.Notes), req.Cut.verdict()
	job.Reads = req.ShortReads
	before := w.page.State().Activity
	if err := w.sock.Send(wire.KindDecode, job, req.Input); err != nil {
		err = p.crashed(w, err)
		p.release(w, "crashed")
		return nil, false, err
	}
	err = a.follow(ctx, w)
	begun = w.page.State().Activity != before
	switch {
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
		p.release(w, "cancelled")
	case err != nil:
		err = p.crashed(w, err)
		p.release(w, "crashed")
	case a.killed != nil:
		p.release(w, string(a.killed.Code))
	case a.done.Recycle:
		p.release(w, "trapped")
	default:
		p.release(w, "")
	}
	if err == nil && a.done.Failed != nil {
		err = a.failure()
	}
	return a, begun, err
}

// job is what a worker is told of the request.
func (r *Request) job(l *Limits) wire.Decode {
	return wire.Decode{
		Size: r.Size, SHA256: r.SHA256, Name: r.Name, Parts: wireParts(r.Parts), Params: r.Params,
		Form: r.Form, Options: r.Options, Reveal: r.Reveal, Timezone: r.zone, Tables: r.Tables,
		Output: l.OutputBase + l.OutputRatio*r.Size, Issues: l.Issues, LogBytes: l.LogBytes,
	}
}

// crashed is the error for a worker whose socket gave err, without a kill of ours.
func (p *Pool) crashed(w *proc, err error) error {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return errShutdown()
	}
	return errcode.Wrap(errcode.WorkerCrashed, w.death(err), "the decoder's worker ended unexpectedly")
}

// failure is the error of a decode that has no verdict.
func (a *attempt) failure() error {
	if a.createErr != nil {
		return fmt.Errorf("make file of table: %w", a.createErr)
	}
	cause := errors.New(a.done.Failed.Message)
	switch a.done.Failed.Code {
	case errcode.DiskFull:
		return errcode.Wrap(errcode.DiskFull, cause, "no space left for the tables")
	case errcode.Cancelled:
		return errcode.Wrap(errcode.Cancelled, cause, "the reader of the tables has gone")
	default:
		return errcode.Wrap(errcode.Internal, cause, "the tables could not be written")
	}
}

// follow serves the worker until the decode has ended, or kills it for a limit (killed). An error is what the socket
// gave, or that ctx has ended.
func (a *attempt) follow(ctx context.Context, w *proc) error {
	now := time.Now()
	c := clock{deadline: now.Add(a.limits.deadline(a.req.Size)), moved: now, limits: a.limits}
	poll := min(pollEvery, max(a.limits.Stall/4, time.Millisecond))
	unhook := context.AfterFunc(ctx, func() { _ = w.sock.SetDeadline(now) })
	defer unhook()
	for next := now.Add(poll); ; {
		if err := ctx.Err(); err != nil {
			return err //nolint:wrapcheck // the caller takes the cause
		}
		if err := w.sock.SetDeadline(next); err != nil {
			return fmt.Errorf("follow: %w", err)
		}
		m, err := w.sock.Recv()
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err //nolint:wrapcheck // the caller tells what it means
		}
		if err == nil {
			ended, err := a.take(ctx, w, m)
			m.Close()
			if ended || err != nil {
				return err
			}
		}
		if now := time.Now(); !now.Before(next) {
			next = now.Add(poll)
			st := w.page.State()
			if f := c.check(now, &st); f != nil {
				w.kill()
				a.killed, a.confirmed, a.done.Read = f, w.page.Steps(), st.Read
				return nil
			}
			if a.req.Progress != nil {
				a.req.Progress(Progress{BytesRead: min(st.Read, a.req.Size), Rows: st.Rows})
			}
		}
	}
}

// clock decides when a decode has gone on for too long.
type clock struct {
	deadline time.Time
	moved    time.Time // when the guest last read or emitted, or was waiting for the host
	activity uint64
	limits   *Limits
}

func (c *clock) check(now time.Time, st *wire.State) *Failure {
	if st.Activity != c.activity || st.Phase != wire.PhaseGuest {
		c.activity, c.moved = st.Activity, now
	}
	off := st.Read
	switch {
	case !now.Before(c.deadline):
		return &Failure{Code: errcode.Deadline, Message: "the decode took longer than it may", Offset: &off}
	case now.Sub(c.moved) >= c.limits.Stall:
		return &Failure{
			Code:    errcode.Stalled,
			Message: fmt.Sprintf("the decoder neither read nor wrote anything for %s", c.limits.Stall), Offset: &off,
		}
	}
	return nil
}

// take handles a message of the worker; ended says that it was the last one of the decode.
func (a *attempt) take(ctx context.Context, w *proc, m *wire.Message) (ended bool, err error) {
	if len(m.Body) > maxHeard {
		return false, fmt.Errorf("message of %d bytes: %w", len(m.Body), wire.ErrProtocol)
	}
	switch m.Kind {
	case wire.KindOpen:
		var q wire.Open
		if err := m.Decode(&q); err != nil {
			return false, err //nolint:wrapcheck // says what it is
		}
		return false, a.open(w, q.Indexes)
	case wire.KindDeclare:
		var d wire.Declare
		if err := m.Decode(&d); err != nil {
			return false, err //nolint:wrapcheck // says what it is
		}
		return false, a.declare(&d, len(m.Body))
	case wire.KindChild, wire.KindChildEnd:
		return false, a.child(w, m)
	case wire.KindLog:
		var l wire.Log
		if err := m.Decode(&l); err != nil {
			return false, err //nolint:wrapcheck // says what it is
		}
		level, err := a.heard.log(&l, a.limits.LogBytes)
		if err == nil {
			a.log.Log(ctx, level, "decoder log", "text", l.Text)
		}
		return false, err
	case wire.KindDone:
		return true, a.end(m)
	default:
		return false, fmt.Errorf("decode: %w: kind %d", wire.ErrProtocol, m.Kind)
	}
}

func (a *attempt) schema(index int) *table.Schema {
	switch {
	case index == wire.IssuesTable:
		return table.Issues()
	case index >= 0 && index < len(a.declared):
		return a.declared[index]
	}
	return nil
}

// open hands the worker the files of tables.
func (a *attempt) open(w *proc, indexes []int) (err error) {
	files := make([]*os.File, 0, len(indexes))
	defer func() {
		for _, f := range files {
			if cerr := f.Close(); err == nil && cerr != nil {
				err = fmt.Errorf("close file of table: %w", cerr)
			}
		}
	}()
	if err := a.heard.open(indexes); err != nil {
		return err
	}
	for _, i := range indexes {
		s := a.schema(i)
		if s == nil {
			return fmt.Errorf("open table %d: %w", i, wire.ErrProtocol)
		}
		f, err := a.req.Create(s)
		if err != nil {
			code := a.noFile(err)
			return w.sock.Send(wire.KindOpened, wire.Opened{Indexes: indexes, Failed: i, Code: code}) //nolint:wrapcheck // the caller tells
		}
		files = append(files, f)
	}
	return w.sock.Send(wire.KindOpened, wire.Opened{Indexes: indexes}, files...) //nolint:wrapcheck // the caller tells
}

// noFile keeps why a file for the worker could not be made, and gives the code that the worker is told.
func (a *attempt) noFile(err error) errcode.Code {
	a.createErr = err
	code := errcode.Of(err)
	if disk.IsNoSpace(err) {
		code = errcode.DiskFull
		a.createErr = errcode.Wrap(code, err, "no space left for the tables")
	}
	return code
}

// result makes the verdict of a finished attempt.
func (a *attempt) result(e *entry) Result {
	counts := map[int]wire.Counts{}
	for _, c := range a.done.Tables {
		counts[c.Index] = c
	}
	schemas := a.declared
	if schemas == nil {
		schemas = a.req.schemas(e.schemas()...)
	}
	res := Result{
		Status: Done, BytesRead: a.done.Read,
		Issues: IssueCounts{Infos: a.done.Infos, Warnings: a.done.Warnings, Errors: a.done.Errors},
	}
	for i, s := range schemas {
		c := counts[i]
		res.Tables = append(res.Tables, TableResult{Schema: s, Rows: c.Rows, Bytes: c.Bytes})
		res.Rows += c.Rows
	}
	c := counts[wire.IssuesTable]
	res.Tables = append(res.Tables, TableResult{Schema: table.Issues(), Rows: c.Rows, Bytes: c.Bytes})
	switch v := a.done.Verdict; {
	case a.killed != nil:
		res.Failure = a.killed
	case v != nil:
		res.Failure = &Failure{Code: v.Code, Message: v.Message, Offset: v.Offset}
	}
	res.Children = a.children.whole()
	switch {
	case res.Failure == nil:
	case res.Rows > 0 || len(res.Children) > 0:
		res.Status = Partial
	default:
		res.Status = Failed
	}
	return res
}
