package localdecode

import (
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime"
)

func TestChildrenAreNamed(t *testing.T) {
	o := &outcome{}
	if got := childLines(o); got != "" {
		t.Errorf("no result: %q", got)
	}
	o.result = &runtime.Result{Children: []runtime.Child{{Name: "a.ru"}}}
	if got, want := childLines(o), "  1 file inside, not decoded: a.ru\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for range 11 {
		o.result.Children = append(o.result.Children, runtime.Child{Name: "b"})
	}
	if got, want := childLines(o), "  12 files inside, not decoded: a.ru, b, b, b, b, b, b, b, b, b and 2 more\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
