package script

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// structFunctions are the library struct: values in the layout of C structures.
func (m *machine) structFunctions() map[string]lua.LGFunction {
	return map[string]lua.LGFunction{"pack": m.structPack, "unpack": m.structUnpack, "size": m.structSize}
}

// layout goes through a format, option by option.
type layout struct {
	fmt   string
	at    int
	big   bool
	align int
	total int // bytes so far
}

// option is one letter of a format: what it is, how long, and how much padding comes before.
type option struct {
	kind byte
	size int
	pad  int
}

var errFormatSize = errors.New("integral size overflow")

// next gives the next option that stands for bytes; false at the end.
func (f *layout) next() (o option, ok bool, err error) {
	for f.at < len(f.fmt) {
		c := f.fmt[f.at]
		f.at++
		switch c {
		case ' ':
			continue
		case '<', '>', '=':
			f.big = c == '>'
			continue
		case '!':
			n, err := f.number(8)
			if err != nil || n == 0 || n&(n-1) != 0 {
				return o, false, errors.New("alignment is not power of 2")
			}
			f.align = n
			continue
		}
		size, aligned, err := f.size(c)
		if err != nil {
			return o, false, err
		}
		o = option{kind: c, size: size}
		if aligned && f.align > 1 && size > 1 {
			a := min(size, f.align)
			o.pad = (a - f.total%a) % a
		}
		f.total += o.pad
		return o, true, nil
	}
	return o, false, nil
}

// number reads digits; what is missing is def.
func (f *layout) number(def int) (int, error) {
	if f.at >= len(f.fmt) || f.fmt[f.at] < '0' || f.fmt[f.at] > '9' {
		return def, nil
	}
	n := 0
	for f.at < len(f.fmt) && f.fmt[f.at] >= '0' && f.fmt[f.at] <= '9' {
		if n > (math.MaxInt32-9)/10 {
			return 0, errFormatSize
		}
		n = n*10 + int(f.fmt[f.at]-'0')
		f.at++
	}
	return n, nil
}

func (f *layout) size(c byte) (size int, aligned bool, err error) {
	switch c {
	case 'b', 'B':
		return 1, true, nil
	case 'h', 'H':
		return 2, true, nil
	case 'l', 'L', 'T', 'd', 'n', 'j', 'J':
		return 8, true, nil
	case 'f':
		return 4, true, nil
	case 'x':
		return 1, false, nil
	case 's':
		return 0, false, nil
	case 'c':
		size, err = f.number(1)
		return size, false, err
	case 'i', 'I':
		size, err = f.number(4)
		if err == nil && size > 32 {
			err = fmt.Errorf("integral size %d is larger than limit of %d", size, 32)
		}
		return size, true, err
	}
	return 0, false, fmt.Errorf("invalid format option '%c'", c)
}

func (m *machine) structPack(l *lua.LState) int {
	f := layout{fmt: l.CheckString(1), align: 1}
	var b []byte
	for arg := 2; ; {
		o, ok, err := f.next()
		if err != nil {
			l.ArgError(1, err.Error())
		}
		if !ok {
			break
		}
		if len(b)+o.pad+o.size > m.s.cfg.String {
			m.tooLong(l)
		}
		b = append(b, make([]byte, o.pad)...)
		if o.kind == 'x' {
			b = append(b, 0)
		} else {
			b = m.structValue(l, b, o, arg, f.big)
			arg++
		}
		f.total = len(b)
	}
	m.charge(2 * len(b))
	l.Push(lua.LString(b))
	return 1
}

func (m *machine) structValue(l *lua.LState, b []byte, o option, arg int, big bool) []byte {
	switch o.kind {
	case 's':
		return append(append(b, l.CheckString(arg)...), 0)
	case 'c':
		s := l.CheckString(arg)
		n := o.size
		if n == 0 {
			n = len(s)
		}
		if len(s) < n {
			l.ArgError(arg, "string too short")
		}
		return append(b, s[:n]...)
	case 'f':
		return appendInteger(b, uint64(math.Float32bits(float32(l.CheckNumber(arg)))), 4, big)
	case 'd', 'n':
		return appendInteger(b, math.Float64bits(float64(l.CheckNumber(arg))), 8, big)
	}
	v := float64(l.CheckNumber(arg))
	n := uint64(toInt(v))
	if v >= 1<<63 && v < 1<<64 {
		n = uint64(v)
	}
	return appendInteger(b, n, o.size, big)
}

// appendInteger writes an integer in size bytes; beyond eight its sign goes on.
func appendInteger(b []byte, n uint64, size int, big bool) []byte {
	from := len(b)
	for i := range size {
		switch {
		case i < 8:
			b = append(b, byte(n>>(8*i)))
		case int64(n) < 0:
			b = append(b, 0xff)
		default:
			b = append(b, 0)
		}
	}
	if big {
		for i, j := from, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
	return b
}

func (m *machine) structSize(l *lua.LState) int {
	f := layout{fmt: l.CheckString(1), align: 1}
	for {
		o, ok, err := f.next()
		switch {
		case err != nil:
			l.ArgError(1, err.Error())
		case !ok:
			l.Push(lua.LNumber(f.total))
			return 1
		case o.kind == 's' || o.kind == 'c' && o.size == 0:
			l.ArgError(1, "variable-size format in 'size'")
		}
		f.total += o.size
	}
}

func (m *machine) structUnpack(l *lua.LState) int {
	f := layout{fmt: l.CheckString(1), align: 1}
	data := l.CheckString(2)
	at := l.OptInt(3, 1) - 1
	if at < 0 || at > len(data) {
		l.ArgError(3, "offset must be 1 or greater")
	}
	top := l.GetTop()
	for {
		f.total = at
		o, ok, err := f.next()
		if err != nil {
			l.ArgError(1, err.Error())
		}
		if !ok {
			break
		}
		if at += o.pad; at > len(data) || o.size > len(data)-at {
			l.ArgError(2, "data string too short")
		}
		at = m.structRead(l, data, at, o, f.big)
	}
	l.Push(lua.LNumber(at + 1))
	return l.GetTop() - top
}

// structRead pushes a value and gives where the next begins.
func (m *machine) structRead(l *lua.LState, data string, at int, o option, big bool) int {
	switch o.kind {
	case 'x':
		return at + 1
	case 's':
		for end := at; end < len(data); end++ {
			if data[end] == 0 {
				l.Push(lua.LString(data[at:end]))
				return end + 1
			}
		}
		l.ArgError(2, "unfinished string in data")
	case 'c':
		n := o.size
		if n == 0 { // as long as the value before says
			v, ok := l.Get(-1).(lua.LNumber)
			if !ok || v < 0 || float64(v) > float64(len(data)-at) {
				l.ArgError(1, "format 'c0' needs a previous size that fits")
			}
			n = int(v)
			l.Pop(1)
		}
		l.Push(lua.LString(data[at : at+n]))
		return at + n
	case 'f':
		l.Push(lua.LNumber(math.Float32frombits(uint32(readInteger(data[at:at+4], big)))))
	case 'd', 'n':
		l.Push(lua.LNumber(math.Float64frombits(readInteger(data[at:at+8], big))))
	default:
		n := readInteger(data[at:at+o.size], big)
		if o.kind >= 'a' { // lower case has a sign
			shift := uint(max(64-8*o.size, 0))
			l.Push(lua.LNumber(int64(n<<shift) >> shift))
		} else {
			l.Push(lua.LNumber(n))
		}
	}
	return at + o.size
}

func readInteger(s string, big bool) uint64 {
	var b [8]byte
	for i := range min(len(s), 8) {
		if big {
			b[i] = s[len(s)-1-i]
		} else {
			b[i] = s[i]
		}
	}
	return binary.LittleEndian.Uint64(b[:])
}
