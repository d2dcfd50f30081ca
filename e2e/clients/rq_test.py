"""RQ against the built appliance: workers as `rq worker`, functions of rq_jobs.py. `make e2e-clients` runs it."""

import os
import pathlib
import signal
import sys
import threading
import time
import unittest
import uuid
from datetime import timedelta

import redis
from rq import Callback, Queue, RateLimit, Repeat, Retry, Worker, command
from rq.exceptions import DuplicateJobError
from rq.group import Group
from rq.job import Dependency, Job
from rq.registry import StartedJobRegistry
from rq.results import Result

import rq_jobs
from appliance import Appliance, Program, until

HERE = pathlib.Path(__file__).resolve().parent
APPLIANCE = os.environ.get("APPLIANCE_BIN", str(HERE.parents[1] / "bin" / "wayside"))
RQ = pathlib.Path(sys.executable).parent / "rq"
JOBS, NOTES = 4, 5  # databases


class Scenario(unittest.TestCase):
    environment = {}

    @classmethod
    def setUpClass(cls):
        cls.appliance = Appliance(APPLIANCE, kv=True, env=cls.environment)
        cls.addClassCleanup(cls.appliance.close)
        cls.redis = redis.Redis.from_url(cls.appliance.redis(JOBS))
        cls.notes = redis.Redis.from_url(cls.appliance.redis(NOTES), decode_responses=True)
        for client in (cls.redis, cls.notes):
            cls.addClassCleanup(client.close)

    @classmethod
    def start(cls, *arguments):
        """Starts a worker that is ready for jobs."""
        name = uuid.uuid4().hex
        p = Program([RQ, "worker", "-u", cls.appliance.redis(JOBS), "-n", name, *arguments], env={"NOTES_URL": cls.appliance.redis(NOTES)}, cwd=HERE)
        try:
            p.wait_for("Listening on")
        except BaseException:
            p.end()
            raise
        p.worker = name
        return p

    def worker(self, *arguments):
        p = self.start(*arguments)
        self.addCleanup(p.end)
        return p

    def noted(self, key):
        return self.notes.lrange(key, 0, -1)

    def key(self):
        return uuid.uuid4().hex

    def result(self, job, within=30):
        """Gives the last result of a job, which comes through its stream."""
        r = until(lambda: job.latest_result(timeout=1), lambda: f"{job.id} has a result, it is {job.get_status()}", within)
        return r


class Jobs(Scenario):
    """What two workers do, of which one schedules."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.queue = Queue("default", connection=cls.redis)
        for arguments in (["--with-scheduler", "default"], ["default"]):
            cls.addClassCleanup(cls.start(*arguments).end)

    def test_jobs_and_their_results(self):
        jobs = [self.queue.enqueue(rq_jobs.add, i, i) for i in range(40)]
        self.assertEqual([self.result(job, 60).return_value for job in jobs], [2 * i for i in range(40)])
        for job in jobs:
            self.assertEqual((job.get_status(), Result.count(job)), ("finished", 1))
            self.assertTrue(0 < self.redis.ttl(Result.get_key(job.id)) <= 500)
        self.assertTrue({job.id for job in jobs} <= set(self.queue.finished_job_registry.get_job_ids()))
        until(lambda: self.redis.llen(self.queue.intermediate_queue_key) == 0, "nothing is between queue and workers")
        self.assertEqual(len(self.queue), 0)

    def test_who_waits_for_a_result_is_woken(self):
        key, got = self.key(), []
        job = self.queue.enqueue(rq_jobs.mark, key, "x", 1.0)
        waiting = threading.Thread(target=lambda: got.append(job.latest_result(timeout=20)))
        begun = time.monotonic()
        waiting.start()
        waiting.join(30)
        self.assertEqual(got[0].return_value, "x")
        self.assertLess(time.monotonic() - begun, 15, "XREAD was woken, it did not end by its timeout")

    def test_failure_callbacks_and_requeue(self):
        good = self.queue.enqueue(rq_jobs.add, 1, 2, on_success=Callback(rq_jobs.succeeded))
        bad = self.queue.enqueue(rq_jobs.fail, "on purpose", on_failure=Callback(rq_jobs.failed))
        self.result(good)
        self.assertIn("on purpose", self.result(bad).exc_string)
        self.assertEqual(bad.get_status(), "failed")
        until(lambda: self.noted("callback:" + good.id) == ["success 3"], "the callback of success")
        until(lambda: self.noted("callback:" + bad.id) == ["failure on purpose"], "the callback of failure")
        self.assertIn(bad.id, self.queue.failed_job_registry.get_job_ids())
        self.queue.failed_job_registry.requeue(bad.id)
        until(lambda: Result.count(bad) == 2, "it failed again")

    def test_retry_with_intervals(self):
        key = self.key()
        job = self.queue.enqueue(rq_jobs.flaky, key, 2, retry=Retry(max=2, interval=[2, 4]))
        until(lambda: job.get_status() == "finished", lambda: f"it is {job.get_status()}", 60)
        self.assertEqual(job.return_value(), 3)
        times = [float(t) for t in self.noted(key)]
        self.assertGreater(times[1] - times[0], 0.9)  # RQ keeps the times of schedules in whole seconds, cut off
        self.assertGreater(times[2] - times[1], 2.9)
        never = self.queue.enqueue(rq_jobs.flaky, self.key(), 99, retry=Retry(max=2))
        until(lambda: never.get_status() == "failed", lambda: f"it is {never.get_status()}")
        self.assertEqual(len(self.noted(never.args[0])), 3)

    def test_scheduled(self):
        key, begun = self.key(), time.time()
        job = self.queue.enqueue_in(timedelta(seconds=2), rq_jobs.mark, key, "late")
        self.assertIn(job.id, self.queue.scheduled_job_registry.get_job_ids())
        self.assertEqual(self.result(job).return_value, "late")
        self.assertGreater(time.time() - begun, 1)  # it knows whole seconds
        self.assertNotIn(job.id, self.queue.scheduled_job_registry.get_job_ids())
        again = self.queue.enqueue(rq_jobs.mark, self.key(), "again", repeat=Repeat(times=2, interval=1))
        until(lambda: self.noted(again.args[0] + ":done") == ["again"] * 3, "it is repeated")

    def test_dependency(self):
        key = self.key()
        first = self.queue.enqueue(rq_jobs.mark, key, "first", 0.5)
        second = self.queue.enqueue(rq_jobs.mark, key, "second", depends_on=first)
        third = self.queue.enqueue(rq_jobs.mark, key, "third", depends_on=[first, second])
        self.assertIn(second.id, self.queue.deferred_job_registry.get_job_ids())
        self.assertEqual(self.result(third).return_value, "third")
        self.assertEqual(self.noted(key), ["first", "second", "third"])
        bad = self.queue.enqueue(rq_jobs.fail, "no")
        never = self.queue.enqueue(rq_jobs.mark, key, "never", depends_on=bad)
        anyway = self.queue.enqueue(rq_jobs.mark, key, "anyway", depends_on=Dependency(bad, allow_failure=True))
        self.assertEqual(self.result(anyway).return_value, "anyway")
        self.assertEqual(never.get_status(), "deferred")

    def test_cancel(self):
        key = self.key()
        job = self.queue.enqueue_in(timedelta(seconds=2), rq_jobs.mark, key, "never")
        job.cancel()
        self.assertEqual(job.get_status(), "canceled")
        self.assertIn(job.id, self.queue.canceled_job_registry.get_job_ids())
        other = Queue("nobody", connection=self.redis)
        waiting = [other.enqueue(rq_jobs.add, 1, n) for n in range(3)]
        waiting[1].cancel()
        self.assertEqual(other.get_job_ids(), [waiting[0].id, waiting[2].id])
        self.assertEqual(other.empty(), 2)
        after = self.queue.enqueue_in(timedelta(seconds=3), rq_jobs.mark, key, "after")
        self.result(after)
        self.assertEqual(self.noted(key), ["after"])

    def test_stop_of_a_running_job(self):
        key = self.key()
        job = self.queue.enqueue(rq_jobs.mark, key, "long", 300)
        until(lambda: self.noted(key), "it runs")
        command.send_stop_job_command(self.redis, job.id)  # by pub/sub
        until(lambda: job.get_status() == "stopped", lambda: f"it is {job.get_status()}")
        self.assertEqual(self.noted(key + ":done"), [])
        self.assertEqual(self.result(self.queue.enqueue(rq_jobs.add, 3, 4)).return_value, 7)

    def test_unique_group_and_rate_limit(self):
        self.queue.enqueue_in(timedelta(seconds=60), rq_jobs.add, 1, 1, job_id="one", unique=True)
        with self.assertRaises(DuplicateJobError):
            self.queue.enqueue(rq_jobs.add, 1, 1, job_id="one", unique=True)
        self.queue.fetch_job("one").delete()
        group = Group(self.redis)
        group.enqueue_many(self.queue, [Queue.prepare_data(rq_jobs.add, (n, n)) for n in range(5)])
        until(lambda: {j.get_status() for j in group.get_jobs()} == {"finished"}, "all of a group are done")
        self.assertEqual(sorted(j.return_value() for j in group.get_jobs()), [0, 2, 4, 6, 8])
        key = self.key()
        jobs = [self.queue.enqueue(rq_jobs.mark, key, n, 0.4, rate_limit=RateLimit(key="one at a time", concurrency=1)) for n in range(3)]
        for job in jobs:
            self.result(job)
        self.assertEqual(sorted(self.noted(key)), ["0", "1", "2"])
        self.assertEqual(self.noted(key), self.noted(key + ":done"))
        spans = sorted((r.execution_started_at, r.execution_ended_at) for r in map(self.result, jobs))
        for (_, end), (begin, _) in zip(spans, spans[1:]):
            self.assertLessEqual(end, begin, "two workers, but one job at a time")

    def test_workers_are_known(self):
        workers = Worker.all(connection=self.redis)
        self.assertEqual(len(workers), 2)
        for w in workers:
            self.assertIn(w.get_state(), ("idle", "busy", "started"))
            self.assertIn("127.0.0.1:", w.ip_address)
        info = Program([RQ, "info", "-u", self.appliance.redis(JOBS), "--raw"])
        self.assertEqual(info.wait(60), 0, info.text)
        self.assertEqual(info.text.count("worker "), 2, info.text)


class Deaths(Scenario):
    """Workers and the server die by kill -9."""

    environment = {"WAYSIDE_KV_APPENDFSYNC": "always"}

    def test_job_of_a_dead_worker_is_done_by_another(self):
        queue, key = Queue("dead", connection=self.redis), self.key()
        first = self.worker("--job-monitoring-interval", "1", "dead")
        again = queue.enqueue(rq_jobs.mark, key, "x", 3, job_timeout=600, retry=Retry(max=1))
        until(lambda: self.noted(key), "it runs")
        first.end(signal.SIGKILL)
        lost = queue.enqueue(rq_jobs.mark, key, "y", 300, job_timeout=600)
        second = self.worker("--job-monitoring-interval", "1", "--maintenance-interval", "1", "dead")
        until(lambda: "y" in self.noted(key), "the second worker has the next job")
        second.end(signal.SIGKILL)
        self.assertEqual({again.get_status(), lost.get_status()}, {"started"})
        self.assertEqual(StartedJobRegistry(queue=queue).get_job_count(cleanup=False), 2)
        # A job's heartbeat is good for a minute. Then the maintenance of another worker finds it dead.
        self.worker("--maintenance-interval", "1", "--worker-ttl", "17", "dead")  # looks every two seconds
        until(lambda: again.get_status() == "finished", lambda: f"it is {again.get_status()}", 120)
        self.assertEqual(self.noted(key), ["x", "y", "x"])
        self.assertEqual(self.noted(key + ":done"), ["x"])
        until(lambda: lost.get_status() == "failed", lambda: f"without a retry it is {lost.get_status()}", 60)
        self.assertIn("AbandonedJobError", lost.latest_result().exc_string)

    def test_nothing_acknowledged_is_lost_with_the_server(self):
        queue, key, sent, stop = Queue("kept", connection=self.redis), self.key(), [], threading.Event()

        def send():
            n = 0
            while not stop.is_set():
                try:
                    sent.append(queue.enqueue(rq_jobs.mark, key, n, job_id=f"{key}-{n}").id)
                except (redis.exceptions.RedisError, OSError):
                    stop.wait(0.02)  # the server is being started
                n += 1

        sender = threading.Thread(target=send)
        sender.start()
        try:
            for _ in range(4):
                before = len(sent)
                until(lambda: len(sent) > before + 15, "jobs are sent")
                self.appliance.kill()
                self.appliance.start()
        finally:
            stop.set()
            sender.join(30)
        waiting = queue.get_job_ids()
        self.assertEqual([i for i in waiting if i in set(sent)], sent, "all that were acknowledged, once and in their order")
        self.assertNotIn(None, Job.fetch_many(waiting, connection=self.redis))
        self.worker("--burst", "kept").wait(120)
        self.assertTrue({i.rsplit("-", 1)[1] for i in sent} <= set(self.noted(key + ":done")))


if __name__ == "__main__":
    unittest.main()
