//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/sdk/client"
)

// TestSetStaysSet changes mode, weights, a queue and a worker while the appliance runs, and kills it: all of it holds then,
// and a reload with another configuration says that it does not change it.
func TestSetStaysSet(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "wayside.yaml")
	configure := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("queue: {weights: {mine: 4}}\n")
	a := start(t, dir, "--config", file)
	c := a.jobs()
	enqueueJob(t, c, client.NewJob{Type: "x", Queue: "mine"})
	enqueueJob(t, c, client.NewJob{Type: "x", Queue: "mine"})
	held := leaseJobs(t, c, client.LeaseRequest{})
	if len(held) != 1 {
		t.Fatalf("leased %+v", held)
	}
	must[client.QueueMode](t)(c.ChangeQueueMode(t.Context(), client.QueueModePatch{"mode": client.Strict, "ageing": 90}))
	must[client.Queue](t)(c.ChangeQueue(t.Context(), "mine", client.QueuePatch{"weight": 9}))
	must[client.Queue](t)(c.DrainQueue(t.Context(), "mine", 0))
	must[client.Worker](t)(c.DrainWorker(t.Context(), "w"))

	a.kill()
	configure("queue: {mode: weighted, ageing: 20m, weights: {mine: 2, email: 7}}\n")
	a = start(t, dir, "--config", file)
	c = a.jobs()
	check := func(when string) {
		t.Helper()
		m := must[client.QueueMode](t)(c.QueueMode(t.Context()))
		if m.Mode != client.Strict || m.Ageing != 90 || m.Configured.Mode != client.Weighted || m.Set.Mode == nil || m.Set.Ageing == nil {
			t.Errorf("%s the mode is %+v", when, m)
		}
		q := must[client.Queue](t)(c.Queue(t.Context(), "mine"))
		if q.Weight != 9 || q.ConfiguredWeight != 2 || !q.Paused {
			t.Errorf("%s the queue is %+v", when, q)
		}
		if q := must[client.Queue](t)(c.Queue(t.Context(), "email")); q.Weight != 7 {
			t.Errorf("%s the weight of email is %d", when, q.Weight)
		}
	}
	check("started again")
	until(t, "the start says what holds instead of the configuration", func() bool { return strings.Contains(a.log.all(), "queue.weights: mine: 9") })
	if q := must[client.Queue](t)(c.Queue(t.Context(), "mine")); !q.Draining || q.Drained {
		t.Errorf("with a job at work the queue is %+v", q)
	}
	if all := must[[]client.Worker](t)(c.Workers(t.Context())); len(all) == 0 || all[len(all)-1].ID != "w" || !all[len(all)-1].Draining {
		t.Errorf("the workers are %+v", all)
	}
	must[client.Ended](t)(c.Finish(t.Context(), "w", client.Ends{Ack: []client.Ack{{ID: held[0].ID, Lease: held[0].Lease}}}))
	if q := must[client.Queue](t)(c.Queue(t.Context(), "mine")); q.Draining || !q.Drained {
		t.Errorf("with nothing at work the queue is %+v", q)
	}

	const said = "set over the API, and in effect instead of the configuration: queue.mode: strict, queue.ageing: 1m30s, queue.weights: mine: 9"
	before := strings.Count(a.log.all(), said) // the start may say it too
	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(30 * time.Second); strings.Count(a.log.all(), said) == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("the reload does not say what it does not change\n%s", a.log.tail())
		}
	}
	check("reloaded")
	if out := a.said("queues", "mode", "configured", "--server", a.url); !strings.Contains(out, "mode weighted (as configured)\nageing 20m (as configured)") {
		t.Errorf("taken back: %s", out)
	}
}

// TestDeadLettersOfSchedules finds the dead jobs of one schedule by the command line, and brings them back and no others.
func TestDeadLettersOfSchedules(t *testing.T) {
	a := start(t, t.TempDir())
	c := a.jobs()
	run := func(args ...string) string {
		t.Helper()
		return a.said(append(args, "--server", a.url)...)
	}
	for _, id := range []string{"nightly", "weekly"} {
		if out := run("schedules", "set", id, "--cron", "0 3 1 1 *", "--type", "report"); !strings.Contains(out, id) {
			t.Fatal(out)
		}
	}
	dead := map[string]string{}
	for _, id := range []string{"nightly", "weekly", ""} {
		var j client.Job
		if id == "" {
			j = enqueueJob(t, c, client.NewJob{Type: "report"})
		} else {
			j = must[client.Job](t)(c.RunSchedule(t.Context(), id))
		}
		dead[id] = j.ID
		for _, l := range leaseJobs(t, c, client.LeaseRequest{}) {
			must[client.Ended](t)(c.Finish(t.Context(), "w", client.Ends{Fail: []client.Fail{{ID: l.ID, Lease: l.Lease, Dead: true}}}))
		}
	}
	out := run("jobs", "list", "--status", "dead", "--schedule", "nightly")
	if !strings.Contains(out, dead["nightly"]) || strings.Contains(out, dead["weekly"]) || strings.Contains(out, dead[""]) {
		t.Errorf("the dead jobs of nightly (%v):\n%s", dead, out)
	}
	if out := run("jobs", "retry", "--status", "dead", "--schedule", ""); !strings.Contains(out, "--schedule: it is empty") {
		t.Errorf("an empty schedule: %s", out)
	}
	if out := run("jobs", "retry", "--status", "dead", "--schedule", "nightly"); !strings.Contains(out, "1 of 1 jobs ready") {
		t.Errorf("brought back: %s", out)
	}
	for id, want := range map[string]string{"nightly": "ready", "weekly": "dead", "": "dead"} {
		if j := must[client.Job](t)(c.Job(t.Context(), dead[id])); j.Status != want {
			t.Errorf("the job of schedule %q is %s, want %s", id, j.Status, want)
		}
	}
	if out := run("jobs", "delete", "--status", "dead", "--schedule", "weekly"); !strings.Contains(out, "1 of 1 jobs deleted") {
		t.Errorf("deleted: %s", out)
	}
}
