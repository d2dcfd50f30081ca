package engine

import (
	"strings"
	"testing"
)

func TestStrings(t *testing.T) {
	newRig(t, Config{}).steps([][2]string{
		{`set a 1`, "OK"},
		{`get a`, "1"},
		{`get none`, "(nil)"},
		{`set a 2 nx`, "(nil)"},
		{`set a 2 xx get`, "1"},
		{`set b 3 xx`, "(nil)"},
		{`set b 3 nx get`, "(nil)"},
		{`set b 4 nx get`, "3"},
		{`set b 4 nx xx`, "-ERR syntax error"},
		{`set a 1 ex 10 px 10`, "-ERR syntax error"},
		{`set a 1 ex`, "-ERR syntax error"},
		{`set a 1 ex 0`, "-ERR invalid expire time in 'set' command"},
		{`set a 1 ex 9223372036854775807`, "-ERR invalid expire time in 'set' command"},
		{`set a 1 px 9223372036854775807`, "-ERR invalid expire time in 'set' command"},
		{`set a 1 ex x`, "-ERR value is not an integer or out of range"},
		{`set a 1 ex 100`, "OK"},
		{`ttl a`, "100"},
		{`set a 2 keepttl`, "OK"},
		{`ttl a`, "100"},
		{`set a 3`, "OK"},
		{`ttl a`, "-1"},
		{`set a 1 keepttl ex 1`, "-ERR syntax error"},
		{`setex a 10 v`, "OK"},
		{`ttl a`, "10"},
		{`psetex a 1500 v`, "OK"},
		{`pttl a`, "1500"},
		{`setex a -1 v`, "-ERR invalid expire time in 'setex' command"},
		{`getex a persist`, "v"},
		{`ttl a`, "-1"},
		{`getex a pxat 1700000005000`, "v"},
		{`pttl a`, "5000"},
		{`getex a exat 1`, "v"},
		{`exists a`, "0"},
		{`setnx a 1`, "1"},
		{`setnx a 2`, "0"},
		{`getset a 5`, "1"},
		{`getdel a`, "5"},
		{`getdel a`, "(nil)"},
		{`mset a 1 b 2`, "OK"},
		{`mset a 1 b`, "-ERR wrong number of arguments for 'mset' command"},
		{`mget a none b`, "[1 (nil) 2]"},
		{`msetnx c 1 a 9`, "0"},
		{`get c`, "(nil)"},
		{`msetnx c 1 d 2`, "1"},
		{`msetnx c 1 d`, "-ERR wrong number of arguments for 'msetnx' command"},
		{`append a 23`, "3"},
		{`get a`, "123"},
		{`strlen a`, "3"},
		{`object encoding a`, "raw"},
		{`append new x`, "1"},
		{`object encoding new`, "embstr"},
		{`setrange a 5 xy`, "7"},
		{`get a`, "123\x00\x00xy"},
		{`setrange a -1 x`, "-ERR offset is out of range"},
		{`setrange none 5 ""`, "0"},
		{`exists none`, "0"},
		{`setrange a 536870912 x`, "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"},
		{`setrange a 9223372036854775807 x`, "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"},
		{`set a "hello world"`, "OK"},
		{`getrange a 0 4`, "hello"},
		{`getrange a -5 -1`, "world"},
		{`getrange a 5 3`, ""},
		{`substr a 0 -7`, "hello"},
		{`getrange a 0 9223372036854775807`, "hello world"},
		{`getrange a -9223372036854775808 2`, "hel"},
	}...)
}

func TestNumbers(t *testing.T) {
	newRig(t, Config{}).steps([][2]string{
		{`incr n`, "1"},
		{`incrby n 9`, "10"},
		{`decr n`, "9"},
		{`decrby n 10`, "-1"},
		{`set n 9223372036854775807`, "OK"},
		{`incr n`, "-ERR increment or decrement would overflow"},
		{`decrby n -9223372036854775808`, "-ERR decrement would overflow"},
		{`set n " 1"`, "OK"},
		{`incr n`, "-ERR value is not an integer or out of range"},
		{`incrby n 1.5`, "-ERR value is not an integer or out of range"},
		{`set f 10.50`, "OK"},
		{`incrbyfloat f 0.1`, "10.6"},
		{`incrbyfloat f -5`, "5.6"},
		{`set f 5.0e3`, "OK"},
		{`incrbyfloat f 2.0e2`, "5200"},
		{`incrbyfloat f 0x1p3`, "5208"},
		{`incrbyfloat f nan`, "-ERR value is not a valid float"},
		{`incrbyfloat f inf`, "-ERR increment would produce NaN or Infinity"},
		{`incrbyfloat f " 1"`, "-ERR value is not a valid float"},
		{`incrbyfloat f 1e99999`, "-ERR value is not a valid float"},
		{`incrbyfloat f 1e999999999999`, "-ERR value is not a valid float"},
		{`set f 1`, "OK"},
		{`incrbyfloat f 0.00000000000000001`, "1.00000000000000001"},
		{`set f 3`, "OK"},
		{`incrbyfloat f 1.1`, "4.1"},
		{`incrbyfloat f -4.1`, "0"},
		{`set f 1.1e4932`, "OK"},
		{`incrbyfloat f 1.1e4932`, "-ERR increment would produce NaN or Infinity"},
		{`set f 17179869184`, "OK"},
		{`incrbyfloat f 1`, "17179869185"},
	}...)
}

func TestLCS(t *testing.T) {
	r := newRig(t, Config{})
	r.steps([][2]string{
		{`mset a ohmytext b mynewtext`, "OK"},
		{`lcs a b`, "mytext"},
		{`lcs a b len`, "6"},
		{`lcs a b idx`, "[matches [[[4 7] [5 8]] [[2 3] [0 1]]] len 6]"},
		{`lcs a b idx minmatchlen 4`, "[matches [[[4 7] [5 8]]] len 6]"},
		{`lcs a b idx minmatchlen 4 withmatchlen`, "[matches [[[4 7] [5 8] 4]] len 6]"},
		{`lcs a none`, ""},
		{`lcs a b idx len`, "-" + errLCSBoth},
		{`lcs a b minmatchlen`, "-ERR syntax error"},
	}...)
	big := strings.Repeat("x", 20000)
	r.call("mset", "a", big, "b", big)
	if got := r.say("lcs a b"); got != "-"+errLCSMemory {
		t.Errorf("of two long strings: %.60s", got)
	}
}

// TestStringEffects compares what is left to be repeated with what Redis would leave.
func TestStringEffects(t *testing.T) {
	r := newRig(t, Config{})
	for _, c := range []struct{ line, want string }{
		{"set a 1 ex 10", "SET a 1 PXAT 1700000010000"},
		{"set a 1 xx get", "SET a 1"},
		{"set a 1 nx", ""},
		{"getset a 2", "SET a 2"},
		{"incrbyfloat a 0.5", "SET a 2.5 KEEPTTL"},
		{"getex a ex 5", "PEXPIREAT a 1700000005000"},
		{"getex a persist", "PERSIST a"},
		{"getdel a", "DEL a"},
		{"msetnx b 1 c 2", "MSET b 1 c 2"},
		{"expire b 7", "PEXPIREAT b 1700000007000"},
		{"expire b -1", "DEL b"},
		{"expire b 1", ""},
	} {
		r.effects = nil
		r.say(c.line)
		var got []string
		for _, f := range r.effects {
			for _, a := range f.args {
				got = append(got, string(a))
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s has the effect %q, want %q", c.line, got, c.want)
		}
	}
}
