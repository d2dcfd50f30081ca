"""Cached functions against the built binary, whose path is in APPLIANCE_BIN."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import unittest
from unittest import mock

import wayside
from tests.appliance import BIN, Appliance

PROGRAM = """
import wayside

@wayside.cached(ttl=60)
def length(text):
    print("ran")
    return len(text)

print(length("abc"), length(text="abc"))
"""


@unittest.skipUnless(BIN, "APPLIANCE_BIN names no binary")
class CachedApplianceTest(unittest.TestCase):
    def setUp(self):
        self.runs = 0

    def start(self, *settings):
        appliance = Appliance(*settings)
        self.addCleanup(appliance.close)
        client = wayside.Client(appliance.url)
        self.addCleanup(client.close_all)
        return appliance, client

    def counted(self, value, client, **options):
        def f(*args):
            self.runs += 1
            return value

        return wayside.cached(**{"ttl": 60, "name": "f", "client": client, "timeout": 30, **options})(f)

    def test_values(self):
        _, client = self.start()
        for i, value in enumerate(
            [None, False, 0, -0.0, 1e300, 0.1, 12345678901234567890123, "", "ü\ud800\x00<&>", [], {}, [[{"a": None}]], {"": {"é": [1, 2.0]}}, "x" * 1_000_000]
        ):
            f = self.counted(value, client, key=lambda i=i: f"a/{i} ü%2F?#*\\..")
            self.runs = 0
            got = [f(), f()]
            self.assertEqual((repr(got), self.runs), (repr([value, value]), 1))
        f = self.counted("x", client, key=lambda: "?*/../.")
        self.assertEqual((f(), f.invalidate(), f.invalidate(), f()), ("x", None, None, "x"))
        self.assertEqual(self.runs, 3)

    def test_life(self):
        _, client = self.start()
        f, other = self.counted(1, client, name="a*[b]\\"), self.counted(2, client, name="ab")
        for _ in range(2):
            self.assertEqual((f(1), f(2), other(1)), (1, 1, 2))
        self.assertEqual(self.runs, 3)
        self.assertEqual((f.invalidate_all(), f(1), other(1), self.runs), (2, 1, 2, 4))
        f.invalidate(1)
        self.assertEqual((f(1), self.runs), (1, 5))

        @wayside.cached(ttl=60, name="g", client=client)
        async def g(n):
            self.runs += 1
            return n

        async def main():
            got = await asyncio.gather(*[g(7) for _ in range(20)])
            self.assertEqual((got, self.runs), ([7] * 20, 6))
            await g.invalidate(7)
            self.assertEqual((await g.refresh(7), await g(7), await g.invalidate_all(), self.runs), (7, 7, 1, 7))

        asyncio.run(main())

    def test_ends(self):
        _, client = self.start()
        f = self.counted(1, client, ttl=0.2, namespace="brief")
        f()
        deadline = time.monotonic() + 30
        while self.runs == 1 and time.monotonic() < deadline:
            f()
        self.assertEqual(self.runs, 2)
        stats = client.call("GET", "/cache")
        brief = {n["name"]: n for n in stats["namespaces"]}["brief"]
        self.assertGreaterEqual(brief["misses"], 2)

    def test_processes_share(self):
        appliance, _ = self.start()
        outs = []
        for _ in range(2):
            env = {**os.environ, "WAYSIDE_SERVER": appliance.url, "PYTHONPATH": os.pathsep.join(sys.path)}
            done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.stderr, "")
            outs.append(done.stdout)
        self.assertEqual(outs, ["ran\n3 3\n", "3 3\n"])

    def test_killed(self):
        """A cache that is away costs the runs of the function; it is used again when it is back."""
        appliance, client = self.start()
        f = self.counted(1, client)
        f(), f()
        self.assertEqual(self.runs, 1)
        appliance.kill()
        with self.assertLogs("wayside.cache") as logs:
            f(), f()
            self.assertEqual((self.runs, len(logs.output)), (3, 1))
            appliance.start()
            later = time.monotonic() + 70
            with mock.patch("wayside.cache.time.monotonic", lambda: later):
                f()
                runs = self.runs
                self.assertEqual((f(), self.runs), (1, runs))
        self.assertEqual([r.getMessage() for r in logs.records][1:], ["the cache is back"])

    def test_off(self):
        _, client = self.start("WAYSIDE_CACHE_ENABLED=false")
        f = self.counted(1, client)
        with self.assertLogs("wayside.cache") as logs:
            f(), f()
        self.assertEqual((self.runs, len(logs.output)), (2, 1))
        self.assertIn("cache is off", logs.output[0])
        with self.assertRaises(wayside.Error) as caught:
            f.invalidate()
        self.assertEqual(caught.exception.code, "unavailable")

    def test_too_large(self):
        _, client = self.start()
        f, g = self.counted("x" * 1_200_000, client), self.counted(1, client, name="g")
        with self.assertLogs("wayside.cache") as logs:
            f(), f(), g(), g()
        self.assertEqual((self.runs, len(logs.output)), (3, 1))
        self.assertIn("refused to write", logs.output[0])

    def test_scopes(self):
        """To read needs read, to write work, to remove all admin."""
        appliance, _ = self.start("WAYSIDE_AUTH_REQUIRED=true")
        with open(os.path.join(appliance.dir, "secrets", "admin-token")) as f:
            admin = wayside.Client(appliance.url, token=f.read().strip())
        made = {s: admin.call("POST", "/tokens", {"name": s, "scopes": s.split()})["secret"] for s in ("read", "read work")}
        clients = {s: wayside.Client(appliance.url, token=t) for s, t in made.items()}
        for c in (admin, *clients.values()):
            self.addCleanup(c.close_all)
        reads, works, all_ = (self.counted(1, c) for c in (clients["read"], clients["read work"], admin))
        with self.assertLogs("wayside.cache") as logs:
            reads(1), reads(1)
        self.assertEqual((self.runs, len(logs.output)), (2, 1))
        works(1)
        self.assertEqual((works(1), reads(1), self.runs), (1, 1, 3))
        for refused in (lambda: reads.invalidate(1), works.invalidate_all):
            with self.assertRaises(wayside.Error) as caught:
                refused()
            self.assertEqual(caught.exception.code, "forbidden")
        works.invalidate(1)
        self.assertEqual((works(1), self.runs, all_.invalidate_all()), (1, 4, 1))


if __name__ == "__main__":
    unittest.main()
