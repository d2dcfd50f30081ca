package store

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// opOverhead is what Badger counts for an entry beside key and value, rounded up.
const opOverhead = 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type op struct {
	key   []byte // with the prefix of its space
	value []byte // sealed; nil = delete
}

// Batch collects changes that become durable together or not at all. It belongs to one goroutine until it is given
// to Commit, and is not used again after that.
type Batch struct {
	ops       []op
	size      int64
	spaces    []string
	callbacks []func()
	essential bool
	err       error
}

// Batch returns an empty batch.
func (db *DB) Batch() *Batch { return &Batch{} }

// Set makes key of the space hold value. Both are copied. Of several changes of one key the last counts.
func (b *Batch) Set(space Space, key, value []byte) {
	if len(value) > maxValue || len(key) > maxKey {
		b.err = ErrTooLarge
		return
	}
	// One allocation holds the full key and the sealed value.
	n := len(space.prefix) + len(key)
	buf := make([]byte, 0, n+len(value)+crc32.Size)
	buf = append(append(buf, space.prefix...), key...)
	full := buf[:n:n]
	b.add(space, op{key: full, value: appendSeal(buf[n:], full, value)})
}

// Delete removes key from the space. It is no error if it is not there.
func (b *Batch) Delete(space Space, key []byte) {
	if len(key) > maxKey {
		b.err = ErrTooLarge
		return
	}
	b.add(space, op{key: space.full(key)})
}

func (b *Batch) add(space Space, o op) {
	b.ops = append(b.ops, o)
	b.size += int64(len(o.key)+len(o.value)) + opOverhead
	if !slices.Contains(b.spaces, space.prefix) {
		b.spaces = append(b.spaces, space.prefix)
	}
}

// OnCommit has fn called once the batch is durable: before Commit returns, in the order of the commits of the whole
// database, from the committer's goroutine. fn must not block and must not commit. It is not called if the batch
// fails.
func (b *Batch) OnCommit(fn func()) { b.callbacks = append(b.callbacks, fn) }

// Essential marks the batch as finishing work, such as an acknowledgement, a deletion or a result: it is accepted
// below the reserve of free space too, since it ends what was begun or makes room.
func (b *Batch) Essential() { b.essential = true }

// Len is the number of changes.
func (b *Batch) Len() int { return len(b.ops) }

// Size is the number of bytes the batch adds to a transaction.
func (b *Batch) Size() int64 { return b.size }

// seal returns value followed by a checksum over key and value, so that a value under a wrong key shows too.
func seal(key, value []byte) []byte {
	return appendSeal(make([]byte, 0, len(value)+crc32.Size), key, value)
}

func appendSeal(dst, key, value []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
	return binary.BigEndian.AppendUint32(append(dst, value...), sum)
}

// unseal gives the value of what seal made.
func unseal(key, sealed []byte) ([]byte, error) {
	n := len(sealed) - crc32.Size
	if n < 0 {
		return nil, ErrCorrupt
	}
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, sealed[:n])
	if sum != binary.BigEndian.Uint32(sealed[n:]) {
		return nil, ErrCorrupt
	}
	return sealed[:n:n], nil
}
