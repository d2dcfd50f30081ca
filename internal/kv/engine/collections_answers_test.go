package engine

import "testing"

const wrongType = "-WRONGTYPE Operation against a key holding the wrong kind of value"

// TestAnswersOfLists says what commands of lists answer.
func TestAnswersOfLists(t *testing.T) {
	newRig(t, Config{}).steps([][2]string{
		{"rpush l a b c", "3"}, {"lpush l z y", "5"}, {"lrange l 0 -1", "[y z a b c]"}, {"lrange l -2 100", "[b c]"}, {"lrange l 3 1", "[]"},
		{"lpushx no a", "0"}, {"rpushx l d", "6"}, {"llen l", "6"}, {"llen no", "0"}, {"lindex l -1", "d"}, {"lindex l 6", "(nil)"}, {"lindex no x", "(nil)"},
		{"lindex l x", "-ERR value is not an integer or out of range"}, {"lset l -6 Y", "OK"}, {"lset l 6 x", "-ERR index out of range"}, {"lset no 0 x", "-ERR no such key"},
		{"linsert l before a A", "7"}, {"linsert l after d e", "8"}, {"linsert l after nothing e", "-1"}, {"linsert no after a b", "0"}, {"linsert l at a b", "-ERR syntax error"},
		{"lrange l 0 -1", "[Y z A a b c d e]"}, {"lpop l", "Y"}, {"rpop l 2", "[e d]"}, {"lpop l 0", "[]"}, {"lpop l -1", "-ERR value is out of range, must be positive"},
		{"lpop l x", "-ERR value is out of range, must be positive"}, {"lpop l 1 2", "-ERR wrong number of arguments for 'lpop' command"}, {"lpop no", "(nil)"}, {"lpop no 2", "(nil)"},
		{"ltrim l 1 -2", "OK"}, {"lrange l 0 -1", "[A a b]"}, {"ltrim l 5 9", "OK"}, {"exists l", "0"}, {"ltrim l 0 0", "OK"},
		{"rpush l a b a c a b", "6"}, {"lpos l a", "0"}, {"lpos l a rank 2", "2"}, {"lpos l a rank -1", "4"}, {"lpos l a count 0", "[0 2 4]"}, {"lpos l a rank -1 count 2", "[4 2]"},
		{"lpos l c maxlen 3", "(nil)"}, {"lpos l x count 0", "[]"}, {"lpos l a count -1", "-ERR COUNT can't be negative"}, {"lpos l a maxlen -1", "-ERR MAXLEN can't be negative"},
		{"lpos l a rank 0", "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list"},
		{"lrem l 1 a", "1"}, {"lrem l -1 b", "1"}, {"lrem l 0 a", "2"}, {"lrange l 0 -1", "[b c]"}, {"lrem no 0 a", "0"},
		{"lmove l m left right", "b"}, {"rpoplpush l m", "c"}, {"lrange m 0 -1", "[c b]"}, {"exists l", "0"}, {"rpoplpush m m", "b"}, {"lrange m 0 -1", "[b c]"}, {"lmove m m up left", "-ERR syntax error"},
		{"lmpop 2 l m right count 5", "[m [c b]]"}, {"lmpop 1 m left", "(nil)"}, {"lmpop 0 m left", "-ERR numkeys should be greater than 0"}, {"lmpop 1 m left count 0", "-ERR count should be greater than 0"},
		{"set s v", "OK"}, {"lpush s a", wrongType}, {"rpoplpush no s", "(nil)"}, {"lpush l a", "1"}, {"rpoplpush l s", wrongType}, {"lrange l 0 -1", "[a]"},
		{"rpush l 1 2", "3"}, {"object encoding l", "quicklist"},
	}...)
}

// TestAnswersOfHashes says what commands of hashes answer.
func TestAnswersOfHashes(t *testing.T) {
	newRig(t, Config{}).steps([][2]string{
		{"hset h a 1 b 2", "2"}, {"hset h a 3 c 4", "1"}, {"hset h a", "-ERR wrong number of arguments for 'hset' command"}, {"hmset h d 5", "OK"}, {"hmset h d", "-ERR wrong number of arguments for 'hmset' command"},
		{"hgetall h", "[a 3 b 2 c 4 d 5]"}, {"hkeys h", "[a b c d]"}, {"hvals h", "[3 2 4 5]"}, {"hlen h", "4"}, {"hget h a", "3"}, {"hget h x", "(nil)"}, {"hget no x", "(nil)"},
		{"hmget h a x d", "[3 (nil) 5]"}, {"hmget no a", "[(nil)]"}, {"hexists h a", "1"}, {"hexists h x", "0"}, {"hstrlen h a", "1"}, {"hstrlen h x", "0"}, {"hsetnx h a 9", "0"}, {"hsetnx h e 9", "1"},
		{"hdel h a b x", "2"}, {"hdel h c d e", "3"}, {"exists h", "0"}, {"hdel h a", "0"}, {"hgetall h", "[]"},
		{"hincrby h n 5", "5"}, {"hincrby h n -7", "-2"}, {"hset h n 9223372036854775807", "0"}, {"hincrby h n 1", "-ERR increment or decrement would overflow"}, {"hincrby h n x", "-ERR value is not an integer or out of range"},
		{"hset h s text", "1"}, {"hincrby h s 1", "-ERR hash value is not an integer"}, {"hincrbyfloat h s 1", "-ERR hash value is not a float"}, {"hincrbyfloat h f 10.5", "10.5"}, {"hincrbyfloat h f 0.1", "10.6"},
		{"hincrbyfloat h f inf", "-ERR value is NaN or Infinity"}, {"hincrbyfloat h f x", "-ERR value is not a valid float"}, {"hincrbyfloat h f -0.6", "10"},
		{"hrandfield no", "(nil)"}, {"hrandfield no 2", "[]"}, {"hrandfield h 0", "[]"}, {"hrandfield h x", "-ERR value is not an integer or out of range"}, {"hrandfield h 1 x", "-ERR syntax error"},
		{"hrandfield h -9223372036854775808", "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"}, {"hrandfield h 9223372036854775807 withvalues", "-ERR value is out of range"},
		{"hrandfield h -9223372036854775807", "-ERR value is out of range"}, {"hscan h 0 match f", "[0 [f 10]]"}, {"hscan no 5", "[0 []]"}, {"hscan h x", "-ERR invalid cursor"}, {"object encoding h", "listpack"},
		{"set s v", "OK"}, {"hset s a b", wrongType}, {"hgetall s", wrongType}, {"hincrby s a 1", wrongType},
	}...)
}

// TestAnswersOfSets says what commands of sets answer.
func TestAnswersOfSets(t *testing.T) {
	newRig(t, Config{}).steps([][2]string{
		{"sadd s 3 1 2 1", "3"}, {"smembers s", "[1 2 3]"}, {"object encoding s", "intset"}, {"sadd s a", "1"}, {"object encoding s", "hashtable"}, {"sadd s a", "0"}, {"scard s", "4"},
		{"sismember s 2", "1"}, {"sismember s 02", "0"}, {"smismember s 1 x a", "[1 0 1]"}, {"smismember no x", "[0]"}, {"srem s 1 x", "1"}, {"srem no x", "0"}, {"smembers s", "[2 3 a]"},
		{"sadd t 3 a z", "3"}, {"sinter s t", "[3 a]"}, {"sinter s no", "[]"}, {"sunion s t", "[2 3 a z]"}, {"sdiff s t", "[2]"}, {"sdiff s s", "[]"}, {"sdiff no s", "[]"}, {"sintercard 2 s t", "2"},
		{"sintercard 2 s t limit 1", "1"}, {"sintercard 2 s t limit 0", "2"}, {"sintercard 0 s", "-ERR numkeys should be greater than 0"}, {"sintercard 3 s t", "-ERR Number of keys can't be greater than number of args"},
		{"sintercard 2 s t limit -1", "-ERR LIMIT can't be negative"}, {"sinterstore d s t", "2"}, {"smembers d", "[3 a]"}, {"sunionstore d s t", "4"}, {"sdiffstore d s t", "1"}, {"smembers d", "[2]"}, {"sinterstore d s no", "0"}, {"exists d", "0"},
		{"smove s t 2", "1"}, {"smove s t 2", "0"}, {"smove no t 2", "0"}, {"smove s s a", "1"}, {"smembers t", "[3 a z 2]"}, {"srandmember no", "(nil)"}, {"srandmember no 3", "[]"}, {"srandmember s 0", "[]"},
		{"srandmember s 1 2", "-ERR syntax error"}, {"srandmember s -9223372036854775808", "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"}, {"srandmember s -9223372036854775807", "-ERR value is out of range"},
		{"spop no", "(nil)"}, {"spop no 2", "[]"}, {"spop s 0", "[]"}, {"spop s -1", "-ERR value is out of range, must be positive"}, {"spop s 1 2", "-ERR syntax error"}, {"spop s 99", "[3 a]"}, {"exists s", "0"},
		{"sscan t 0 match [az]", "[0 [a z]]"}, {"set x v", "OK"}, {"sadd x a", wrongType}, {"sinter no x", wrongType}, {"sunion t x", wrongType}, {"smove t x a", wrongType}, {"sinterstore x t", "4"}, {"type x", "set"},
	}...)
}
