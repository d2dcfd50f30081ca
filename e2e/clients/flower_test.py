"""Flower against the built appliance: what it sees of tasks and workers, and what it tells them. `make e2e-clients` runs it."""

import json
import unittest
import urllib.error
import urllib.request

from appliance import Program, free_port, until
from celery_test import BROKER, CELERY, HERE, RESULTS, Scenario


class Flower(Scenario):
    clean = False  # the worker goes on

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        worker = cls.start("worker", "-c", "2", "-E", "-n", "seen@here")
        cls.addClassCleanup(worker.end)
        port = free_port()
        cls.url = f"http://127.0.0.1:{port}"
        urls = {"CELERY_BROKER_URL": cls.appliance.redis(BROKER), "CELERY_RESULT_BACKEND": cls.appliance.redis(RESULTS)}
        flower = Program(
            [*CELERY, "-A", "celery_app", "flower", "--address=127.0.0.1", f"--port={port}", "--inspect_timeout=5000"],
            env={**urls, "FLOWER_UNAUTHENTICATED_API": "true"}, cwd=HERE,
        )
        cls.addClassCleanup(flower.end)
        flower.wait_for("Connected to redis://")
        until(lambda: "seen@here" in cls.ask("/api/workers?refresh=1"), "Flower knows the worker")

    @classmethod
    def ask(cls, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(cls.url + path, data=data, method=method), timeout=30) as answer:
            return json.load(answer)

    def test_workers(self):
        worker = self.ask("/api/workers?refresh=1")["seen@here"]
        self.assertEqual(worker["stats"]["pool"]["max-concurrency"], 2)
        self.assertIn("flaky", worker["registered"])
        self.assertEqual([q["name"] for q in worker["active_queues"]], ["celery"])

    def test_events_of_a_task(self):
        result = self.s("add", 20, 22).apply_async()
        self.assertEqual(result.get(timeout=30), 42)

        def seen():
            try:
                info = self.ask(f"/api/task/info/{result.id}")
            except urllib.error.HTTPError:
                return None
            return info if info["state"] == "SUCCESS" else None

        info = until(seen, "Flower sees the end of the task")
        self.assertEqual((info["name"], info["result"], info["worker"]), ("add", "42", "seen@here"))
        self.assertIn(result.id, self.ask("/api/tasks?limit=1000"))

    def test_send_and_result(self):
        task = self.ask("/api/task/send-task/mul", {"args": [6, 7]}, "POST")["task-id"]
        done = until(lambda: (r := self.ask(f"/api/task/result/{task}"))["state"] == "SUCCESS" and r, "the task is done")
        self.assertEqual(done["result"], 42)

    def test_revoke(self):
        key = self.key()
        late = self.s("mark", key, "never").apply_async(countdown=3)
        until(lambda: late.id in json.dumps(self.app.control.inspect().scheduled()), "it is scheduled")
        self.ask(f"/api/task/revoke/{late.id}", {}, "POST")
        until(lambda: late.state == "REVOKED", lambda: f"it is {late.state}")
        long = self.s("mark", key + "x", "long", 300).apply_async()
        until(lambda: self.noted(key + "x"), "it runs")
        self.ask(f"/api/task/revoke/{long.id}?terminate=true&signal=SIGKILL", {}, "POST")
        until(lambda: long.state == "REVOKED", lambda: f"it is {long.state}")
        self.assertEqual((self.noted(key), self.noted(key + "x:done")), ([], []))
        self.assertEqual(self.s("add", 1, 2).apply_async().get(timeout=30), 3, "the worker goes on")

    def test_pool_and_queues(self):
        grown = self.ask("/api/worker/pool/grow/seen@here?n=1", {}, "POST")
        self.assertIn("Growing", grown["message"])
        until(lambda: self.ask("/api/workers?refresh=1")["seen@here"]["stats"]["pool"]["processes"][2:], "the pool grows")
        self.ask("/api/worker/queue/add-consumer/seen@here?queue=other", {}, "POST")
        until(lambda: "other" in [q["name"] for q in self.ask("/api/workers?refresh=1")["seen@here"]["active_queues"]], "it has another queue")
        self.assertEqual(self.s("add", 2, 2).apply_async(queue="other").get(timeout=30), 4)
        self.ask("/api/worker/queue/cancel-consumer/seen@here?queue=other", {}, "POST")
        until(lambda: "other" not in [q["name"] for q in self.ask("/api/workers?refresh=1")["seen@here"]["active_queues"]], "it gave the queue up")

    def test_lengths_of_queues(self):
        """The lists of all priorities count."""
        key = self.key()
        results = [self.s("progress", key).apply_async(priority=n) for n in range(10)]
        try:
            until(lambda: sum(r.state == "PROGRESS" for r in results) > 1, "two run, and more wait")
            length = until(lambda: {q["name"]: q["messages"] for q in self.ask("/api/queues/length")["active_queues"]}["celery"], "some wait")
            self.assertIn(length, range(4, 9))
        finally:
            self.notes.rpush(key, *[1] * 10)
        self.assertEqual({r.get(timeout=30) for r in results}, {"done"})


if __name__ == "__main__":
    unittest.main()
