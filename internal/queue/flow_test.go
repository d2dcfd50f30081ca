package queue

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestChainAndChord(t *testing.T) {
	job := func(key string) FlowJob { return FlowJob{Key: key, New: New{Type: "t"}} }
	on := func(jobs []FlowJob) map[string][]string {
		out := map[string][]string{}
		for _, j := range jobs {
			out[j.Key] = j.DependsOn
		}
		return out
	}
	if diff := cmp.Diff(map[string][]string{"a": nil, "b": {"a"}, "c": {"b"}}, on(Chain(job("a"), job("b"), job("c")))); diff != "" {
		t.Errorf("chain (-want +got):\n%s", diff)
	}
	then := job("then")
	then.DependsOn = make([]string, 0, 8) // room that is not to be shared
	group := make([]FlowJob, 0, 8)
	group = append(group, job("a"), job("b"))
	first, second := Chord(group, then), Chord(group[:1], then)
	if diff := cmp.Diff(map[string][]string{"a": nil, "b": nil, "then": {"a", "b"}}, on(first)); diff != "" {
		t.Errorf("chord (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]string{"a": nil, "then": {"a"}}, on(second)); diff != "" {
		t.Errorf("second chord (-want +got):\n%s", diff)
	}
	if _, err := CheckFlow(append(Chain(job("x"), job("y")), Chord([]FlowJob{job("a")}, job("b"))...)); err != nil {
		t.Error(err)
	}
}

// TestInOrder orders random graphs: without a cycle each index comes after what it needs, with one it is found.
func TestInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "n")
		on := make([][]int, n)
		for i := range on {
			on[i] = rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 2).Draw(t, fmt.Sprint("on", i))
		}
		order, stuck := InOrder(on)
		if stuck >= 0 {
			if !reach(on, stuck)[stuck] {
				t.Fatalf("%d is in no cycle of %v", stuck, on)
			}
			return
		}
		if len(order) != n {
			t.Fatalf("order %v of %v", order, on)
		}
		for at, i := range order {
			for _, d := range on[i] {
				if slices.Index(order, d) >= at {
					t.Fatalf("%d comes before %d in %v of %v", i, d, order, on)
				}
			}
		}
	})
}

// reach gives what can be reached from an index by at least one step.
func reach(on [][]int, from int) map[int]bool {
	seen := map[int]bool{}
	next := slices.Clone(on[from])
	for len(next) > 0 {
		i := next[0]
		next = next[1:]
		if !seen[i] {
			seen[i] = true
			next = append(next, on[i]...)
		}
	}
	return seen
}
