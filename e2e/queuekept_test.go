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
	if !strings.Contains(a.log.tail(), "queue.weights: mine: 9") {
		t.Errorf("the start does not say what holds instead of the configuration\n%s", a.log.tail())
	}
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

	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	const said = "set over the API, and in effect instead of the configuration: queue.mode: strict, queue.ageing: 1m30s, queue.weights: mine: 9"
	for limit := time.Now().Add(30 * time.Second); !strings.Contains(a.log.tail(), said); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("the reload does not say what it does not change\n%s", a.log.tail())
		}
	}
	check("reloaded")
	if out := a.said("queues", "mode", "configured", "--server", a.url); !strings.Contains(out, "mode weighted (as configured)\nageing 20m (as configured)") {
		t.Errorf("taken back: %s", out)
	}
}
