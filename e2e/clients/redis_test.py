"""redis-py against the built appliance: all types, both protocols, all kinds of connection. `make e2e-clients` runs it."""

import asyncio
import os
import pathlib
import tempfile
import threading
import time
import unittest

import redis
import redis.asyncio

from appliance import Appliance, certificate, free_port, until

HERE = pathlib.Path(__file__).resolve().parent
APPLIANCE = os.environ.get("APPLIANCE_BIN", str(HERE.parents[1] / "bin" / "wayside"))


class Scenario(unittest.TestCase):
    """One appliance that listens everywhere, and a client with an empty database."""

    protocol = 3

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="wayside-redis-py-")
        cls.addClassCleanup(folder.cleanup)
        cls.socket, cls.tls = os.path.join(folder.name, "kv.sock"), free_port()
        cls.cert, key = certificate(folder.name)
        cls.appliance = Appliance(APPLIANCE, kv=True, env={
            "WAYSIDE_KV_UNIX_SOCKET": cls.socket, "WAYSIDE_KV_TLS_LISTEN": f"127.0.0.1:{cls.tls}",
            "WAYSIDE_KV_TLS_CERT": cls.cert, "WAYSIDE_KV_TLS_KEY": key,
        })
        cls.addClassCleanup(cls.appliance.close)

    def setUp(self):
        self.r = self.client()
        self.r.flushall()

    def client(self, **options):
        r = redis.Redis(port=self.appliance.kv_port, **{"protocol": self.protocol, "decode_responses": True, "socket_timeout": 30, **options})
        self.addCleanup(r.close)
        return r


class Types(Scenario):
    def test_strings(self):
        r = self.r
        self.assertTrue(r.set("a", "1", ex=100))
        self.assertIsNone(r.set("a", "2", nx=True))
        self.assertEqual(r.set("a", "3", xx=True, get=True), "1")
        self.assertEqual((r.get("a"), r.ttl("a")), ("3", -1))
        self.assertEqual(r.getex("a", px=5000), "3")
        self.assertTrue(0 < r.pttl("a") <= 5000)
        self.assertEqual((r.incrby("n", 5), r.decr("n"), r.incrbyfloat("f", 0.1)), (5, 4, 0.1))
        self.assertEqual((r.append("s", "hello"), r.setrange("s", 1, "a"), r.getrange("s", 0, 1), r.strlen("s")), (5, 5, "ha", 5))
        self.assertTrue(r.mset({"x": 1, "y": 2}))
        self.assertEqual(r.mget("x", "none", "y"), ["1", None, "2"])
        self.assertEqual(r.getdel("x"), "1")
        self.assertEqual(r.exists("x", "y"), 1)
        r.mset({"k1": "ohmytext", "k2": "mynewtext"})
        self.assertEqual(r.lcs("k1", "k2"), "mytext")
        with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE|wrong kind"):
            r.lpush("a", 1)
        raw = self.client(decode_responses=False)
        every = bytes(range(256)) * 4000
        raw.set("raw", every)
        self.assertEqual(raw.get("raw"), every)

    def test_bits(self):
        r = self.r
        self.assertEqual((r.setbit("b", 7, 1), r.getbit("b", 7), r.bitcount("b"), r.bitpos("b", 1)), (0, 1, 1, 7))
        self.assertEqual(r.bitfield("f").incrby("u8", 0, 250).overflow("SAT").incrby("u8", 0, 250).get("u4", 4).execute(), [250, 255, 15])
        r.set("c", b"\xff")
        self.assertEqual((r.bitop("AND", "d", "b", "c"), r.get("d")), (1, "\x01"))

    def test_lists(self):
        r = self.r
        self.assertEqual((r.rpush("l", *"abc"), r.lpush("l", "z"), r.llen("l")), (3, 4, 4))
        self.assertEqual((r.lrange("l", 0, -1), r.lindex("l", -1), r.lpos("l", "b")), (["z", "a", "b", "c"], "c", 2))
        self.assertEqual((r.lpop("l", 2), r.linsert("l", "before", "c", "x"), r.lrem("l", 1, "x")), (["z", "a"], 3, 1))
        self.assertEqual((r.lmove("l", "m", "LEFT", "RIGHT"), r.lmpop(2, "none", "m", direction="LEFT")), ("b", ["m", ["b"]]))
        self.assertTrue(r.ltrim("l", 5, 9))
        self.assertEqual(r.exists("l"), 0)

    def test_hashes(self):
        r = self.r
        self.assertEqual(r.hset("h", mapping={"a": 1, "b": 2}), 2)
        self.assertEqual((r.hgetall("h"), r.hmget("h", "a", "none"), r.hincrby("h", "a", 4)), ({"a": "1", "b": "2"}, ["1", None], 5))
        self.assertEqual((r.hexists("h", "b"), r.hkeys("h"), r.hvals("h"), r.hdel("h", "a"), r.hlen("h")), (True, ["a", "b"], ["5", "2"], 1, 1))
        r.hset("big", mapping={f"f{n}": n for n in range(5000)})
        self.assertEqual(dict(r.hscan_iter("big", count=100)), {f"f{n}": str(n) for n in range(5000)})
        self.assertEqual(len(r.hrandfield("big", 10)), 10)

    def test_sets(self):
        r = self.r
        r.sadd("s", *range(5))
        r.sadd("t", *range(3, 9))
        self.assertEqual((r.sinter("s", "t"), r.sdiff("s", "t"), r.scard("s")), ({"3", "4"}, {"0", "1", "2"}, 5))
        self.assertEqual((r.sunionstore("u", "s", "t"), r.smismember("u", [8, 9]), r.sintercard(2, ["s", "t"])), (9, [1, 0], 2))
        self.assertIn(r.spop("u"), {str(n) for n in range(9)})
        self.assertEqual((r.smove("s", "t", 0), r.srem("t", 0)), (True, 1))

    def test_sorted_sets(self):
        r = self.r
        self.assertEqual(r.zadd("z", {"a": 1, "b": 2.5, "c": 3}), 3)
        self.assertEqual((r.zadd("z", {"a": 5}, gt=True, ch=True), r.zadd("z", {"a": 1}, lt=True, ch=True), r.zadd("z", {"new": 1}, xx=True)), (1, 1, 0))
        self.assertEqual(r.zrange("z", 0, -1, withscores=True), self.pairs([("a", 1.0), ("b", 2.5), ("c", 3.0)]))
        self.assertEqual(r.zrange("z", "+inf", "(1", byscore=True, desc=True, offset=0, num=1), ["c"])
        self.assertEqual((r.zscore("z", "b"), r.zrank("z", "c"), r.zrevrank("z", "c"), r.zcount("z", 2, 3), r.zincrby("z", 2, "a")), (2.5, 2, 0, 2, 3.0))
        self.assertEqual(r.zpopmin("z", 1), self.pairs([("b", 2.5)]))
        self.assertEqual(list(r.bzpopmax("z", 1)), ["z", "c", 3.0])
        self.assertIsNone(r.bzpopmax("none", 0.01))
        r.zadd("y", {"a": 10, "q": 1})
        self.assertEqual((r.zunionstore("u", {"z": 1, "y": 2}), r.zrange("u", 0, -1)), (2, ["q", "a"]))
        r.zadd("words", {w: 0 for w in ("apple", "banana", "cherry")})
        self.assertEqual((r.zrangebylex("words", "[b", "+"), r.zlexcount("words", "-", "(c")), (["banana", "cherry"], 2))

    def pairs(self, pairs):
        return [list(p) for p in pairs] if self.protocol == 3 else pairs

    def test_streams_with_groups(self):
        r = self.r
        ids = [r.xadd("x", {"n": n}) for n in range(5)]
        self.assertEqual([i for i, _ in r.xrange("x", ids[1], ids[3])], ids[1:4])
        self.assertEqual((r.xlen("x"), r.xtrim("x", maxlen=4, approximate=False), r.xdel("x", ids[1])), (5, 1, 1))
        r.xgroup_create("x", "g", id="0")
        with self.assertRaisesRegex(redis.ResponseError, "already exists"):
            r.xgroup_create("x", "g")
        first = self.entries(r.xreadgroup("g", "one", {"x": ">"}, count=2))
        self.assertEqual(first, [(ids[2], {"n": "2"}), (ids[3], {"n": "3"})])
        self.assertEqual(r.xack("x", "g", ids[2]), 1)
        self.assertEqual(r.xpending("x", "g")["pending"], 1)
        pending = r.xpending_range("x", "g", "-", "+", 10)
        self.assertEqual([(p["message_id"], p["consumer"], p["times_delivered"]) for p in pending], [(ids[3], "one", 1)])
        self.assertEqual(r.xclaim("x", "g", "two", 0, [ids[3]]), [(ids[3], {"n": "3"})])
        self.assertEqual(r.xautoclaim("x", "g", "three", 0)[1], [(ids[3], {"n": "3"})])
        self.assertEqual({c["name"]: c["pending"] for c in r.xinfo_consumers("x", "g")}, {"one": 0, "three": 1, "two": 0})
        self.assertEqual(r.xinfo_groups("x")[0]["lag"], 1)
        self.assertEqual(r.xinfo_stream("x")["length"], 3)
        got = []
        t = threading.Thread(target=lambda: got.extend(self.entries(self.client().xread({"x": "$"}, block=20000))))
        t.start()
        until(lambda: r.info("clients")["blocked_clients"] == 1, "somebody waits")
        last = r.xadd("x", {"n": "new"})
        t.join(20)
        self.assertEqual(got, [(last, {"n": "new"})])

    def entries(self, answer):
        """The entries of the one stream that was read."""
        entries = answer["x"] if isinstance(answer, dict) else answer[0][1]
        return [tuple(e) for e in (entries[0] if entries and isinstance(entries[0], list) and isinstance(entries[0][0], (list, tuple)) else entries)]

    def test_hyperloglog_and_geo(self):
        r = self.r
        r.pfadd("p", *range(1000))
        self.assertLess(abs(r.pfcount("p") - 1000), 30)
        r.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"))
        self.assertAlmostEqual(r.geodist("g", "Palermo", "Catania", "km"), 166.2742, 4)
        self.assertEqual(r.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", sort="ASC"), ["Catania", "Palermo"])
        self.assertEqual(r.geohash("g", "Palermo"), ["sqc8b49rny0"])

    def test_keys(self):
        r = self.r
        with r.pipeline(transaction=False) as p:
            for n in range(3000):
                p.set(f"key:{n}", n)
            p.hset("other", "a", 1)
            self.assertEqual(len(p.execute()), 3001)
        self.assertEqual(set(r.scan_iter("key:*", count=100)), {f"key:{n}" for n in range(3000)})
        self.assertEqual(list(r.scan_iter(_type="HASH")), ["other"])
        self.assertEqual((r.type("other"), r.rename("other", "new"), r.exists("other"), r.copy("new", "copy"), r.dbsize()), ("hash", True, 0, True, 3002))
        self.assertEqual((r.expire("new", 100, nx=True), r.expire("new", 50, gt=True), r.persist("new")), (True, False, True))
        r.rpush("unsorted", 3, 1, 2)
        self.assertEqual((r.sort("unsorted", desc=True), r.sort("unsorted", by="nosort", get=["key:*"])), (["3", "2", "1"], ["3", "1", "2"]))
        self.assertEqual((r.object("encoding", "key:1"), r.unlink("new", "copy"), r.touch("key:1", "none")), ("int", 2, 1))
        r.set("short", 1, px=30)
        until(lambda: r.get("short") is None, "it expires")
        other = self.client(db=7)
        self.assertTrue(r.move("key:1", 7))
        self.assertEqual((other.get("key:1"), r.swapdb(0, 7), r.dbsize()), ("1", True, 1))


class TypesRESP2(Types):
    """The same in the older protocol."""

    protocol = 2


class Programs(Scenario):
    """What goes beyond a command."""

    def test_pipeline_and_transactions(self):
        r = self.r
        with r.pipeline() as p:
            self.assertEqual(p.set("a", 1).incr("a").get("a").execute(), [True, 2, "2"])
            p.set("a", "x").incr("a").get("a")
            with self.assertRaisesRegex(redis.ResponseError, "not an integer"):
                p.execute()
            self.assertEqual(r.get("a"), "x", "what did not fail is done")
            p.set("a", 1).execute_command("NOSUCH")
            with self.assertRaisesRegex(redis.ResponseError, "unknown command"):
                p.execute()
            self.assertEqual(r.get("a"), "x", "nothing is done")
            p.watch("a")
            p.multi()
            p.set("a", "mine")
            self.client().set("a", "theirs")
            with self.assertRaises(redis.WatchError):
                p.execute()
        self.assertEqual(r.get("a"), "theirs")

    def test_counting_with_watch(self):
        """Eight clients that each read and write in a transaction lose no step."""
        def count():
            c = self.client()
            for _ in range(25):
                c.transaction(lambda p: (n := int(p.get("n") or 0), p.multi(), p.set("n", n + 1)), "n")

        threads = [threading.Thread(target=count) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        self.assertEqual(self.r.get("n"), "200")

    def test_lock(self):
        r = self.r
        with r.lock("lock", timeout=10) as lock:
            self.assertFalse(self.client().lock("lock").acquire(blocking=False))
            self.assertTrue(lock.extend(10))
        self.assertTrue(self.client().lock("lock", timeout=0.2).acquire(blocking=False))
        self.assertTrue(r.lock("lock", timeout=1).acquire(blocking_timeout=10), "it expires")
        other = r.lock("other", timeout=0.05)
        other.acquire()
        until(lambda: not r.exists("other"), "it expires")
        with self.assertRaises(redis.exceptions.LockNotOwnedError):
            other.release()

    def test_scripts(self):
        r = self.r
        double = r.register_script("redis.call('SET', KEYS[1], ARGV[1] * 2) return {redis.call('GET', KEYS[1]), cjson.encode({a = {1, 2}}), 3.9, false}")
        self.assertEqual(double(keys=["a"], args=[21]), ["42", '{"a":[1,2]}', 3, None])
        r.script_flush()
        self.assertEqual(double(keys=["a"], args=[4])[0], "8", "it is loaded again")
        with r.pipeline() as p:
            double(keys=["a"], args=[5], client=p)
            self.assertEqual(p.execute()[0][0], "10")
        with self.assertRaisesRegex(redis.ResponseError, "my mistake"):
            r.eval("return redis.error_reply('ERR my mistake')", 0)
        with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE"):
            r.eval("return redis.call('LPUSH', KEYS[1], 1)", 1, "a")
        packed = r.eval("return cmsgpack.unpack(cmsgpack.pack({1, 'two', {three = 3}}))[2]", 0)
        self.assertEqual(packed, "two")

    def test_a_script_that_does_not_end(self):
        r = self.r
        r.config_set("lua-time-limit", 50)
        ended = []

        def run():
            try:
                self.client().eval("while true do end", 0)
            except redis.ResponseError as e:
                ended.append(str(e))

        t = threading.Thread(target=run)
        t.start()

        def kill():
            try:
                return r.script_kill()
            except redis.ResponseError:
                return False  # there is none yet

        until(kill, "the script is killed")
        t.join(20)
        self.assertIn("killed", ended[0])
        self.assertTrue(r.ping())

    def test_blocking_pops(self):
        r, got = self.r, []

        def pop(n):
            c = self.client()
            got.append((n, c.blpop(["urgent", "jobs"], timeout=20)))

        threads = []
        for n in range(3):
            t = threading.Thread(target=pop, args=(n,))
            t.start()
            threads.append(t)
            until(lambda n=n: r.info("clients")["blocked_clients"] == n + 1, "it waits")
        r.rpush("jobs", "a", "b")
        r.rpush("urgent", "c")
        for t in threads:
            t.join(20)
        self.assertEqual(sorted(got), [(0, ["jobs", "a"]), (1, ["jobs", "b"]), (2, ["urgent", "c"])], "who waits longest is served first")
        r.rpush("jobs", "d")
        r.rpush("urgent", "e")
        self.assertEqual([r.blpop(["urgent", "jobs"], timeout=5) for _ in range(2)], [["urgent", "e"], ["jobs", "d"]], "keys in their order")
        begun = time.monotonic()
        self.assertIsNone(r.brpop("jobs", timeout=0.3))
        self.assertTrue(0.25 < time.monotonic() - begun < 5)
        self.assertIsNone(r.blmove("jobs", "other", 0.05))

    def test_pubsub(self):
        for protocol in (2, 3):
            with self.subTest(protocol=protocol):
                r = self.client(protocol=protocol)
                with r.pubsub() as p:
                    p.subscribe("news", "sport")
                    p.psubscribe("n*")
                    self.assertEqual([self.message(p)["type"] for _ in range(3)], ["subscribe", "subscribe", "psubscribe"])
                    self.assertEqual(r.publish("news", "hello"), 2)
                    got = [(m["type"], m["pattern"], m["channel"], m["data"]) for m in (self.message(p), self.message(p))]
                    self.assertEqual(sorted(got), [("message", None, "news", "hello"), ("pmessage", "n*", "news", "hello")])
                    self.assertEqual((sorted(r.pubsub_channels()), r.pubsub_numsub("news"), r.pubsub_numpat()), (["news", "sport"], [("news", 1)], 1))
                    p.unsubscribe("news")
                    self.assertEqual(self.message(p)["type"], "unsubscribe")
                    if protocol == 2:  # in RESP3 redis-py takes PONG for a list of letters, with every server
                        p.ping()
                        self.assertEqual(self.message(p)["type"], "pong")
                    self.assertEqual(r.publish("sport", "x"), 1)
                    self.assertEqual(self.message(p)["data"], "x")

    def message(self, p):
        return until(lambda: p.get_message(timeout=1), "a message comes", 20)

    def test_keyspace_notifications(self):
        r = self.r
        r.config_set("notify-keyspace-events", "KEA")
        with r.pubsub() as p:
            p.psubscribe("__keyevent@0__:*")
            self.message(p)
            r.set("a", 1, px=40)
            r.lpush("l", 1)
            got = [self.message(p)["channel"].rpartition(":")[2] for _ in range(4)]
        self.assertEqual(got, ["set", "expire", "lpush", "expired"])
        r.config_set("notify-keyspace-events", "")

    def test_push_of_invalidation(self):
        """A client that keeps values is told when they change: of keys that it has read, and of all with a prefix."""
        r, other, pushed = self.client(protocol=3, single_connection_client=True), self.client(), []
        r.connection._parser.set_invalidation_push_handler(pushed.append)
        for options, told in (([], ["user:1", "item:1"]), (["BCAST", "PREFIX", "user:"], ["user:1", "user:2"])):
            with self.subTest(options=options):
                pushed.clear()
                r.execute_command("CLIENT", "TRACKING", "ON", *options)
                r.mget("user:1", "item:1")
                for key in ("user:1", "user:2", "item:1"):
                    other.set(key, "x")
                until(lambda: r.ping() and len(pushed) >= len(told), lambda: f"it is told: {pushed}", 10)
                self.assertEqual([k.decode() if isinstance(k, bytes) else k for p in pushed for k in p[1]], told)
                r.execute_command("CLIENT", "TRACKING", "OFF")

    def test_about_the_server(self):
        r = self.client(client_name="me")
        info = r.info()
        self.assertEqual((info["redis_version"], info["redis_mode"], info["role"]), ("7.0.15", "standalone", "master"))
        self.assertEqual(info["cluster_enabled"], 0)
        with self.assertRaisesRegex(redis.ResponseError, "cluster support disabled"):
            r.execute_command("CLUSTER INFO")
        with self.assertRaises(redis.exceptions.RedisClusterException):
            redis.RedisCluster(port=self.appliance.kv_port)
        self.assertEqual(r.client_getname(), "me")
        self.assertIn(r.client_id(), [int(c["id"]) for c in r.client_list()])
        self.assertGreater(r.command_count(), 200)
        self.assertEqual(r.command_getkeys("MSET", "a", 1, "b", 2), ["a", "b"])
        self.assertEqual(r.module_list(), [])
        self.assertEqual(r.config_get("maxmemory-policy"), {"maxmemory-policy": "allkeys-lru"})
        r.set("m", "x" * 1000)
        self.assertGreater(r.memory_usage("m"), 1000)
        with r.monitor() as m:
            self.client().get("watched")
            line = until(lambda: (c := m.next_command())["command"].startswith("GET") and c, "the command is shown")
            self.assertEqual(line["command"], "GET watched")
        r.config_set("slowlog-log-slower-than", 0)
        r.get("slow")
        self.assertTrue(any("GET slow" in str(e["command"]) for e in r.slowlog_get()))
        r.config_set("slowlog-log-slower-than", 10000)

    def test_acl(self):
        r = self.r
        r.acl_setuser("reader", enabled=True, reset=True, passwords=["+secret"], keys=["public:*"], categories=["+@read"], commands=["+ping"])
        self.addCleanup(r.acl_deluser, "reader")
        reader = self.client(username="reader", password="secret")
        r.set("public:1", "x")
        self.assertEqual(reader.get("public:1"), "x")
        for refused in (lambda: reader.set("public:1", "y"), lambda: reader.get("private:1")):
            with self.assertRaises(redis.exceptions.NoPermissionError):
                refused()
        with self.assertRaises(redis.exceptions.AuthenticationError):
            self.client(username="reader", password="wrong").ping()
        with self.assertRaises(redis.exceptions.NoPermissionError):
            reader.acl_whoami()

    def test_connection_is_lost(self):
        r, other = self.client(), self.client()
        r.set("a", 1)
        number = r.client_id()
        other.client_kill_filter(_id=number)
        self.assertEqual(r.get("a"), "1", "it connects again")
        self.assertNotEqual(r.client_id(), number)
        with r.pubsub() as p:
            p.subscribe("c")
            self.message(p)
            other.client_kill_filter(_type="pubsub")
            until(lambda: (p.get_message(timeout=0.1), other.publish("c", "again"))[1] == 1, "it subscribes again")


class Connections(Scenario):
    def test_unix_socket_and_tls(self):
        for url, options in (
            (f"unix://{self.socket}?db=2", {}),
            (f"rediss://localhost:{self.tls}/2", {"ssl_ca_certs": self.cert}),
            (f"redis://127.0.0.1:{self.appliance.kv_port}/2", {}),
        ):
            with self.subTest(url=url), redis.Redis.from_url(url, decode_responses=True, **options) as r:
                r.set("big", "x" * (5 << 20))
                self.assertEqual(len(r.get("big")), 5 << 20)
                with r.pipeline(transaction=False) as p:
                    for n in range(5000):
                        p.rpush("l", n)
                    self.assertEqual(p.execute()[-1], 5000)
                self.assertEqual(r.lrange("l", 0, -1), [str(n) for n in range(5000)])
                self.assertEqual(r.delete("l", "big"), 2)
        with self.assertRaises(redis.ConnectionError):
            redis.Redis(host="localhost", port=self.tls, ssl=True, retry=None).ping()  # an authority that it does not know
        with self.assertRaises((redis.ConnectionError, redis.TimeoutError)):
            redis.Redis(port=self.appliance.kv_port, ssl=True, ssl_cert_reqs="none", retry=None, socket_connect_timeout=2).ping()  # TLS where there is none
        self.assertTrue(self.r.ping())

    def test_asyncio(self):
        asyncio.run(self.everything_at_once())

    async def everything_at_once(self):
        for url, options in ((self.appliance.redis(), {}), (f"unix://{self.socket}", {}), (f"rediss://localhost:{self.tls}", {"ssl_ca_certs": self.cert})):
            pool = redis.asyncio.BlockingConnectionPool.from_url(url, max_connections=10, decode_responses=True, protocol=3, socket_connect_timeout=30, socket_timeout=30, **options)
            async with redis.asyncio.Redis.from_pool(pool) as r:
                await r.flushdb()
                self.assertEqual(sorted(await asyncio.gather(*(r.incr("n") for _ in range(100)))), list(range(1, 101)))
                async with r.pipeline(transaction=True) as p:
                    self.assertEqual(await p.set("a", 1).get("a").execute(), [True, "1"])
                waiting = asyncio.create_task(r.blpop(["q"], timeout=20))
                async with asyncio.timeout(20):
                    while (await r.info("clients"))["blocked_clients"] == 0:
                        await asyncio.sleep(0.01)
                await r.rpush("q", "x")
                self.assertEqual(await waiting, ["q", "x"])
                async with r.pubsub() as p:
                    await p.subscribe("c")
                    self.assertEqual((await p.get_message(timeout=10))["type"], "subscribe")
                    await r.publish("c", "hello")
                    self.assertEqual((await p.get_message(timeout=10))["data"], "hello")
                self.assertEqual([k async for k in r.scan_iter("[an]")].__len__(), 2)
                self.assertEqual(await r.register_script("return KEYS[1]")(keys=["k"]), "k")
                # A call that is given up does not leave its answer to the next.
                with self.assertRaises(TimeoutError):
                    await asyncio.wait_for(r.blpop(["nothing"], timeout=5), 0.1)
                self.assertEqual(await r.get("a"), "1")


class Deaths(unittest.TestCase):
    """The server dies by kill -9 while clients write, under appendfsync always."""

    def test_nothing_acknowledged_is_lost(self):
        appliance = Appliance(APPLIANCE, kv=True, env={"WAYSIDE_KV_APPENDFSYNC": "always"})
        self.addCleanup(appliance.close)
        stop, written = threading.Event(), [{} for _ in range(4)]

        def write(n):
            with redis.Redis(port=appliance.kv_port, retry=None) as r:
                i = 0
                while not stop.is_set():
                    try:
                        with r.pipeline() as p:  # a transaction
                            p.set(f"{n}:{i}", i).rpush(f"list:{n}", i).zadd(f"set:{n}", {str(i): i})
                            p.execute()
                        written[n][i] = True
                    except redis.RedisError:
                        stop.wait(0.02)  # it is being started
                    i += 1

        threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        try:
            for _ in range(5):
                before = [len(w) for w in written]
                until(lambda before=before: all(len(w) > b + 20 for w, b in zip(written, before)), "all write")
                appliance.kill()
                appliance.start()
        finally:
            stop.set()
            for t in threads:
                t.join(30)
        with redis.Redis(port=appliance.kv_port, decode_responses=True) as r:
            for n, done in enumerate(written):
                kept = [int(i) for i in r.lrange(f"list:{n}", 0, -1)]
                self.assertEqual(kept, sorted(set(kept)), "in order, none twice")
                self.assertEqual(set(done) - set(kept), set(), "what was acknowledged")
                self.assertEqual([int(i) for i in r.zrange(f"set:{n}", 0, -1)], kept, "transactions are whole")
                self.assertEqual(r.mget([f"{n}:{i}" for i in kept]), [str(i) for i in kept])


if __name__ == "__main__":
    unittest.main()
