package engine

// insert puts an entry where it belongs; it is not there. Full blocks on the way are split before they are entered, so that
// there is always room for one more kid.
func (t *zTree) insert(score float64, member string) {
	if t.root.n == zFan {
		t.raise()
	}
	b, edge := t.root, true // edge: nothing is behind this block
	for b.under != nil {
		k := b.kidOf(score, member)
		if b.under.kid[k].n == zFan {
			t.split(b, k, zKeep(b.under.kid[k], edge && k == b.n-1, score, member))
			k = b.kidOf(score, member)
		}
		if k == 0 && zLess(score, member, b.score[0], b.member[0]) {
			b.score[0], b.member[0] = score, member
		}
		b.under.size[k]++
		edge = edge && k == b.n-1
		b = b.under.kid[k]
	}
	i := b.place(score, member)
	b.open(i)
	b.score[i], b.member[i] = score, member
	t.n++
}

// zKeep is how many a full block keeps when it is split: half, or nearly all of the last one when entries come in order.
func zKeep(b *zBlock, last bool, score float64, member string) int {
	if last && zLess(b.score[zFan-1], b.member[zFan-1], score, member) {
		return zFan - 1
	}
	return zFan / 2
}

// raise puts a new root above the old one.
func (t *zTree) raise() {
	old := t.root
	t.root = &zBlock{n: 1, under: &zUnder{}}
	t.root.score[0], t.root.member[0] = old.score[0], old.member[0]
	t.root.under.kid[0], t.root.under.size[0] = old, t.n
	t.inner++
}

// open makes room at a place of a block that is not full.
func (b *zBlock) open(i int) {
	copy(b.score[i+1:b.n+1], b.score[i:b.n])
	copy(b.member[i+1:b.n+1], b.member[i:b.n])
	if u := b.under; u != nil {
		copy(u.kid[i+1:b.n+1], u.kid[i:b.n])
		copy(u.size[i+1:b.n+1], u.size[i:b.n])
	}
	b.n++
}

// cut takes out what is at a place of a block.
func (b *zBlock) cut(i int) {
	copy(b.score[i:b.n], b.score[i+1:b.n])
	copy(b.member[i:b.n], b.member[i+1:b.n])
	b.n--
	b.member[b.n] = ""
	if u := b.under; u != nil {
		copy(u.kid[i:b.n], u.kid[i+1:b.n+1])
		copy(u.size[i:b.n], u.size[i+1:b.n+1])
		u.kid[b.n] = nil
	}
}

// move puts everything from a place of a block on behind what another has.
func (b *zBlock) move(from int, to *zBlock) {
	copy(to.score[to.n:], b.score[from:b.n])
	copy(to.member[to.n:], b.member[from:b.n])
	clear(b.member[from:b.n])
	if u := b.under; u != nil {
		copy(to.under.kid[to.n:], u.kid[from:b.n])
		copy(to.under.size[to.n:], u.size[from:b.n])
		clear(u.kid[from:b.n])
	}
	to.n += b.n - from
	b.n = from
}

// split makes two kids of one, the first of which keeps so many.
func (t *zTree) split(b *zBlock, k, keep int) {
	kid, right := b.under.kid[k], &zBlock{}
	if kid.under != nil {
		right.under = &zUnder{}
		t.inner++
	} else {
		t.leaves++
		right.prev, right.next = kid, kid.next
		if right.next != nil {
			right.next.prev = right
		}
		kid.next = right
	}
	kid.move(keep, right)
	b.open(k + 1)
	b.score[k+1], b.member[k+1] = right.score[0], right.member[0]
	size := right.entries()
	b.under.kid[k+1], b.under.size[k+1] = right, size
	b.under.size[k] -= size
}

// entries is how many are in or below a block.
func (b *zBlock) entries() int {
	if b.under == nil {
		return b.n
	}
	return b.under.before(b.n)
}

// remove takes out an entry that is there.
func (t *zTree) remove(score float64, member string) {
	var w zWay
	t.seek(&w, score, member)
	t.removeAt(&w)
}

// removeAt takes out the entry that a way leads to.
func (t *zTree) removeAt(w *zWay) {
	w.block[w.leaf].cut(w.at[w.leaf])
	t.n--
	for level := w.leaf; level > 0; level-- {
		w.block[level-1].under.size[w.at[level-1]]--
		t.mend(w.block[level-1], w.at[level-1])
	}
	for t.root.under != nil && t.root.n == 1 {
		t.root = t.root.under.kid[0]
		t.inner--
	}
}

// mend sets right what a block says of a kid that has less now: an empty one goes, and a sparse one is put together with
// a neighbour if both fit into one.
func (t *zTree) mend(b *zBlock, k int) {
	kid := b.under.kid[k]
	if kid.n == 0 {
		t.drop(b, k)
		return
	}
	b.score[k], b.member[k] = kid.score[0], kid.member[0]
	switch {
	case kid.n >= zSparse:
	case k+1 < b.n && kid.n+b.under.kid[k+1].n <= zFan:
		t.join(b, k)
	case k > 0 && kid.n+b.under.kid[k-1].n <= zFan:
		t.join(b, k-1)
	}
}

// join puts a kid's next neighbour into the kid.
func (t *zTree) join(b *zBlock, k int) {
	u := b.under
	u.kid[k+1].move(0, u.kid[k])
	u.size[k] += u.size[k+1]
	t.drop(b, k+1)
}

// drop takes out a kid that is empty.
func (t *zTree) drop(b *zBlock, k int) {
	kid := b.under.kid[k]
	b.cut(k)
	if kid.under != nil {
		t.inner--
		return
	}
	t.leaves--
	if kid.prev != nil {
		kid.prev.next = kid.next
	}
	if kid.next != nil {
		kid.next.prev = kid.prev
	}
}

// move gives an entry that is there another score.
func (t *zTree) move(from, to float64, member string) {
	var w zWay
	t.seek(&w, from, member)
	b, i := w.block[w.leaf], w.at[w.leaf]
	if i > 0 && i < b.n-1 && zLess(b.score[i-1], b.member[i-1], to, member) && zLess(to, member, b.score[i+1], b.member[i+1]) {
		b.score[i] = to // it stays where it is
		return
	}
	t.removeAt(&w)
	t.insert(to, member)
}
