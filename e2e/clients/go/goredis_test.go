package clients

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestGoRedis runs the scenarios over both protocols, each in a database of its own.
func TestGoRedis(t *testing.T) {
	s := open(t)
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", protocol), func(t *testing.T) {
			c := s.client(protocol, func(o *redis.Options) { o.Protocol = protocol })
			for name, scenario := range map[string]func(*testing.T, *redis.Client){
				"types": goRedisTypes, "collections": goRedisCollections, "watch": goRedisWatch, "lua": goRedisLua, "streams": goRedisStreams,
				"pubsub": goRedisPubSub, "blocking": goRedisBlocking, "scan": goRedisScan, "server": goRedisServer,
			} {
				t.Run(name, func(t *testing.T) { scenario(t, c) })
			}
		})
	}
}

func goRedisTypes(t *testing.T, c *redis.Client) {
	ctx := limited(t)
	str, num := ok[string](t), ok[int64](t)
	want(t, "SET EX", str(c.Set(ctx, "s", "grüße\x00\r\n", time.Minute).Result()), "OK")
	want(t, "GET", str(c.Get(ctx, "s").Result()), "grüße\x00\r\n")
	if ttl := ok[time.Duration](t)(c.PTTL(ctx, "s").Result()); ttl <= 55*time.Second || ttl > time.Minute {
		t.Errorf("PTTL: %v", ttl)
	}
	if _, err := c.Get(ctx, "absent").Result(); !errors.Is(err, redis.Nil) {
		t.Errorf("GET of nothing: %v", err)
	}
	want(t, "SETNX", ok[bool](t)(c.SetNX(ctx, "s", "no", 0).Result()), "false")
	want(t, "GETEX", str(c.GetEx(ctx, "s", 0).Result()), "grüße\x00\r\n")
	want(t, "GETDEL", str(c.GetDel(ctx, "s").Result()), "grüße\x00\r\n")
	want(t, "INCRBY", num(c.IncrBy(ctx, "n", 41).Result()), "41")
	want(t, "INCRBYFLOAT", ok[float64](t)(c.IncrByFloat(ctx, "n", 1.25).Result()), "42.25")
	refused(t, c.Incr(ctx, "n").Err(), "ERR value is not an integer or out of range")
	want(t, "MSET", str(c.MSet(ctx, map[string]any{"m1": 1, "m2": "zwei"}).Result()), "OK")
	want(t, "MGET", ok[[]any](t)(c.MGet(ctx, "m1", "m2", "absent").Result()), "[1 zwei <nil>]")
	want(t, "SETBIT", num(c.SetBit(ctx, "bits", 100, 1).Result()), "0")
	want(t, "BITCOUNT", num(c.BitCount(ctx, "bits", &redis.BitCount{Start: 0, End: -1}).Result()), "1")
	want(t, "BITPOS", num(c.BitPos(ctx, "bits", 1).Result()), "100")
	want(t, "BITFIELD", ok[[]int64](t)(c.BitField(ctx, "fields", "SET", "u8", "#1", 200, "OVERFLOW", "SAT", "INCRBY", "u8", "#1", 100, "GET", "i8", "8").Result()), "[0 255 -1]")
	want(t, "PFADD", num(c.PFAdd(ctx, "hll", "a", "b", "c", "a").Result()), "1")
	want(t, "PFCOUNT", num(c.PFCount(ctx, "hll").Result()), "3")
	want(t, "GEOADD", num(c.GeoAdd(ctx, "geo", &redis.GeoLocation{Name: "Palermo", Longitude: 13.361389, Latitude: 38.115556},
		&redis.GeoLocation{Name: "Catania", Longitude: 15.087269, Latitude: 37.502669}).Result()), "2")
	want(t, "GEODIST", ok[float64](t)(c.GeoDist(ctx, "geo", "Palermo", "Catania", "km").Result()), "166.2742")
	near := ok[[]string](t)(c.GeoSearch(ctx, "geo", &redis.GeoSearchQuery{Longitude: 15, Latitude: 37, Radius: 200, RadiusUnit: "km", Sort: "ASC"}).Result())
	want(t, "GEOSEARCH", near, "[Catania Palermo]")
	refused(t, c.LPush(ctx, "hll", 1).Err(), "WRONGTYPE Operation against a key holding the wrong kind of value")
}

func goRedisCollections(t *testing.T, c *redis.Client) {
	ctx := limited(t)
	str, num, list := ok[string](t), ok[int64](t), ok[[]string](t)
	want(t, "RPUSH", num(c.RPush(ctx, "l", "a", "b", "c", "d").Result()), "4")
	want(t, "LINSERT", num(c.LInsertAfter(ctx, "l", "b", "x").Result()), "5")
	want(t, "LMOVE", str(c.LMove(ctx, "l", "l2", "RIGHT", "LEFT").Result()), "d")
	want(t, "LPOS", ok[[]int64](t)(c.LPosCount(ctx, "l", "x", 0, redis.LPosArgs{}).Result()), "[2]")
	want(t, "LRANGE", list(c.LRange(ctx, "l", 0, -1).Result()), "[a b x c]")
	want(t, "HSET", num(c.HSet(ctx, "h", map[string]any{"f": "1", "g": "zwei"}).Result()), "2")
	var into struct {
		F int    `redis:"f"`
		G string `redis:"g"`
	}
	if err := c.HGetAll(ctx, "h").Scan(&into); err != nil || into.F != 1 || into.G != "zwei" {
		t.Errorf("HGETALL into a struct: %+v, %v", into, err)
	}
	want(t, "HRANDFIELD", len(ok[[]redis.KeyValue](t)(c.HRandFieldWithValues(ctx, "h", 5).Result())), "2")
	want(t, "SADD", num(c.SAdd(ctx, "s1", "a", "b", "c").Result()), "3")
	want(t, "SADD", num(c.SAdd(ctx, "s2", "b", "c", "d").Result()), "3")
	inter := list(c.SInter(ctx, "s1", "s2").Result())
	slices.Sort(inter)
	want(t, "SINTER", inter, "[b c]")
	want(t, "SINTERCARD", num(c.SInterCard(ctx, 1, "s1", "s2").Result()), "1")
	want(t, "SMISMEMBER", ok[[]bool](t)(c.SMIsMember(ctx, "s1", "a", "d").Result()), "[true false]")
	want(t, "ZADD", num(c.ZAdd(ctx, "z", redis.Z{Score: 1, Member: "a"}, redis.Z{Score: 2.5, Member: "b"}, redis.Z{Score: 3, Member: "c"}).Result()), "3")
	want(t, "ZADD GT CH", num(c.ZAddArgs(ctx, "z", redis.ZAddArgs{GT: true, Ch: true, Members: []redis.Z{{Score: 0, Member: "a"}, {Score: 9, Member: "b"}}}).Result()), "1")
	want(t, "ZRANGE REV", ok[[]redis.Z](t)(c.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{Key: "z", Start: 0, Stop: 1, Rev: true}).Result()), "[{9 b} {3 c}]")
	want(t, "ZRANK", num(c.ZRank(ctx, "z", "c").Result()), "1")
	want(t, "ZUNION", ok[[]redis.Z](t)(c.ZUnionWithScores(ctx, redis.ZStore{Keys: []string{"z", "s1"}, Weights: []float64{2, 1}, Aggregate: "MAX"}).Result()), "[{2 a} {6 c} {18 b}]")
	want(t, "ZRANGE BYLEX", list(c.ZRangeByLex(ctx, "z", &redis.ZRangeBy{Min: "-", Max: "+", Offset: 0, Count: 1}).Result()), "[a]")
	want(t, "SORT BY GET", list(c.Sort(ctx, "s1", &redis.Sort{Alpha: true, Order: "DESC", Get: []string{"#"}}).Result()), "[c b a]")
}

func goRedisWatch(t *testing.T, c *redis.Client) {
	ctx := limited(t)
	const workers, each = 8, 25
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for done := 0; done < each; {
				err := c.Watch(ctx, func(tx *redis.Tx) error {
					n, err := tx.Get(ctx, "watched").Int()
					if err != nil && !errors.Is(err, redis.Nil) {
						return err
					}
					_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error { p.Set(ctx, "watched", n+1, 0); return nil })
					return err
				}, "watched")
				switch {
				case err == nil:
					done++
				case !errors.Is(err, redis.TxFailedErr):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	want(t, "sum", ok[string](t)(c.Get(ctx, "watched").Result()), strconv.Itoa(workers*each))
	results, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "tx", "text", 0)
		p.Incr(ctx, "tx")
		p.Append(ctx, "tx", "!")
		return nil
	})
	refused(t, err, "ERR value is not an integer")
	want(t, "what stands behind the error", results[2].(*redis.IntCmd).Val(), "5")
	results, err = c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range 5000 {
			p.RPush(ctx, "piped", i)
		}
		return nil
	})
	if err != nil || results[4999].(*redis.IntCmd).Val() != 5000 {
		t.Errorf("a pipeline of 5,000: %v", err)
	}
}

func goRedisLua(t *testing.T, c *redis.Client) {
	ctx := limited(t)
	script := redis.NewScript(`
		local out = {}
		for i, key in ipairs(KEYS) do
			redis.call('HSET', key, 'n', ARGV[i], 'packed', cmsgpack.pack({i, key}))
			local h = redis.call('HGETALL', key)
			out[i] = {h[2], cmsgpack.unpack(h[4])[2], struct.unpack('>I2', struct.pack('>I2', 258)), bit.band(12, 10)}
		end
		redis.log(redis.LOG_NOTICE, 'made ' .. #out)
		return out`)
	if err := c.ScriptFlush(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // EVAL, then EVALSHA
		want(t, "script", ok[any](t)(script.Run(ctx, c, []string{"k1", "k2"}, "7", "8").Result()), "[[7 k1 258 8] [8 k2 258 8]]")
	}
	want(t, "SCRIPT EXISTS", ok[[]bool](t)(script.Exists(ctx, c).Result()), "[true]")
	want(t, "EVAL_RO", ok[any](t)(script.RunRO(ctx, c, nil).Result()), "[]")
	refused(t, redis.NewScript(`return redis.call('SET', KEYS[1], 1)`).EvalRO(ctx, c, []string{"k"}).Err(), "ERR Write commands are not allowed from read-only scripts.")
	refused(t, redis.NewScript(`error('own words')`).Run(ctx, c, nil).Err(), "own words")
	refused(t, redis.NewScript(`return nope()`).Run(ctx, c, nil).Err(), "Script attempted to access nonexistent global variable 'nope'")
	refused(t, c.EvalSha(ctx, "ffffffffffffffffffffffffffffffffffffffff", nil).Err(), "NOSCRIPT No matching script. Please use EVAL.")

	want(t, "CONFIG SET", ok[string](t)(c.ConfigSet(ctx, "busy-reply-threshold", "100").Result()), "OK")
	loop := make(chan error, 1)
	o := *c.Options()
	o.ReadTimeout = patience
	other := redis.NewClient(&o)
	defer other.Close()
	go func() { loop <- other.Eval(ctx, "while true do end", nil).Err() }()
	until(t, "the script is killed", func() bool { return c.ScriptKill(ctx).Err() == nil })
	refused(t, receive(t, "the killed script", loop), "Script killed by user with SCRIPT KILL")
}

func goRedisStreams(t *testing.T, c *redis.Client) {
	ctx := limited(t)
	num := ok[int64](t)
	for i := range 100 {
		ok[string](t)(c.XAdd(ctx, &redis.XAddArgs{Stream: "x", ID: fmt.Sprintf("%d-*", i+1), Values: map[string]any{"i": i}}).Result())
	}
	refused(t, c.XAdd(ctx, &redis.XAddArgs{Stream: "x", ID: "5-0", Values: []string{"a", "b"}}).Err(), "ERR The ID specified in XADD is equal or smaller than the target stream top item")
	want(t, "XGROUP CREATE", ok[string](t)(c.XGroupCreate(ctx, "x", "g", "0").Result()), "OK")
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]string{}
	for w := range 4 {
		name := fmt.Sprintf("w%d", w)
		wg.Go(func() {
			for {
				got, err := c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: name, Streams: []string{"x", ">"}, Count: 7, Block: 50 * time.Millisecond}).Result()
				if errors.Is(err, redis.Nil) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				for _, m := range got[0].Messages {
					mu.Lock()
					if other, twice := seen[m.ID]; twice {
						t.Errorf("%s went to %s and %s", m.ID, other, name)
					}
					seen[m.ID] = name
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	want(t, "entries handed out", len(seen), "100")
	pending := ok[*redis.XPending](t)(c.XPending(ctx, "x", "g").Result())
	want(t, "XPENDING", fmt.Sprint(pending.Count, " ", pending.Lower, " ", pending.Higher), "100 1-0 100-0")
	want(t, "XACK", num(c.XAck(ctx, "x", "g", "1-0", "2-0", "2-0", "7-7").Result()), "2")
	messages, next, err := c.XAutoClaim(ctx, &redis.XAutoClaimArgs{Stream: "x", Group: "g", Consumer: "heir", Start: "0", Count: 10}).Result()
	want(t, "XAUTOCLAIM", fmt.Sprint(len(messages), " ", next, " ", err), "10 13-0 <nil>")
	want(t, "XDEL", num(c.XDel(ctx, "x", "3-0", "50-0").Result()), "2")
	want(t, "XTRIM", num(c.XTrimMinID(ctx, "x", "11").Result()), "9")
	info := ok[*redis.XInfoStream](t)(c.XInfoStream(ctx, "x").Result())
	want(t, "XINFO STREAM", fmt.Sprint(info.Length, " ", info.Groups, " ", info.LastGeneratedID, " ", info.MaxDeletedEntryID, " ", info.EntriesAdded, " ", info.FirstEntry.ID), "89 1 100-0 50-0 100 11-0")
	full := ok[*redis.XInfoStreamFull](t)(c.XInfoStreamFull(ctx, "x", 2).Result())
	want(t, "XINFO STREAM FULL", fmt.Sprint(len(full.Entries), " ", len(full.Groups), " ", full.Groups[0].PelCount), "2 1 98")
}

func goRedisPubSub(t *testing.T, c *redis.Client) {
	ctx := limited(t)
	sub := c.Subscribe(ctx, "news")
	defer sub.Close()
	if err := sub.PSubscribe(ctx, "n?ws"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := sub.Receive(ctx); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "PUBLISH", ok[int64](t)(c.Publish(ctx, "news", "hello").Result()), "2")
	messages := sub.Channel()
	var got []string
	for range 2 {
		m := receive(t, "a message", messages)
		got = append(got, m.Pattern+"|"+m.Channel+"|"+m.Payload)
	}
	slices.Sort(got)
	want(t, "messages", got, "[n?ws|news|hello |news|hello]")
	shard := c.SSubscribe(ctx, "shard")
	defer shard.Close()
	if _, err := shard.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	want(t, "SPUBLISH", ok[int64](t)(c.SPublish(ctx, "shard", "x").Result()), "1")
	want(t, "PUBSUB NUMSUB", ok[map[string]int64](t)(c.PubSubNumSub(ctx, "news", "none").Result()), "map[news:1 none:0]")
	want(t, "PUBSUB SHARDCHANNELS", ok[[]string](t)(c.PubSubShardChannels(ctx, "*").Result()), "[shard]")
}

func goRedisBlocking(t *testing.T, c *redis.Client) {
	ctx := limited(t)
	popped := make(chan []string, 1)
	go func() { popped <- c.BRPop(ctx, 0, "b1", "b2").Val() }()
	scored := make(chan *redis.ZWithKey, 1)
	go func() { scored <- c.BZPopMin(ctx, 0, "bz").Val() }()
	until(t, "both wait", func() bool {
		return ok[map[string]map[string]string](t)(c.InfoMap(ctx, "clients").Result())["Clients"]["blocked_clients"] == "2"
	})
	_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error { // what comes in one piece is seen in one piece
		p.LPush(ctx, "b2", "first")
		p.LPush(ctx, "b2", "second")
		p.ZAdd(ctx, "bz", redis.Z{Score: 2, Member: "b"}, redis.Z{Score: 1, Member: "a"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "BRPOP", receive(t, "BRPOP", popped), "[b2 first]")
	z := receive(t, "BZPOPMIN", scored)
	want(t, "BZPOPMIN", fmt.Sprint(z.Key, " ", z.Member, " ", z.Score), "bz a 1")
	began := time.Now()
	if err := c.BLPop(ctx, time.Second, "never").Err(); !errors.Is(err, redis.Nil) || time.Since(began) < 900*time.Millisecond {
		t.Errorf("BLPOP of nothing: %v after %v", err, time.Since(began))
	}
}

func goRedisScan(t *testing.T, c *redis.Client) {
	ctx := limited(t)
	_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range 3000 {
			p.Set(ctx, fmt.Sprintf("scan:%d", i), i, 0)
			p.SAdd(ctx, "scanned", i)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	it := c.ScanType(ctx, 0, "scan:*", 50, "string").Iterator()
	for n := 0; it.Next(ctx); n++ {
		seen[it.Val()] = true
		if n%10 == 0 { // the keyspace changes meanwhile
			c.Set(ctx, fmt.Sprintf("more:%d", n), n, 0)
			c.Del(ctx, fmt.Sprintf("more:%d", n-100))
		}
	}
	want(t, "keys met", fmt.Sprint(len(seen), it.Err()), "3000 <nil>")
	members := map[string]bool{}
	for it := c.SScan(ctx, "scanned", 0, "", 100).Iterator(); it.Next(ctx); {
		members[it.Val()] = true
	}
	want(t, "members met", len(members), "3000")
}

func goRedisServer(t *testing.T, c *redis.Client) {
	ctx := limited(t)
	commands := ok[map[string]*redis.CommandInfo](t)(c.Command(ctx).Result())
	if get := commands["get"]; get == nil || !get.ReadOnly || get.FirstKeyPos != 1 || get.Arity != 2 {
		t.Errorf("COMMAND says of GET: %+v", get)
	}
	refused(t, c.ClusterInfo(ctx).Err(), "ERR This instance has cluster support disabled")
	refused(t, c.ClusterSlots(ctx).Err(), "ERR This instance has cluster support disabled")
	want(t, "cluster_enabled", ok[map[string]map[string]string](t)(c.InfoMap(ctx, "cluster").Result())["Cluster"]["cluster_enabled"], "0")
	want(t, "CONFIG GET", ok[map[string]string](t)(c.ConfigGet(ctx, "appendfsync").Result()), "map[appendfsync:always]")
	key := fmt.Sprintf("of %d", c.Options().Protocol)
	want(t, "SET", ok[string](t)(c.Set(ctx, key, make([]byte, 5000), 0).Result()), "OK")
	if used := ok[int64](t)(c.MemoryUsage(ctx, key).Result()); used < 5000 || used > 10_000 {
		t.Errorf("MEMORY USAGE of 5,000 bytes: %d", used)
	}
	want(t, "CLIENT SETNAME", ok[bool](t)(c.Conn().ClientSetName(ctx, "me").Result()), "true")
	want(t, "COPY", ok[int64](t)(c.Copy(ctx, key, "copied", 15, true).Result()), "1")
	want(t, "MOVE", ok[bool](t)(c.Move(ctx, key, 15).Result()), "true")
	want(t, "TYPE", ok[string](t)(c.Type(ctx, key).Result()), "none")
	if err := c.FlushDB(ctx).Err(); err != nil || ok[int64](t)(c.DBSize(ctx).Result()) != 0 {
		t.Errorf("FLUSHDB: %v", err)
	}
}

// TestGoRedisAfterAKill writes while the server is killed and started again: what was answered is there, once.
func TestGoRedisAfterAKill(t *testing.T) {
	s := open(t)
	c := s.client(4, func(o *redis.Options) { o.MaxRetries = -1; o.PoolSize = 16 }) // a retry would write twice
	ctx := limited(t)
	for cycle := range 3 {
		stop := make(chan struct{})
		acknowledged := make(chan int, 1)
		written := make(chan struct{}, 1)
		go func() { acknowledged <- appendUntil(ctx, c, fmt.Sprintf("list%d", cycle), written, stop) }()
		for range 200 {
			receive(t, "a write", written)
		}
		s.kill()
		close(stop)
		n := receive(t, "the writer", acknowledged)
		s.start()
		list := ok[[]string](t)(c.LRange(ctx, fmt.Sprintf("list%d", cycle), 0, -1).Result())
		if len(list) != n && len(list) != n+1 { // the last may be there without an answer
			t.Fatalf("%d elements, %d were acknowledged", len(list), n)
		}
		for i, text := range list {
			if text != strconv.Itoa(i) {
				t.Fatalf("element %d is %s", i, text)
			}
		}
	}
}

// appendUntil appends numbers to a list until one is not acknowledged; it gives how many are.
func appendUntil(ctx context.Context, c *redis.Client, key string, written chan<- struct{}, stop <-chan struct{}) int {
	for n := 0; ; n++ {
		if c.RPush(ctx, key, n).Err() != nil {
			return n
		}
		select {
		case written <- struct{}{}:
		case <-stop:
		}
	}
}
