package observe

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func is(s Status, detail string) Check {
	return func(context.Context) (Status, string) { return s, detail }
}

func TestReady(t *testing.T) {
	var h Health
	if r := h.Ready(t.Context()); r.Ready || r.Status != Down || r.Components[0].Detail != "starting" {
		t.Errorf("before the start: %+v", r)
	}
	h.Started()
	h.Register("store", true, is(OK, ""))
	h.Register("disk", false, is(Degraded, "little space left, password=x"))
	h.Register("plugins", false, is(Down, "none"))
	want := Report{Status: Degraded, Ready: true, Components: []Component{
		{"appliance", OK, ""}, {"disk", Degraded, "little space left, password=***REDACTED***"}, {"plugins", Down, "none"}, {"store", OK, ""},
	}}
	if d := cmp.Diff(want, h.Ready(t.Context())); d != "" {
		t.Error(d)
	}
	h.Register("store", true, is(Degraded, ""))
	if r := h.Ready(t.Context()); !r.Ready || r.Status != Degraded || len(r.Components) != 4 {
		t.Errorf("a degraded essential part: %+v", r)
	}
	for name, check := range map[string]Check{
		"down":   is(Down, "broken"),
		"panics": func(context.Context) (Status, string) { panic("x") },
		"lies":   is("fine", ""),
	} {
		h.Register("store", true, check)
		if r := h.Ready(t.Context()); r.Ready || r.Status != Down {
			t.Errorf("%s: %+v", name, r)
		}
	}
	h.Register("store", true, is(OK, ""))
	h.Stopping()
	h.Started() // late: it does not undo the stop
	if r := h.Ready(t.Context()); r.Ready || r.Components[0].Detail != "stopping" {
		t.Errorf("while stopping: %+v", r)
	}
}

func TestSlowCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Health
		h.Started()
		h.Register("a slow", false, func(ctx context.Context) (Status, string) {
			<-ctx.Done()
			return Degraded, "no answer"
		})
		h.Register("later", true, is(OK, ""))
		start := time.Now()
		r := h.Ready(t.Context())
		if took := time.Since(start); took != checkTime {
			t.Errorf("took %v", took)
		}
		if !r.Ready || r.Status != Degraded || !strings.Contains(r.Components[2].Detail, "in time") {
			t.Errorf("report %+v", r)
		}
	})
}
