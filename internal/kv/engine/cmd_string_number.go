package engine

import (
	"math"
	"math/big"
	"strings"
)

const (
	errOverflow = "ERR increment or decrement would overflow"
	errInfinite = "ERR increment would produce NaN or Infinity"
)

func incrbyCmd(c *Ctx) {
	if by, ok := c.Int(2); ok {
		increment(c, by)
	}
}

func decrbyCmd(c *Ctx) {
	by, ok := c.Int(2)
	switch {
	case !ok:
	case by == math.MinInt64:
		c.Fail("ERR decrement would overflow")
	default:
		increment(c, -by)
	}
}

func increment(c *Ctx, by int64) {
	key := c.Args[1]
	it, ok := c.writeString(key)
	if !ok {
		return
	}
	var n int64
	if it != nil {
		if n, ok = parseInt(it.val.str); !ok {
			c.Fail(errNotInt)
			return
		}
	}
	sum := n + by
	if (sum > n) != (by > 0) && by != 0 {
		c.Fail(errOverflow)
		return
	}
	if it == nil {
		it = c.db.put(key)
	}
	var b [20]byte
	c.setString(it, appendInt(b[:0], sum))
	c.changed(key, it, '$', "incrby")
	c.Out.Int(sum)
}

func incrbyfloatCmd(c *Ctx) {
	key := c.Args[1]
	it, ok := c.writeString(key)
	if !ok {
		return
	}
	n := new(big.Float)
	if it != nil {
		if n, ok = parseLong(it.val.str); !ok {
			c.Fail(errNotFloat)
			return
		}
	}
	by, ok := parseLong(c.Args[2])
	if !ok {
		c.Fail(errNotFloat)
		return
	}
	text, ok := addLong(n, by)
	if !ok {
		c.Fail(errInfinite)
		return
	}
	if it == nil {
		it = c.db.put(key)
	}
	b := []byte(text)
	c.setString(it, b)
	c.changed(key, it, '$', "incrbyfloat")
	c.effect([]byte("SET"), key, b, []byte("KEEPTTL"))
	c.Out.Bulk(b)
}

// Numbers of INCRBYFLOAT and HINCRBYFLOAT are C's long doubles, as Redis's are: a mantissa of 64 bits and 15 of exponent.
const (
	longBits  = 64
	longMost  = 16384  // an exponent above this is infinite
	longLeast = -16445 // one below is nothing
	longText  = 5120   // bytes of a number: the largest has 4,933 digits
	longTail  = 17     // digits after the point that are kept
)

// parseLong parses a number as strtold does; false of what is none or out of range.
func parseLong(b []byte) (*big.Float, bool) {
	if len(b) == 0 || len(b) >= longText {
		return nil, false
	}
	s := string(b)
	bare := strings.ToLower(strings.TrimLeft(s, "+-"))
	if len(s)-len(bare) > 1 || strings.ContainsRune(s, '_') {
		return nil, false
	}
	switch {
	case bare == "inf" || bare == "infinity":
		return new(big.Float).SetInf(s[0] == '-'), true
	case strings.HasPrefix(bare, "0x") && !strings.Contains(bare, "p"):
		s += "p0"
	case strings.HasPrefix(bare, "0x"):
	case strings.Trim(bare, "0123456789.e+-") != "":
		return nil, false
	}
	base := 10
	if strings.HasPrefix(bare, "0x") {
		base = 0
	}
	f, _, err := big.ParseFloat(s, base, longBits, big.ToNearestEven)
	if err != nil || f.IsInf() {
		return nil, false
	}
	if e := f.MantExp(nil); f.Sign() != 0 && (e > longMost || e < longLeast) {
		return nil, false
	}
	return f, true
}

// addLong adds two numbers and gives the sum as text; false where it is infinite or none.
func addLong(a, b *big.Float) (string, bool) {
	if a.IsInf() || b.IsInf() {
		return "", false
	}
	sum := new(big.Float).SetPrec(longBits).Add(a, b)
	if sum.IsInf() || sum.MantExp(nil) > longMost {
		return "", false
	}
	s := strings.TrimRight(sum.Text('f', longTail), "0")
	s = strings.TrimSuffix(s, ".")
	if s == "-0" {
		s = "0"
	}
	return s, true
}
