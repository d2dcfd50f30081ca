package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

// rejectedFile lies in the folder of a module's compiled code and says why there is none: a module that takes half a
// minute of processor time to be rejected must not do so at every start. It is the serving process that writes it,
// because a compile worker that was ended for a limit cannot.
const rejectedFile = "rejected.json"

// rejection is what rejectedFile holds. It counts only as long as nothing has changed that could end differently: the
// engine, the program, the limits.
type rejection struct {
	Generator string    `json:"generator"` // see wire.Generator
	Program   string    `json:"program"`   // size and time of the program that rejected it
	Limits    string    `json:"limits"`
	SHA256    string    `json:"sha256"`
	Reason    string    `json:"reason"`
	Step      wire.Step `json:"step"` // at which the worker was
}

// rejectionOf makes the record of a rejection by this program under these limits.
func (r *Registry) rejectionOf(e *entry, reason string, step wire.Step) rejection {
	out := rejection{Generator: wire.Generator(), SHA256: e.sha, Limits: fmt.Sprintf("%+v", r.limitsOf(e)), Reason: reason, Step: step}
	if st, err := os.Stat(r.cfg.Self); err == nil {
		out.Program = fmt.Sprintf("%d bytes of %d", st.Size(), st.ModTime().UnixNano())
	}
	return out
}

// noteRejection keeps a verdict of a compile worker on the module. What has to do with the machine at that moment is
// none: a worker that was killed from outside, or that took long by the clock.
func (r *Registry) noteRejection(ctx context.Context, e *entry, err error) {
	if !errcode.Is(err, errcode.PluginRejected) || errors.Is(err, errKilled) || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	r.mu.Lock()
	step := e.step
	r.mu.Unlock()
	b, err := json.Marshal(r.rejectionOf(e, err.Error(), step))
	if err == nil {
		err = disk.Empty(r.folder(e))
	}
	if err == nil {
		err = disk.WriteFile(disk.OS, filepath.Join(r.folder(e), rejectedFile), b, 0o600)
	}
	if err != nil { // the next start compiles it once more
		r.cfg.Logger.WarnContext(ctx, "the rejection of a plugin could not be kept", "plugin", e.id(), "error", err)
	}
}

// rejectedBefore gives why and at which step a module that is to be compiled was rejected by an earlier run, "" if
// nothing is kept that still counts.
func (r *Registry) rejectedBefore(e *entry) (reason string, step wire.Step) {
	if e.state != Compiling {
		return "", ""
	}
	var was rejection
	b, err := wire.ReadSmall(filepath.Join(r.folder(e), rejectedFile))
	if err == nil {
		err = json.Unmarshal(b, &was)
	}
	if err != nil || was != r.rejectionOf(e, was.Reason, was.Step) || !slices.Contains(compileSteps(), was.Step) {
		return "", ""
	}
	return was.Reason, was.Step
}

// tellRejected counts the modules that were found to be rejected when the registry was opened: nothing has changed then,
// but somebody who looks at the metrics is to see them.
func (r *Registry) tellRejected() {
	var out []Plugin
	r.mu.Lock()
	for _, e := range r.all() {
		if e.state == Rejected {
			out = append(out, r.plugin(e))
		}
	}
	r.mu.Unlock()
	for _, p := range out {
		r.cfg.Recorder.PluginChanged(p)
	}
}
