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

// timetable gives the times of a cron expression in a zone. The expression itself knows of no zones: it is asked for
// times of a clock on the wall, written as if they were UTC, and what clocks do twice a year is dealt with here.
type timetable struct {
	spec  *cron.SpecSchedule
	loc   *time.Location
	every bool // for every hour
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
	spec.Location = time.UTC
	return timetable{spec: spec, loc: loc, every: spec.Hour&allHours == allHours}, nil
}

// next gives the first time after t, zero if there is none.
//
// Where clocks go back, an expression for certain hours fires the first time only that the clock shows its time; one for
// every hour goes on as time does. Where they go forward, times of certain hours that the clock leaves out fire once, at
// the moment it is set; one for every hour misses nothing then, unless clocks go forward by a part of an hour.
//
// Offsets from UTC are constant between two changes of the clock, so the search goes from one to the next.
func (t timetable) next(after time.Time) time.Time {
	after = after.In(t.loc)
	shown := onWall(after)
	start, end := after.ZoneBounds()
	if !t.every && !start.IsZero() {
		shown = later(shown, onWall(start.Add(-time.Nanosecond)))
	}
	for {
		at := t.spec.Next(shown)
		if at.IsZero() {
			return at
		}
		if at = asUTC(at, after); end.IsZero() || at.Before(end) {
			return at
		}
		before, then := onWall(end.Add(-time.Nanosecond)), onWall(end)
		gap := then.Sub(before) - time.Nanosecond // what the clock leaves out; negative: what it shows again
		if left := !t.every || gap%time.Hour != 0; left && at.Before(end.Add(gap)) {
			return end.UTC()
		}
		shown = then.Add(-time.Nanosecond)
		if !t.every {
			shown = later(shown, before)
		}
		after = end
		_, end = end.ZoneBounds()
	}
}

// onWall gives what a clock on the wall shows, as if it were UTC.
func onWall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// asUTC gives the time at which a clock with the offset of a moment shows something.
func asUTC(shown, moment time.Time) time.Time {
	_, offset := moment.Zone()
	return shown.Add(-time.Duration(offset) * time.Second)
}
