package local

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
		// Clocks go forward from 2:00 to 3:00: what would have been in between comes an hour later on the wall.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}},
		{"30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", []string{"2026-03-08T07:30:00Z", "2026-03-09T06:30:00Z"}},
		{"0 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		// Clocks go back from 3:00 to 2:00: the same time on the wall fires once.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
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
	got := table.last(epoch, upTo, 3)
	want := []time.Time{upTo.Add(-130 * time.Minute), upTo.Add(-70 * time.Minute), upTo.Add(-10 * time.Minute)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := table.last(upTo.Add(-time.Minute), upTo, 3); got != nil {
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
