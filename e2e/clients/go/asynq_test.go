package clients

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// heldBy names the address of the server for a worker that holds a task until it is killed.
const heldBy = "ASYNQ_WORKER"

func TestMain(m *testing.M) {
	if addr := os.Getenv(heldBy); addr != "" {
		hold(addr)
	}
	os.Exit(m.Run())
}

// hold is a worker in a process of its own, which takes a task and never ends it.
func hold(addr string) {
	srv := asynq.NewServer(asynq.RedisClientOpt{Addr: addr, DB: 1}, asynq.Config{Concurrency: 1, LogLevel: asynq.FatalLevel, TaskCheckInterval: 50 * time.Millisecond})
	err := srv.Run(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		fmt.Println("took", task.Type())
		select {}
	}))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// asynqRig is a client, an inspector, and the tasks that a handler saw.
type asynqRig struct {
	t         *testing.T
	opt       asynq.RedisClientOpt
	client    *asynq.Client
	inspector *asynq.Inspector

	mu   sync.Mutex
	seen []string
}

func newAsynq(t *testing.T, s *server) *asynqRig {
	t.Helper()
	opt := asynq.RedisClientOpt{Addr: s.addr, DB: 1}
	r := &asynqRig{t: t, opt: opt, client: asynq.NewClient(opt), inspector: asynq.NewInspector(opt)}
	t.Cleanup(func() { _ = r.client.Close(); _ = r.inspector.Close() })
	return r
}

// serve handles tasks until the test ends, and notes each run.
func (r *asynqRig) serve(queues map[string]int, handle func(context.Context, *asynq.Task) error) {
	r.t.Helper()
	srv := asynq.NewServer(r.opt, asynq.Config{
		Concurrency: 1, Queues: queues, StrictPriority: true, LogLevel: asynq.FatalLevel, ShutdownTimeout: 2 * time.Second,
		TaskCheckInterval: 20 * time.Millisecond, DelayedTaskCheckInterval: 50 * time.Millisecond,
		RetryDelayFunc: func(n int, _ error, _ *asynq.Task) time.Duration { return time.Duration(n+2) * time.Second },
	})
	err := srv.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		r.mu.Lock()
		r.seen = append(r.seen, task.Type()+string(task.Payload()))
		r.mu.Unlock()
		return handle(ctx, task)
	}))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(srv.Shutdown)
}

func (r *asynqRig) runs(of string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.seen {
		if s == of {
			n++
		}
	}
	return n
}

func (r *asynqRig) add(typ, payload string, opts ...asynq.Option) *asynq.TaskInfo {
	r.t.Helper()
	return ok[*asynq.TaskInfo](r.t)(r.client.Enqueue(asynq.NewTask(typ, []byte(payload)), opts...))
}

// TestAsynq produces, consumes, retries and schedules in one server's life.
func TestAsynq(t *testing.T) {
	s := open(t)
	t.Run("order", func(t *testing.T) { asynqOrder(t, newAsynq(t, s)) })
	t.Run("retry", func(t *testing.T) { asynqRetry(t, newAsynq(t, s)) })
	t.Run("schedule", func(t *testing.T) { asynqSchedule(t, newAsynq(t, s)) })
	t.Run("unique", func(t *testing.T) { asynqUnique(t, newAsynq(t, s)) })
	t.Run("inspector", func(t *testing.T) { asynqInspector(t, newAsynq(t, s)) })
	t.Run("cancel", func(t *testing.T) { asynqCancel(t, newAsynq(t, s)) })
	t.Run("dead worker", func(t *testing.T) { asynqDeadWorker(t, s, newAsynq(t, s)) })
	t.Run("killed server", func(t *testing.T) { asynqKilledServer(t, s, newAsynq(t, s)) })
}

func asynqOrder(t *testing.T, r *asynqRig) {
	for i := range 3 {
		r.add("low", fmt.Sprint(i), asynq.Queue("low"))
	}
	for i := range 3 {
		r.add("high", fmt.Sprint(i), asynq.Queue("high"))
	}
	kept := r.add("result", "", asynq.Queue("low"), asynq.Retention(time.Hour))
	r.serve(map[string]int{"high": 6, "low": 1}, func(_ context.Context, task *asynq.Task) error {
		if task.Type() != "result" {
			return nil
		}
		_, err := task.ResultWriter().Write([]byte("grüße"))
		return err
	})
	until(t, "all seven", func() bool { return r.runs("result") == 1 })
	want(t, "order", r.seen, "[high0 high1 high2 low0 low1 low2 result]")
	until(t, "the result is kept", func() bool {
		info, err := r.inspector.GetTaskInfo("low", kept.ID)
		return err == nil && info.State == asynq.TaskStateCompleted && string(info.Result) == "grüße"
	})
	q := ok[*asynq.QueueInfo](t)(r.inspector.GetQueueInfo("high"))
	want(t, "processed", fmt.Sprint(q.Processed, q.Failed, q.Size), "3 0 0")
}

func asynqRetry(t *testing.T, r *asynqRig) {
	var times []time.Time
	r.serve(map[string]int{"retry": 1}, func(_ context.Context, task *asynq.Task) error {
		switch task.Type() {
		case "flaky":
			if times = append(times, time.Now()); len(times) < 3 {
				return errors.New("not yet")
			}
			return nil
		case "skip":
			return fmt.Errorf("no use: %w", asynq.SkipRetry)
		case "panics":
			panic("as it may")
		}
		return errors.New("always")
	})
	runs := map[string]int{"skip": 1, "always": 2, "panics": 2}
	ids := map[string]string{}
	for typ := range runs {
		ids[typ] = r.add(typ, "", asynq.Queue("retry"), asynq.MaxRetry(1)).ID
	}
	r.add("flaky", "", asynq.Queue("retry"), asynq.MaxRetry(5))
	until(t, "the third run", func() bool { return r.runs("flaky") == 3 })
	if first, second := times[1].Sub(times[0]), times[2].Sub(times[1]); first < time.Second || second < 2*time.Second { // in whole seconds, which have begun
		t.Errorf("delays %v, %v", first, second)
	}
	for typ, runs := range runs {
		until(t, typ+" is archived", func() bool {
			now, err := r.inspector.GetTaskInfo("retry", ids[typ])
			return err == nil && now.State == asynq.TaskStateArchived
		})
		want(t, typ+": runs", r.runs(typ), fmt.Sprint(runs))
	}
}

func asynqSchedule(t *testing.T, r *asynqRig) {
	r.serve(map[string]int{"later": 1}, func(context.Context, *asynq.Task) error { return nil })
	began := time.Now()
	r.add("soon", "", asynq.Queue("later"), asynq.ProcessIn(2*time.Second))
	late := r.add("late", "", asynq.Queue("later"), asynq.ProcessAt(began.Add(time.Hour)))
	want(t, "scheduled", len(ok[[]*asynq.TaskInfo](t)(r.inspector.ListScheduledTasks("later"))), "2")
	until(t, "the first", func() bool { return r.runs("soon") == 1 })
	if took := time.Since(began); took < time.Second {
		t.Errorf("it ran after %v", took)
	}
	want(t, "runs of the late one", r.runs("late"), "0")
	if err := r.inspector.RunTask("later", late.ID); err != nil {
		t.Fatal(err)
	}
	until(t, "the late one", func() bool { return r.runs("late") == 1 })

	scheduler := asynq.NewScheduler(r.opt, &asynq.SchedulerOpts{LogLevel: asynq.FatalLevel})
	ok[string](t)(scheduler.Register("@every 1s", asynq.NewTask("tick", nil), asynq.Queue("later")))
	if err := scheduler.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "two ticks", func() bool { return r.runs("tick") >= 2 })
	until(t, "the entry is shown", func() bool {
		entries, err := r.inspector.SchedulerEntries()
		return err == nil && len(entries) == 1 && entries[0].Spec == "@every 1s"
	})
	scheduler.Shutdown()
}

func asynqUnique(t *testing.T, r *asynqRig) {
	hold := make(chan struct{})
	r.serve(map[string]int{"unique": 1}, func(context.Context, *asynq.Task) error { <-hold; return nil })
	unique := []asynq.Option{asynq.Queue("unique"), asynq.Unique(time.Minute)}
	r.add("once", "a", unique...)
	_, err := r.client.Enqueue(asynq.NewTask("once", []byte("a")), unique...)
	if !errors.Is(err, asynq.ErrDuplicateTask) {
		t.Errorf("the same again: %v", err)
	}
	r.add("once", "b", unique...)
	_, err = r.client.Enqueue(asynq.NewTask("id", nil), asynq.Queue("unique"), asynq.TaskID("mine"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.client.Enqueue(asynq.NewTask("id", nil), asynq.Queue("unique"), asynq.TaskID("mine")); !errors.Is(err, asynq.ErrTaskIDConflict) {
		t.Errorf("the same id again: %v", err)
	}
	close(hold)
	until(t, "all three", func() bool { return r.runs("oncea") == 1 && r.runs("onceb") == 1 && r.runs("id") == 1 })
	until(t, "it may come again", func() bool {
		_, err := r.client.Enqueue(asynq.NewTask("once", []byte("a")), unique...)
		return err == nil
	})
}

func asynqInspector(t *testing.T, r *asynqRig) {
	var ids []string
	for i := range 10 {
		ids = append(ids, r.add("inspected", fmt.Sprint(i), asynq.Queue("inspected")).ID)
	}
	queues := ok[[]string](t)(r.inspector.Queues())
	if !slices.Contains(queues, "inspected") {
		t.Errorf("queues: %v", queues)
	}
	page := ok[[]*asynq.TaskInfo](t)(r.inspector.ListPendingTasks("inspected", asynq.PageSize(4), asynq.Page(2)))
	want(t, "second page", len(page), "4")
	if err := r.inspector.PauseQueue("inspected"); err != nil {
		t.Fatal(err)
	}
	r.serve(map[string]int{"inspected": 1, "beside": 1}, func(context.Context, *asynq.Task) error { return nil })
	r.add("beside", "", asynq.Queue("beside"))
	until(t, "the other queue goes on", func() bool { return r.runs("beside") == 1 })
	want(t, "runs of the paused queue", r.runs("inspected0"), "0")
	info := ok[*asynq.QueueInfo](t)(r.inspector.GetQueueInfo("inspected"))
	if !info.Paused || info.Pending != 10 || info.MemoryUsage <= 0 { // memory is MEMORY USAGE within a script
		t.Errorf("queue: %+v", info)
	}
	if err := errors.Join(r.inspector.DeleteTask("inspected", ids[0]), r.inspector.ArchiveTask("inspected", ids[1])); err != nil {
		t.Fatal(err)
	}
	want(t, "archived", len(ok[[]*asynq.TaskInfo](t)(r.inspector.ListArchivedTasks("inspected"))), "1")
	want(t, "run again", ok[int](t)(r.inspector.RunAllArchivedTasks("inspected")), "1")
	servers := ok[[]*asynq.ServerInfo](t)(r.inspector.Servers())
	if !slices.ContainsFunc(servers, func(s *asynq.ServerInfo) bool { return s.PID == os.Getpid() && s.Queues["beside"] == 1 }) {
		t.Errorf("servers: %v", servers)
	}
	if err := r.inspector.UnpauseQueue("inspected"); err != nil {
		t.Fatal(err)
	}
	until(t, "the rest", func() bool { return r.runs("inspected1") == 1 && r.runs("inspected9") == 1 })
	want(t, "runs of the deleted one", r.runs("inspected0"), "0")
	until(t, "the queue is empty and goes", func() bool { return r.inspector.DeleteQueue("inspected", false) == nil })
}

// asynqCancel cancels a task that runs, which goes over pub/sub.
func asynqCancel(t *testing.T, r *asynqRig) {
	began, ended := make(chan struct{}), make(chan error, 1)
	r.serve(map[string]int{"cancel": 1}, func(ctx context.Context, _ *asynq.Task) error {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil
	})
	info := r.add("long", "", asynq.Queue("cancel"))
	receive(t, "the task runs", began)
	until(t, "it is cancelled", func() bool {
		_ = r.inspector.CancelProcessing(info.ID)
		return len(ended) == 1
	})
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// asynqDeadWorker kills a worker that holds a task: when its lease is over, another worker gets it.
func asynqDeadWorker(t *testing.T, s *server, r *asynqRig) {
	info := r.add("held", "", asynq.MaxRetry(3))
	worker := exec.Command(os.Args[0])
	worker.Env = append(os.Environ(), heldBy+"="+s.addr)
	out, err := worker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	_ = worker.Process.Kill()
	_ = worker.Wait()
	want(t, "the worker", line, "took held\n")
	want(t, "state", ok[*asynq.TaskInfo](t)(r.inspector.GetTaskInfo("default", info.ID)).State, "active")
	want(t, "leases", endLeases(t, s, "default"), "1")
	r.serve(map[string]int{"default": 1}, func(context.Context, *asynq.Task) error { return nil })
	until(t, "another worker has it", func() bool { return r.runs("held") == 1 })
	want(t, "active", len(ok[[]*asynq.TaskInfo](t)(r.inspector.ListActiveTasks("default"))), "0")
}

// endLeases has the leases of a queue be over; it gives how many there are. A lease is half a minute, and asynq waits for
// another half.
func endLeases(t *testing.T, s *server, queue string) int {
	t.Helper()
	ctx, c, key := limited(t), s.client(1), "asynq:{"+queue+"}:lease"
	held := ok[[]string](t)(c.ZRange(ctx, key, 0, -1).Result())
	for _, id := range held {
		ok[int64](t)(c.ZAddXX(ctx, key, redis.Z{Score: float64(time.Now().Add(-time.Minute).Unix()), Member: id}).Result())
	}
	return len(held)
}

// asynqKilledServer kills the server between producers and a worker: each task that was acknowledged runs.
func asynqKilledServer(t *testing.T, s *server, r *asynqRig) {
	r.serve(map[string]int{"kept": 1}, func(context.Context, *asynq.Task) error { return nil })
	var acknowledged []string
	for i := range 400 {
		if i%150 == 149 {
			s.kill()
			s.start()
		}
		payload := fmt.Sprint(i)
		until(t, "the server takes a task", func() bool {
			_, err := r.client.Enqueue(asynq.NewTask("kept", []byte(payload)), asynq.Queue("kept"), asynq.TaskID("kept"+payload), asynq.Retention(time.Hour))
			var broken net.Error
			if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) && !errors.As(err, &broken) {
				t.Logf("task %d: %v", i, err)
			}
			return err == nil || errors.Is(err, asynq.ErrTaskIDConflict)
		})
		acknowledged = append(acknowledged, payload)
	}
	until(t, "the worker has none left", func() bool {
		q, err := r.inspector.GetQueueInfo("kept")
		return err == nil && q.Pending == 0
	})
	endLeases(t, s, "kept") // of tasks whose worker did not hear that it has them
	r.serve(map[string]int{"kept": 1}, func(context.Context, *asynq.Task) error { return nil })
	until(t, "all ran", func() bool {
		return !slices.ContainsFunc(acknowledged, func(p string) bool { return r.runs("kept"+p) == 0 })
	})
	until(t, "all are completed", func() bool {
		q, err := r.inspector.GetQueueInfo("kept")
		return err == nil && q.Completed == 400 && q.Archived == 0
	})
}
