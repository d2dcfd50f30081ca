"""Workers against the built binary, whose path is in APPLIANCE_BIN."""

from __future__ import annotations

import collections
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import wayside
from tests.appliance import BIN, Appliance

JOBS = int(os.environ.get("APPLIANCE_JOBS", "10000"))
KILLS = int(os.environ.get("APPLIANCE_KILLS", "10"))


@unittest.skipUnless(BIN, "APPLIANCE_BIN names no binary")
class ApplianceTest(unittest.TestCase):
    def setUp(self):
        self.appliance = Appliance()
        self.addCleanup(self.appliance.close)
        self.client = wayside.Client(self.appliance.url)
        self.addCleanup(self.client.close)

    def run_app(self, app, **options):
        thread = threading.Thread(target=app.run, kwargs={"signals": False, "lease_seconds": 5, "grace": 10, **options})
        thread.start()

        def stop():
            app.stop()
            thread.join(60)
            self.assertFalse(thread.is_alive())

        self.addCleanup(stop)
        return stop

    def test_life(self):
        app = wayside.App(client=self.client)

        @app.job("square", max_attempts=2)
        def square(job):
            job.progress(0.5, "half")
            return {"square": job.payload["n"] ** 2, "attempt": job.attempt}

        @app.job("fails", max_attempts=2)
        async def fails(job):
            if job.payload == "never":
                raise wayside.Permanent("no way", code="bad_payload")
            if job.attempt == 1:
                raise wayside.Retry(0.01, "once more")
            return job.attempt

        good, retried, dead = square.enqueue({"n": 12}), fails.enqueue("later"), fails.enqueue("never")
        self.run_app(app)
        self.assertEqual(self.client.result(good["id"], wait=30), {"square": 144, "attempt": 1})
        self.assertEqual(self.client.result(retried["id"], wait=30), 2)
        with self.assertRaises(wayside.Error) as caught:
            self.client.result(dead["id"], wait=30)
        self.assertEqual(caught.exception.code, "bad_payload")
        self.assertEqual(self.client.job(dead["id"])["status"], "dead")

    def test_enqueue_twice(self):
        first = self.client.enqueue("a", 1, idempotency_key="once")
        self.assertEqual(self.client.enqueue("a", 1, idempotency_key="once")["id"], first["id"])
        with self.assertRaises(wayside.Error) as caught:
            self.client.enqueue("a", 2, idempotency_key="once")
        self.assertEqual(caught.exception.status, 409)
        unique = self.client.enqueue("a", unique_key="u")
        self.assertEqual(self.client.enqueue("a", unique_key="u")["id"], unique["id"])

    def test_cancel_while_running(self):
        app, started = wayside.App(client=self.client), threading.Event()

        @app.job("slow")
        def slow(job):
            started.set()
            job.wait(60)

        job = slow.enqueue()
        self.run_app(app)
        self.assertTrue(started.wait(30))
        self.client.cancel(job["id"])
        with self.assertRaises(wayside.Error):
            self.client.result(job["id"], wait=30)
        self.assertEqual(self.client.job(job["id"])["status"], "cancelled")

    def test_stopped_worker_gives_jobs_back(self):
        app, started, let_go = wayside.App(client=self.client), threading.Event(), threading.Event()
        self.addCleanup(let_go.set)

        @app.job("stubborn")
        def stubborn(job):
            started.set()
            let_go.wait(60)

        job = stubborn.enqueue()
        stop = self.run_app(app, grace=0.1)
        self.assertTrue(started.wait(30))
        stop()
        again = self.client.job(job["id"])
        self.assertEqual((again["status"], again["attempt"]), ("ready", 0))

    def test_killed_appliance(self):
        """JOBS jobs while the appliance is killed KILLS times: every acknowledged job's effect is there."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "effects")
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        workers = [
            subprocess.Popen([sys.executable, "-m", "tests.effects_worker", self.appliance.url, path, "16"], env=env, stderr=subprocess.DEVNULL)
            for _ in range(2)
        ]

        def stop_workers():
            for w in workers:
                w.terminate()
            for w in workers:
                w.wait(60)

        self.addCleanup(stop_workers)
        acknowledged: dict[int, str] = {}
        producing = threading.Event()

        def produce():
            client = wayside.Client(self.appliance.url)
            n = 0
            while n < JOBS:
                batch = [{"type": "effect", "payload": {"n": i}, "max_attempts": 100} for i in range(n, min(n + 10, JOBS))]
                try:
                    made = client.enqueue_many(batch)
                except (wayside.Unreachable, wayside.Error):
                    time.sleep(0.05)  # not acknowledged: the same again, as a producer would
                    continue
                for i, job in zip(range(n, JOBS), made):
                    acknowledged[i] = job["id"]
                n += len(made)
            client.close()
            producing.set()

        producer = threading.Thread(target=produce)
        producer.start()
        for kill in range(KILLS):
            want = (kill + 1) * JOBS // (KILLS + 1)
            while count(path) < want:
                time.sleep(0.01)
            self.appliance.kill()
            self.appliance.start()
        producer.join(300)
        self.assertTrue(producing.is_set(), "the producer does not come to its end")
        deadline = time.monotonic() + 300
        while True:
            left = [q["counts"] for q in self.client.call("GET", "/queues")["items"] if q["name"] == "default"][0]
            open_ = sum(left.get(s, 0) for s in ("waiting", "scheduled", "ready", "active", "retry"))
            if open_ == 0:
                break
            self.assertLess(time.monotonic(), deadline, left)
            time.sleep(0.2)
        with open(path) as f:
            effects = collections.Counter(int(line) for line in f)
        missing = [n for n in acknowledged if effects[n] == 0]
        self.assertEqual(len(acknowledged), JOBS)
        self.assertEqual(missing, [], "acknowledged jobs without effect")
        for n in list(acknowledged)[:: max(1, JOBS // 500)]:
            job = self.client.job(acknowledged[n])
            self.assertEqual((job["status"], self.client.result(job["id"])), ("completed", n))
        print(f"\n{JOBS} jobs, {KILLS} kills, {sum(effects.values())} effects", file=sys.stderr)


def count(path):
    try:
        with open(path, "rb") as f:
            return f.read().count(b"\n")
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    unittest.main()
