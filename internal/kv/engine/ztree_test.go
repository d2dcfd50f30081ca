package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// shape looks at everything that a tree promises of its blocks, and gives the entries in order.
func (t *zTree) shape() (list []zEntry, err error) {
	var leaves []*zBlock
	inner := 0
	var visit func(b *zBlock) (n int, err error)
	visit = func(b *zBlock) (int, error) {
		for i := b.n; i < zFan; i++ {
			if b.member[i] != "" || b.under != nil && b.under.kid[i] != nil {
				return 0, fmt.Errorf("place %d of a block of %d holds on to something", i, b.n)
			}
		}
		if b.under == nil {
			leaves = append(leaves, b)
			for i := range b.n {
				list = append(list, zEntry{b.member[i], b.score[i]})
			}
			return b.n, nil
		}
		inner++
		sum := 0
		for i := range b.n {
			kid := b.under.kid[i]
			if kid.n == 0 || kid.score[0] != b.score[i] || kid.member[0] != b.member[i] {
				return 0, fmt.Errorf("the first below a kid is not %v %s", b.score[i], b.member[i])
			}
			n, err := visit(kid)
			if err != nil {
				return 0, err
			}
			if n != b.under.size[i] {
				return 0, fmt.Errorf("%d below a kid, counted %d", n, b.under.size[i])
			}
			sum += n
		}
		return sum, nil
	}
	n, err := visit(t.root)
	switch {
	case err != nil:
		return nil, err
	case n != t.n || len(leaves) != t.leaves || inner != t.inner:
		return nil, fmt.Errorf("%d entries, %d leaves, %d inner blocks; counted %d, %d, %d", n, len(leaves), inner, t.n, t.leaves, t.inner)
	case t.root.under != nil && t.root.n < 2:
		return nil, fmt.Errorf("the root has %d kids", t.root.n)
	}
	for i, b := range leaves {
		if i > 0 && b.prev != leaves[i-1] || i == 0 && b.prev != nil || i < len(leaves)-1 && b.next != leaves[i+1] || i == len(leaves)-1 && b.next != nil {
			return nil, fmt.Errorf("leaf %d of %d is not between its neighbours", i, len(leaves))
		}
	}
	return list, nil
}

func wantShape(t *testing.T, tree *zTree, want []zEntry) {
	t.Helper()
	got, err := tree.shape()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%d entries, want %d, or in another order", len(got), len(want))
	}
}

// TestZTreeShape grows and empties trees of three levels in several orders, and looks at their blocks all the while.
func TestZTreeShape(t *testing.T) {
	const n = 12_000
	entries := make([]zEntry, n)
	for i := range entries {
		entries[i] = zEntry{fmt.Sprintf("m%05d", i), float64(i / 3)}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	shuffled := slices.Clone(entries)
	rng.Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	reversed := slices.Clone(entries)
	slices.Reverse(reversed)
	orders := map[string][]zEntry{"upwards": entries, "downwards": reversed, "mixed": shuffled}
	for in, coming := range orders {
		for out, going := range orders {
			t.Run(in+" in, "+out+" out", func(t *testing.T) {
				tree := newZTree()
				for i, e := range coming {
					tree.insert(e.score, e.member)
					if i%997 == 0 || i == n-1 {
						want := slices.Clone(coming[:i+1])
						sortEntries(want)
						wantShape(t, tree, want)
					}
				}
				if in == "upwards" && tree.leaves > n/(zFan-2) {
					t.Errorf("%d entries in order make %d leaves", n, tree.leaves)
				}
				for i, e := range going {
					tree.remove(e.score, e.member)
					if left := going[i+1:]; i%997 == 0 || len(left) < 3 {
						want := slices.Clone(left)
						sortEntries(want)
						wantShape(t, tree, want)
						if most := 1 + len(left)/8; tree.leaves > most {
							t.Fatalf("%d entries are left in %d leaves", len(left), tree.leaves)
						}
					}
				}
			})
		}
	}
}

// TestZTreeMove gives entries other scores, near and far.
func TestZTreeMove(t *testing.T) {
	const n = 5000
	rng := rand.New(rand.NewPCG(5, 6))
	tree, want := newZTree(), make([]zEntry, n)
	for i := range want {
		want[i] = zEntry{fmt.Sprintf("m%05d", i), float64(i * 10)}
		tree.insert(want[i].score, want[i].member)
	}
	for i := range 20_000 {
		e := &want[rng.IntN(n)]
		to := e.score + float64(rng.IntN(9)-4)
		if i%3 == 0 {
			to = float64(rng.IntN(n * 10))
		}
		tree.move(e.score, to, e.member)
		e.score = to
	}
	sortEntries(want)
	wantShape(t, tree, want)
	for rank := 0; rank < n; rank += 37 {
		if got := tree.rank(want[rank].score, want[rank].member); got != rank {
			t.Fatalf("%v has rank %d, want %d", want[rank], got, rank)
		}
		if member, score := tree.at(rank); member != want[rank].member || score != want[rank].score {
			t.Fatalf("rank %d is %s %v, want %v", rank, member, score, want[rank])
		}
	}
}
