package runtime

import (
	"slices"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

// CheckName names what a module goes through before it may decode.
type CheckName string

// Checks of a module.
const (
	CheckModule    CheckName = "module"    // the file is a WebAssembly module, and not too large
	CheckManifest  CheckName = "manifest"  // it can be read, and is right
	CheckSignature CheckName = "signature" // the module is trusted to be used under its id
	CheckRules     CheckName = "rules"     // the static limits of modules
	CheckCompile   CheckName = "compile"   // it initialises and compiles
	CheckGolden    CheckName = "golden"    // its golden vectors come out as its manifest says
)

// CheckState says how a check went.
type CheckState string

// States of a check.
const (
	CheckPassed     CheckState = "passed"
	CheckFailed     CheckState = "failed"
	CheckNotReached CheckState = "not_reached"
)

// Check is one of the checks of a module.
type Check struct {
	Name   CheckName
	State  CheckState
	Reason string // why it failed
}

// RefusedError is the error of Install for what is no module: nothing was installed.
type RefusedError struct {
	Err    error
	Checks []Check
}

// Error says what is wrong with it.
func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap gives the error with its code.
func (e *RefusedError) Unwrap() error { return e.Err }

// refused says that a body failed the first check.
func refused(err error) error {
	return &RefusedError{Err: err, Checks: verdicts(checksInFile(), map[CheckName]string{CheckModule: err.Error()}, nil)}
}

// checksInFile are the checks of a module whose file has a manifest, in their order.
func checksInFile() []CheckName {
	return []CheckName{CheckModule, CheckManifest, CheckSignature, CheckRules, CheckCompile, CheckGolden}
}

// checksAsked are those of a module that has to run to give its manifest.
func checksAsked() []CheckName {
	return []CheckName{CheckModule, CheckSignature, CheckRules, CheckManifest, CheckCompile, CheckGolden}
}

// compileSteps are the steps of a compile worker, in their order.
func compileSteps() []wire.Step {
	return []wire.Step{
		wire.StepRules, wire.StepInitialise, wire.StepManifest, wire.StepVectors, wire.StepCompile, wire.StepGolden,
	}
}

// checkOf gives the check that a step of a compile worker belongs to.
func checkOf(s wire.Step) CheckName {
	switch s {
	case wire.StepRules:
		return CheckRules
	case wire.StepManifest:
		return CheckManifest
	case wire.StepVectors, wire.StepGolden:
		return CheckGolden
	case wire.StepInitialise, wire.StepCompile:
	}
	return CheckCompile
}

// lastStep gives the step of a compile worker with which a check has ended, -1 for one that is none of the worker's.
func lastStep(c CheckName) int {
	last := -1
	for i, s := range compileSteps() {
		if checkOf(s) == c {
			last = i
		}
	}
	return last
}

// verdicts puts the checks together: those that failed, with their reasons, and those that passed.
func verdicts(order []CheckName, failed map[CheckName]string, passed func(CheckName) bool) []Check {
	out := make([]Check, 0, len(order))
	for _, name := range order {
		c := Check{Name: name, State: CheckNotReached}
		if reason, ok := failed[name]; ok {
			c.State, c.Reason = CheckFailed, reason
		} else if passed != nil && passed(name) {
			c.State = CheckPassed
		}
		out = append(out, c)
	}
	return out
}

// checks tells what a module went through. A module that was compiled before the rules of trust changed has passed what
// comes behind the signature all the same. The caller holds mu.
func (r *Registry) checks(e *entry) []Check {
	order, failed := checksInFile(), map[CheckName]string{}
	if e.asks {
		order = checksAsked()
	}
	if e.state == Rejected {
		failed[e.stoppedAt()] = e.reason
	}
	inFile := e.parsed && (e.asks || e.manifest.Load() != nil)
	if reason := r.refusal(e); reason != "" && inFile {
		failed[CheckSignature] = reason
	}
	return verdicts(order, failed, func(c CheckName) bool {
		switch {
		case c == CheckModule:
			return e.parsed
		case c == CheckSignature:
			return inFile
		case e.state == Active:
			return true
		case c == CheckManifest && !e.asks:
			return inFile
		}
		return slices.Index(compileSteps(), e.step) > lastStep(c)
	})
}

// stoppedAt gives the check at which a rejected module stopped. The caller holds Registry.mu.
func (e *entry) stoppedAt() CheckName {
	switch {
	case !e.parsed:
		return CheckModule
	case e.step != "":
		return checkOf(e.step)
	case e.manifest.Load() == nil && !e.asks:
		return CheckManifest
	}
	return CheckCompile // its file has changed before a worker had begun
}
