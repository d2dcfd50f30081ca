package clients

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

func rueidisClient(t *testing.T, s *server, db int, set ...func(*rueidis.ClientOption)) rueidis.Client {
	t.Helper()
	o := rueidis.ClientOption{InitAddress: []string{s.addr}, SelectDB: db}
	for _, f := range set {
		f(&o)
	}
	c, err := rueidis.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestRueidis runs what rueidis does its own way: everything in one pipeline, answers of RESP3, a cache on its side.
func TestRueidis(t *testing.T) {
	s := open(t)
	t.Run("cache", func(t *testing.T) { rueidisCache(t, s) })
	t.Run("broadcast", func(t *testing.T) { rueidisBroadcast(t, s) })
	t.Run("multi", func(t *testing.T) { rueidisMulti(t, s) })
	t.Run("pubsub", func(t *testing.T) { rueidisPubSub(t, s) })
	t.Run("dedicated", func(t *testing.T) { rueidisDedicated(t, s) })
	t.Run("lua", func(t *testing.T) { rueidisLua(t, s) })
	t.Run("kill", func(t *testing.T) { rueidisKill(t, s) })
}

func rueidisCache(t *testing.T, s *server) {
	ctx := limited(t)
	c, other := rueidisClient(t, s, 0), s.client(0)
	get := func() (string, bool) {
		r := c.DoCache(ctx, c.B().Get().Key("cached").Cache(), time.Minute)
		text, err := r.ToString()
		if err != nil && !rueidis.IsRedisNil(err) {
			t.Fatal(err)
		}
		return text, r.IsCacheHit()
	}
	ok[string](t)(other.Set(ctx, "cached", "1", 0).Result())
	text, hit := get()
	want(t, "the first time", fmt.Sprint(text, hit), "1false")
	text, hit = get()
	want(t, "the second time", fmt.Sprint(text, hit), "1true")
	for name, change := range map[string]func() error{
		"a change":             func() error { return other.Append(ctx, "cached", "0").Err() },
		"a change by a script": func() error { return other.Eval(ctx, "redis.call('INCR', KEYS[1])", []string{"cached"}).Err() },
		"an end":               func() error { return other.PExpire(ctx, "cached", time.Millisecond).Err() },
		"a flush":              func() error { return other.FlushDB(ctx).Err() },
	} {
		ok[string](t)(other.Set(ctx, "cached", "1", 0).Result())
		until(t, "the value is there and cached", func() bool { text, hit := get(); return hit && text == "1" })
		if err := change(); err != nil && !strings.Contains(err.Error(), "nil") {
			t.Fatal(name, err)
		}
		until(t, name+" is told", func() bool { text, _ := get(); return text != "1" })
	}
	var keys []string
	for i := range 200 {
		keys = append(keys, fmt.Sprintf("many:%d", i))
		ok[string](t)(other.Set(ctx, keys[i], i, 0).Result())
	}
	for range 2 {
		values, err := rueidis.MGetCache(c, ctx, time.Minute, keys)
		if err != nil {
			t.Fatal(err)
		}
		for i, key := range keys {
			m := values[key]
			if text, _ := m.ToString(); text != strconv.Itoa(i) {
				t.Fatalf("%s is %q", key, text)
			}
		}
	}
}

func rueidisBroadcast(t *testing.T, s *server) {
	ctx := limited(t)
	told := make(chan string, 16)
	c := rueidisClient(t, s, 0, func(o *rueidis.ClientOption) {
		o.ClientTrackingOptions = []string{"PREFIX", "b:", "BCAST"}
		o.OnInvalidations = func(messages []rueidis.RedisMessage) {
			for _, m := range messages {
				key, _ := m.ToString()
				told <- key
			}
		}
	})
	if err := c.Do(ctx, c.B().Ping().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	other := s.client(0)
	ok[string](t)(other.Set(ctx, "a:1", 1, 0).Result())
	ok[string](t)(other.Set(ctx, "b:1", 1, 0).Result())
	want(t, "the key that is told", receive(t, "an invalidation", told), "b:1")
}

func rueidisMulti(t *testing.T, s *server) {
	ctx := limited(t)
	c := rueidisClient(t, s, 1)
	var commands rueidis.Commands
	for i := range 2000 {
		commands = append(commands, c.B().Set().Key(fmt.Sprintf("m:%d", i)).Value(strconv.Itoa(i)).Build(), c.B().Get().Key(fmt.Sprintf("m:%d", i)).Build())
	}
	commands = append(commands, c.B().Lpush().Key("m:0").Element("x").Build(), c.B().Hset().Key("h").FieldValue().FieldValue("a", "1").FieldValue("b", "2").Build(),
		c.B().Hgetall().Key("h").Build(), c.B().Zadd().Key("z").ScoreMember().ScoreMember(0.5, "m").Build(), c.B().Zscore().Key("z").Member("m").Build())
	results := c.DoMulti(ctx, commands...)
	for i := range 2000 {
		if text, err := results[2*i+1].ToString(); text != strconv.Itoa(i) {
			t.Fatalf("answer %d: %q, %v", i, text, err)
		}
	}
	refused(t, results[4000].Error(), "WRONGTYPE")
	fields, _ := results[4002].AsStrMap()
	want(t, "HGETALL", fields, "map[a:1 b:2]")
	score, _ := results[4004].ToFloat64() // a double of RESP3
	want(t, "ZSCORE", score, "0.5")
	tx := c.DoMulti(ctx, c.B().Multi().Build(), c.B().Incr().Key("n").Build(), c.B().Incr().Key("n").Build(), c.B().Exec().Build())
	sums, err := tx[3].AsIntSlice()
	want(t, "EXEC", fmt.Sprint(sums, err), "[1 2] <nil>")
}

func rueidisPubSub(t *testing.T, s *server) {
	ctx, cancel := context.WithCancel(limited(t))
	defer cancel()
	c := rueidisClient(t, s, 2)
	got := make(chan rueidis.PubSubMessage, 16)
	ended := make(chan error, 3)
	for _, command := range []rueidis.Completed{c.B().Subscribe().Channel("room").Build(), c.B().Psubscribe().Pattern("r*").Build(), c.B().Ssubscribe().Channel("shard").Build()} {
		go func() { ended <- c.Receive(ctx, command, func(m rueidis.PubSubMessage) { got <- m }) }()
	}
	other := s.client(2)
	until(t, "all three listen", func() bool {
		n, err := other.PubSubNumPat(ctx).Result()
		return err == nil && n == 1 && len(other.PubSubChannels(ctx, "room").Val()) == 1 && len(other.PubSubShardChannels(ctx, "shard").Val()) == 1
	})
	want(t, "GET beside subscriptions", fmt.Sprint(rueidis.IsRedisNil(c.Do(ctx, c.B().Get().Key("nothing").Build()).Error())), "true")
	want(t, "PUBLISH", ok[int64](t)(other.Publish(ctx, "room", "hello").Result()), "2")
	want(t, "SPUBLISH", ok[int64](t)(other.SPublish(ctx, "shard", "hello").Result()), "1")
	patterns := map[string]bool{}
	for range 3 {
		m := receive(t, "a message", got)
		patterns[m.Pattern+"|"+m.Channel+"|"+m.Message] = true
	}
	want(t, "messages", patterns, "map[r*|room|hello:true |room|hello:true |shard|hello:true]")
	cancel()
	for range 3 {
		if err := receive(t, "the end of a subscription", ended); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func rueidisDedicated(t *testing.T, s *server) {
	ctx := limited(t)
	c, other := rueidisClient(t, s, 3), s.client(3)
	err := c.Dedicated(func(d rueidis.DedicatedClient) error {
		d.Do(ctx, d.B().Watch().Key("w").Build())
		ok[string](t)(other.Set(ctx, "w", "changed", 0).Result())
		return d.DoMulti(ctx, d.B().Multi().Build(), d.B().Set().Key("w").Value("mine").Build(), d.B().Exec().Build())[2].Error()
	})
	if !rueidis.IsRedisNil(err) {
		t.Errorf("EXEC after a change: %v", err)
	}
	popped := make(chan []string, 1)
	go func() {
		list, _ := c.Do(ctx, c.B().Blpop().Key("q").Timeout(0).Build()).AsStrSlice()
		popped <- list
	}()
	until(t, "BLPOP waits", func() bool { return strings.Contains(other.Info(ctx, "clients").Val(), "blocked_clients:1") })
	ok[int64](t)(other.RPush(ctx, "q", "x").Result())
	want(t, "BLPOP", receive(t, "BLPOP", popped), "[q x]")
}

func rueidisLua(t *testing.T, s *server) {
	ctx := limited(t)
	c := rueidisClient(t, s, 4)
	script := rueidis.NewLuaScript("redis.setresp(3) return {redis.call('INCRBY', KEYS[1], ARGV[1]), {double = 1.5}, true, {map = {a = 1}}}")
	for i := range 2 {
		list, err := script.Exec(ctx, c, []string{"n"}, []string{"5"}).ToArray()
		if err != nil {
			t.Fatal(err)
		}
		n, _ := list[0].ToInt64()
		double, _ := list[1].ToFloat64()
		truth, _ := list[2].ToBool()
		m, _ := list[3].AsIntMap()
		want(t, "script", fmt.Sprint(n, double, truth, m), fmt.Sprintf("%d 1.5 true map[a:1]", 5*(i+1)))
	}
	results := script.ExecMulti(ctx, c, rueidis.LuaExec{Keys: []string{"n"}, Args: []string{"1"}}, rueidis.LuaExec{Keys: []string{"n"}, Args: []string{"x"}})
	refused(t, results[1].Error(), "value is not an integer or out of range")
}

func rueidisKill(t *testing.T, s *server) {
	ctx := limited(t)
	c := rueidisClient(t, s, 5)
	get := func() (string, error) { return c.DoCache(ctx, c.B().Get().Key("kept").Cache(), time.Hour).ToString() }
	if err := c.Do(ctx, c.B().Set().Key("kept").Value("1").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	until(t, "the value is cached", func() bool { text, err := get(); return err == nil && text == "1" })
	s.kill()
	s.start()
	other := s.client(5)
	want(t, "after the kill", ok[string](t)(other.Get(ctx, "kept").Result()), "1")
	ok[string](t)(other.Set(ctx, "kept", "2", 0).Result())
	until(t, "the cache of the connection before is gone", func() bool { text, err := get(); return err == nil && text == "2" })
}
