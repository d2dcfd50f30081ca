package local

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/queue"
	"github.com/wayside-edge/wayside/internal/store"
)

const diskVar = "QUEUE_TEST_DISK"

// TestSmallDisk fills a real, small disk with jobs: new ones are refused, what is there is run and ends, and when there
// is room again the queue takes jobs without anybody's doing.
func TestSmallDisk(t *testing.T) {
	if root := os.Getenv(diskVar); root != "" {
		smallDisk(t, root)
		return
	}
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("mounting a small disk is not allowed here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, 0); err != nil {
			t.Error(err)
		}
	})
	// A full disk is a signal that kills: so it is another process.
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSmallDisk$", "-test.v")
	cmd.Env = append(os.Environ(), diskVar+"="+root)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out[:min(len(out), 4000)])
	}
}

func smallDisk(t *testing.T, root string) {
	t.Helper()
	recording := filepath.Join(root, "recording")
	if err := disk.Allocate(recording, 10<<20); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Config{Dir: filepath.Join(root, "db"), Reserve: 16 << 20, Ballast: 4 << 20, MemTableSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(t.Context(), Config{DB: db, SlotFile: filepath.Join(root, "slots")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(e.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	}()
	flow, err := e.CreateFlow(t.Context(), queue.Chain(flowJob("first"), flowJob("second"), flowJob("third")))
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(`"` + strings.Repeat("x", 50_000) + `"`)
	var jobs []queue.Job
	for {
		j, err := e.Enqueue(t.Context(), queue.New{Type: "a", Payload: payload})
		if err != nil {
			if !errcode.Is(err, errcode.DiskFull) || len(jobs) < 50 {
				t.Fatalf("after %d jobs: %v", len(jobs), err)
			}
			break
		}
		if jobs = append(jobs, j...); len(jobs) > 2000 {
			t.Fatal("the disk does not become full")
		}
	}
	refused(t, e, "CreateFlow", func() error {
		_, err := e.CreateFlow(t.Context(), []queue.FlowJob{flowJob("a")})
		return err
	})
	refused(t, e, "Import", func() error {
		_, err := e.Import(t.Context(), []queue.Exported{{Version: 1, Type: "a", Status: queue.Ready}})
		return err
	})
	ends(t, e, flow)
	if err := os.Remove(recording); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := e.Enqueue(t.Context(), queue.New{Type: "a", Payload: payload})
		if err == nil {
			break
		}
		if !errcode.Is(err, errcode.DiskFull) || time.Now().After(deadline) {
			t.Fatalf("with room again: %v", err)
		}
	}
	t.Logf("%d jobs", len(jobs))
}

// refused fills the disk to the last byte, and tries something that makes jobs. The database itself frees a little when it
// turns a log into a table, so that may take several times.
func refused(t *testing.T, e *Engine, what string, try func() error) {
	t.Helper()
	for range 1000 {
		var err error
		for err == nil {
			_, err = e.Enqueue(t.Context(), queue.New{Type: "a"})
		}
		if !errcode.Is(err, errcode.DiskFull) {
			t.Fatalf("Enqueue: %v", err)
		}
		switch err := try(); {
		case errcode.Is(err, errcode.DiskFull):
			return
		case err != nil:
			t.Fatalf("%s: %v", what, err)
		}
	}
	t.Errorf("%s is not refused on a full disk", what)
}

// ends finishes and cancels jobs below the reserve; a flow goes on to its end.
func ends(t *testing.T, e *Engine, flow queue.Flow) {
	t.Helper()
	for _, typ := range []string{"first", "second", "third"} {
		l, err := e.Lease(t.Context(), queue.LeaseRequest{Types: []string{typ}})
		if err != nil {
			t.Fatal(err)
		}
		mustFinish(t, e, l[0], queue.Outcome{Result: []byte(`"done"`)})
	}
	if f, err := e.Flow(t.Context(), flow.ID); err != nil || f.Status != queue.Completed {
		t.Errorf("the flow is %s, %v", f.Status, err)
	}
	for i := range 20 {
		l := mustLease(t, e)
		mustFinish(t, e, l, []queue.Outcome{{Result: []byte("1")}, {Err: errTest}}[i%2])
	}
	out := mustLeaseOutside(t, e, queue.ExternalRequest{Max: 5})
	for _, l := range out {
		if ended, err := e.FinishAll(t.Context(), []queue.End{{Lease: l.Lease}}); err != nil || ended[0].Lost || ended[0].Err != nil {
			t.Errorf("FinishAll on a full disk: %+v, %v", ended, err)
		}
	}
	page, err := e.List(t.Context(), queue.Filter{Status: []queue.Status{queue.Ready}, Limit: 1})
	if err != nil || len(page.Jobs) != 1 {
		t.Fatalf("List: %v, %v", page.Jobs, err)
	}
	if _, err := e.Cancel(t.Context(), page.Jobs[0].ID, nil); err != nil {
		t.Errorf("Cancel on a full disk: %v", err)
	}
}
