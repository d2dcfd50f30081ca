package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wayside-edge/wayside/internal/store"
)

// TestOneRuleTakesNoPlaceOfAnother has far more queues than are watched, most of them well: no trouble is hidden by them.
func TestOneRuleTakesNoPlaceOfAnother(t *testing.T) {
	age := Rule{Name: "age", Warning: 60, Critical: math.NaN()}
	quick := cpu
	quick.For = 0
	b := newBench(t, age, quick)
	var list []Reading
	for i := range 5000 {
		list = append(list, Reading{Signal: "age", Subject: fmt.Sprintf("well%d", i), Value: 1})
	}
	b.want(b.look(0, append(slices.Clone(list), Reading{Signal: "age", Subject: "z", Value: 99}, load(20))...), "fired age z warning")
	for i := range list {
		list[i].Value = 99 // now all are ill
	}
	list[0].Subject = "z"
	if told := b.look(time.Second, append(list, load(95))...); !strings.Contains(told, "fired cpu  critical") {
		t.Error("the processor's load is hidden by queues")
	}
	if w, c := b.firing(); w != maxSubjects || c != 1 {
		t.Fatalf("%d warnings, %d critical", w, c)
	}
	b.close() // so many were recorded, though one commit does not take them
	b.open()
	if w, c := b.firing(); w != maxSubjects || c != 1 {
		t.Fatalf("after a restart %d warnings, %d critical", w, c)
	}
	b.look(time.Second, load(20))
	b.look(time.Minute, Reading{Signal: "age", Subject: "another", Value: 99})
	if w, _ := b.firing(); w != 1 {
		t.Fatalf("%d fire: places are not given back", w)
	}
}

// TestAClockThatWasAheadKeepsNothingQuiet has alerts told and silences made while the clock was a year ahead.
func TestAClockThatWasAheadKeepsNothingQuiet(t *testing.T) {
	quick := cpu
	quick.For = 0
	b := newBench(t, quick)
	year := 365 * 24 * time.Hour
	b.want(b.look(year, load(75)), "fired cpu  warning")
	b.want(b.look(time.Second, load(1)), "resolved cpu  warning")
	if _, err := b.AddSilence(t.Context(), Silence{Rule: "cpu", Until: b.now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	b.close()
	b.open()
	b.want(b.look(-year, load(75)), "fired cpu  warning") // the clock is right again
	b.want(b.look(time.Second, load(1)), "resolved cpu  warning")
	b.want(b.look(time.Second, load(75)), "") // and within its window it is told once
	b.want(b.look(year, load(75)), "")        // the silence holds when it was meant to
	if list := b.Silences(); len(list) != 1 {
		t.Errorf("%+v", list)
	}
}

func TestSilencesThatOverlap(t *testing.T) {
	b := newBench(t, Rule{Name: "age", Warning: 60, Critical: math.NaN()})
	ctx := t.Context()
	email, sms := Reading{Signal: "age", Subject: "email", Value: 99}, Reading{Signal: "age", Subject: "sms", Value: 99}
	var ids []string
	for _, s := range []Silence{{Rule: "age", Until: b.now.Add(10 * time.Minute)}, {Subject: "email", Until: b.now.Add(20 * time.Minute)}, {Until: b.now.Add(5 * time.Minute)}} {
		made, err := b.AddSilence(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, made.ID)
	}
	b.want(b.look(0, email, sms), "")
	b.want(b.look(6*time.Minute, email, sms), "")
	if err := b.DeleteSilence(ctx, ids[0]); err != nil {
		t.Fatal(err)
	}
	b.want(b.look(time.Second, email, sms), "fired age sms warning")
	b.want(b.look(15*time.Minute, email, sms), "fired age email warning")
}

// TestAddingAtOnceKeepsTheBound has more silences made at the same time than there may be.
func TestAddingAtOnceKeepsTheBound(t *testing.T) {
	b := newBench(t, cpu)
	var made atomic.Int64
	var all sync.WaitGroup
	for range 3 * maxSilences {
		all.Go(func() {
			_, err := b.AddSilence(t.Context(), Silence{Until: b.now.Add(time.Hour)})
			if err == nil {
				made.Add(1)
			} else if !errors.Is(err, ErrTooMany) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := made.Load(); n != maxSilences || len(b.Silences()) != maxSilences {
		t.Errorf("%d made, %d there", n, len(b.Silences()))
	}
}

// TestOnAFullDisk has the database refuse what is not essential.
func TestOnAFullDisk(t *testing.T) {
	quick := cpu
	quick.For = 0
	b := newBench(t, quick)
	b.close()
	b.reserve = math.MaxInt64 / 2
	b.open()
	batch := b.db.Batch()
	batch.Set(b.Engine.db.space, []byte("ordinary"), nil)
	if err := b.db.Commit(t.Context(), batch); err == nil {
		t.Fatal("the disk is not full")
	}
	b.want(b.look(0, load(95)), "fired cpu  critical")
	if _, err := b.AddSilence(t.Context(), Silence{Until: b.now.Add(time.Hour)}); err != nil {
		t.Errorf("who knows that the disk is full cannot be left in peace: %v", err)
	}
	b.close()
	b.open()
	if _, c := b.firing(); c != 1 || len(b.Silences()) != 1 {
		t.Error("not recorded")
	}
}

// TestWhatACrashCutsOffIsToldAfterIt ends between the record of an alert and the telling.
func TestWhatACrashCutsOffIsToldAfterIt(t *testing.T) {
	quick := cpu
	quick.For = 0
	b := newBench(t, quick)
	if list := b.Evaluate(t.Context(), []Reading{load(95)}); len(list) != 1 {
		t.Fatalf("%+v", list)
	}
	b.close()
	b.open()
	b.want(b.look(time.Second, load(95)), "fired cpu  critical")
	b.close()
	b.open()
	b.want(b.look(time.Second, load(95)), "")
}

func TestTwoOpenRecordsOfOneAlert(t *testing.T) {
	quick := cpu
	quick.For = 0
	b := newBench(t, quick)
	b.look(0, load(95))
	first, _ := b.Alerts(Query{})
	batch := b.db.Batch()
	copied, _ := b.db.Space("alert/").Get(alertKey(first[0].ID))
	batch.Set(b.Engine.db.space, alertKey(store.FormatID(idKind, 7)), []byte(strings.Replace(string(copied), first[0].ID, store.FormatID(idKind, 7), 1)))
	if err := b.db.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b.close()
	b.open()
	b.look(time.Second, load(1))
	if w, c := b.firing(); w+c != 0 {
		t.Errorf("%d fire for ever", w+c)
	}
}

// TestRandomRules changes rules and readings at random: whatever they are, what is listed are numbers and is bounded.
func TestRandomRules(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	limits := []float64{math.NaN(), 10, 50, 90}
	b := newBench(t)
	for range 3000 {
		if rng.IntN(4) == 0 {
			r := Rule{Name: "cpu", Below: rng.IntN(4) == 0, Warning: limits[rng.IntN(4)], Critical: limits[rng.IntN(4)], For: time.Duration(rng.IntN(3)) * time.Second, Keep: time.Duration(rng.IntN(3)) * time.Second}
			_ = b.SetRules([]Rule{r}, time.Duration(rng.IntN(20)-1)*time.Second) // those without sense are refused
		}
		b.look(time.Duration(rng.IntN(6)-1)*time.Second, load([]float64{0, 30, 70, 99, math.NaN(), math.Inf(1), math.Inf(-1)}[rng.IntN(7)]))
		if rng.IntN(200) == 0 {
			b.close()
			b.open()
		}
		list, _ := b.Alerts(Query{})
		firing := 0
		for _, a := range list {
			if a.State == Firing {
				firing++
			}
			if math.IsNaN(a.Limit) || math.IsNaN(a.Value) || math.IsInf(a.Value, 0) || a.Level == None || (a.State == Resolved) != (a.ResolvedAt != nil) {
				t.Fatalf("%+v", a)
			}
		}
		if firing > 1 || len(list) > maxHistory+1 {
			t.Fatalf("%d fire, %d in all", firing, len(list))
		}
	}
}

type notifier func(context.Context, Notification) error

func (f notifier) Notify(ctx context.Context, n Notification) error { return f(ctx, n) }

// lamed runs an engine in virtual time, with parts that do not do what they should, and counts what a good notifier is told.
func lamed(t *testing.T, hook func(store.Point) error, readings func(context.Context) []Reading, to ...Notifier) (told func() int) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Dir: filepath.Join(t.TempDir(), "db"), Reserve: 1, Ballast: -1, Hook: hook})
	if err != nil {
		t.Fatal(err)
	}
	quick := cpu
	quick.For = 0
	var n atomic.Int64
	to = append(to, notifier(func(context.Context, Notification) error { n.Add(1); return nil }))
	e, err := Open(t.Context(), Config{DB: db, Rules: []Rule{quick}, Readings: readings, Notifiers: to, Window: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.Run(ctx)
	}()
	t.Cleanup(func() {
		began := time.Now()
		cancel()
		<-done
		if took := time.Since(began); took > 2*heedTime {
			t.Errorf("the end took %v", took)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return func() int { return int(n.Load()) }
}

// swings gives readings that are beyond the limit every other time.
func swings() func(context.Context) []Reading {
	n := 0
	return func(context.Context) []Reading {
		n++
		return []Reading{load(float64(n%2) * 95)}
	}
}

func TestNotifiersThatPanicOrHang(t *testing.T) {
	for name, bad := range map[string]func(stuck chan struct{}) Notifier{
		"panics": func(chan struct{}) Notifier {
			return notifier(func(context.Context, Notification) error { panic("x") })
		},
		"blocks until its context ends": func(chan struct{}) Notifier {
			return notifier(func(ctx context.Context, _ Notification) error { <-ctx.Done(); return ctx.Err() })
		},
		"blocks for ever": func(stuck chan struct{}) Notifier {
			return notifier(func(context.Context, Notification) error { <-stuck; return nil })
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			stuck := make(chan struct{})
			t.Cleanup(func() { close(stuck) }) // after the engine's end
			told := lamed(t, nil, swings(), bad(stuck))
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			if n := told(); n < 15 || n > 21 {
				t.Errorf("%s: the other notifier was told %d times in five minutes", name, n)
			}
		})
	}
}

func TestReadingsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		var hang atomic.Bool
		swing := swings()
		told := lamed(t, nil, func(ctx context.Context) []Reading {
			if hang.Load() {
				<-stuck
			}
			return swing(ctx)
		})
		time.Sleep(time.Minute)
		hang.Store(true)
		time.Sleep(time.Hour)
		synctest.Wait()
		before := told()
		hang.Store(false)
		close(stuck)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := told() - before; n < 15 {
			t.Errorf("told %d times after they came back", n)
		}
	})
}

func TestADatabaseThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		told := lamed(t, func(p store.Point) error {
			if p == store.BeforeCommit {
				<-stuck
			}
			return nil
		}, swings())
		t.Cleanup(func() { close(stuck) }) // before the engine's end
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := told(); n < 15 {
			t.Errorf("told %d times in five minutes", n)
		}
	})
}
