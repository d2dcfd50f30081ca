package engine

// myTemplates make random commands of the families of this part; rig.line says how.
var myTemplates = []string{
	"set key text nx|xx|- get|- ex|px|exat|pxat|keepttl|- ##|-", "set key text", "set key #", "setnx key text", "setex key ## text", "psetex key ## text",
	"getset key text", "getdel key", "getex key ex|px|exat|pxat|persist ##|-", "getex key", "get key", "mget key key key",
	"mset key text key text", "mset key text key", "msetnx key text key text", "append key text", "strlen key",
	"setrange key # text", "getrange key # #", "substr key # #", "incr key", "decr key", "incrby key #|text", "decrby key #|text",
	"incrbyfloat key #|text|1.5|-0.1|1e-5|0x1p3", "lcs key key idx|len|- minmatchlen|- #|- withmatchlen|-", "lcs key key", "lcs key key idx",
	"setbit key ## 0|1|2", "setbit key # 0|1", "getbit key #", "bitcount key", "bitcount key # # bit|byte|-", "bitcount key #",
	"bitpos key 0|1|2", "bitpos key 0|1 #", "bitpos key 0|1 # #", "bitpos key 0|1 # # bit|byte|bits",
	"bitop and|or|xor|not key key", "bitop and|or|xor key key key key", "bitop nand key key",
	"bitfield key get u8|i5|u63|i64|u64 #|#1|##", "bitfield key overflow wrap|sat|fail incrby u2|i3|u8|i64|u63|i13 #|#0|#3 ##|9223372036854775807|-9223372036854775808",
	"bitfield key overflow wrap|sat|fail set u2|i3|u8|i64|u63|i13 #|#0|#3 ##|9223372036854775807|-9223372036854775808|-1", "bitfield_ro key get u8|i5 # get u3 #", "bitfield_ro key set u8 # #",
	"pfadd hll1|hll2|key text text", "pfadd hll1|hll2 ## ## ## ##", "pfcount hll1|hll2|key", "pfcount hll1|hll2 hll1|key", "pfmerge hll1|hll2|hll3 hll1|hll2|key", "get hll1|hll2", "pfadd hll2",
	"del key key", "unlink key", "exists key key", "type key", "touch key key", "rename key key", "renamenx key key", "copy key key replace|-",
	"move key 0|1|99|x", "copy key key db 0|1|77 replace|-", "dbsize", "select 0|1|0|99|x", "swapdb 0 1|x|99", "keys k[0-3]*|k?|*", "flushdb sync|async|x",
	"expire|pexpire key ## nx|xx|gt|lt|-", "expireat|pexpireat key 1|17000000000000|99999999999|# nx|xx|gt|lt|-", "expire key 9223372036854775807|-9223372036854775808|9223372036854775|text", "pexpireat key 17000000000000|17000000000001 gt|lt|nx|xx",
	"ttl|pttl|expiretime|pexpiretime key", "persist key", "object encoding key", "object refcount key", "wait 0 10", "sort key", "scan 0 count 100 type string", "scan x", "scan 0 count 0|x|-1",
}
