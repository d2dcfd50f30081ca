package queue

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
)

func TestBackoffDelay(t *testing.T) {
	for name, c := range map[string]struct {
		b    Backoff
		want []time.Duration
	}{
		"default":        {Backoff{Jitter: -1}, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}},
		"up to its most": {Backoff{Base: time.Minute, Max: 3 * time.Minute, Jitter: -1}, []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute, 3 * time.Minute}},
		"a long base":    {Backoff{Base: time.Hour, Jitter: -1}, []time.Duration{time.Hour, time.Hour}},
		"fixed":          {Backoff{Kind: Fixed, Base: 7 * time.Second, Jitter: -1}, []time.Duration{7 * time.Second, 7 * time.Second}},
		"list":           {Backoff{Kind: Listed, Delays: []time.Duration{3, 1, 0, 9}, Jitter: -1}, []time.Duration{3, 1, 0, 9, 9, 9}},
	} {
		b := Rules{Backoff: c.b}.WithDefaults().Backoff
		for n, want := range c.want {
			if got := b.Delay(n, 0.999); got != want {
				t.Errorf("%s: wait %d is %v, want %v", name, n, got, want)
			}
		}
		if got, want := b.Delay(1000, 0), b.Delay(len(c.want)-1, 0); got != want && name != "default" {
			t.Errorf("%s: wait 1000 is %v, want %v", name, got, want)
		}
		if got, want := b.Delay(-3, 0), c.want[0]; got != want {
			t.Errorf("%s: wait -3 is %v, want %v", name, got, want)
		}
	}
}

// TestBackoffProperties draws any backoff that is valid: no wait is negative, or longer than it may be.
func TestBackoffProperties(t *testing.T) {
	wait := rapid.Int64Range(0, int64(maxWait))
	rapid.Check(t, func(t *rapid.T) {
		b := Backoff{
			Kind: rapid.SampledFrom([]BackoffKind{"", Exponential, Fixed, Listed}).Draw(t, "kind"),
			Base: time.Duration(wait.Draw(t, "base")), Max: time.Duration(wait.Draw(t, "max")), Jitter: rapid.Float64Range(-1, 1).Draw(t, "jitter"),
		}
		if b.Kind == Listed {
			for _, d := range rapid.SliceOfN(wait, 1, MaxDelays).Draw(t, "delays") {
				b.Delays = append(b.Delays, time.Duration(d))
			}
		}
		if err := b.Validate(); err != nil {
			t.Fatalf("Validate: %v", err)
		}
		b = b.withDefaults()
		most := max(b.Base, b.Max)
		for _, d := range b.Delays {
			most = max(most, d)
		}
		n := rapid.IntRange(0, 70).Draw(t, "n")
		plain := Backoff{Kind: b.Kind, Base: b.Base, Max: b.Max, Delays: b.Delays, Jitter: -1}.Delay(n, 0)
		got := b.Delay(n, rapid.Float64Range(0, 0.999).Draw(t, "chance"))
		jitter := max(b.Jitter, 0)
		if plain < 0 || plain > most || got < 0 {
			t.Fatalf("wait %d is %v, %v with jitter; at most %v", n, plain, got, most)
		}
		if off := math.Abs(float64(got - plain)); off > float64(plain)*jitter+float64(time.Microsecond) {
			t.Fatalf("wait %d is %v, %v with a jitter of %v", n, plain, got, b.Jitter)
		}
	})
}

func TestBackoffValidate(t *testing.T) {
	many := make([]time.Duration, MaxDelays+1)
	for name, b := range map[string]Backoff{
		"kind": {Kind: "linear"}, "base": {Base: -1}, "long base": {Base: maxWait + 1}, "max": {Max: -1}, "long max": {Max: maxWait + 1},
		"jitter": {Jitter: 1.1}, "no delays": {Kind: Listed}, "delays": {Delays: many[:1]}, "many": {Kind: Listed, Delays: many},
		"negative": {Kind: Listed, Delays: []time.Duration{-1}}, "long": {Kind: Listed, Delays: []time.Duration{maxWait + 1}},
		"not a number": {Jitter: math.NaN()},
	} {
		if err := b.Validate(); errcode.Of(err) != errcode.ValidationFailed {
			t.Errorf("%s: %v, want validation_failed", name, err)
		}
		if _, err := (New{Type: "a", Backoff: &b}).Prepare(Rules{}.WithDefaults(), epoch); errcode.Of(err) != errcode.ValidationFailed {
			t.Errorf("%s in a job: %v, want validation_failed", name, err)
		}
	}
}
