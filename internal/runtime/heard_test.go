package runtime

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

// TestAnswersOfRogueUnpackers: what cannot be true of an archive ends its worker.
func TestAnswersOfRogueUnpackers(t *testing.T) {
	part := wire.UnpackedPart{Name: "a.bin", SHA256: strings.Repeat("0", 64), Size: 3, Kept: 3}
	good := func() wire.Unpacked {
		return wire.Unpacked{Wrapped: "zip", Bundle: true, Written: 3, Parts: []wire.UnpackedPart{part}}
	}
	for name, c := range map[string]struct {
		change func(a *wire.Unpacked)
		ok     bool
	}{
		"good":              {func(*wire.Unpacked) {}, true},
		"refused":           {func(a *wire.Unpacked) { a.Refused = &wire.Verdict{Code: errcode.OutputLimit} }, true},
		"damage":            {func(a *wire.Unpacked) { a.Damage = []wire.Damage{{Code: errcode.Truncated}} }, true},
		"unknown kind":      {func(a *wire.Unpacked) { a.Wrapped = "rar" }, false},
		"negative hidden":   {func(a *wire.Unpacked) { a.Hidden = -1 }, false},
		"negative written":  {func(a *wire.Unpacked) { a.Written = -1 }, false},
		"more than written": {func(a *wire.Unpacked) { a.Written = 4 }, false},
		"kept beyond":       {func(a *wire.Unpacked) { a.Parts[0].Kept, a.Parts[0].Size = 4, 4 }, false},
		"negative kept":     {func(a *wire.Unpacked) { a.Parts[0].Kept = -1 }, false},
		"kept of more":      {func(a *wire.Unpacked) { a.Parts[0].Size = 2 }, false},
		"no hash":           {func(a *wire.Unpacked) { a.Parts[0].SHA256 = "" }, false},
		"path for a hash":   {func(a *wire.Unpacked) { a.Parts[0].SHA256 = "../" + strings.Repeat("0", 61) }, false},
		"long name":         {func(a *wire.Unpacked) { a.Parts[0].Name = strings.Repeat("x", 1025) }, false},
		"name not UTF-8":    {func(a *wire.Unpacked) { a.Parts[0].Name = "\xff" }, false},
		"too many parts":    {func(a *wire.Unpacked) { a.Parts = slices.Repeat(a.Parts, MaxParts+1) }, false},
		"parts of a stream": {func(a *wire.Unpacked) { a.Bundle = false }, false},
		"own refusal":       {func(a *wire.Unpacked) { a.Refused = &wire.Verdict{Code: "made_up"} }, false},
		"own damage":        {func(a *wire.Unpacked) { a.Damage = []wire.Damage{{Code: "made_up"}} }, false},
		"damage before all": {func(a *wire.Unpacked) { a.Damage = []wire.Damage{{Code: errcode.Truncated, At: -1}} }, false},
		"damage for ever": {func(a *wire.Unpacked) {
			a.Damage = slices.Repeat([]wire.Damage{{Code: errcode.Truncated}}, 2*MaxParts+1)
		}, false},
	} {
		a := good()
		c.change(&a)
		_, err := unpackedOf(&a, &UnpackRequest{Output: tempFile(t, []byte("abc"))})
		if c.ok != (err == nil) || err != nil && !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := good()
	long.Refused = &wire.Verdict{Code: errcode.Unsupported, Message: strings.Repeat("x", 1<<20)}
	if u, err := unpackedOf(&long, &UnpackRequest{}); err != nil || len(u.Refused.Message) > 2*maxReason {
		t.Errorf("a long reason: %v", err)
	}
}
