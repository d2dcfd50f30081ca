package runtime

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/module"
)

// Policy says what happens to a plugin that no trusted key signed. Built-in plugins are exempt.
type Policy string

// Policies. A signature that does not fit its module is rejected by all but Ignore.
const (
	Warn    Policy = "warn" // the default
	Require Policy = "require"
	Ignore  Policy = "off"
)

// Rules are what an administrator says about plugins. They can change while the registry runs.
type Rules struct {
	Policy   Policy // "" = Warn
	Keys     []ed25519.PublicKey
	Override bool                // a dropped plugin may replace a built-in one of the same id without being signed
	Settings map[string]Settings // by plugin id
}

// SignatureState says what the signature of a module is worth.
type SignatureState string

// States of a signature.
const (
	SignatureNone    SignatureState = "none"
	SignatureValid   SignatureState = "valid"       // of a key in Rules.Keys
	SignatureUnknown SignatureState = "unknown_key" // of another key
	SignatureInvalid SignatureState = "invalid"     // the module was changed after it was signed
)

// Signature is what is known of the signature of a module.
type Signature struct {
	State SignatureState
	KeyID string // hex; of the key that signed, or is said to have
}

// readSignature judges the signature of a module. A signature that names one of the keys and is not of that key is
// invalid: either the module was changed or the name is a lie.
func readSignature(b []byte, keys []ed25519.PublicKey) Signature {
	s, err := module.SignatureOf(b)
	switch {
	case err != nil:
		return Signature{State: SignatureInvalid}
	case s == nil:
		return Signature{State: SignatureNone}
	}
	for _, k := range keys {
		if s.Verify([]ed25519.PublicKey{k}) {
			return Signature{State: SignatureValid, KeyID: module.KeyID(k)}
		}
	}
	out := Signature{State: SignatureUnknown, KeyID: s.KeyID}
	if slices.ContainsFunc(keys, func(k ed25519.PublicKey) bool { return module.KeyID(k) == s.KeyID }) {
		out.State = SignatureInvalid
	}
	return out
}

// distrust says why a module is refused whatever it does, "" if it is not. The caller holds mu.
func (r *Registry) distrust(e *entry) string {
	if e.source == BuiltIn || r.rules.Policy == Ignore {
		return ""
	}
	switch e.signature.State {
	case SignatureValid:
		return ""
	case SignatureInvalid:
		return "its signature does not fit: the module was changed after it was signed"
	case SignatureNone, SignatureUnknown:
	}
	switch {
	case r.rules.Policy != Require:
		return ""
	case e.signature.State == SignatureUnknown:
		return fmt.Sprintf("it is signed by a key that is not in plugins.keys (%s), and plugins.policy is require", e.signature.KeyID)
	}
	return "it is not signed, and plugins.policy is require"
}

// barred reports whether a module may not have its id, because that is built in. The caller holds mu.
func (r *Registry) barred(e *entry) bool {
	m := e.manifest.Load()
	if m == nil || e.source == BuiltIn || r.rules.Override || e.signature.State == SignatureValid {
		return false
	}
	return slices.ContainsFunc(r.places, func(p *place) bool {
		return p.source == BuiltIn && p.now.state != Rejected && p.now.id() == m.ID && p.now.sha != e.sha
	})
}

// verdict gives the state of a module and why it is rejected, after all that is said about it. The caller holds mu.
func (r *Registry) verdict(e *entry) (State, string) {
	if e.state == Rejected {
		return Rejected, e.reason
	}
	if reason := r.refusal(e); reason != "" {
		return Rejected, reason
	}
	return e.state, e.reason
}

// refusal says why a module may not be used under its id, "" if it may. The caller holds mu.
func (r *Registry) refusal(e *entry) string {
	if reason := r.distrust(e); reason != "" {
		return reason
	}
	if r.barred(e) {
		return fmt.Sprintf("%s is built in: only a module signed by a key of plugins.keys replaces it, or any with plugins.override", e.id())
	}
	return ""
}

// SetRules makes other rules count, also for the modules that are there.
func (r *Registry) SetRules(ctx context.Context, rules Rules) error {
	release, err := r.enter(ctx)
	if err != nil {
		return fmt.Errorf("change plugin rules: %w", err)
	}
	defer release()
	r.mu.Lock()
	old := r.rules
	r.rules = rules
	var check []*entry
	if !slices.EqualFunc(old.Keys, rules.Keys, func(a, b ed25519.PublicKey) bool { return bytes.Equal(a, b) }) {
		check = slices.DeleteFunc(r.all(), func(e *entry) bool { return e.source == BuiltIn || e.sha == "" })
	}
	r.mu.Unlock()
	signatures := map[*entry]Signature{}
	for _, e := range check {
		b, err := r.original(e)
		if err != nil {
			r.cfg.Logger.WarnContext(ctx, "signature of plugin not checked anew", "plugin", e.id(), "file", e.file, "error", err)
			continue
		}
		signatures[e] = readSignature(b, rules.Keys)
	}
	r.mu.Lock()
	for e, s := range signatures {
		e.signature = s
	}
	for _, e := range r.all() {
		before, after := old.Settings[e.id()].MemoryMiB, rules.Settings[e.id()].MemoryMiB
		if e.state == Rejected && !e.fatal && e.sha != "" && before != after {
			e.open() // it may have been too large
		}
	}
	c := r.settle(time.Now())
	r.mu.Unlock()
	r.tell(ctx, c)
	r.signal()
	return nil
}
