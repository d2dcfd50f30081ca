package script

import (
	"fmt"
	"math"
	"math/bits"

	lua "github.com/yuin/gopher-lua"
)

// bitFunctions are the library bit of LuaJIT: 32 bits, results with a sign.
func bitFunctions() map[string]lua.LGFunction {
	fold := func(f func(a, b int32) int32) lua.LGFunction {
		return func(l *lua.LState) int {
			v := bitArg(l, 1)
			for i := 2; i <= l.GetTop(); i++ {
				v = f(v, bitArg(l, i))
			}
			return bitResult(l, v)
		}
	}
	shift := func(f func(v int32, n uint) int32) lua.LGFunction {
		return func(l *lua.LState) int { return bitResult(l, f(bitArg(l, 1), uint(bitArg(l, 2)&31))) }
	}
	return map[string]lua.LGFunction{
		"tobit": func(l *lua.LState) int { return bitResult(l, bitArg(l, 1)) },
		"bnot":  func(l *lua.LState) int { return bitResult(l, ^bitArg(l, 1)) },
		"band":  fold(func(a, b int32) int32 { return a & b }),
		"bor":   fold(func(a, b int32) int32 { return a | b }),
		"bxor":  fold(func(a, b int32) int32 { return a ^ b }),
		"bswap": func(l *lua.LState) int { return bitResult(l, int32(bits.ReverseBytes32(uint32(bitArg(l, 1))))) },
		"tohex": bitHex,

		"lshift":  shift(func(v int32, n uint) int32 { return int32(uint32(v) << n) }),
		"rshift":  shift(func(v int32, n uint) int32 { return int32(uint32(v) >> n) }),
		"arshift": shift(func(v int32, n uint) int32 { return v >> n }),
		"rol":     shift(func(v int32, n uint) int32 { return int32(bits.RotateLeft32(uint32(v), int(n))) }),
		"ror":     shift(func(v int32, n uint) int32 { return int32(bits.RotateLeft32(uint32(v), -int(n))) }),
	}
}

// bitArg takes a number modulo 2^32.
func bitArg(l *lua.LState, i int) int32 {
	f := math.RoundToEven(float64(l.CheckNumber(i)))
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return int32(uint32(int64(math.Mod(f, 1<<32))))
}

func bitResult(l *lua.LState, v int32) int {
	l.Push(lua.LNumber(v))
	return 1
}

func bitHex(l *lua.LState) int {
	v, n := uint32(bitArg(l, 1)), int32(8)
	if l.GetTop() > 1 {
		n = bitArg(l, 2)
	}
	format := "%0*x"
	if n < 0 {
		format = "%0*X"
		if n = -n; n < 0 {
			n = 8
		}
	}
	if n = min(n, 8); n < 8 {
		v &= 1<<(4*uint(n)) - 1
	}
	s := ""
	if n > 0 {
		s = fmt.Sprintf(format, n, v)
	}
	l.Push(lua.LString(s))
	return 1
}
