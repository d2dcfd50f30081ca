package engine

// Kind is the type of a value, as TYPE names it.
type Kind uint8

// Kinds of values.
const (
	KindString Kind = iota
	KindList
	KindSet
	KindZSet
	KindHash
	KindStream
)

// String is the name that TYPE answers.
func (k Kind) String() string {
	return [...]string{"string", "list", "set", "zset", "hash", "stream"}[k]
}

// object is a value that is no string. Every kind has one implementation, in a file of its own. Whatever changes an
// object must be followed by Ctx.changed, which accounts for its bytes.
type object interface {
	kind() Kind
	// bytes is what the object takes, as far as it allocates. It is asked after every change and must not walk.
	bytes() int64
	// empty objects are removed with their key, streams excepted.
	empty() bool
	// encoding is what OBJECT ENCODING answers.
	encoding(lim *Encodings) string
	// clone is a copy that shares nothing.
	clone() object
	// rewrite gives the commands that make the object anew under a key, none of them too long for a buffer.
	rewrite(key []byte, emit func(args [][]byte))
	// counted is where the engine keeps what it counted of bytes: embed account.
	counted() *int64
}

// A command of a rewritten log has no more arguments than partArgs, and ends with the element that makes it longer than
// partBytes: elements may be hundreds of megabytes each, and a log holds no command of many gigabytes.
const (
	partArgs  = 64
	partBytes = 1 << 20
)

// parts gives a command about many elements of a key in parts.
type parts struct {
	args  [][]byte // valid during emit only
	bytes int
	emit  func(args [][]byte)
}

func newParts(name string, key []byte, emit func(args [][]byte)) parts {
	return parts{args: [][]byte{[]byte(name), key}, emit: emit}
}

// add adds an element, which may be several arguments.
func (p *parts) add(element ...[]byte) {
	p.args = append(p.args, element...)
	for _, b := range element {
		p.bytes += len(b)
	}
	if len(p.args) >= partArgs || p.bytes > partBytes {
		p.end()
	}
}

// end gives the last part.
func (p *parts) end() {
	if len(p.args) > 2 {
		p.emit(p.args)
	}
	p.args, p.bytes = p.args[:2], 0
}

// account is the part of an object that belongs to the engine.
type account struct{ n int64 }

func (a *account) counted() *int64 { return &a.n }

// Encodings are the bounds up to which Redis keeps small values in a compact form. Here they decide what OBJECT ENCODING
// answers and, where a form of our own is compact too, when it is left.
type Encodings struct {
	HashEntries, HashValue int
	SetInts, SetEntries    int
	SetValue               int
	ZSetEntries, ZSetValue int
	ListEntries            int // elements, or below zero bytes by class as Redis counts them
	StreamBytes            int // of a node
	StreamEntries          int
	HLLSparse              int // bytes of a HyperLogLog
}

// DefaultEncodings are Redis 7's.
func DefaultEncodings() Encodings {
	return Encodings{
		HashEntries: 128, HashValue: 64, SetInts: 512, SetEntries: 128, SetValue: 64, ZSetEntries: 128, ZSetValue: 64,
		ListEntries: -2, StreamBytes: 4096, StreamEntries: 100, HLLSparse: 3000,
	}
}

// value is what an item has beside its key.
type value struct {
	expire int64  // when it ends, milliseconds of Unix time; 0 = never
	used   uint32 // when it was used last or how often, and flags: access.go
	heap   int32  // place among those that end, from 1; 0 = not there
	str    []byte // of a string
	obj    object // nil of a string
}

// item is a key with its value.
type item = node[value]

func (v *value) kind() Kind {
	if v.obj == nil {
		return KindString
	}
	return v.obj.kind()
}

// Costs of what Go allocates, by its size classes.
const (
	itemBytes    = 80 // node[value]
	pointerBytes = 8
)

// sizeClass is what Go takes for an allocation of n bytes, near enough: classes are an eighth apart.
func sizeClass(n int) int64 {
	switch {
	case n == 0:
		return 0
	case n <= 8:
		return 8
	case n <= 128:
		return int64(n+15) &^ 15
	case n <= 32<<10:
		return int64(n + n/16)
	}
	return int64(n+8191) &^ 8191
}

// bytesOf is what an item was counted with, altogether.
func bytesOf(it *item) int64 {
	n := itemBytes + pointerBytes + sizeClass(len(it.key())) + sizeClass(cap(it.val.str))
	if it.val.heap > 0 {
		n += pointerBytes
	}
	if it.val.obj != nil {
		n += *it.val.obj.counted()
	}
	return n
}
