from __future__ import annotations

import asyncio
import json
import logging
import threading
import unittest

import wayside
from tests.fake import Fake


class WorkerTest(unittest.TestCase):
    def setUp(self):
        self.fake = Fake()
        self.addCleanup(self.fake.close)
        self.app = wayside.App(self.fake.url, token="secret")
        logging.getLogger("wayside").setLevel(logging.CRITICAL)

    def start(self, **options):
        options.setdefault("grace", 5)
        thread = threading.Thread(target=self.app.run, kwargs={"signals": False, "lease_seconds": 5, **options})
        thread.start()

        def stop():
            self.app.stop()
            thread.join(30)
            self.assertFalse(thread.is_alive(), "the worker does not stop")

        self.addCleanup(stop)
        return stop

    def test_outcomes(self):
        def handler(job):
            what = job.payload
            if what == "boom":
                raise RuntimeError("it broke")
            if what == "never":
                raise wayside.Permanent("no way", code="bad_input")
            if what == "later":
                raise wayside.Retry(7, "busy")
            if what == "not yet":
                raise wayside.Snooze(60)
            if what == "large":
                return "x" * 70_000
            if what == "exit":
                raise SystemExit(1)
            return {"got": what}

        self.app.job("a")(handler)
        payloads = ["fine", "boom", "never", "later", "not yet", "large", "exit"]
        ids = {self.fake.add("a", p): p for p in payloads}
        self.start(concurrency=2)
        told = {ids[e["id"]]: (kind, e) for kind, e in self.fake.wait_told(len(payloads))}
        got = {p: (kind, {k: v for k, v in e.items() if k not in ("id", "lease")}) for p, (kind, e) in told.items()}
        self.assertEqual(got["fine"], ("ack", {"result": {"got": "fine"}}))
        self.assertEqual(got["boom"], ("fail", {"error": {"code": "failed", "message": "it broke"}}))
        self.assertEqual(got["never"], ("fail", {"error": {"code": "bad_input", "message": "no way"}, "dead": True}))
        self.assertEqual(got["later"], ("fail", {"error": {"code": "failed", "message": "busy"}, "retry_in": 7}))
        self.assertEqual(got["not yet"], ("release", {"delay": 60}))
        self.assertEqual(got["large"][1]["error"]["code"], "too_large")
        self.assertTrue(got["large"][1]["dead"])
        self.assertEqual(got["exit"], ("fail", {"error": {"code": "failed", "message": "1"}}))

    def test_coroutines(self):
        @self.app.job("a")
        async def handler(job):
            await asyncio.sleep(0)
            return job.payload

        self.fake.add("a", 1)
        self.fake.add("a", 2)
        self.start()
        self.assertEqual(sorted(e["result"] for _, e in self.fake.wait_told(2)), [1, 2])

    def test_own_loop(self):
        seen = []

        @self.app.job("a")
        async def handler(job):
            seen.append(asyncio.get_running_loop())
            self.app.stop()

        async def main():
            await self.app.run_async(lease_seconds=5)
            return asyncio.get_running_loop()

        self.fake.add("a")
        loop = asyncio.run(main())
        self.assertIs(seen[0], loop)
        self.assertEqual(self.fake.told[0][0], "ack")

    def test_ack_with_next_lease(self):
        self.app.job("a")(lambda job: None)
        for _ in range(20):
            self.fake.add("a")
        self.start(concurrency=1)
        self.fake.wait_told(20)
        both = [b for _, path, b in self.fake.calls if path == "/leases" and b.get("ack")]
        self.assertGreaterEqual(len(both), 15, "ends are told in calls of their own")

    def test_end_is_told_while_waiting_for_jobs(self):
        go = threading.Event()
        self.app.job("a")(lambda job: go.wait(10) and None)
        self.fake.add("a")
        self.start(concurrency=4)
        with self.fake.changed:  # the worker has the job and waits for the next
            self.assertTrue(self.fake.changed.wait_for(lambda: len([1 for _, p, _ in self.fake.calls if p == "/leases"]) >= 2, 10))
        go.set()
        self.fake.wait_told(1, 3)

    def test_progress_and_cancel(self):
        started = threading.Event()

        @self.app.job("a")
        def handler(job):
            job.progress(0.25, "a quarter")
            started.set()
            job.wait(30)

        id = self.fake.add("a")
        self.fake.states[id] = "cancel"
        self.start()
        beat = self.fake.wait_beats(1)[0]
        self.assertEqual((beat["progress"], beat["progress_text"]), (0.25, "a quarter"))
        kind, entry = self.fake.wait_told(1)[0]
        self.assertEqual((kind, entry["error"]["code"]), ("fail", "cancelled"))

    def test_soft_timeout(self):
        @self.app.job("a")
        def handler(job):
            job.wait(30)

        @self.app.job("b")
        async def coroutine(job):
            await asyncio.sleep(30)

        self.fake.add("a", soft_timeout=0.2)
        self.fake.add("b", soft_timeout=0.3)
        self.start()
        told = self.fake.wait_told(2, 4)
        self.assertEqual([(k, e["error"]["code"]) for k, e in told], [("fail", "timeout")] * 2)

    def test_cancelled_coroutine(self):
        @self.app.job("a")
        async def handler(job):
            await asyncio.sleep(60)

        id = self.fake.add("a")
        self.fake.states[id] = "cancel"
        self.start()
        kind, entry = self.fake.wait_told(1)[0]
        self.assertEqual((kind, entry["error"]["code"]), ("fail", "cancelled"))

    def test_lost_lease_is_not_told(self):
        raised = []

        @self.app.job("a")
        def handler(job):
            try:
                job.wait(30)
            except wayside.LeaseLost as e:
                raised.append(e)
                raise

        id = self.fake.add("a")
        self.fake.states[id] = "lost"
        stop = self.start()
        self.fake.wait_beats(1)
        self.fake.states.clear()
        self.fake.add("a", "next")  # its place is free again
        stop()
        self.assertEqual(len(raised), 1)
        self.assertNotIn(id, [e["id"] for _, e in self.fake.told])

    def test_stop_gives_back_what_does_not_end(self):
        started, let_go = threading.Event(), threading.Event()
        self.addCleanup(let_go.set)

        @self.app.job("stubborn")
        def stubborn(job):
            started.set()
            let_go.wait(60)

        self.fake.add("stubborn")
        stop = self.start(grace=0.2)
        started.wait(10)
        stop()
        self.assertEqual([k for k, _ in self.fake.told], ["release"])

    def test_stop_waits_for_handlers(self):
        started, go = threading.Event(), threading.Event()

        @self.app.job("a")
        def handler(job):
            started.set()
            go.wait(10)
            return "done"

        self.fake.add("a")
        stop = self.start()
        started.wait(10)
        self.app.stop()
        go.set()
        stop()
        self.assertEqual([(k, e.get("result")) for k, e in self.fake.told], [("ack", "done")])

    def test_appliance_away(self):
        self.app.job("a")(lambda job: job.payload)
        self.fake.broken = 3
        self.fake.add("a", "kept")
        self.start()
        self.assertEqual(self.fake.wait_told(1)[0][1]["result"], "kept")

    def test_refused_for_what_it_says(self):
        self.app.job("a")(lambda job: "x")
        self.fake.refusals = ["too_large"]
        self.fake.add("a")
        self.start()
        [(kind, entry)] = self.fake.wait_told(1)
        self.assertEqual((kind, entry["dead"], entry["error"]), ("fail", True, {"code": "too_large", "message": "no"}))

    def test_end_not_kept(self):
        @self.app.job("a")
        def handler(job):
            if job.payload == "no":
                raise RuntimeError("no")
            return "kept"

        self.fake.refusals = ["unavailable", "disk_full"]
        self.fake.add("a")
        self.fake.add("a", "no")
        self.start(concurrency=2)
        told = {k: e for k, e in self.fake.wait_told(2)}
        self.assertEqual(told["ack"]["result"], "kept")
        self.assertFalse(told["fail"].get("dead"))

    def logged(self):
        """Gives the messages that the worker logs from now on."""
        said = []

        class Keep(logging.Handler):
            def emit(self, record):
                said.append(record.getMessage())

        log, keep = logging.getLogger("wayside"), Keep()
        log.setLevel(logging.WARNING)
        log.addHandler(keep)
        self.addCleanup(log.removeHandler, keep)
        return said

    def test_end_waits_under_its_lease(self):
        """While an end cannot be told its lease is prolonged, and then it is told: the job does not run again."""

        @self.app.job("a")
        def handler(job):
            self.fake.deaf = True
            return "kept"

        self.fake.add("a")
        self.start(concurrency=1)
        self.fake.wait_beats(3)  # a lease of five seconds
        self.fake.deaf = False
        self.assertEqual(self.fake.wait_told(1)[0][1]["result"], "kept")

    def test_end_outlasts_its_lease(self):
        """The appliance is away until the lease has run out, and the same worker gets the job again: the late end is
        refused, and the new run ends as it should."""
        said, runs = self.logged(), []

        @self.app.job("a")
        def handler(job):
            runs.append(job.attempt)
            if job.attempt == 1:
                self.fake.deaf = True
                self.fake.states[job.id] = "lost"
            else:
                job.wait(1)  # the late end is refused meanwhile
            return job.attempt

        id = self.fake.add("a")
        self.start(concurrency=2)
        self.fake.wait_beats(1)
        with self.fake.changed:
            job = self.fake.leases.pop(id)
            self.fake.ready.append({**job, "attempt": 2})
            self.fake.states.clear()
            self.fake.deaf = False
            self.fake.changed.notify_all()
        self.assertEqual(self.fake.wait_told(1)[0][1]["result"], 2)
        self.assertEqual(runs, [1, 2])
        for text in ("lease ran out before the end of the job could be told", "came too late and was refused"):
            self.assertEqual(len([s for s in said if text in s]), 1, said)

    def test_late_end_does_not_end_the_next_run(self):
        """No sign of life was heard of either: the first thing that the appliance says of the old run is that its end is
        refused, while the new one is at work."""
        go = threading.Event()

        @self.app.job("a")
        def handler(job):
            if job.attempt == 1:
                self.fake.deaf = True
            else:
                go.wait(10)
            return job.attempt

        id = self.fake.add("a")
        self.start(concurrency=2)
        with self.fake.changed:  # its end could not be told
            self.assertTrue(self.fake.changed.wait_for(lambda: self.fake.deaf, 10))
            job = self.fake.leases.pop(id)
            self.fake.ready.append({**job, "attempt": 2})
            self.fake.deaf = False
            self.fake.changed.notify_all()
            self.assertTrue(self.fake.changed.wait_for(lambda: id in self.fake.leases, 10))
        self.fake.wait_beats(1)
        go.set()
        self.assertEqual(self.fake.wait_told(1)[0][1]["result"], 2)

    def test_end_never_told(self):
        said = self.logged()

        @self.app.job("a")
        def handler(job):
            self.fake.deaf = True

        self.fake.add("a")
        stop = self.start(concurrency=1)
        with self.fake.changed:
            self.assertTrue(self.fake.changed.wait_for(lambda: self.fake.deaf, 10))
        stop()
        self.assertEqual(len([s for s in said if "could not be told: its lease runs out, and it runs again" in s]), 1, said)

    def test_drain(self):
        self.app.job("a")(lambda job: None)
        self.fake.drain = True
        self.fake.add("a")
        stop = self.start()
        with self.fake.changed:
            self.assertTrue(self.fake.changed.wait_for(lambda: self.fake.calls, 10) is not None)
        stop()
        self.assertLess(len(self.fake.calls), 4, "a drained worker asks again and again")
        self.assertEqual(self.fake.told, [])

    def test_log_context(self):
        records = []

        class Keep(logging.Handler):
            def emit(self, record):
                records.append(json.loads(self.format(record)))

        log = logging.getLogger("test_log_context")
        log.propagate = False
        handler = Keep()
        handler.addFilter(wayside.ContextFilter())
        handler.setFormatter(wayside.JSONFormatter())
        log.addHandler(handler)
        self.app.job("a")(lambda job: log.warning("at %s", "work"))

        @self.app.job("b")
        async def b(job):
            await asyncio.sleep(0)
            log.warning("in a task")

        self.fake.add("a", request_id="r1", correlation_id="c1", trace_id="t1")
        self.fake.add("b", request_id="r2")
        self.start(concurrency=1)
        self.fake.wait_told(2)
        log.warning("outside")
        by = {r["message"]: r for r in records}
        self.assertEqual([by["at work"][k] for k in ("request_id", "correlation_id", "trace_id", "job_type")], ["r1", "c1", "t1", "a"])
        self.assertEqual(by["in a task"]["request_id"], "r2")
        self.assertNotIn("request_id", by["outside"])

    def test_task(self):
        @self.app.job("a", queue="reports", priority=7)
        def handler(job):
            return "called"

        self.assertEqual(handler(None), "called")
        made = handler.enqueue({"x": 1}, priority=9)
        self.assertEqual((made["queue"], made["priority"], made["payload"]), ("reports", 9, {"x": 1}))
        with self.assertRaises(ValueError):
            self.app.job("a")(handler)

    def test_errors(self):
        with self.assertRaises(wayside.Error) as caught:
            self.app.client.job("j9")
        e = caught.exception
        self.assertEqual((e.status, e.code, e.fields[0]["field"]), (404, "not_found", "id"))
        with self.assertRaises(wayside.Unreachable):
            wayside.Client("127.0.0.1:9").job("j1")
        with self.assertRaises(ValueError):
            wayside.Client("ftp://x")
        with self.assertRaises(ValueError):
            wayside.App(self.fake.url).run()


if __name__ == "__main__":
    unittest.main()
