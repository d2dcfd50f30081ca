package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// checkList compares a list with what it should have, and its parts with each other.
func checkList(t *testing.T, l *list, want []string) {
	t.Helper()
	var got []string
	for b := range l.each {
		got = append(got, string(b))
	}
	if !slices.Equal(got, want) || l.len() != len(want) {
		t.Fatalf("has %d elements %.300q, want %d %.300q", l.len(), got, len(want), want)
	}
	var heap int64
	n := 0
	var prev *chunk
	for c := l.head; c != nil; c = c.next {
		if c.prev != prev || c.n == 0 || c.from < 0 || c.end > len(c.buf) {
			t.Fatalf("a chunk of %d elements at %d to %d of %d is wrong", c.n, c.from, c.end, len(c.buf))
		}
		heap += l.weigh(c)
		n += c.n
		prev = c
	}
	if heap != l.heap || n != l.n || l.tail != prev {
		t.Fatalf("counts %d bytes and %d elements, has %d and %d", l.heap, l.n, heap, n)
	}
	i := len(want)
	for p := l.first(true); p.c != nil; p = p.prev() {
		if i--; string(p.value()) != want[i] {
			t.Fatalf("backwards element %d is %.50q, want %.50q", i, p.value(), want[i])
		}
	}
	if i != 0 {
		t.Fatalf("backwards %d elements are missing", i)
	}
}

// TestListIsAList does to a list and to a slice the same, at random, with elements of all lengths.
func TestListIsAList(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l, model := newList(), []string{}
		sizes := []int{1, 1, 5, 20, 127, 128, 200, 3000, 4096, 9000, 20000}[:2+rng.IntN(10)]
		value := func() string {
			return strings.Repeat(string(rune('a'+rng.IntN(3))), rng.IntN(sizes[rng.IntN(len(sizes))]+1))
		}
		bias := 1 + rng.IntN(3)
		for step := range 3000 {
			front := rng.IntN(2) == 0
			switch what := rng.IntN(12); {
			case what < 2+bias || len(model) == 0:
				v := value()
				l.push([]byte(v), front)
				if front {
					model = slices.Insert(model, 0, v)
				} else {
					model = append(model, v)
				}
			case what < 6:
				n := min(1+rng.IntN(3)*rng.IntN(9), len(model))
				l.drop(n, front)
				if front {
					model = model[n:]
				} else {
					model = model[:len(model)-n]
				}
			case what < 9:
				i, v, behind := rng.IntN(len(model)), value(), rng.IntN(2)
				l.insert(l.seek(i), []byte(v), behind == 1)
				model = slices.Insert(slices.Clone(model), i+behind, v)
			case what < 11:
				i, v := rng.IntN(len(model)), value()
				if got := string(l.seek(i).value()); got != model[i] {
					t.Fatalf("element %d is %.50q, want %.50q", i, got, model[i])
				}
				l.set(l.seek(i), []byte(v))
				model[i] = v
			default:
				v, most := model[rng.IntN(len(model))], 1+rng.IntN(5)
				n := l.removeEqual([]byte(v), most, front)
				want := removeFrom(&model, v, most, front)
				if n != want {
					t.Fatalf("removed %d of %.50q, want %d", n, v, want)
				}
			}
			if step%10 == 0 || len(model) < 3 {
				checkList(t, l, model)
			}
		}
		checkList(t, l, model)
		checkList(t, l.clone().(*list), model)
	}
}

func removeFrom(list *[]string, v string, most int, back bool) int {
	left, n := slices.Clone(*list), 0
	if back {
		slices.Reverse(left)
	}
	left = slices.DeleteFunc(left, func(s string) bool {
		if s != v || n == most {
			return false
		}
		n++
		return true
	})
	if back {
		slices.Reverse(left)
	}
	*list = left
	return n
}

// TestListIsCompact says what elements of 16 bytes cost: little more than their bytes, however the list came about.
func TestListIsCompact(t *testing.T) {
	const n = 20_000
	fill := map[string]func(l *list, b []byte){
		"behind":    func(l *list, b []byte) { l.pushBack(b) },
		"in front":  func(l *list, b []byte) { l.pushFront(b) },
		"both ends": func(l *list, b []byte) { l.push(b, l.len()%2 == 0) },
		"inserted before the same": func(l *list, b []byte) {
			if l.n == 0 {
				l.pushBack(b)
				return
			}
			l.insert(l.first(true), b, false)
		},
		"inserted before a chunk": func(l *list, b []byte) {
			if l.n == 0 {
				l.pushBack(b)
				return
			}
			l.insert(place{l.tail, l.tail.from}, b, false)
		},
		"inserted behind the same": func(l *list, b []byte) {
			if l.n == 0 {
				l.pushBack(b)
				return
			}
			l.insert(l.first(false), b, true)
		},
	}
	for name, push := range fill {
		l := newList()
		for i := range n {
			push(l, fmt.Appendf(nil, "%016d", i))
		}
		if per := float64(l.bytes()) / n; per > 20 && !strings.HasPrefix(name, "inserted") || per > 42 {
			t.Errorf("%s: %.1f bytes an element", name, per)
		}
		l.drop(l.len()-10, true)
		if l.bytes() > 1000 {
			t.Errorf("%s: ten elements take %d bytes", name, l.bytes())
		}
	}
}

// TestListWithGapsIsCompact removes most elements of a list from its middle, one at a time.
func TestListWithGapsIsCompact(t *testing.T) {
	for _, back := range []bool{false, true} {
		l := newList()
		for i := range 20_000 {
			l.pushBack(fmt.Appendf(nil, "%016d", i%20))
		}
		for v := range 19 {
			b := fmt.Appendf(nil, "%016d", v)
			for l.removeEqual(b, 300, back) > 0 {
			}
		}
		if per := l.bytes() / int64(l.len()); l.len() != 1000 || per > 60 {
			t.Errorf("%d elements take %d bytes each", l.len(), per)
		}
	}
}

// TestQueueStaysSmall moves many elements through a short list.
func TestQueueStaysSmall(t *testing.T) {
	for _, long := range []int{1, 3, 100, 215, 230, 1000} {
		l := newList()
		for i := range 50_000 {
			l.pushFront(strconv.AppendInt(nil, int64(i), 10))
			if l.len() > long {
				if want := strconv.Itoa(i - long); string(l.end(false)) != want {
					t.Fatalf("took %s, want %s", l.end(false), want)
				}
				l.drop(1, false)
			}
		}
		if most := int64(400 + 9000*(1+long/500) + long*16); l.bytes() > most {
			t.Errorf("%d elements take %d bytes", long, l.bytes())
		}
	}
}

func TestPackedLengths(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 129, 16383, 16384, 1 << 21, 1<<21 + 1} {
		c := &chunk{}
		b := bytes.Repeat([]byte{0xff}, n)
		c.makeRoom(packedSize(n), false)
		c.pushBack(b)
		got, next := c.elementAt(c.from)
		if !bytes.Equal(got, b) || next != c.end || c.before(c.end) != c.from {
			t.Errorf("%d bytes: %d come back, from %d to %d", n, len(got), c.before(c.end), next)
		}
	}
}
