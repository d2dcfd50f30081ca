package local

import (
	"strings"
	"time"

	"github.com/netresearch/go-cron"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/zone"
)

// cronFields are the parts of a cron expression that are understood: see docs/schedules.md.
const cronFields = cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor |
	cron.DowNth | cron.DowLast | cron.DomL | cron.DomW | cron.DowOrDom

const (
	maxCronText = 256
	allHours    = 1<<24 - 1
	searchYears = 12 // a 29th of February comes within eight years, or twelve around a year like 2100
)

// timetable gives the times of a cron expression in a zone.
type timetable struct {
	spec *cron.SpecSchedule
	loc  *time.Location
}

// parseCron reads a cron expression.
func parseCron(text, timezone string) (timetable, error) {
	if len(text) > maxCronText {
		return timetable{}, errcode.Invalid("cron", "at most %d bytes", maxCronText)
	}
	loc := time.UTC
	if timezone != "" {
		var err error
		if loc, err = zone.Load(timezone); err != nil {
			return timetable{}, errcode.Invalid("timezone", "%q is no IANA time zone", timezone)
		}
	}
	trimmed := strings.TrimSpace(text)
	switch upper := strings.ToUpper(trimmed); {
	case trimmed == "":
		return timetable{}, errcode.Invalid("cron", "an expression like 0 3 * * *")
	case strings.HasPrefix(upper, "TZ=") || strings.HasPrefix(upper, "CRON_TZ="):
		return timetable{}, errcode.Invalid("cron", "the time zone has a field of its own")
	case strings.HasPrefix(upper, "@EVERY"):
		return timetable{}, errcode.Invalid("cron", "@every has no fixed times; write for example */5 * * * *")
	case strings.HasPrefix(upper, "@REBOOT"):
		return timetable{}, errcode.Invalid("cron", "@reboot is no time")
	}
	parsed, err := cron.MustNewParser(cronFields).WithMaxSearchYears(searchYears).Parse(trimmed)
	if err != nil {
		return timetable{}, errcode.Invalid("cron", "%v", err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return timetable{}, errcode.Invalid("cron", "not an expression of times")
	}
	spec.Location = loc
	return timetable{spec: spec, loc: loc}, nil
}

// next gives the first time after t, zero if there is none. Where clocks go back, an expression for certain hours fires
// the first time only; one for every hour goes on as time does. Where they go forward, a time that does not exist fires
// when it would have been without the change: 2:30 is 3:30 then.
func (t timetable) next(after time.Time) time.Time {
	every := t.spec.Hour&allHours == allHours
	for {
		n := t.spec.Next(after.In(t.loc))
		if n.IsZero() {
			return time.Time{}
		}
		if every || !repeated(n) {
			return n.UTC()
		}
		after = n
	}
}

// repeated reports whether a clock on the wall has shown the time before, because it was set back in between.
func repeated(t time.Time) bool {
	start, _ := t.ZoneBounds()
	if start.IsZero() {
		return false
	}
	_, now := t.Zone()
	_, before := start.Add(-time.Nanosecond).In(t.Location()).Zone()
	return before > now && t.Sub(start) < time.Duration(before-now)*time.Second
}

// last gives the last times after one and up to another, at most n, in their order.
func (t timetable) last(after, upTo time.Time, n int) []time.Time {
	// Looking back over longer and longer spans costs a few times n, however long nothing was looked for.
	for span := time.Minute; ; span *= 4 {
		from := upTo.Add(-span)
		whole := !from.After(after)
		if whole {
			from = after
		}
		var out []time.Time
		for at := t.next(from); !at.IsZero() && !at.After(upTo); at = t.next(at) {
			out = append(out, at)
		}
		if whole || len(out) >= n {
			return out[max(0, len(out)-n):]
		}
	}
}
