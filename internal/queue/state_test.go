package queue

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func drawEvent(t *rapid.T) Event {
	return Event{
		Kind:      EventKind(rapid.IntRange(0, 12).Draw(t, "kind")),
		At:        epoch.Add(time.Duration(rapid.IntRange(-100, 100).Draw(t, "at")) * time.Second),
		Pending:   rapid.IntRange(0, 2).Draw(t, "pending"),
		Code:      errcode.Trap,
		Permanent: rapid.IntRange(0, 9).Draw(t, "permanent") == 0,
		RetryIn:   time.Duration(rapid.IntRange(0, 1).Draw(t, "retry_in")) * time.Minute,
		Delay:     time.Duration(rapid.IntRange(0, 1).Draw(t, "delay")) * time.Minute,
		Jitter:    rapid.Float64Range(0, 0.999).Draw(t, "jitter"),
		Rules:     Rules{}.WithDefaults(),
	}
}

// TestTransitionProperties walks random events from the beginning of a job and checks what holds at every step.
func TestTransitionProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := State{MaxAttempts: rapid.IntRange(1, 5).Draw(t, "max_attempts")}
		now := epoch
		failures := 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "pause")) * time.Second)
			e := drawEvent(t)
			next, effects, err := Transition(s, e, now)
			if again, _, _ := Transition(s, e, now); again != next {
				t.Fatalf("the same event gave %+v, then %+v", next, again)
			}
			if err != nil {
				if next != s || effects != (Effects{}) {
					t.Fatalf("refused event %d changed %+v to %+v, %+v", e.Kind, s, next, effects)
				}
				if s.Status.Final() != errors.Is(err, ErrEnded) || s.Status.Final() == errors.Is(err, ErrTransition) {
					t.Fatalf("event %d on %s: %v", e.Kind, s.Status, err)
				}
				continue
			}
			checkStep(t, s, next, e, effects, now)
			if e.Kind == Failed {
				failures++
			}
			if next.Status == Retry && failures >= s.MaxAttempts {
				t.Fatalf("retry after %d failures of %d", failures, s.MaxAttempts)
			}
			if got := next.Attempt - next.Crashes; next.Status != Active && !next.Status.Final() && got != failures {
				t.Fatalf("%d attempts and %d crashes after %d failures", next.Attempt, next.Crashes, failures)
			}
			s = next
		}
	})
}

func checkStep(t *rapid.T, s, next State, e Event, effects Effects, now time.Time) {
	switch {
	case s.Status.Final():
		t.Fatalf("%s left its end by event %d", s.Status, e.Kind)
	case next.Status == "":
		t.Fatalf("event %d on %s leads nowhere", e.Kind, s.Status)
	case effects.Ended != next.Status.Final():
		t.Fatalf("ended %v in %s", effects.Ended, next.Status)
	case next.Status.Final() && (next.FinishedAt != now || !next.RunAt.IsZero() || next.CancelAsked):
		t.Fatalf("final state %+v at %v", next, now)
	case next.Status == Dead && e.Kind != Buried && effects.Code == "":
		t.Fatalf("dead without a reason after event %d", e.Kind)
	case (next.Status == Scheduled || next.Status == Retry) && !next.RunAt.After(now):
		t.Fatalf("%s until %v at %v", next.Status, next.RunAt, now)
	case next.Status == Ready && !next.RunAt.IsZero() && e.Kind != Due:
		t.Fatalf("ready with a time: %+v", next)
	case (next.Status == Ready) == next.ReadyAt.IsZero():
		t.Fatalf("%s, and ready since %v", next.Status, next.ReadyAt)
	case next.Crashes >= e.Rules.MaxCrashes && !next.Status.Final():
		t.Fatalf("%d crashes and still %s", next.Crashes, next.Status)
	case (next.Status == Waiting) != (next.Pending > 0):
		t.Fatalf("%s with %d pending", next.Status, next.Pending)
	case next.CancelAsked && next.Status != Active:
		t.Fatalf("%s with a cancel asked for", next.Status)
	case effects.Stop && (e.Kind != CancelWish || s.CancelAsked || next.Status != Active):
		t.Fatalf("stop by event %d on %+v", e.Kind, s)
	case s.CancelAsked && next.Status != Active && next.Status != Cancelled && e.Kind != Succeeded && e.Kind != Buried:
		t.Fatalf("a cancelled job became %s by event %d", next.Status, e.Kind)
	}
	attempts := map[EventKind]int{LeasedOut: 1, Released: -1}[e.Kind]
	if next.Attempt != s.Attempt+attempts {
		t.Fatalf("event %d took attempt %d to %d", e.Kind, s.Attempt, next.Attempt)
	}
}

// TestTransitions fixes every pair of status and event.
func TestTransitions(t *testing.T) {
	late := epoch.Add(time.Hour)
	states := map[string]State{
		"none":      {MaxAttempts: 2},
		"waiting":   {Status: Waiting, MaxAttempts: 2, Pending: 1},
		"scheduled": {Status: Scheduled, MaxAttempts: 2, RunAt: late},
		"ready":     {Status: Ready, MaxAttempts: 2},
		"active":    {Status: Active, MaxAttempts: 2, Attempt: 1},
		"asked":     {Status: Active, MaxAttempts: 2, Attempt: 1, CancelAsked: true},
		"last":      {Status: Active, MaxAttempts: 2, Attempt: 2},
		"retry":     {Status: Retry, MaxAttempts: 2, Attempt: 1, RunAt: late},
		"completed": {Status: Completed, MaxAttempts: 2, Attempt: 1},
		"dead":      {Status: Dead, MaxAttempts: 2, Attempt: 1},
		"cancelled": {Status: Cancelled, MaxAttempts: 2},
	}
	rules := Rules{}.WithDefaults()
	events := map[string]Event{
		"created":    {Kind: Created},
		"later":      {Kind: Created, At: late},
		"dependent":  {Kind: Created, Pending: 1},
		"depended":   {Kind: DependedOn},
		"due":        {Kind: Due},
		"leased":     {Kind: LeasedOut},
		"succeeded":  {Kind: Succeeded},
		"failed":     {Kind: Failed, Code: errcode.Trap, Rules: rules},
		"permanent":  {Kind: Failed, Code: errcode.Trap, Rules: rules, Permanent: true},
		"released":   {Kind: Released},
		"postponed":  {Kind: Released, Delay: time.Minute},
		"crashed":    {Kind: Crashed, Rules: rules},
		"crashed 3×": {Kind: Crashed, Rules: Rules{MaxCrashes: 1}},
		"cancel":     {Kind: CancelWish},
		"buried":     {Kind: Buried, Code: errcode.Corrupt},
	}
	allowed := map[string]map[string]Status{
		"none":      {"created": Ready, "later": Scheduled, "dependent": Waiting},
		"waiting":   {"depended": Ready, "cancel": Cancelled, "buried": Dead},
		"scheduled": {"due": Ready, "cancel": Cancelled, "buried": Dead},
		"ready":     {"leased": Active, "cancel": Cancelled, "buried": Dead},
		"active": {
			"succeeded": Completed, "failed": Retry, "permanent": Dead, "released": Ready, "postponed": Scheduled, "crashed": Ready,
			"crashed 3×": Dead, "cancel": Active, "buried": Dead,
		},
		"asked": {
			"succeeded": Completed, "failed": Cancelled, "permanent": Cancelled, "released": Cancelled, "postponed": Cancelled,
			"crashed": Cancelled, "crashed 3×": Cancelled, "cancel": Active, "buried": Dead,
		},
		"last": {
			"succeeded": Completed, "failed": Dead, "permanent": Dead, "released": Ready, "postponed": Scheduled, "crashed": Ready,
			"crashed 3×": Dead, "cancel": Active, "buried": Dead,
		},
		"retry": {"due": Ready, "cancel": Cancelled, "buried": Dead},
	}
	for sn, s := range states {
		for en, e := range events {
			next, _, err := Transition(s, e, epoch)
			want, ok := allowed[sn][en]
			if ok != (err == nil) || (ok && next.Status != want) {
				t.Errorf("%s, %s: %s, %v; want %q", sn, en, next.Status, err, want)
			}
		}
	}
}

func TestRetryDelays(t *testing.T) {
	rules := Rules{}.WithDefaults()
	run := func(chance float64) (waits []time.Duration) {
		s, now := State{Status: Ready, MaxAttempts: 13}, epoch
		for s.Status == Ready {
			s, _, _ = Transition(s, Event{Kind: LeasedOut}, now)
			s, _, _ = Transition(s, Event{Kind: Failed, Code: errcode.Trap, Jitter: chance, Rules: rules}, now)
			if s.Status == Retry {
				waits = append(waits, s.RunAt.Sub(now).Round(time.Millisecond))
				now = s.RunAt
				s, _, _ = Transition(s, Event{Kind: Due}, now)
			}
		}
		return waits
	}
	want := []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600} // seconds
	for chance, factor := range map[float64]float64{0: 0.8, 0.5: 1, 0.999999: 1.2} {
		scaled := make([]time.Duration, len(want))
		for i, w := range want {
			scaled[i] = time.Duration(w * factor * 1e9).Round(time.Second / 10)
		}
		got := run(chance)
		for i := range got {
			got[i] = got[i].Round(time.Second / 10)
		}
		if diff := cmp.Diff(scaled, got); diff != "" {
			t.Errorf("chance %v (-want +got):\n%s", chance, diff)
		}
	}
}

func TestBackoffNeverOverflows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Backoff{
			Base:   time.Duration(rapid.Int64Range(1, int64(24*time.Hour)).Draw(t, "base")),
			Max:    time.Duration(rapid.Int64Range(1, int64(30*24*time.Hour)).Draw(t, "max")),
			Jitter: -1,
		}
		n := rapid.IntRange(-1, 2000).Draw(t, "n")
		d, next := b.Delay(n, 0), b.Delay(n+1, 0)
		if d <= 0 || d > b.Max || next < d {
			t.Fatalf("delays %v, %v of %+v", d, next, b)
		}
	})
}

func TestJobDefaultsNeverExceedTimeout(t *testing.T) {
	j, err := New{Type: "a", Timeout: time.Minute}.Prepare(Rules{}.WithDefaults(), epoch)
	if err != nil || j.SoftTimeout != time.Minute {
		t.Errorf("soft timeout %v, %v; want the hard one", j.SoftTimeout, err)
	}
}

func TestASecondCrashMakesAJobWait(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	rules := Rules{MaxCrashes: 3, CrashDelay: time.Minute}
	s := State{Status: Active, MaxAttempts: 4, Attempt: 1}
	for crash, want := range []struct {
		status Status
		runAt  time.Time
	}{{Ready, time.Time{}}, {Retry, now.Add(time.Minute)}, {Dead, time.Time{}}} {
		var err error
		if s, _, err = Transition(s, Event{Kind: Crashed, Rules: rules}, now); err != nil {
			t.Fatal(err)
		}
		if s.Status != want.status || !s.RunAt.Equal(want.runAt) {
			t.Fatalf("crash %d: %s at %v, want %s at %v", crash+1, s.Status, s.RunAt, want.status, want.runAt)
		}
		s.Status = Active
	}
}
