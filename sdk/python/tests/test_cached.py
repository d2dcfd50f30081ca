"""Cached functions against a cache that works and one that does not."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

import wayside
from tests.cache_fake import OFF, CacheFake
from wayside import cachekeys


class Color(enum.IntEnum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


def module_level(a, b=2, *rest, c=None, **more):
    return None


class Base(unittest.TestCase):
    def setUp(self):
        self.fake = CacheFake()
        self.addCleanup(self.fake.close)
        self.client = wayside.Client(self.fake.url, token="secret")
        self.addCleanup(self.client.close_all)
        self.runs = []

    def cached(self, fn, **options):
        """Gives the function cached, and counts its runs."""

        if asyncio.iscoroutinefunction(fn):

            @functools.wraps(fn)
            async def counted(*args, **kwargs):
                self.runs.append((args, kwargs))
                return await fn(*args, **kwargs)

        else:

            @functools.wraps(fn)
            def counted(*args, **kwargs):
                self.runs.append((args, kwargs))
                return fn(*args, **kwargs)

        return wayside.cached(**{"ttl": 60, "name": "t", "client": self.client, "timeout": 30, **options})(counted)

    def pass_time(self, seconds):
        """Lets the pause of a cache that fails go by."""
        later = mock.patch("wayside.cache.time.monotonic", lambda at=time.monotonic: at() + seconds)
        later.start()
        self.addCleanup(later.stop)


class CachedTest(Base):
    def test_hit(self):
        def f(a, b=2):
            return {"sum": a + b, "of": [a, None, 1.5, True, "ü\ud800"]}

        g = self.cached(f, ttl=90)
        want = f(1)
        self.assertEqual([g(1), g(1, 2), g(b=2, a=1)], [want] * 3)
        self.assertEqual((len(self.runs), self.fake.ttls), (1, {g.key(1): 90}))
        self.assertTrue(g.key(1).startswith("cached:t:"))
        self.assertEqual(self.fake.calls[0][2]["Authorization"], "Bearer secret")
        g(1, 3)
        self.assertEqual(len(self.runs), 2)
        again = self.cached(f)  # another process
        self.assertEqual((again(1), len(self.runs)), (want, 2))
        self.assertEqual((g.__name__, g.__wrapped__.__wrapped__), ("f", f))

    def test_none_is_a_value(self):
        g = self.cached(lambda: None)
        self.assertEqual([g(), g(), len(self.runs)], [None, None, 1])

    def test_exceptions_are_not_kept(self):
        def f():
            raise KeyError("x")

        g = self.cached(f)
        for _ in range(2):
            with self.assertRaises(KeyError):
                g()
        self.assertEqual((len(self.runs), self.fake.values), (2, {}))

    def test_values_that_are_no_json(self):
        loop = []
        loop.append(loop)
        for value, why in (
            ((1, 2), "it is a tuple"),
            ({"a": [0, {1}]}, r'\["a"\]\[1\] is a set'),
            ({1: 2}, "a key of it is a int"),
            ([float("nan")], r"\[0\] is nan"),
            (b"x", "it is a bytes"),
            (Color.RED, "it is a Color"),
            (loop, "holds itself"),
            (1 << 20_000, "too many digits"),
        ):
            with self.subTest(why), self.assertRaisesRegex(TypeError, "the value of t cannot be cached: .*" + why):
                self.cached(lambda v=value: v, key=lambda: "k")()
        self.assertEqual(self.fake.values, {})

    def test_options(self):
        g = self.cached(lambda line, n: n, namespace="geo", name="distance", key=lambda line, n: f"{line}/{n} ü", ttl=None)
        self.assertEqual((g("a:b", 2), g.key("a:b", 2)), (2, "geo:distance:a:b/2 ü"))
        self.assertEqual(self.fake.ttls, {"geo:distance:a:b/2 ü": None})
        self.assertEqual(self.cached(lambda: 1, ttl=datetime.timedelta(seconds=1.5), key=str)(), 1)
        self.assertEqual(list(self.fake.ttls.values())[-1], 1.5)
        with self.assertRaisesRegex(TypeError, "not a str"):
            self.cached(lambda: 1, key=lambda: 1)()
        for text in ("x" * 1000, "\ud800", "\ud801"):
            long = self.cached(lambda t: t, name="n" * 400, key=lambda t: t)
            self.assertEqual((long(text), long(text)), (text, text))
            self.assertLessEqual(len(long.key(text).encode()), 512)
        self.assertEqual((len(self.fake.values), len(self.runs)), (5, 5))
        for bad in ({"name": "n" * 500}, {"ttl": 0}, {"ttl": -1}, {"ttl": float("nan")}, {"ttl": float("inf")}, {"namespace": "decode"}, {"namespace": "a:b"}, {"namespace": ""}):
            with self.subTest(bad), self.assertRaises(ValueError):
                self.cached(lambda: 1, **bad)
        for bad in (lambda: wayside.cached(len), lambda: self.cached(lambda: 1, client="http://x"), lambda: wayside.cached()(generator)):
            with self.assertRaises(TypeError):
                bad()

    def test_bypass_refresh_invalidate(self):
        values = iter(range(10))
        g = self.cached(lambda who: next(values))
        self.assertEqual([g("a"), g.bypass("a"), g("a")], [0, 1, 0])
        self.assertEqual([g.refresh("a"), g("a")], [2, 2])
        g.invalidate("a")
        g.invalidate("a")
        self.assertEqual([g("a"), g("b"), g("a")], [3, 4, 3])
        other = self.cached(lambda who: -1, name="t2")
        self.assertEqual(other("a"), -1)
        self.assertEqual(g.invalidate_all(), 2)
        self.assertEqual([g("a"), list(self.fake.values)], [5, [other.key("a"), g.key("a")]])

    def test_invalidate_all_takes_the_name_as_it_is(self):
        g, other = self.cached(lambda: 1, name="a*[b]"), self.cached(lambda: 1, name="ax[b]")
        with mock.patch("tests.cache_fake.fnmatch.fnmatchcase", lambda k, p: self.assertEqual(p, r"cached:a\*\[b\]:*")):
            g(), other()
            g.invalidate_all()

    def test_what_was_invalidated_meanwhile_is_not_kept(self):
        running, go_on = threading.Event(), threading.Event()

        def f():
            if not running.is_set():
                running.set()
                go_on.wait(30)
                return "old"
            return "new"

        g = self.cached(f)
        got = []
        thread = threading.Thread(target=lambda: got.append(g()))
        thread.start()
        running.wait(30)
        g.invalidate()
        self.assertEqual(g(), "new")  # and does not wait for the old one
        go_on.set()
        thread.join(30)
        self.assertEqual((got, self.fake.values), (["old"], {g.key(): "new"}))

    def test_single_flight(self):
        running, go_on = threading.Event(), threading.Event()

        def f(fails):
            running.set()
            go_on.wait(30)
            if fails:
                raise KeyError("x")
            return [1]

        g = self.cached(f)
        for fails in (False, True):
            running.clear(), go_on.clear(), self.runs.clear(), self.fake.calls.clear()
            results = []

            def call():
                try:
                    results.append(g(fails))
                except KeyError as e:
                    results.append(e)

            threads = [threading.Thread(target=call) for _ in range(8)]
            threads[0].start()
            running.wait(30)
            for t in threads[1:]:
                t.start()
            self.wait_for(g, 7)
            go_on.set()
            for t in threads:
                t.join(30)
            self.assertEqual((len(self.runs), len(self.fake.asked("POST"))), (1, 1))
            if fails:
                self.assertEqual([type(r) for r in results], [KeyError] * 8)
            else:
                self.assertEqual(results, [[1]] * 8)
                self.assertEqual(len({id(r) for r in results}), 8)  # each has its own

    def wait_for(self, g, n):
        """Waits until so many calls wait for the one that runs."""
        flights = g.invalidate_all.__self__.flights()
        while sum(f.waiting for f in list(flights._by_key.values())) < n:
            threading.Event().wait(0.001)

    def test_recursion(self):
        def f(n):
            return n if n < 2 else g(n - 1) + g(n - 2)

        g = self.cached(f)
        self.assertEqual((g(20), len(self.runs)), (6765, 21))
        again = self.cached(lambda: 1 if len(self.runs) > 1 else again())
        self.assertEqual((again.refresh(), again()), (1, 1))

        def same():
            return 1 if len(self.runs) > 1 else h()

        self.runs.clear()
        h = self.cached(same, name="same")
        self.assertEqual(h(), 1)

    def test_methods(self):
        class Line:
            @wayside.cached(ttl=60, name="Line.length", key=lambda self, unit: f"{self.id}/{unit}", client=self.client)
            def length(self, unit):
                return f"{self.id} {unit}"

        line = Line()
        line.id = "a"
        self.assertEqual([line.length("m"), line.length("m")], ["a m"] * 2)
        Line.length.invalidate(line, "m")
        self.assertEqual(self.fake.values, {})


class AsyncCachedTest(Base):
    def test_life(self):
        values = iter(range(10))

        async def f(a, b=1):
            await asyncio.sleep(0)
            return next(values)

        async def main():
            g = self.cached(f)
            self.assertTrue(asyncio.iscoroutinefunction(g))
            self.assertEqual([await g(1), await g(1, b=1), await g.bypass(1), await g(1)], [0, 0, 1, 0])
            self.assertEqual([await g.refresh(1), await g(1)], [2, 2])
            await g.invalidate(1)
            self.assertEqual([await g(1), await g(2)], [3, 4])
            self.assertEqual((await g.invalidate_all(), self.fake.values), (2, {}))

        asyncio.run(main())

    def test_single_flight(self):
        async def f():
            await asyncio.sleep(0.05)
            return []

        async def main():
            g = self.cached(f)
            got = await asyncio.gather(*[g() for _ in range(10)])
            self.assertEqual((got, len({id(v) for v in got}), len(self.runs)), ([[]] * 10, 10, 1))

        asyncio.run(main())

    def test_cancelled(self):
        """A call that is cancelled leaves the value to those who wait for it."""

        async def main():
            running = asyncio.Event()

            async def f():
                running.set()
                if len(self.runs) == 1:
                    await asyncio.sleep(60)
                return len(self.runs)

            g = self.cached(f)
            first = asyncio.ensure_future(g())
            await running.wait()
            second, third = asyncio.ensure_future(g()), asyncio.ensure_future(g())
            await asyncio.sleep(0)
            third.cancel()
            first.cancel()
            self.assertEqual(await asyncio.wait_for(second, 30), 2)
            for t in (first, third):
                with self.assertRaises(asyncio.CancelledError):
                    await t

        asyncio.run(main())

    def test_exceptions(self):
        async def f():
            await asyncio.sleep(0.01)
            raise KeyError("x")

        async def main():
            g = self.cached(f)
            got = await asyncio.gather(g(), g(), return_exceptions=True)
            self.assertEqual(([type(e) for e in got], len(self.runs)), ([KeyError] * 2, 1))

        asyncio.run(main())

    def test_clients(self):
        async def main():
            async with wayside.AsyncClient(self.fake.url) as client:
                g = self.cached(module_coroutine, client=client)
                self.assertEqual([await g(), await g(), len(self.runs)], [1, 1, 1])

        asyncio.run(main())
        self.assertEqual(self.cached(lambda: 2, client=wayside.App(self.fake.url), key=str, name="u")(), 2)


async def module_coroutine():
    return 1


def generator():
    yield 1


class FailingTest(Base):
    """A cache that fails changes nothing but the time that a call takes."""

    def test_failing(self):
        def garbage(handler, body):
            handler.json(200, [1])

        def other_key(handler, body):
            handler.json(200, {"items": [{"key": "x", "found": True, "value": 1}]})

        def cut(handler, body):
            handler.close_connection = True

        def html(handler, body):
            handler.send_response(200)
            handler.send_header("Content-Type", "text/html")
            handler.send_header("Content-Length", "2")
            handler.end_headers()
            handler.wfile.write(b"hi")

        def silent(handler, body):
            self.let_go.wait(30)

        self.let_go = threading.Event()
        refused = (403, {"code": "forbidden", "detail": "no"})
        for fault in (OFF, (404, {}), refused, (500, {}), (429, {}), garbage, other_key, cut, html, silent):
            with self.subTest(fault):
                self.runs.clear()
                self.fake.calls.clear()
                self.fake.fault = fault
                client = wayside.Client(self.fake.url)
                g = self.cached(lambda n: n, client=client, timeout=0.2 if fault is silent else 30)
                h = self.cached(lambda n: -n, client=client, name="u")
                with self.assertLogs("wayside.cache", "WARNING") as logs:
                    self.assertEqual([g(1), g(1), h(2), asyncio.run(self.async_call(client))], [1, 1, -2, 3])
                self.assertEqual(len(logs.output), 1, logs.output)
                self.assertIn("functions run without it", logs.output[0])
                self.assertLessEqual(len(self.fake.calls), 2)  # a kept connection that was cut is tried once more
                client.close_all()
        self.let_go.set()

    async def async_call(self, client):
        async def f():
            return 3

        return await self.cached(f, client=client, name="v")()

    def test_back(self):
        self.fake.fault = OFF
        g = self.cached(lambda: 1)
        with self.assertLogs("wayside.cache") as logs:
            g(), g()
            self.pass_time(1.1)
            g(), g()  # one of them tries
            self.fake.fault = None
            g()
            self.pass_time(3.5)
            g(), g()
        self.assertEqual([r.getMessage() for r in logs.records][1:], ["the cache is back"])
        self.assertEqual((len(self.fake.calls), len(self.runs), self.fake.values), (5, 6, {g.key(): 1}))

    def test_nobody_there(self):
        self.fake.close()
        self.fake.close = lambda: None
        g = self.cached(lambda: 1)
        with self.assertLogs("wayside.cache") as logs:
            self.assertEqual([g(), g()], [1, 1])
        self.assertEqual(len(logs.output), 1)
        for ask in (g.invalidate, g.invalidate_all):
            with self.assertRaises(wayside.Unreachable):
                ask()

    def test_what_cannot_be_written_can_be_read(self):
        self.fake.faults = {"PUT": (403, {"code": "forbidden", "detail": "the token has not the scope work"})}
        g = self.cached(lambda n: n)
        self.fake.values[g.key(7)] = 70
        with self.assertLogs("wayside.cache") as logs:
            self.assertEqual([g(1), g(1), g(7)], [1, 1, 70])
        self.assertEqual(len(logs.output), 1)
        self.assertIn("the token has not the scope work", logs.output[0])

    def test_default_client(self):
        program = "import wayside\n@wayside.cached(ttl=60)\ndef f():\n    return 1\nprint(f.key(), f(), f())\n"
        for server, warnings in ((self.fake.url, 0), ("ftp://x", 1)):
            env = {**os.environ, "WAYSIDE_SERVER": server, "PYTHONPATH": os.pathsep.join(sys.path)}
            done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.stdout.split()[1:], ["1", "1"], done.stderr)
            self.assertEqual(done.stderr.count("functions run without it"), warnings, done.stderr)
        self.assertEqual(list(self.fake.values.values()), [1])

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_fork(self):
        """A process that was forked has its own connection, threads and locks."""
        g = self.cached(lambda n: n)
        self.assertEqual(g(1), 1)
        flights = g.invalidate_all.__self__.flights()
        for child in (lambda: g(1) == 1, lambda: asyncio.run(self.async_call(self.client)) == 3):
            before = len(self.fake.peers)
            with flights._lock:  # as another thread of the parent may have it
                pid = os.fork()
                if pid == 0:
                    ok = False
                    try:
                        ok = child()
                    finally:
                        os._exit(0 if ok else 1)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
            self.assertFalse(set(self.fake.peers[before:]) & set(self.fake.peers[:before]), "the child used the parent's connection")
        self.assertEqual(g(1), 1)


class KeysTest(unittest.TestCase):
    def digest(self, *args, **kwargs):
        return cachekeys.digest(inspect.signature(module_level), "module_level", args, kwargs)

    def test_names(self):
        self.assertEqual(cachekeys.name_of(module_level), "tests.test_cached.module_level")
        self.assertEqual(cachekeys.name_of(Base.pass_time), "tests.test_cached.Base.pass_time")

        def local():
            return 1

        def closure():
            return local

        self.assertIn("test_names.<locals>.local", cachekeys.name_of(local))
        for fn, why in ((lambda: 1, "lambda"), (functools.partial(local), "partial has no name"), (closure, "uses local of the function around")):
            with self.assertRaisesRegex(TypeError, why):
                cachekeys.name_of(fn)

    def test_programs_are_named_as_modules(self):
        program = "def f(): pass\nfrom wayside import cachekeys\nprint(cachekeys.name_of(f))\n"
        with tempfile.TemporaryDirectory() as d:
            with open(os.path.join(d, "prog.py"), "w") as f:
                f.write(program)
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            for args in (["prog.py"], ["-m", "prog"], ["-c", "import prog"]):
                done = subprocess.run([sys.executable, *args], cwd=d, env=env, capture_output=True, text=True, timeout=60)
                self.assertEqual(done.stdout, "prog.f\n", done.stderr)

    def test_same_calls(self):
        for a, b in (
            (((1,), {}), ((1, 2), {"c": None})),
            (((1,), {"b": 3}), ((), {"b": 3, "a": 1})),
            (((1,), {"x": 1, "y": 2}), ((1,), {"y": 2, "x": 1})),
            ((({"a": 1, "b": 2},), {}), (({"b": 2, "a": 1},), {})),
            ((({"b", "a"},), {}), (({"a", "b"},), {})),
        ):
            self.assertEqual(self.digest(*a[0], **a[1]), self.digest(*b[0], **b[1]))

    def test_different_calls(self):
        now = datetime.datetime(2026, 1, 2, 3, 4)
        values = [
            1, 1.0, True, "1", b"1", None, -1, 1 << 70_000, 0.0, -0.0, float("nan"), "", "None", "\ud800", [], (), {}, set(), [1], (1,), [[1]], {"a": 1}, {1: "a"},
            {1}, Color.RED, Point(1), Point(1, 1.0), now, now.date(), now.time(), now.replace(tzinfo=datetime.timezone.utc), now.replace(fold=1),
            datetime.timedelta(seconds=1), decimal.Decimal("1"), decimal.Decimal("1.0"), Point, Color, ["int", "0x1"], [["a", 1]],
        ]
        self.assertEqual(len({self.digest(v) for v in values}), len(values))
        self.assertEqual(len({self.digest(1), self.digest(1, 1), self.digest(1, 2, 3), self.digest(1, c=3), self.digest(1, d=3)}), 5)

    def test_arguments_that_make_no_key(self):
        deep = []
        deep.append(deep)
        for bad, why in ((object(), "argument a of module_level is a object"), ([{"x": threading}], "a module"), (deep, "too deep")):
            with self.assertRaisesRegex(TypeError, why):
                self.digest(bad)
        with self.assertRaisesRegex(TypeError, "missing"):
            self.digest()


if __name__ == "__main__":
    unittest.main()
