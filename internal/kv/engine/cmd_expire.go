package engine

import (
	"fmt"
	"math"
	"strings"
)

const (
	errExpireNX   = "ERR NX and XX, GT or LT options at the same time are not compatible"
	errExpireGTLT = "ERR GT and LT options at the same time are not compatible"
)

func expireCommands() []*Command {
	return []*Command{
		{Name: "expire", Arity: -3, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "generic", Since: "1.0.0", Complexity: "O(1)", Summary: "Says in how many seconds a key ends.", Run: expireCmd, Categories: []Category{"keyspace"}},
		{Name: "pexpire", Arity: -3, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "generic", Since: "2.6.0", Complexity: "O(1)", Summary: "Says in how many milliseconds a key ends.", Run: expireCmd, Categories: []Category{"keyspace"}},
		{Name: "expireat", Arity: -3, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "generic", Since: "1.2.0", Complexity: "O(1)", Summary: "Says at which second of Unix time a key ends.", Run: expireCmd, Categories: []Category{"keyspace"}},
		{Name: "pexpireat", Arity: -3, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "generic", Since: "2.6.0", Complexity: "O(1)", Summary: "Says at which millisecond of Unix time a key ends.", Run: expireCmd, Categories: []Category{"keyspace"}},
		{Name: "ttl", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "generic", Since: "1.0.0", Complexity: "O(1)", Summary: "Answers in how many seconds a key ends.", Run: ttlCmd, Categories: []Category{"keyspace"}},
		{Name: "pttl", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "generic", Since: "2.6.0", Complexity: "O(1)", Summary: "Answers in how many milliseconds a key ends.", Run: ttlCmd, Categories: []Category{"keyspace"}},
		{Name: "expiretime", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "generic", Since: "7.0.0", Complexity: "O(1)", Summary: "Answers at which second of Unix time a key ends.", Run: ttlCmd, Categories: []Category{"keyspace"}},
		{Name: "pexpiretime", Arity: 2, Flags: ReadOnly | Fast, Keys: Keys{1, 1, 1}, Group: "generic", Since: "7.0.0", Complexity: "O(1)", Summary: "Answers at which millisecond of Unix time a key ends.", Run: ttlCmd, Categories: []Category{"keyspace"}},
		{Name: "persist", Arity: 2, Flags: Write | Fast, Keys: Keys{1, 1, 1}, Group: "generic", Since: "2.2.0", Complexity: "O(1)", Summary: "Takes the end of a key away.", Run: persistCmd, Categories: []Category{"keyspace"}},
	}
}

// expireRule says which ends EXPIRE and its kin may replace.
type expireRule struct{ nx, xx, gt, lt bool }

func (r *expireRule) parse(c *Ctx) bool {
	for i := 3; i < len(c.Args); i++ {
		switch {
		case c.Is(i, "nx"):
			r.nx = true
		case c.Is(i, "xx"):
			r.xx = true
		case c.Is(i, "gt"):
			r.gt = true
		case c.Is(i, "lt"):
			r.lt = true
		default:
			c.Fail(fmt.Sprintf("ERR Unsupported option %.128s", c.Args[i]))
			return false
		}
	}
	switch {
	case r.nx && (r.xx || r.gt || r.lt):
		c.Fail(errExpireNX)
		return false
	case r.gt && r.lt:
		c.Fail(errExpireGTLT)
		return false
	}
	return true
}

// allows says whether an end may take the place of another, 0 = none, which counts as later than any.
func (r *expireRule) allows(was, at int64) bool {
	switch {
	case r.nx && was != 0, r.xx && was == 0, r.gt && (was == 0 || at <= was), r.lt && was != 0 && at >= was:
		return false
	}
	return true
}

// expireCmd is EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT.
func expireCmd(c *Ctx) {
	var rule expireRule
	if !rule.parse(c) {
		return
	}
	at, ok := c.Int(2)
	if !ok {
		return
	}
	if c.Cmd.Name[0] != 'p' {
		if at > math.MaxInt64/1000 || at < math.MinInt64/1000 {
			c.failExpire()
			return
		}
		at *= 1000
	}
	if !strings.HasSuffix(c.Cmd.Name, "at") {
		if at > math.MaxInt64-c.E.now {
			c.failExpire()
			return
		}
		at += c.E.now
	}
	key := c.Args[1]
	it := c.write(key)
	if it == nil || !rule.allows(it.val.expire, at) {
		c.Out.Int(0)
		return
	}
	c.endAt(key, it, at)
	c.Out.Int(1)
}

// endAt says when a key ends; one whose end is over is deleted, unless it is read from the log, which says so itself.
func (c *Ctx) endAt(key []byte, it *item, at int64) {
	if at <= c.E.now && !c.E.loading {
		c.remove(key)
		c.effect([]byte("DEL"), key)
		return
	}
	if at == 0 { // is no end: the log has one in 1970
		at = 1
	}
	c.db.setExpire(it, at)
	c.changed(key, it, 'g', "expire")
	c.effectAt("PEXPIREAT", key, at)
}

func (c *Ctx) persist(key []byte, it *item) {
	c.db.setExpire(it, 0)
	c.changed(key, it, 'g', "persist")
	c.effect([]byte("PERSIST"), key)
}

func persistCmd(c *Ctx) {
	it := c.write(c.Args[1])
	if it == nil || it.val.expire == 0 {
		c.Out.Int(0)
		return
	}
	c.persist(c.Args[1], it)
	c.Out.Int(1)
}

// ttlCmd is TTL, PTTL, EXPIRETIME and PEXPIRETIME.
func ttlCmd(c *Ctx) {
	it := c.peek(c.Args[1])
	switch {
	case it == nil:
		c.Out.Int(-2)
		return
	case it.val.expire == 0:
		c.Out.Int(-1)
		return
	}
	n := it.val.expire
	if strings.HasSuffix(c.Cmd.Name, "ttl") {
		n = max(n-c.E.now, 0)
	}
	if c.Cmd.Name[0] != 'p' {
		n = n/1000 + (n%1000+500)/1000
	}
	c.Out.Int(n)
}
