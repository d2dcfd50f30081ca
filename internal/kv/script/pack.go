package script

import (
	"encoding/binary"
	"errors"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// packDeepest is how far tables lie in tables: what is deeper becomes nil, as cmsgpack has it.
const packDeepest = 16

var errPackBroken = errors.New("Missing bytes in input.") //nolint:staticcheck // cmsgpack's form

// packFunctions are the library cmsgpack: MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md).
func (m *machine) packFunctions() map[string]lua.LGFunction {
	return map[string]lua.LGFunction{"pack": m.pack, "unpack": m.unpackAll, "unpack_one": m.unpackOne, "unpack_limit": m.unpackLimit}
}

func (m *machine) pack(l *lua.LState) int {
	if l.GetTop() == 0 {
		l.ArgError(1, "MessagePack pack needs input.")
	}
	var b []byte
	for i := 1; i <= l.GetTop(); i++ {
		if b = packValue(b, l.Get(i), 0, m.s.cfg.String); len(b) > m.s.cfg.String {
			m.tooLong(l)
		}
	}
	m.charge(2 * len(b))
	l.Push(lua.LString(b))
	return 1
}

// packValue packs a value; what is longer than most already is not gone into.
func packValue(b []byte, v lua.LValue, depth, most int) []byte {
	switch v := v.(type) {
	case lua.LString:
		return packString(b, string(v))
	case lua.LBool:
		if v {
			return append(b, 0xc3)
		}
		return append(b, 0xc2)
	case lua.LNumber:
		return packNumber(b, float64(v))
	case *lua.LTable:
		if depth < packDeepest && len(b) <= most {
			return packTable(b, v, depth, most)
		}
	}
	return append(b, 0xc0)
}

func packNumber(b []byte, f float64) []byte {
	if f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		if float64(float32(f)) == f {
			return binary.BigEndian.AppendUint32(append(b, 0xca), math.Float32bits(float32(f)))
		}
		return binary.BigEndian.AppendUint64(append(b, 0xcb), math.Float64bits(f))
	}
	n := int64(f)
	switch {
	case n >= 0 && n <= 127, n < 0 && n >= -32:
		return append(b, byte(n))
	case n >= 0 && n <= math.MaxUint8:
		return append(b, 0xcc, byte(n))
	case n >= 0 && n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(n))
	case n >= 0 && n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(n))
	case n >= 0:
		return binary.BigEndian.AppendUint64(append(b, 0xcf), uint64(n))
	case n >= math.MinInt8:
		return append(b, 0xd0, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(b, 0xd1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(b, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xd3), uint64(n))
}

func packString(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		b = append(b, 0xa0|byte(n))
	case n <= math.MaxUint8:
		b = append(b, 0xd9, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0xdb), uint32(n))
	}
	return append(b, s...)
}

// packTable packs a table whose keys are 1 to n as an array, any other as a map.
func packTable(b []byte, t *lua.LTable, depth, most int) []byte {
	longest, count, array := 0, 0, true
	t.ForEach(func(k, _ lua.LValue) {
		f, ok := k.(lua.LNumber)
		if !ok || f < 1 || float64(f) != math.Trunc(float64(f)) || f > math.MaxInt32 {
			array = false
		} else {
			longest = max(longest, int(f))
		}
		count++
	})
	if array && longest == count {
		b = packHead(b, count, 0x90, 0xdc)
		for i := 1; i <= count; i++ {
			b = packValue(b, t.RawGetInt(i), depth+1, most)
		}
		return b
	}
	b = packHead(b, count, 0x80, 0xde)
	forEach(t, func(k, v lua.LValue) { b = packValue(packValue(b, k, depth+1, most), v, depth+1, most) })
	return b
}

func packHead(b []byte, n int, small, large byte) []byte {
	switch {
	case n < 16:
		return append(b, small|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, large), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, large+1), uint32(n))
}

func (m *machine) unpackAll(l *lua.LState) int {
	u := unpacker{m: m, b: l.CheckString(1)}
	n := 0
	for ; u.at < len(u.b); n++ {
		m.pushNext(l, &u)
	}
	return n
}

// pushNext pushes the next value.
func (m *machine) pushNext(l *lua.LState, u *unpacker) {
	v, err := u.value(0)
	if err != nil {
		l.RaiseError("%s", err.Error())
	}
	l.Push(v)
}

func (m *machine) unpackOne(l *lua.LState) int { return m.unpackSome(l, 1, l.OptInt(2, 0)) }

func (m *machine) unpackLimit(l *lua.LState) int {
	return m.unpackSome(l, l.CheckInt(2), l.OptInt(3, 0))
}

// unpackSome gives where the next value begins, -1 at the end, and at most most values.
func (m *machine) unpackSome(l *lua.LState, most, from int) int {
	b := l.CheckString(1)
	if from < 0 || most < 0 {
		l.RaiseError("Invalid request to unpack with offset of %d and limit of %d.", from, len(b))
	}
	if from > len(b) {
		l.RaiseError("Start offset %d greater than input length %d.", from, len(b))
	}
	u := unpacker{m: m, b: b, at: from}
	l.Push(lua.LNil) // the place of where
	place, n := l.GetTop(), 0
	for ; n < most && u.at < len(b); n++ {
		m.pushNext(l, &u)
	}
	next := u.at
	if next == len(b) {
		next = -1
	}
	l.Replace(place, lua.LNumber(next))
	return n + 1
}

// unpacker reads MessagePack.
type unpacker struct {
	m  *machine
	b  string
	at int
}

func (u *unpacker) take(n int) (string, error) {
	if n > len(u.b)-u.at {
		return "", errPackBroken
	}
	s := u.b[u.at : u.at+n]
	u.at += n
	return s, nil
}

// number reads n bytes, the highest first.
func (u *unpacker) number(n int) (uint64, error) {
	s, err := u.take(n)
	var v uint64
	for i := range len(s) {
		v = v<<8 | uint64(s[i])
	}
	return v, err
}

func (u *unpacker) value(depth int) (lua.LValue, error) {
	if depth > jsonDeepest {
		return nil, errors.New("Bad data format in input.") //nolint:staticcheck // cmsgpack's form
	}
	if err := u.m.chargeValue(); err != nil {
		return nil, err
	}
	t, err := u.number(1)
	if err != nil {
		return nil, err
	}
	switch {
	case t <= 0x7f:
		return lua.LNumber(t), nil
	case t >= 0xe0:
		return lua.LNumber(int8(t)), nil
	case t < 0x90:
		return u.object(int(t&15), depth)
	case t < 0xa0:
		return u.array(int(t&15), depth)
	case t < 0xc0:
		return u.text(int(t & 31))
	case t >= 0xcc && t <= 0xcf:
		v, err := u.number(1 << (t - 0xcc))
		return lua.LNumber(v), err
	case t >= 0xd0 && t <= 0xd3:
		return u.signed(1 << (t - 0xd0))
	case t >= 0xd9 && t <= 0xdb:
		return u.sized(1<<(t-0xd9), func(n int) (lua.LValue, error) { return u.text(n) })
	case t >= 0xc4 && t <= 0xc6:
		return u.sized(1<<(t-0xc4), func(n int) (lua.LValue, error) { return u.text(n) })
	case t == 0xdc || t == 0xdd:
		return u.sized(2<<(t-0xdc), func(n int) (lua.LValue, error) { return u.array(n, depth) })
	case t == 0xde || t == 0xdf:
		return u.sized(2<<(t-0xde), func(n int) (lua.LValue, error) { return u.object(n, depth) })
	}
	return u.constant(byte(t))
}

func (u *unpacker) constant(t byte) (lua.LValue, error) {
	switch t {
	case 0xc0:
		return lua.LNil, nil
	case 0xc2:
		return lua.LFalse, nil
	case 0xc3:
		return lua.LTrue, nil
	case 0xca:
		v, err := u.number(4)
		return lua.LNumber(math.Float32frombits(uint32(v))), err
	case 0xcb:
		v, err := u.number(8)
		return lua.LNumber(math.Float64frombits(v)), err
	}
	return nil, errors.New("Bad data format in input.") //nolint:staticcheck // cmsgpack's form
}

func (u *unpacker) signed(n int) (lua.LValue, error) {
	v, err := u.number(n)
	shift := uint(64 - 8*n)
	return lua.LNumber(int64(v<<shift) >> shift), err
}

// sized reads a length of n bytes and then what has it.
func (u *unpacker) sized(n int, read func(n int) (lua.LValue, error)) (lua.LValue, error) {
	length, err := u.number(n)
	if err != nil {
		return nil, err
	}
	if length > uint64(len(u.b)-u.at) { // every value takes a byte at least
		return nil, errPackBroken
	}
	return read(int(length))
}

func (u *unpacker) text(n int) (lua.LValue, error) {
	s, err := u.take(n)
	return lua.LString(s), err
}

func (u *unpacker) array(n, depth int) (lua.LValue, error) {
	t := u.m.l.CreateTable(0, 0)
	for i := 1; i <= n; i++ {
		v, err := u.value(depth + 1)
		if err != nil {
			return nil, err
		}
		t.RawSetInt(i, v)
	}
	return t, nil
}

func (u *unpacker) object(n, depth int) (lua.LValue, error) {
	t := u.m.l.CreateTable(0, 0)
	for range n {
		k, err := u.value(depth + 1)
		if err != nil {
			return nil, err
		}
		v, err := u.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if f, ok := k.(lua.LNumber); k == lua.LNil || ok && math.IsNaN(float64(f)) {
			return nil, errors.New("Bad data format in input.") //nolint:staticcheck // a table has no such key
		}
		if err := u.m.chargeKey(t, k); err != nil {
			return nil, err
		}
		t.RawSet(k, v)
	}
	return t, nil
}
