package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

const (
	// ignoredBytes is the code of the issue about bytes that nothing is lost by.
	ignoredBytes = "ignored_bytes"
	// unpackID stands for a plugin's id in logs, metrics and the list of workers.
	unpackID = "archive"
	// unpackMiB is the memory of an unpack worker: the largest window of a zstd stream, and the process.
	unpackMiB = 256 + overheadMiB
)

// Note is an issue that the host itself has found in an input.
type Note struct {
	Severity abi.Severity
	Offset   *int64 // nil = it concerns no place
	Code     string // [a-z0-9_]+
	Message  string
}

func wireNotes(notes []Note) []wire.Note {
	var out []wire.Note
	for _, n := range notes {
		out = append(out, wire.Note{Severity: byte(n.Severity), Offset: n.Offset, Code: n.Code, Message: n.Message})
	}
	return out
}

func (f *Failure) verdict() *wire.Verdict {
	if f == nil {
		return nil
	}
	return &wire.Verdict{Code: f.Code, Message: f.Message, Offset: f.Offset}
}

// UnpackRequest is one unpacking.
type UnpackRequest struct {
	Input  *os.File // readable at any offset; the caller closes it
	Size   int64    // its bytes
	Output *os.File // takes what is unpacked, from its beginning; the caller closes it
	Heads  int64    // only so many bytes of a stream, or of each entry, are written; 0 = all
	// Most is how many bytes may be unpacked at all, whatever the ratio allows; 0 = as many as that.
	Most int64
	// Room is how many bytes of the disk the output may take; an unpacking that needs more ends with DiskFull before it
	// takes them. 0 = nobody counts.
	Room int64
	// Check is called now and then while it runs, and at its end: an error ends it and is what Unpack returns. nil = nobody
	// asks.
	Check func() error
	// Progress is called with the packed bytes read, as Check is.
	Progress func(read int64)
}

// Unpacked is what a file holds that was wrapped.
type Unpacked struct {
	Wrapped string   // gzip, zstd, zip, tar (also within a stream); "" = it is not wrapped, and the rest is empty
	Bundle  bool     // it is an archive: Entries, maybe none
	Entries []Entry  // in the order of the archive
	Size    int64    // bytes in the output
	Hidden  int      // files that were passed over: hidden ones, and what systems leave in folders
	Damage  []Damage // what is wrong with it
	Refused *Failure // it cannot be unpacked at all
	Cost    int64    // bytes that were unpacked, also those that are not in the output
}

// Entry is a file of an archive.
type Entry struct {
	Name   string // its path in the archive: clean, relative, unique
	Size   int64
	SHA256 string // hex
	At     int64  // of its bytes in the output
	Kept   int64  // of them in the output
}

// Damage is something that is wrong with a wrapped file.
type Damage struct {
	Code    errcode.Code
	Message string
	At      int64 // unpacked bytes before it
	Ignored bool  // nothing is lost by it
}

// Note words damage of a part of a recording, which begins at an offset of all its parts. Other parts come after it, so it
// is no fatal one.
func (d *Damage) Note(part string, start int64) Note {
	at := start + d.At
	n := Note{Severity: abi.Error, Offset: &at, Code: string(d.Code), Message: part + ": " + d.Message}
	if d.Ignored {
		n.Severity, n.Code = abi.Warning, ignoredBytes
	}
	return n
}

// unpackers are the workers that unwrap files. They are no decoders: a file that has to be unwrapped needs one before
// the decoder's worker, so they have places of their own, as many.
type unpackers struct {
	slots chan struct{}

	mu   sync.Mutex // guards idle
	idle []*proc
}

func (u *unpackers) take() *proc {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.idle) == 0 {
		return nil
	}
	w := u.idle[len(u.idle)-1]
	u.idle = u.idle[:len(u.idle)-1]
	return w
}

// put keeps a worker for the next file.
func (u *unpackers) put(w *proc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	w.since = time.Now()
	u.idle = append(u.idle, w)
}

// expired takes out the workers that were idle since before t.
func (u *unpackers) expired(t time.Time) []*proc {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for n < len(u.idle) && !u.idle[n].since.After(t) {
		n++
	}
	out := slices.Clone(u.idle[:n])
	u.idle = slices.Delete(u.idle, 0, n)
	return out
}

// gone takes out a worker that has ended by itself.
func (u *unpackers) gone(w *proc) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.Index(u.idle, w)
	if i >= 0 {
		u.idle = slices.Delete(u.idle, i, i+1)
	}
	return i >= 0
}

// endUnpackers ends the workers that were idle since before t.
func (p *Pool) endUnpackers(t time.Time, reason string) {
	for _, w := range p.unpackers.expired(t) {
		p.forget(w, reason)
	}
}

// Unpack unwraps a file in a worker. That it is refused, or damaged, is part of the result. An error says that there is
// none: ctx's cause, that of Check, DiskFull, WorkerCrashed, ShuttingDown or Internal.
func (p *Pool) Unpack(ctx context.Context, req UnpackRequest) (Unpacked, error) {
	if err := p.enter(); err != nil {
		return Unpacked{}, err
	}
	defer p.active.Done()
	select {
	case p.unpackers.slots <- struct{}{}:
		defer func() { <-p.unpackers.slots }()
	case <-ctx.Done():
		return Unpacked{}, fmt.Errorf("unpack: %w", context.Cause(ctx))
	case <-p.stop:
		return Unpacked{}, errShutdown()
	}
	for try := 0; ; try++ {
		w, err := p.unpacker(ctx)
		if err != nil {
			return Unpacked{}, fmt.Errorf("unpack: %w", err)
		}
		used := w.files > 0
		out, err := p.unpackIn(ctx, w, &req)
		if used && try == 0 && errcode.Is(err, errcode.WorkerCrashed) {
			continue // it may have been dead before
		}
		if err != nil {
			return Unpacked{}, fmt.Errorf("unpack: %w", err)
		}
		return out, nil
	}
}

// unpacker gives a worker.
func (p *Pool) unpacker(ctx context.Context) (*proc, error) {
	if w := p.unpackers.take(); w != nil {
		return w, nil
	}
	setup := &wire.Setup{Role: wire.RoleUnpack, DataMiB: p.cfg.dataMiB(unpackMiB), HeapMiB: decodeHeapMiB, Sandbox: !p.cfg.Sandbox.Off}
	w, err := startProc(ctx, &p.cfg, p.launcher, setup, unpackID, nil, func(w *proc) {
		if p.unpackers.gone(w) {
			p.forget(w, "crashed")
		}
	})
	if err != nil {
		return nil, err
	}
	return p.started(w)
}

// unpackIn unwraps a file in a worker that its caller owns, and keeps the worker or ends it.
func (p *Pool) unpackIn(ctx context.Context, w *proc, req *UnpackRequest) (out Unpacked, err error) {
	w.files++
	reason := "crashed"
	defer func() {
		if worn := p.worn(w); reason == "" && worn != "" {
			reason = worn
		}
		if reason == "" {
			p.unpackers.put(w)
			return
		}
		p.forget(w, reason)
	}()
	if err := rewind(req.Output); err != nil {
		reason = ""
		return out, err
	}
	lim := &p.cfg.Limits
	job := wire.Unpack{
		Size: req.Size, Ratio: lim.UnpackRatio, Base: lim.UnpackBase, Entries: min(lim.UnpackEntries, MaxParts), Heads: req.Heads,
		Most: req.Most, Room: req.Room,
	}
	if err := w.sock.Send(wire.KindUnpack, job, req.Input, req.Output); err != nil {
		return out, p.crashed(w, err)
	}
	var answer wire.Unpacked
	killed, err := p.followUnpack(ctx, w, req, &answer)
	switch {
	case killed:
		reason = string(errcode.Deadline)
		return Unpacked{Refused: &Failure{Code: errcode.Deadline, Message: "unpacking took longer than it may"}}, nil
	case err != nil && ctx.Err() != nil:
		reason = "cancelled"
		return out, context.Cause(ctx)
	case errors.Is(err, errChecked):
		reason = "cancelled"
		return out, err
	case err != nil:
		return out, p.crashed(w, err)
	}
	if out, err = unpackedOf(&answer, req); err != nil {
		return out, p.crashed(w, err)
	}
	reason = ""
	if f := answer.Failed; f != nil {
		return out, errcode.Wrap(f.Code, errors.New(f.Message), failedText(f.Code))
	}
	if req.Check != nil { // it may have been done between two looks
		return out, req.Check()
	}
	return out, nil
}

func failedText(code errcode.Code) string {
	if code == errcode.DiskFull {
		return "no space left for what is unpacked"
	}
	return "the file could not be unpacked"
}

// rewind makes the output empty.
func rewind(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("empty output: %w", err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		return fmt.Errorf("empty output: %w", err)
	}
	return nil
}

// errChecked marks an error of a request's Check.
var errChecked = errors.New("unpacking was called off")

// followUnpack waits for the worker's answer. killed = it took too long.
func (p *Pool) followUnpack(ctx context.Context, w *proc, req *UnpackRequest, answer *wire.Unpacked) (killed bool, err error) {
	now := time.Now()
	deadline := now.Add(p.cfg.Limits.deadline(req.Size))
	unhook := context.AfterFunc(ctx, func() { _ = w.sock.SetDeadline(now) })
	defer unhook()
	for {
		if err := ctx.Err(); err != nil {
			return false, err //nolint:wrapcheck // the caller takes the cause
		}
		if err := w.sock.SetDeadline(time.Now().Add(pollEvery)); err != nil {
			return false, fmt.Errorf("follow: %w", err)
		}
		m, err := w.sock.Recv()
		if err == nil {
			defer m.Close()
			if m.Kind != wire.KindUnpacked {
				return false, fmt.Errorf("unpack: %w: kind %d", wire.ErrProtocol, m.Kind)
			}
			return false, m.Decode(answer) //nolint:wrapcheck // says what it is
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return false, err //nolint:wrapcheck // the caller tells what it means
		}
		if !time.Now().Before(deadline) {
			w.kill()
			return true, nil
		}
		if req.Progress != nil {
			req.Progress(min(w.page.State().Read, req.Size))
		}
		if req.Check != nil {
			if err := req.Check(); err != nil {
				w.kill()
				return false, errors.Join(errChecked, err)
			}
		}
	}
}

// unpackedOf makes a result of a worker's answer. Numbers that do not fit together are a broken worker's.
func unpackedOf(a *wire.Unpacked, req *UnpackRequest) (Unpacked, error) {
	if err := believeUnpacked(a); err != nil {
		return Unpacked{}, err
	}
	out := Unpacked{Wrapped: a.Wrapped, Bundle: a.Bundle, Size: a.Written, Hidden: a.Hidden, Cost: max(a.Cost, 0)}
	if a.Refused != nil {
		out.Refused = &Failure{Code: a.Refused.Code, Message: a.Refused.Message}
		return out, nil
	}
	st, err := req.Output.Stat()
	if err != nil {
		return out, fmt.Errorf("look at output: %w", err)
	}
	if a.Failed == nil && st.Size() != a.Written || len(a.Parts) > MaxParts || len(a.Parts) > 0 && !a.Bundle {
		return out, fmt.Errorf("unpack: %w: %d bytes in the output, not %d", wire.ErrProtocol, st.Size(), a.Written)
	}
	at := int64(0)
	for _, p := range a.Parts {
		if p.Kept < 0 || p.Kept > p.Size || p.Kept > a.Written-at {
			return out, fmt.Errorf("unpack: %w: size of entry %q", wire.ErrProtocol, p.Name)
		}
		out.Entries = append(out.Entries, Entry{Name: p.Name, Size: p.Size, SHA256: p.SHA256, At: at, Kept: p.Kept})
		at += p.Kept
	}
	for _, d := range a.Damage {
		out.Damage = append(out.Damage, Damage(d))
	}
	return out, nil
}
