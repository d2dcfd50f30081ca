package local

import (
	"slices"
	"testing"

	"github.com/wayside-edge/wayside/internal/queue"
)

// changed takes what has changed, and checks that it was told of.
func changed(t *testing.T, e *Engine) []queue.ID {
	t.Helper()
	select {
	case <-e.Changed():
	default:
		t.Error("nobody was told")
	}
	ids, lost := e.TakeChanged()
	if lost {
		t.Error("changes were lost")
	}
	return ids
}

func TestEveryChangeIsNoted(t *testing.T) {
	e := openBox(t, t.TempDir(), Config{}).Engine
	ctx := t.Context()
	e.TakeChanged()
	want := func(what string, err error, want ...queue.ID) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := changed(t, e); !slices.Equal(got, want) {
			t.Errorf("%s: noted %v, want %v", what, got, want)
		}
		if ids, lost := e.TakeChanged(); len(ids) > 0 || lost {
			t.Errorf("%s: noted twice: %v", what, ids)
		}
	}
	made, err := e.Enqueue(ctx, queue.New{Type: "a"}, queue.New{Type: "a"})
	if err != nil {
		t.Fatal(err)
	}
	a, b := made[0].ID, made[1].ID
	want("enqueue", err, a, b)
	l, err := e.Lease(ctx, queue.LeaseRequest{Types: []string{"a"}})
	want("lease", err, a)
	e.Progress(l[0].Lease, queue.Progress{Fraction: 0.5})
	want("progress", nil, a)
	want("finish", e.Finish(ctx, l[0].Lease, queue.Outcome{}), a)
	_, err = e.Edit(ctx, b, queue.Edit{Priority: new(9)})
	want("edit", err, b)
	_, err = e.Cancel(ctx, b, nil)
	want("cancel", err, b)
	_, err = e.Retry(ctx, b)
	want("retry", err, b)
	want("delete", e.Delete(ctx, b), b)
	_, err = e.Configure(ctx, "default", queue.SettingsPatch{Paused: new(true)})
	want("pause", err)
	_, err = e.Configure(ctx, "other", queue.SettingsPatch{Weight: new(3)})
	want("configure", err)
	want("forget", e.Forget(ctx, "other"))
}

func TestNotesAreBounded(t *testing.T) {
	e := openBox(t, t.TempDir(), Config{}).Engine
	news := make([]queue.New, maxNotes+1)
	for i := range news {
		news[i] = queue.New{Type: "a"}
	}
	if _, err := e.Enqueue(t.Context(), news...); err != nil {
		t.Fatal(err)
	}
	if ids, lost := e.TakeChanged(); len(ids) != maxNotes || !lost {
		t.Errorf("%d noted, lost %v", len(ids), lost)
	}
	if _, err := e.Enqueue(t.Context(), news[0]); err != nil {
		t.Fatal(err)
	}
	if ids := changed(t, e); len(ids) != 1 {
		t.Errorf("%v noted after that", ids)
	}
}
