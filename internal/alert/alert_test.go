package alert

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is an engine on a database of its own with a clock that is set.
type bench struct {
	*Engine
	t      *testing.T
	dir    string
	db     *store.DB
	now    time.Time
	cfg    Config
	refuse atomic.Bool // the database takes nothing

	reserve int64 // of the disk
}

var cpu = Rule{Name: "cpu", Text: "processor load", Unit: "%", Warning: 70, Critical: 90, For: time.Minute}

func newBench(t *testing.T, rules ...Rule) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	b.cfg = Config{Rules: rules, Now: func() time.Time { return b.now }, Readings: func(context.Context) []Reading { return nil }}
	b.open()
	t.Cleanup(b.close)
	return b
}

func (b *bench) open() {
	b.t.Helper()
	var err error
	b.db, err = store.Open(context.Background(), store.Config{Dir: b.dir, Reserve: max(1, b.reserve), Ballast: -1, Hook: func(p store.Point) error {
		if b.refuse.Load() && p == store.BeforeCommit {
			return errors.New("refused by the test")
		}
		return nil
	}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.cfg.DB = b.db
	if b.Engine, err = Open(context.Background(), b.cfg); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) close() {
	if err := b.db.Close(); err != nil {
		b.t.Error(err)
	}
}

// look lets time pass and judges one reading; it gives what was told, such as "fired warning".
func (b *bench) look(after time.Duration, readings ...Reading) string {
	b.t.Helper()
	b.now = b.now.Add(after)
	var told []string
	list := b.Evaluate(context.Background(), readings)
	b.wasTold(context.Background(), list)
	for _, n := range list {
		told = append(told, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", n.Kind, n.Alert.Rule, n.Alert.Subject, n.Alert.Level)))
	}
	return strings.Join(told, ", ")
}

// firing counts the alerts that go on, by level.
func (b *bench) firing() (warning, critical int) {
	list, _ := b.Alerts(Query{State: Firing})
	for _, a := range list {
		if a.Level == Critical {
			critical++
		} else {
			warning++
		}
	}
	return warning, critical
}

func (b *bench) want(got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Fatalf("told %q, want %q", got, want)
	}
}

func load(v float64) Reading { return Reading{Signal: "cpu", Value: v} }

func TestAnAlertIsToldAfterItsTimeAndEndsAfterIt(t *testing.T) {
	b := newBench(t, cpu)
	b.want(b.look(0, load(75)), "")
	b.want(b.look(59*time.Second, load(75)), "")
	b.want(b.look(time.Second, load(75)), "fired cpu  warning")
	b.want(b.look(time.Second, load(95)), "")
	b.want(b.look(time.Minute, load(95)), "escalated cpu  critical")
	b.want(b.look(time.Second, load(20)), "")
	b.want(b.look(59*time.Second, load(20)), "")
	b.want(b.look(time.Second, load(20)), "resolved cpu  critical")
	list, _ := b.Alerts(Query{})
	if len(list) != 1 || list[0].State != Resolved || list[0].Worst != Critical || list[0].ResolvedAt == nil {
		t.Fatalf("%+v", list)
	}
	if want := "processor load is 20.0 %, within its limits again"; list[0].Text != want {
		t.Errorf("text %q, want %q", list[0].Text, want)
	}
}

func TestABreakBeginsTheTimeAnew(t *testing.T) {
	b := newBench(t, cpu)
	for range 20 {
		b.want(b.look(30*time.Second, load(75)), "")
		b.want(b.look(29*time.Second, load(75)), "")
		b.want(b.look(time.Second, load(69.9)), "")
	}
	if list, _ := b.Alerts(Query{}); len(list) != 0 {
		t.Fatalf("%+v", list)
	}
}

func TestAFigureAroundItsLimitDoesNotFlap(t *testing.T) {
	b := newBench(t, cpu)
	b.look(0, load(75))
	b.want(b.look(time.Minute, load(75)), "fired cpu  warning")
	for i := range 100 {
		b.want(b.look(15*time.Second, load(69+float64(i%2)*2)), "")
	}
	if list, _ := b.Alerts(Query{State: Firing}); len(list) != 1 || list[0].Times != 1 {
		t.Fatalf("%+v", list)
	}
}

func TestTheSameAlertWithinTheWindowIsToldOnce(t *testing.T) {
	quick := cpu
	quick.For = 0
	b := newBench(t, quick)
	b.want(b.look(0, load(75)), "fired cpu  warning")
	b.want(b.look(time.Second, load(10)), "resolved cpu  warning")
	for range 8 {
		b.want(b.look(15*time.Second, load(75)), "")
		b.want(b.look(15*time.Second, load(10)), "")
	}
	b.want(b.look(15*time.Second, load(75)), "")
	// It goes on when the window is over: people must know.
	b.want(b.look(46*time.Second, load(75)), "fired cpu  warning")
	list, _ := b.Alerts(Query{})
	if len(list) != 1 || list[0].Times != 10 {
		t.Fatalf("%+v", list)
	}
	// What is worse is told at once.
	b.want(b.look(time.Second, load(99)), "escalated cpu  critical")
	b.want(b.look(time.Second, load(75)), "eased cpu  warning")
	b.want(b.look(time.Second, load(99)), "")
	b.want(b.look(5*time.Minute, load(99)), "escalated cpu  critical")
}

func TestAnAlertAfterTheWindowIsAnother(t *testing.T) {
	quick := cpu
	quick.For = 0
	b := newBench(t, quick)
	b.look(0, load(75))
	b.want(b.look(time.Second, load(10)), "resolved cpu  warning")
	b.want(b.look(6*time.Minute, load(75)), "fired cpu  warning")
	if list, _ := b.Alerts(Query{}); len(list) != 2 || list[0].State != Firing || list[1].State != Resolved {
		t.Fatalf("%+v", list)
	}
}

func TestAnOpenAlertOutlivesARestart(t *testing.T) {
	b := newBench(t, cpu, Rule{Name: "age", Signal: "queue_age", Unit: "s", Warning: 60, Critical: math.NaN()})
	old := Reading{Signal: "queue_age", Subject: "decode", Value: 100}
	b.want(b.look(0, load(95), old), "fired age decode warning")
	b.want(b.look(time.Minute, load(95), old), "fired cpu  critical")
	b.close()
	b.open()
	b.want(b.look(time.Second, load(95), old), "")
	if w, c := b.firing(); w != 1 || c != 1 {
		t.Fatalf("%d warnings, %d critical", w, c)
	}
	b.want(b.look(time.Second, load(95)), "resolved age decode warning") // the queue is gone
	b.look(time.Second, load(1))
	b.close()
	b.open()
	b.want(b.look(time.Second, load(1)), "")
	b.want(b.look(time.Minute, load(1)), "resolved cpu  critical")
	b.close()
	b.open()
	list, _ := b.Alerts(Query{})
	if len(list) != 2 || list[0].State != Resolved || list[1].State != Resolved || list[0].ID == list[1].ID {
		t.Fatalf("%+v", list)
	}
}

func TestWhatCannotBeReadChangesNothing(t *testing.T) {
	b := newBench(t, cpu)
	b.look(0, load(75))
	b.want(b.look(30*time.Second, load(math.NaN())), "")
	b.want(b.look(30*time.Second, load(75)), "fired cpu  warning")
	b.want(b.look(time.Hour, load(math.NaN())), "")
	if w, _ := b.firing(); w != 1 {
		t.Fatal("an alert ended because its figure could not be read")
	}
	b.want(b.look(time.Second, load(math.Inf(1))), "")
	b.want(b.look(time.Minute, load(math.Inf(1))), "escalated cpu  critical")
	b.close()
	b.open()
	if _, c := b.firing(); c != 1 {
		t.Fatal("an alert of a figure without bound was not recorded")
	}
}

func TestRulesThatChange(t *testing.T) {
	b := newBench(t, cpu)
	b.look(0, load(75))
	b.want(b.look(time.Minute, load(75)), "fired cpu  warning")
	higher := cpu
	higher.Warning = 80
	if err := b.SetRules([]Rule{higher}, 0); err != nil {
		t.Fatal(err)
	}
	b.look(time.Second, load(75))
	b.want(b.look(time.Minute, load(75)), "resolved cpu  warning")
	if err := b.SetRules([]Rule{{Name: "x", Warning: 2, Critical: 1}}, 0); err == nil {
		t.Error("limits the wrong way round were taken")
	}
	if err := b.SetRules([]Rule{cpu, cpu}, 0); err == nil {
		t.Error("two rules of one name were taken")
	}
	b.look(6*time.Minute, load(95))
	b.want(b.look(time.Minute, load(95)), "fired cpu  critical")
	if err := b.SetRules(nil, 0); err != nil {
		t.Fatal(err)
	}
	b.want(b.look(time.Second, load(95)), "resolved cpu  critical")
}

func TestASilenceKeepsQuiet(t *testing.T) {
	b := newBench(t, cpu)
	ctx := t.Context()
	s, err := b.AddSilence(ctx, Silence{Rule: "cpu", Until: b.now.Add(10 * time.Minute), Comment: "tests run"})
	if err != nil {
		t.Fatal(err)
	}
	b.look(0, load(75))
	b.want(b.look(time.Minute, load(75)), "")
	if list, _ := b.Alerts(Query{}); len(list) != 1 || !list[0].Silenced {
		t.Fatalf("%+v", list)
	}
	b.close()
	b.open()
	b.want(b.look(time.Minute, load(75)), "")
	if got := b.Silences(); len(got) != 1 || got[0].ID != s.ID || got[0].Comment != "tests run" {
		t.Fatalf("%+v", got)
	}
	b.want(b.look(8*time.Minute, load(75)), "fired cpu  warning") // its time is over
	if got := b.Silences(); len(got) != 0 {
		t.Fatalf("%+v", got)
	}

	if s, err = b.AddSilence(ctx, Silence{Until: b.now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	b.look(time.Second, load(95))
	b.want(b.look(time.Minute, load(95)), "")
	if err := b.DeleteSilence(ctx, s.ID); err != nil {
		t.Fatal(err)
	}
	b.want(b.look(time.Second, load(95)), "escalated cpu  critical")
	if err := b.DeleteSilence(ctx, s.ID); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	for name, s := range map[string]Silence{
		"past": {Until: b.now}, "long": {Until: b.now.Add(2 * maxSilence)}, "rule": {Rule: "nonsense", Until: b.now.Add(time.Hour)},
	} {
		if _, err := b.AddSilence(ctx, s); err == nil {
			t.Errorf("%s: a silence without sense was taken", name)
		}
	}
	for range maxSilences {
		_, err = b.AddSilence(ctx, Silence{Until: b.now.Add(time.Hour)})
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.AddSilence(ctx, Silence{Until: b.now.Add(time.Hour)}); !errors.Is(err, ErrTooMany) {
		t.Fatal(err)
	}
}

func TestAlertsGoOnWithoutADatabase(t *testing.T) {
	b := newBench(t, cpu)
	b.refuse.Store(true)
	b.look(0, load(75))
	b.want(b.look(time.Minute, load(75)), "fired cpu  warning")
	b.refuse.Store(false)
	b.want(b.look(time.Second, load(75)), "")
	b.close()
	b.open()
	if w, _ := b.firing(); w != 1 {
		t.Fatal("what could not be recorded at first was not recorded later")
	}
}

func TestHistoryIsBounded(t *testing.T) {
	rule := cpu
	rule.For = 0
	b := newBench(t, rule)
	open := Reading{Signal: "cpu", Subject: "stays", Value: 99}
	for i := range maxHistory/100 + 5 {
		var list []Reading
		for j := range 100 {
			list = append(list, Reading{Signal: "cpu", Subject: fmt.Sprint(i*100 + j), Value: 80})
		}
		b.look(time.Second, append(list, open)...)
	}
	b.look(time.Second, open)
	b.close()
	b.open()
	list, _ := b.Alerts(Query{})
	if len(list) != maxHistory+1 {
		t.Fatalf("%d alerts are kept, want %d", len(list), maxHistory+1)
	}
	if last := list[len(list)-1]; last.Subject != "stays" || last.State != Firing {
		t.Fatalf("the oldest is %+v", last)
	}
	first, more := b.Alerts(Query{Limit: 10})
	next, _ := b.Alerts(Query{Limit: 10, Before: first[9].ID})
	if !more || len(next) != 10 || next[0].ID >= first[9].ID {
		t.Fatal("pages do not follow each other")
	}
}

// TestRandomReadings compares with the definition: a level is on after it was beyond for For, off after it was within for Keep.
func TestRandomReadings(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 7))
		rule := cpu
		rule.For, rule.Keep = time.Duration(rng.IntN(4))*time.Minute, time.Duration(1+rng.IntN(4))*time.Minute
		b := newBench(t, rule)
		var values []float64
		for range 200 {
			v := float64(rng.IntN(120))
			if len(values) > 0 && rng.IntN(3) > 0 {
				v = values[len(values)-1]
			}
			values = append(values, v)
			b.look(time.Minute, load(v))
			want := None
			if defined(values, 70, rule) {
				want = Warning
			}
			if defined(values, 90, rule) {
				want = Critical
			}
			got := None
			if list, _ := b.Alerts(Query{State: Firing}); len(list) == 1 {
				got = list[0].Level
			}
			if got != want {
				t.Fatalf("seed %d, for %v, keep %v: after %v it is %q, want %q", seed, rule.For, rule.Keep, values, got, want)
			}
		}
	}
}

// defined tells whether a level is on after values that are a minute apart: by looking back for the last stretch that was
// long enough on either side.
func defined(values []float64, limit float64, r Rule) bool {
	on := false
	for i := range values {
		run := 0
		for j := i; j >= 0 && (values[j] >= limit) == (values[i] >= limit); j-- {
			run++
		}
		side := values[i] >= limit
		need := r.For
		if !side {
			need = r.Keep
		}
		if time.Duration(run-1)*time.Minute >= need {
			on = side
		}
	}
	return on
}

type failing struct{ to chan Notification }

func (f failing) Notify(_ context.Context, n Notification) error {
	f.to <- n
	return errors.New("the other end does not answer")
}

func TestRunTellsEveryNotifierAndTheBus(t *testing.T) {
	b := newBench(t)
	rule := cpu
	rule.For = 0
	bus := event.New(0)
	defer bus.Close()
	sub := bus.Subscribe(event.Now, "alert")
	first, second := make(chan Notification, 1), make(chan Notification, 1)
	cfg := b.cfg
	cfg.Rules, cfg.Bus, cfg.Interval = []Rule{rule}, bus, time.Hour
	cfg.Readings = func(context.Context) []Reading { return []Reading{load(95)} }
	cfg.Notifiers = []Notifier{failing{first}, failing{second}}
	e, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	if n := <-first; n.Kind != Fired || n.Alert.Level != Critical {
		t.Errorf("%+v", n)
	}
	<-second // what one could not tell does not keep others from being told
	if ev, err := sub.Next(t.Context()); err != nil || ev.Data.(Alert).Rule != "cpu" {
		t.Errorf("%+v, %v", ev, err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestDamagedRecordsAreLeftOut(t *testing.T) {
	rule := cpu
	rule.For = 0
	b := newBench(t, rule)
	b.look(0, load(95))
	batch := b.db.Batch()
	for _, key := range []string{"a" + store.FormatID('a', 9), "s" + store.FormatID('a', 10), "a", "nonsense"} {
		batch.Set(b.Engine.db.space, []byte(key), []byte("{"))
	}
	if err := b.db.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b.close()
	b.open()
	if list, _ := b.Alerts(Query{}); len(list) != 1 || list[0].Level != Critical {
		t.Fatalf("%+v", list)
	}
}
