package module

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Vector is a golden vector of a module.
type Vector struct {
	abi.Vector
	Input []byte // a part of the module's bytes
}

// Vectors gives the golden vectors of a module, in their order. The error is PluginRejected.
func Vectors(b []byte) ([]Vector, error) {
	secs, err := Sections(b)
	if err != nil {
		return nil, err
	}
	var out []Vector
	heads := 0
	for _, s := range secs {
		if s.ID != secCustom || s.Name != abi.SectionVector {
			continue
		}
		if len(out) == abi.MaxVectors {
			return nil, rejected("the module has more than %d golden vectors", abi.MaxVectors)
		}
		v, err := parseVector(s.Body)
		if err != nil {
			return nil, rejected("golden vector %d: %v", len(out), err)
		}
		if heads += len(s.Body) - len(v.Input); heads > abi.MaxVectorHeads {
			return nil, rejected("the heads of the golden vectors have more than %d bytes", abi.MaxVectorHeads)
		}
		if slices.ContainsFunc(out, func(o Vector) bool { return o.Name == v.Name }) {
			return nil, rejected("golden vector %q appears twice", v.Name)
		}
		out = append(out, v)
	}
	return out, nil
}

// WithVector returns the module with a golden vector appended. The signature, if there is one, is not valid any more.
func WithVector(b []byte, v Vector) ([]byte, error) {
	if err := v.check(); err != nil {
		return nil, fmt.Errorf("golden vector %q: %w", v.Name, err)
	}
	head, err := json.Marshal(v.Vector)
	if err != nil {
		return nil, fmt.Errorf("golden vector %q: %w", v.Name, err)
	}
	body := append(appendU32(nil, uint32(len(head))), head...)
	return WithCustom(b, abi.SectionVector, append(body, v.Input...)), nil
}

func parseVector(body []byte) (Vector, error) {
	r := reader{b: body}
	head := r.take(r.u32())
	if r.err != nil {
		return Vector{}, r.err
	}
	v := Vector{Input: body[r.p:]}
	if len(head) > abi.MaxVectorHeads {
		return v, fmt.Errorf("a head of %d bytes", len(head))
	}
	if err := json.Unmarshal(head, &v.Vector); err != nil {
		return v, fmt.Errorf("head: %w", err)
	}
	return v, v.check()
}

func (v *Vector) check() error {
	switch {
	case !vectorName().MatchString(v.Name):
		return fmt.Errorf("name %.80q is not of the form [a-z0-9][a-z0-9._-]{0,62}", v.Name)
	case len(v.Input) > abi.MaxVectorBytes:
		return fmt.Errorf("%d bytes of input, the limit is %d", len(v.Input), abi.MaxVectorBytes)
	case len(v.Parts) > abi.MaxParts:
		return fmt.Errorf("%d parts, the limit is %d", len(v.Parts), abi.MaxParts)
	}
	left := int64(len(v.Input))
	for _, p := range v.Parts {
		if p.Size < 0 || p.Size > left || len(p.Name) > abi.MaxPartName {
			return fmt.Errorf("part %.80q does not lie in the input", p.Name)
		}
		left -= p.Size
	}
	if len(v.Parts) > 0 && left != 0 {
		return fmt.Errorf("the parts leave %d bytes of input", left)
	}
	if len(v.Params) > 0 {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(v.Params, &object); err != nil {
			return fmt.Errorf("params: %w", err)
		}
	}
	return nil
}

func vectorName() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`) }
