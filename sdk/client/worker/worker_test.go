package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wayside-edge/wayside/sdk/client"
)

// fake is an appliance as a worker sees it, inside of http.Client.
type fake struct {
	mu      sync.Mutex
	ready   []client.LeasedJob
	changed chan struct{} // closed and made anew when a job becomes ready
	said    []string      // what was said of jobs
	state   map[string]string
	beats   []client.Beat
	down    int // calls that nobody answers
	refuse  string
	busy    int             // so many ends could not be kept
	status  int             // of every answer, 0 = as it should be
	deaf    bool            // ends and leases are not answered, signs of life are
	late    map[string]bool // leases that have run out
	calls   int
}

func newFake(jobs ...client.LeasedJob) *fake {
	return &fake{ready: jobs, changed: make(chan struct{}), state: map[string]string{}}
}

func job(id, typ string) client.LeasedJob {
	return client.LeasedJob{Lease: "l" + id, Job: client.Job{
		ID: id, Type: typ, Attempt: 1, RequestID: "r" + id, CorrelationID: "c" + id, TraceID: "t" + id, Payload: json.RawMessage(`{"n":7}`), SoftTimeout: 3300,
	}}
}

func (f *fake) add(j client.LeasedJob) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = append(f.ready, j)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) heard() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.said, " ")
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.calls++
	if f.down > 0 {
		f.down--
		f.mu.Unlock()
		return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
	}
	status := f.status
	deaf := f.deaf && !strings.HasSuffix(r.URL.Path, "/heartbeat")
	f.mu.Unlock()
	if deaf {
		return nil, &net.OpError{Op: "read", Err: errors.New("reset")}
	}
	if status != 0 {
		return reply(status, `{"code":"unauthorized","detail":"the token is not valid"}`), nil
	}
	if strings.HasSuffix(r.URL.Path, "/heartbeat") {
		return f.heartbeat(body), nil
	}
	var in client.LeaseRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	out := client.Leased{Ended: f.end(in.Ends)}
	if strings.HasSuffix(r.URL.Path, "/leases") {
		if out.Jobs, err = f.lease(r.Context(), in); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(out)
	return reply(200, string(text)), err
}

func (f *fake) end(e client.Ends) (out client.Ended) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range e.Ack {
		if f.late[a.Lease] {
			out.Lost = append(out.Lost, a.ID)
			continue
		}
		if f.busy > 0 {
			f.busy--
			out.Refused = append(out.Refused, client.Refused{ID: a.ID, Code: "unavailable", Message: "the change could not be stored"})
			continue
		}
		if f.refuse == a.ID {
			out.Refused = append(out.Refused, client.Refused{ID: a.ID, Code: "too_large", Message: "too much"})
			continue
		}
		f.said = append(f.said, fmt.Sprintf("ack:%s=%s", a.ID, a.Result))
	}
	for _, a := range e.Fail {
		if f.busy > 0 {
			f.busy--
			out.Refused = append(out.Refused, client.Refused{ID: a.ID, Code: "unavailable", Message: "the change could not be stored"})
			continue
		}
		f.said = append(f.said, fmt.Sprintf("fail:%s=%s/%s/%v/%v", a.ID, a.Error.Code, a.Error.Message, a.RetryIn, a.Dead))
	}
	for _, a := range e.Release {
		f.said = append(f.said, fmt.Sprintf("release:%s/%v", a.ID, a.Delay))
	}
	return out
}

func (f *fake) lease(ctx context.Context, in client.LeaseRequest) ([]client.LeasedJob, error) {
	timed, cancel := context.WithTimeout(ctx, time.Duration(in.Wait*float64(time.Second)))
	defer cancel()
	for {
		f.mu.Lock()
		if len(f.ready) > 0 {
			j := f.ready[0]
			f.ready = f.ready[1:]
			f.mu.Unlock()
			return []client.LeasedJob{j}, nil
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-timed.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *fake) heartbeat(body []byte) *http.Response {
	f.mu.Lock()
	defer f.mu.Unlock()
	var in struct {
		Leases []client.Beat `json:"leases"`
	}
	_ = json.Unmarshal(body, &in)
	f.beats = append(f.beats, in.Leases...)
	var out []client.Beaten
	for _, b := range in.Leases {
		state := f.state[b.ID]
		if state == "" {
			state = "ok"
		}
		out = append(out, client.Beaten{ID: b.ID, State: state})
	}
	text, _ := json.Marshal(map[string]any{"leases": out})
	return reply(200, string(text))
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// start runs a worker. The function that it gives stops it and returns what Run said.
func start(t *testing.T, f *fake, c Config, handlers map[string]Handler) (stop func() error) {
	t.Helper()
	cl, err := client.New(client.Config{Server: "http://box", HTTP: &http.Client{Transport: f}})
	if err != nil {
		t.Fatal(err)
	}
	c.Client, c.Name = cl, "w"
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for typ, h := range handlers {
		w.Handle(typ, h)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

func TestHowRunsEnd(t *testing.T) {
	bad := errors.New("bad")
	for _, tc := range []struct {
		name string
		h    Handler
		want string
	}{
		{"done", func(_ context.Context, j *Job) (any, error) {
			var p struct{ N int }
			err := j.Decode(&p)
			return p.N, err
		}, "ack:j1=7"},
		{"nothing", func(context.Context, *Job) (any, error) { return nil, nil }, "ack:j1="},
		{"failed", func(context.Context, *Job) (any, error) { return nil, bad }, "fail:j1=failed/bad/0/false"},
		{"permanent", func(context.Context, *Job) (any, error) {
			return nil, fmt.Errorf("x: %w", Permanent(WithCode(bad, "no_mail")))
		}, "fail:j1=no_mail/x: bad/0/true"},
		{"later", func(context.Context, *Job) (any, error) { return nil, RetryAfter(bad, 90*time.Second) }, "fail:j1=failed/bad/90/false"},
		{"snooze", func(context.Context, *Job) (any, error) { return nil, Snooze(time.Minute) }, "release:j1/60"},
		{"panic", func(context.Context, *Job) (any, error) { panic("oh") }, "fail:j1=panic/the handler panicked: oh/0/false"},
		{"no JSON", func(context.Context, *Job) (any, error) { return func() {}, nil }, "fail:j1=failed/encode result: json: unsupported type: func()/0/true"},
		{"too large", func(context.Context, *Job) (any, error) { return strings.Repeat("x", 65<<10), nil }, "fail:j1=failed/the result has 66562 bytes, and at most 65536 are kept/0/true"},
		{"odd code", func(context.Context, *Job) (any, error) { return nil, WithCode(bad, "Not Good") }, "fail:j1=failed/bad/0/false"},
		{"slow", func(ctx context.Context, _ *Job) (any, error) { <-ctx.Done(); return nil, context.Cause(ctx) }, "fail:j1=timeout/the job ran longer than its soft timeout/0/false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(job("j1", "a"))
				stop := start(t, f, Config{}, map[string]Handler{"a": tc.h})
				time.Sleep(2 * time.Hour)
				if err := stop(); err != nil {
					t.Errorf("run: %v", err)
				}
				if got := f.heard(); got != tc.want {
					t.Errorf("%s, want %s", got, tc.want)
				}
			})
		})
	}
}

func TestRefusedEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(job("j1", "a"))
		f.refuse = "j1"
		stop := start(t, f, Config{}, map[string]Handler{"a": func(context.Context, *Job) (any, error) { return 1, nil }})
		time.Sleep(time.Minute)
		if err := stop(); err != nil || f.heard() != "fail:j1=too_large/too much/0/true" {
			t.Errorf("%v %s", err, f.heard())
		}
	})
}

// TestEndNotKept: an end that the appliance could not keep just then says nothing about the job, and is said again.
func TestEndNotKept(t *testing.T) {
	for want, h := range map[string]Handler{
		"ack:j1=1":                  func(context.Context, *Job) (any, error) { return 1, nil },
		"fail:j1=failed/no/0/false": func(context.Context, *Job) (any, error) { return nil, errors.New("no") },
	} {
		for _, busy := range []int{2, 1000} { // the second is told when the worker stops
			synctest.Test(t, func(t *testing.T) {
				f := newFake(job("j1", "a"))
				f.busy = busy
				stop := start(t, f, Config{}, map[string]Handler{"a": h})
				time.Sleep(time.Minute)
				f.mu.Lock()
				calls := f.calls
				f.busy = min(f.busy, 1)
				f.mu.Unlock()
				if err := stop(); err != nil || f.heard() != want {
					t.Errorf("%v %q, want %q", err, f.heard(), want)
				}
				if calls > 500 {
					t.Errorf("%d calls in a minute", calls)
				}
			})
		}
	}
}

// TestApplianceThatRestarts: what was done while nobody answered is told when somebody does.
func TestApplianceThatRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(job("j1", "a"))
		stop := start(t, f, Config{Concurrency: 1}, map[string]Handler{"a": func(context.Context, *Job) (any, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.down = 6
			return "r", nil
		}})
		time.Sleep(time.Minute)
		if got := f.heard(); got != `ack:j1="r"` {
			t.Errorf("heard %q", got)
		}
		f.add(job("j2", "a"))
		time.Sleep(time.Minute)
		if err := stop(); err != nil || f.heard() != `ack:j1="r" ack:j2="r"` {
			t.Errorf("%v %s", err, f.heard())
		}
	})
}

func TestRetryAfterIsKept(t *testing.T) {
	p := pause{}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p.sleep(t.Context(), &client.Error{Status: 503, RetryAfter: 7 * time.Second})
		p.sleep(t.Context(), errors.New("x"))
		if took := time.Since(began); took != 7*time.Second+200*time.Millisecond {
			t.Errorf("slept %v", took)
		}
	})
}

func TestHeartbeats(t *testing.T) {
	for state, want := range map[string]string{
		"ok": `ack:j1="done"`, "cancel": "fail:j1=cancelled/the job was cancelled/0/false", "lost": "", "drain": `ack:j1="done"`,
	} {
		t.Run(state, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(job("j1", "a"))
				stop := start(t, f, Config{Lease: 30 * time.Second}, map[string]Handler{"a": func(ctx context.Context, j *Job) (any, error) {
					j.Report(0.5, "half")
					select {
					case <-ctx.Done():
						return nil, context.Cause(ctx)
					case <-time.After(5 * time.Minute):
						return "done", nil
					}
				}})
				time.Sleep(15 * time.Second)
				f.mu.Lock()
				f.state["j1"] = state
				f.mu.Unlock()
				time.Sleep(10 * time.Minute)
				if err := stop(); err != nil || f.heard() != want {
					t.Errorf("%v %q, want %q", err, f.heard(), want)
				}
				if b := f.beats[0]; b.Progress == nil || *b.Progress != 0.5 || *b.ProgressText != "half" || b.Lease != "lj1" {
					t.Errorf("first beat %+v", b)
				}
				if b := f.beats[1]; b.Progress != nil {
					t.Errorf("progress was told twice: %+v", b)
				}
				if n := len(f.beats); state == "ok" && (n < 25 || n > 35) {
					t.Errorf("%d beats in five minutes", n)
				}
			})
		})
	}
}

func TestStop(t *testing.T) {
	for _, tc := range []struct {
		name string
		runs time.Duration
		want string
		took time.Duration
	}{
		{"what runs is finished", 20 * time.Second, "ack:j1=1", 20 * time.Second},
		{"what runs too long is given back", time.Hour, "release:j1/0", 30 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(job("j1", "a"))
				stop := start(t, f, Config{Grace: 30 * time.Second}, map[string]Handler{"a": func(ctx context.Context, _ *Job) (any, error) {
					select {
					case <-ctx.Done():
						return nil, context.Cause(ctx)
					case <-time.After(tc.runs):
						return 1, nil
					}
				}})
				synctest.Wait()
				began := time.Now()
				if err := stop(); err != nil || f.heard() != tc.want || time.Since(began) != tc.took {
					t.Errorf("%v %s after %v", err, f.heard(), time.Since(began))
				}
			})
		})
	}
}

// TestJobThatComesTooLate: a job that is handed out while the worker stops loses no attempt.
func TestJobThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		stop := start(t, f, Config{Concurrency: 1}, map[string]Handler{"a": func(context.Context, *Job) (any, error) { return 1, nil }})
		synctest.Wait()
		stopped := make(chan error)
		go func() { stopped <- stop() }()
		synctest.Wait()
		f.add(job("j1", "a"))
		if err := <-stopped; err != nil || f.heard() != "release:j1/0" {
			t.Errorf("%v %q", err, f.heard())
		}
	})
}

func TestHopelessWorkerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.status = 401
		cl, err := client.New(client.Config{Server: "http://box", HTTP: &http.Client{Transport: f}})
		if err != nil {
			t.Fatal(err)
		}
		w, err := New(Config{Client: cl})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Run(t.Context()); err == nil {
			t.Error("it ran without handlers")
		}
		w.Handle("a", func(context.Context, *Job) (any, error) { return nil, nil })
		if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "the token is not valid") {
			t.Errorf("run: %v", err)
		}
	})
}

func TestLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		own := slog.New(LogHandler(slog.NewTextHandler(&out, nil)))
		f := newFake(job("j1", "a"))
		stop := start(t, f, Config{Logger: own}, map[string]Handler{"a": func(ctx context.Context, _ *Job) (any, error) {
			Log(ctx).InfoContext(ctx, "got")
			own.With("k", 1).InfoContext(ctx, "passed")
			Log(t.Context()).InfoContext(ctx, "nowhere")
			return nil, nil
		}})
		synctest.Wait()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		const ids = "job_id=j1 job_type=a request_id=rj1 correlation_id=cj1 trace_id=tj1\n"
		if s := out.String(); !strings.Contains(s, "msg=got "+ids) || !strings.Contains(s, "msg=passed k=1 "+ids) || strings.Count(s, "\n") != 2 {
			t.Errorf("log:\n%s", s)
		}
	})
}

// TestEndThatWaits has the end of a job not be kept, or not be heard, for many times its lease: as long as signs of life
// are, the lease is prolonged, and the end is told in the end. The job does not run again.
func TestEndThatWaits(t *testing.T) {
	for name, off := range map[string]func(f *fake, off bool){
		"unkept":  func(f *fake, off bool) { f.busy = map[bool]int{true: 1 << 30}[off] },
		"unheard": func(f *fake, off bool) { f.deaf = off },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(job("j1", "a"))
				set := func(o bool) {
					f.mu.Lock()
					defer f.mu.Unlock()
					off(f, o)
				}
				stop := start(t, f, Config{Lease: 30 * time.Second, Concurrency: 1}, map[string]Handler{"a": func(context.Context, *Job) (any, error) {
					set(true)
					return 1, nil
				}})
				time.Sleep(10 * time.Minute)
				f.mu.Lock()
				beats := len(f.beats)
				f.mu.Unlock()
				if beats < 50 {
					t.Errorf("%d signs of life in ten minutes", beats)
				}
				set(false)
				time.Sleep(2 * time.Minute)
				f.mu.Lock()
				beats = len(f.beats)
				f.mu.Unlock()
				time.Sleep(10 * time.Minute)
				if err := stop(); err != nil || f.heard() != "ack:j1=1" {
					t.Errorf("%v %q", err, f.heard())
				}
				if n := len(f.beats) - beats; n != 0 {
					t.Errorf("%d signs of life after the end was told", n)
				}
			})
		})
	}
}

// TestEndOutlastsLease has the appliance be away until the lease has run out, and the same worker gets the job again: the
// late end is refused, which the log says, and the new run ends as it should.
func TestEndOutlastsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := newFake(job("j1", "a"))
		runs := 0
		stop := start(t, f, Config{Lease: 30 * time.Second, Concurrency: 1, Logger: slog.New(slog.NewTextHandler(&out, nil))}, map[string]Handler{
			"a": func(context.Context, *Job) (any, error) {
				if runs++; runs == 1 {
					f.mu.Lock()
					defer f.mu.Unlock()
					f.deaf, f.state["j1"] = true, "lost"
				}
				return runs, nil
			},
		})
		time.Sleep(5 * time.Minute)
		again := job("j1", "a")
		again.Lease, again.Attempt = "again", 2
		f.mu.Lock()
		f.deaf, f.late = false, map[string]bool{"lj1": true}
		delete(f.state, "j1")
		f.mu.Unlock()
		f.add(again)
		time.Sleep(5 * time.Minute)
		if err := stop(); err != nil || f.heard() != "ack:j1=2" {
			t.Errorf("%v %q", err, f.heard())
		}
		for _, said := range []string{"lease ran out before the end of the job could be told", "came too late and was refused"} {
			if strings.Count(out.String(), said) != 1 {
				t.Errorf("the log does not say once that the %s:\n%s", said, out.String())
			}
		}
	})
}

// TestEndNeverTold stops a worker that nobody answers: it says which job will run again.
func TestEndNeverTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := newFake(job("j1", "a"))
		stop := start(t, f, Config{Concurrency: 1, Logger: slog.New(slog.NewTextHandler(&out, nil))}, map[string]Handler{
			"a": func(context.Context, *Job) (any, error) {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.deaf = true
				return 1, nil
			},
		})
		time.Sleep(time.Minute)
		if err := stop(); err != nil || strings.Count(out.String(), "could not be told: its lease runs out, and it runs again\" job_id=j1 end=ack") != 1 {
			t.Errorf("%v, log:\n%s", err, out.String())
		}
	})
}
