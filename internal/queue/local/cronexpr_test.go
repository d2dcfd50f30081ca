package local

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
)

func mustCron(tb testing.TB, text, zone string) timetable {
	tb.Helper()
	t, err := parseCron(text, zone)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return t
}

func TestCronTimes(t *testing.T) {
	for _, c := range []struct {
		cron, zone, after string
		want              []string
	}{
		{"*/15 * * * *", "", "2026-03-01T12:07:30Z", []string{"2026-03-01T12:15:00Z", "2026-03-01T12:30:00Z"}},
		{"30 0 3 * * *", "", "2026-03-01T12:00:00Z", []string{"2026-03-02T03:00:30Z", "2026-03-03T03:00:30Z"}},
		{"@daily", "Asia/Taipei", "2026-03-01T12:00:00Z", []string{"2026-03-01T16:00:00Z", "2026-03-02T16:00:00Z"}},
		{"0 0 29 2 *", "", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		{"0 12 L * *", "", "2026-02-01T00:00:00Z", []string{"2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z"}},
		{"0 12 * * FRI#3", "", "2026-02-01T00:00:00Z", []string{"2026-02-20T12:00:00Z", "2026-03-20T12:00:00Z"}},
		// Day of month and day of week, both given: either is enough.
		{"0 0 13 * FRI", "", "2026-03-01T00:00:00Z", []string{"2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z", "2026-03-20T00:00:00Z"}},
		// Clocks go forward from 2:00 to 3:00: what is left out comes at the moment they are set.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"30 2 * * *", "Europe/Berlin", "2026-03-29T00:59:59Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", []string{"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}},
		{"*/20 1-2 * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", []string{"2026-03-29T00:40:00Z", "2026-03-29T01:00:00Z", "2026-03-29T23:00:00Z"}},
		{"0 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		{"30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", []string{"2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"}},
		// The same at midnight, and by half an hour.
		{"0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", []string{"2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"}},
		{"10 0 * * *", "America/Havana", "2026-03-07T12:00:00Z", []string{"2026-03-08T05:00:00Z", "2026-03-09T04:10:00Z"}},
		{"15 * * * *", "Australia/Lord_Howe", "2026-10-03T15:00:00Z", []string{"2026-10-03T15:30:00Z", "2026-10-03T16:15:00Z"}},
		// Clocks go back from 3:00 to 2:00: the same time on the wall fires once.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", []string{"2026-10-26T01:30:00Z"}},
		{"0 3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"}},
		{"30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", []string{"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
		// One for every hour goes on as time does.
		{"30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
	} {
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		table := mustCron(t, c.cron, c.zone)
		var got []string
		for range c.want {
			at = table.next(at)
			got = append(got, at.Format(time.RFC3339))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s in %q after %s (-want +got):\n%s", c.cron, c.zone, c.after, diff)
		}
	}
}

// TestCronCounted compares expressions, around every change of the clock in some zones, with a clock on the wall that is
// looked at every minute.
func TestCronCounted(t *testing.T) {
	changes := map[string][]time.Time{}
	for _, zone := range []string{
		"Europe/Berlin", "America/New_York", "Africa/Cairo", "America/Havana", "Australia/Lord_Howe", "Asia/Taipei", "Pacific/Chatham",
	} {
		loc := mustCron(t, "@daily", zone).loc
		for at, n := epoch.In(loc), 0; n < 4; n++ {
			if _, at = at.ZoneBounds(); at.IsZero() {
				changes[zone] = append(changes[zone], epoch) // it has none any more
				break
			}
			changes[zone] = append(changes[zone], at)
		}
	}
	zones := slices.Sorted(maps.Keys(changes))
	rapid.Check(t, func(rt *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(rt, "zone")
		change := rapid.SampledFrom(changes[zone]).Draw(rt, "change")
		hours := rapid.SliceOfNDistinct(rapid.IntRange(0, 4), 0, 3, rapid.ID).Draw(rt, "hours")
		minutes := rapid.SliceOfNDistinct(rapid.SampledFrom([]int{0, 1, 10, 15, 29, 30, 31, 45, 59}), 1, 4, rapid.ID).Draw(rt, "minutes")
		days := rapid.SampledFrom([]string{"* * *", "* * SUN", "* * MON-FRI"}).Draw(rt, "days")
		text := fmt.Sprintf("%s %s %s", listed(minutes), listed(hours), days)
		table := mustCron(t, text, zone)
		from := change.Add(-time.Duration(rapid.IntRange(0, 26*60*60).Draw(rt, "before")) * time.Second)
		upTo := change.Add(26 * time.Hour)
		want := counted(from, upTo, table.loc, func(w time.Time) bool {
			day := days == "* * *" || (days == "* * SUN") == (w.Weekday() == time.Sunday) && (days == "* * SUN" || w.Weekday() != time.Saturday)
			return day && slices.Contains(minutes, w.Minute()) && (len(hours) == 0 || slices.Contains(hours, w.Hour()))
		}, len(hours) == 0)
		var got []string
		for at := table.next(from); !at.After(upTo); at = table.next(at) {
			got = append(got, at.In(table.loc).Format(time.RFC3339))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("%s in %s from %s (-want +got):\n%s", text, zone, from.In(table.loc), diff)
		}
	})
}

func listed(values []int) string {
	if len(values) == 0 {
		return "*"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(values), " ", ","), "[]")
}

// counted gives the times after one and up to another, by looking at every minute what a clock shows and has shown.
func counted(from, upTo time.Time, loc *time.Location, matches func(wall time.Time) bool, every bool) (out []string) {
	shown := time.Time{} // the latest that the clock has shown
	for at := from.Add(-48 * time.Hour).Truncate(time.Minute); !at.After(upTo); at = at.Add(time.Minute) {
		wall := onWall(at.In(loc))
		fires := matches(wall) && (every || wall.After(shown))
		if gap := wall.Sub(shown); gap > time.Minute && !shown.IsZero() && (!every || gap%time.Hour != time.Minute) {
			for left := shown.Add(time.Minute); left.Before(wall); left = left.Add(time.Minute) {
				fires = fires || matches(left)
			}
		}
		if fires && at.After(from) {
			out = append(out, at.In(loc).Format(time.RFC3339))
		}
		shown = later(shown, wall)
	}
	return out
}

func TestCronNever(t *testing.T) {
	if at := mustCron(t, "0 0 30 2 *", "").next(epoch); !at.IsZero() {
		t.Errorf("the 30th of February is %s", at)
	}
}

func TestCronRefused(t *testing.T) {
	for text, zone := range map[string]string{
		"": "", "* * * *": "", "61 * * * *": "", "* * * * * * *": "", "@every 5m": "", "@reboot": "", "TZ=UTC * * * * *": "",
		"CRON_TZ=UTC @daily": "", "@daily": "Europe/Nowhere", "0 0 * * MOO": "", string(make([]byte, 300)): "",
	} {
		if _, err := parseCron(text, zone); !errcode.Is(err, errcode.ValidationFailed) {
			t.Errorf("%q in %q: %v", text, zone, err)
		}
	}
}

func TestCronLast(t *testing.T) {
	table := mustCron(t, "0 * * * *", "")
	upTo := epoch.AddDate(3, 0, 0).Add(10 * time.Minute)
	got := lastOf3(table, epoch, upTo)
	want := []time.Time{upTo.Add(-130 * time.Minute), upTo.Add(-70 * time.Minute), upTo.Add(-10 * time.Minute)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := lastOf3(table, upTo.Add(-time.Minute), upTo); got != nil {
		t.Errorf("none was to come, got %v", got)
	}
}

func FuzzCron(f *testing.F) {
	for _, s := range []string{"* * * * *", "0 0 L-3 * MON#L", "*/5 0-23/2 1,15 JAN-MAR ?", "@weekly", "0 0 15W * *", "59 59 23 31 12 7"} {
		f.Add(s, "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, text, zone string) {
		table, err := parseCron(text, zone)
		if err != nil {
			return
		}
		at := epoch
		for range 3 {
			next := table.next(at)
			if next.IsZero() {
				return
			}
			if !next.After(at) {
				t.Fatalf("%s after %s is %s", text, at, next)
			}
			at = next
		}
	})
}

func lastOf3(table timetable, after, upTo time.Time) []time.Time {
	return newPlan(planRecord{Through: after}, table).last(upTo, 3)
}
