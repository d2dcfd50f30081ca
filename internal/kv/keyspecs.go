package kv

import (
	"slices"
	"strconv"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// keyFlags is what a command does with a key.
type keyFlags uint16

// What may be done with a key: the first four are of the key itself, the next four of its value as a user sees it.
const (
	keyRO keyFlags = 1 << iota
	keyRW
	keyOW
	keyRM
	keyAccess
	keyUpdate
	keyInsert
	keyDelete
	notKey
	keyIncomplete
	keyVariable
)

var keyFlagNames = [...]string{"RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags"}

// names lists the flags as COMMAND has them.
func (f keyFlags) names() (list []string) {
	for i, name := range keyFlagNames {
		if f&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

// keySpec says where keys of a command are and what it does with them. Keys begin at an argument or behind a word, and
// are a range or as many as an argument says.
type keySpec struct {
	flags            keyFlags
	index            int    // where they begin; 0 = behind the word
	word             string // "" = where they are cannot be told so
	from             int    // where the word is looked for; below zero from the end
	last, step, most int    // of a range
	counted          bool   // an argument says how many there are: at index + last; the first is at index + most
	unknown          bool   // of how many there are
}

// keySpecs are those of all commands by full name.
type keySpecs map[string][]keySpec

// keySpecTable has a line for all commands whose keys are alike: where they begin (i index, k word and where to look), how
// many there are (r last, step, part of the rest; n number at, first at, step), what is done with them.
const keySpecTable = `
i1 r0,1,0 RW+insert = append hsetnx linsert lpush lpushx pfadd rpush rpushx sadd
i1 r0,1,0 RO+access = bitcount bitfield_ro bitpos dump expiretime geodist geohash geopos georadius_ro georadiusbymember_ro geosearch get getbit getrange hget hgetall hkeys hmget hrandfield hscan hvals lindex lpos lrange pexpiretime pttl smembers smismember srandmember sscan substr ttl xpending xrange xrevrange zcount zlexcount zmscore zrandmember zrange zrangebylex zrangebyscore zrank zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore
i1 r0,1,0 RW+update+access+variable_flags = bitfield
i2 r0,1,0 OW+update & i3 r-1,1,0 RO+access = bitop
i1 r0,1,0 RW+access+delete & i2 r0,1,0 RW+insert = blmove brpoplpush lmove rpoplpush smove
i2 n0,1,1 RW+access+delete = blmpop bzmpop
i1 r-2,1,0 RW+access+delete = blpop brpop bzpopmax bzpopmin
i1 r0,1,0 RO+access & i2 r0,1,0 OW+update = copy
i1 r0,1,0 RW+access+update = decr decrby getex getset hincrby hincrbyfloat incr incrby incrbyfloat move setbit zincrby
i1 r-1,1,0 RM+delete = del unlink
i2 n0,1,1 RW+access+update = eval evalsha fcall
i2 n0,1,1 RO+access = eval_ro evalsha_ro fcall_ro
i1 r-1,1,0 RO = exists touch watch
i1 r0,1,0 RW+update = expire expireat geoadd hmset hset lset persist pexpire pexpireat setrange xack xadd xclaim xsetid zadd
i1 r0,1,0 RO+access & kSTORE,6 r0,1,0 OW+update & kSTOREDIST,6 r0,1,0 OW+update = georadius
i1 r0,1,0 RO+access & kSTORE,5 r0,1,0 OW+update & kSTOREDIST,5 r0,1,0 OW+update = georadiusbymember
i1 r0,1,0 OW+update & i2 r0,1,0 RO+access = geosearchstore zrangestore
i1 r0,1,0 RW+access+delete = getdel lpop rpop spop zpopmax zpopmin
i1 r0,1,0 RW+delete = hdel lrem ltrim srem xautoclaim xdel xtrim zrem zremrangebylex zremrangebyrank zremrangebyscore
i1 r0,1,0 RO = hexists hlen hstrlen llen scard sismember strlen type xlen zcard
i1 r1,1,0 RO+access = lcs
i1 n0,1,1 RW+access+delete = lmpop zmpop
i2 r0,1,0 RO = memory|usage object|encoding object|freq object|idletime object|refcount
i1 r-1,1,0 RO+access = mget sdiff sinter sunion
i3 r0,1,0 RW+access+delete & kKEYS,-2 r-1,1,0 RW+access+delete+incomplete = migrate
i1 r-1,2,0 OW+update = mset
i1 r-1,2,0 OW+insert = msetnx
i1 r-1,1,0 RW+access = pfcount
i2 r0,1,0 RW+access = pfdebug
i1 r0,1,0 RW+access+insert & i2 r-1,1,0 RO+access = pfmerge
i1 r0,1,0 OW+update = psetex restore restore-asking setex
i1 r0,1,0 RW+access+delete & i2 r0,1,0 OW+update = rename
i1 r0,1,0 RW+access+delete & i2 r0,1,0 OW+insert = renamenx
i1 r0,1,0 OW+update & i2 r-1,1,0 RO+access = sdiffstore sunionstore
i1 r0,1,0 RW+access+update+variable_flags = set
i1 r0,1,0 OW+insert = setnx
i1 n0,1,1 RO+access = sintercard zdiff zinter zintercard zunion
i1 r0,1,0 RW+update & i2 r-1,1,0 RO+access = sinterstore
i1 r0,1,0 RO+access & ? ? RO+access & ? ? OW+update = sort
i1 r0,1,0 RO+access & ? ? RO+access = sort_ro
i1 r0,1,0 not_key = spublish
i1 r-1,1,0 not_key = ssubscribe sunsubscribe
i2 r0,1,0 RW+insert = xgroup|create xgroup|createconsumer
i2 r0,1,0 RW+delete = xgroup|delconsumer xgroup|destroy
i2 r0,1,0 RW+update = xgroup|setid
i2 r0,1,0 RO+access = xinfo|consumers xinfo|groups xinfo|stream
kSTREAMS,1 r-1,1,2 RO+access = xread
kSTREAMS,4 r-1,1,2 RO+access = xreadgroup
i1 r0,1,0 OW+update & i2 n0,1,1 RO+access = zdiffstore zinterstore zunionstore
`

// newKeySpecs reads the table.
func newKeySpecs() keySpecs {
	t := keySpecs{}
	for line := range strings.Lines(strings.TrimSpace(keySpecTable)) {
		specs, names, _ := strings.Cut(strings.TrimSpace(line), " = ")
		var list []keySpec
		for one := range strings.SplitSeq(specs, " & ") {
			list = append(list, parseKeySpec(strings.Fields(one)))
		}
		for name := range strings.FieldsSeq(names) {
			t[name] = list
		}
	}
	return t
}

func parseKeySpec(words []string) (k keySpec) {
	switch begin := words[0]; begin[0] {
	case 'i':
		k.index, _ = strconv.Atoi(begin[1:])
	case 'k':
		word, from, _ := strings.Cut(begin[1:], ",")
		k.word = word
		k.from, _ = strconv.Atoi(from)
	}
	if many := words[1]; many == "?" {
		k.unknown = true
	} else {
		n := [3]int{}
		for i, s := range strings.Split(many[1:], ",") {
			n[i], _ = strconv.Atoi(s)
		}
		k.counted = many[0] == 'n'
		k.last, k.step, k.most = n[0], n[1], n[2]
		if k.counted {
			k.step, k.most = n[2], n[1]
		}
	}
	for name := range strings.SplitSeq(words[2], "+") {
		k.flags |= 1 << slices.Index(keyFlagNames[:], name)
	}
	return k
}

// positions gives where the keys of a call are as far as this spec says.
func (k *keySpec) positions(args [][]byte) (at []int) {
	first := k.index
	if k.word != "" {
		first = k.find(args)
	}
	if first == 0 || first >= len(args) || k.unknown {
		return nil
	}
	last := first + k.last
	switch {
	case k.counted:
		n, ok := engine.ParseInt(args[min(first+k.last, len(args)-1)])
		first += k.most
		if !ok || n < 1 || n > int64(len(args)) {
			return nil
		}
		last = first + (int(n)-1)*k.step
	case k.last < 0:
		last = len(args) + k.last
		if k.most > 1 {
			last = first + (len(args)-first)/k.most - 1
		}
	}
	for i := first; i <= last && i < len(args); i += k.step {
		at = append(at, i)
	}
	return at
}

// find gives the argument behind the word.
func (k *keySpec) find(args [][]byte) int {
	from, by := k.from, 1
	if from < 0 {
		from, by = len(args)+from, -1
	}
	for i := from; i > 0 && i < len(args); i += by {
		if strings.EqualFold(string(args[i]), k.word) {
			return i + 1
		}
	}
	return 0
}

// keyUse is a key of a call and what is done with it.
type keyUse struct {
	at    int
	flags keyFlags
}

func (k keyUse) has(f keyFlags) bool { return k.flags&f != 0 }

// keys gives the keys of a call. The command itself knows where they are, the specs what it does with each; of one that
// no spec knows the worst is assumed.
func (t keySpecs) keys(cmd *engine.Command, args [][]byte) []keyUse {
	if cmd.Find == nil && cmd.Keys.First == 0 {
		return nil
	}
	specs := t[cmd.FullName()]
	by := map[int]keyFlags{}
	for i := range specs {
		for _, at := range specs[i].positions(args) {
			by[at] |= specs[i].flags
		}
	}
	var list []keyUse
	for _, at := range cmd.Positions(args) {
		if at <= 0 || at >= len(args) {
			continue
		}
		f, known := by[at]
		if !known {
			f = unknownUse(cmd, specs)
		}
		list = append(list, keyUse{at, variableUse(cmd, args, f)})
	}
	return list
}

// unknownUse is of a key whose place the command finds by itself: what it stores to, or whatever its flags allow.
func unknownUse(cmd *engine.Command, specs []keySpec) keyFlags {
	for _, k := range specs {
		if k.unknown && k.flags&keyOW != 0 {
			return k.flags
		}
	}
	if cmd.Flags&engine.Write != 0 {
		return keyRW | keyAccess | keyUpdate | keyDelete | keyInsert
	}
	return keyRO | keyAccess
}

// variableUse is what a command does with a key that depends on its options.
func variableUse(cmd *engine.Command, args [][]byte, f keyFlags) keyFlags {
	if f&keyVariable == 0 {
		return f
	}
	f &^= keyVariable
	switch cmd.Name {
	case "set":
		if !slices.ContainsFunc(args[min(3, len(args)):], func(a []byte) bool { return equalFold(a, "get") }) {
			return keyOW | keyUpdate
		}
	case "bitfield":
		if !slices.ContainsFunc(args[2:], func(a []byte) bool { return equalFold(a, "set") || equalFold(a, "incrby") }) {
			return keyRO | keyAccess
		}
	}
	return f
}
