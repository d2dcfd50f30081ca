"""Celery against the built appliance: workers as `celery worker`, tasks of celery_app.py. `make e2e-clients` runs it."""

import datetime
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time
import unittest
import uuid

import kombu
import kombu.exceptions
import redis
from celery import chain, chord, group
from celery.exceptions import ChordError, TaskRevokedError

import celery_app
from appliance import Appliance, Program, certificate, free_port, until

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
APPLIANCE = os.environ.get("APPLIANCE_BIN", str(ROOT / "bin" / "wayside"))
BROKER, RESULTS, NOTES = 1, 2, 3  # databases
CELERY = [sys.executable, "-m", "celery"]


class Scenario(unittest.TestCase):
    """An appliance, an application that sends to it, and what its tasks note."""

    environment = {}
    clean = True  # whether every test begins with empty databases

    @classmethod
    def setUpClass(cls):
        cls.appliance = Appliance(APPLIANCE, kv=True, env=cls.environment)
        cls.addClassCleanup(cls.appliance.close)
        cls.app = celery_app.make(cls.appliance.redis(BROKER), cls.appliance.redis(RESULTS))
        cls.addClassCleanup(cls.app.close)
        cls.broker, cls.results, cls.notes = (
            redis.Redis.from_url(cls.appliance.redis(db), decode_responses=True) for db in (BROKER, RESULTS, NOTES)
        )
        for client in (cls.broker, cls.results, cls.notes):
            cls.addClassCleanup(client.close)

    @classmethod
    def start(cls, kind="worker", *arguments, ready=r"ready\.", env=None):
        """Starts a program of Celery that works for this appliance."""
        urls = {
            "CELERY_BROKER_URL": cls.appliance.redis(BROKER), "CELERY_RESULT_BACKEND": cls.appliance.redis(RESULTS),
            "NOTES_URL": cls.appliance.redis(NOTES),
        }
        p = Program([*CELERY, "-A", "celery_app", kind, "-l", "info", *arguments], env={**urls, **(env or {})}, cwd=HERE)
        try:
            p.wait_for(ready)
        except BaseException:
            p.end()
            raise
        return p

    def worker(self, *arguments, **env):
        p = self.start("worker", *arguments, env=env)
        self.addCleanup(p.end)
        return p

    @classmethod
    def s(cls, name, *args, **kwargs):
        return cls.app.signature(name, args, kwargs)

    def noted(self, key):
        return self.notes.lrange(key, 0, -1)

    def setUp(self):
        for db in (self.broker, self.results, self.notes) if self.clean else ():
            db.flushdb()

    def key(self):
        return uuid.uuid4().hex


class Tasks(Scenario):
    """What one worker with two processes does, in order and disorder."""

    clean = False  # the worker goes on

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hands = cls.start("worker", "-c", "2", "-E", "-n", "hands@here")
        cls.addClassCleanup(cls.hands.end)

    def test_many_tasks_and_their_results(self):
        results = [self.s("add", i, i).apply_async() for i in range(300)]
        self.assertEqual([r.get(timeout=60) for r in results], [2 * i for i in range(300)])
        until(lambda: self.broker.zcard("unacked_index") == 0, "everything is confirmed")
        self.assertEqual(self.broker.llen("celery"), 0)
        self.assertEqual(self.broker.hlen("unacked"), 0)

    def test_failure_is_told(self):
        result = self.s("fail", "on purpose").apply_async()
        with self.assertRaisesRegex(ValueError, "on purpose"):
            result.get(timeout=30)
        self.assertEqual(result.state, "FAILURE")
        self.assertIn("on purpose", result.traceback)

    def test_retry_with_backoff(self):
        key = self.key()
        self.assertEqual(self.s("flaky", key, 2).apply_async().get(timeout=30), 2)
        times = [float(t) for t in self.noted(key)]
        self.assertEqual(len(times), 3)
        for wait, at_least in zip((b - a for a, b in zip(times, times[1:])), (1, 2)):
            self.assertGreater(wait, at_least - 0.1)
            self.assertLess(wait, at_least + 5)

    def test_retry_gives_up(self):
        key = self.key()
        result = self.s("flaky", key, 99).set(retry_backoff=1).apply_async()
        with self.assertRaisesRegex(ConnectionError, "not yet"):
            result.get(timeout=60)
        self.assertEqual(len(self.noted(key)), 4, "the first attempt and three more")

    def test_countdown_and_eta(self):
        key, begun = self.key(), time.time()
        late = self.s("mark", key, "late").apply_async(countdown=3)
        soon = self.s("mark", key, "soon").apply_async(eta=self.app.now() + datetime.timedelta(seconds=1.5))
        self.assertEqual(soon.get(timeout=30), "soon")
        self.assertGreater(time.time() - begun, 1.4)
        self.assertEqual(late.get(timeout=30), "late")
        self.assertGreater(time.time() - begun, 2.9)
        self.assertEqual(self.noted(key), ["soon", "late"])

    def test_expired_task_is_not_run(self):
        key = self.key()
        result = self.s("mark", key, "never").apply_async(countdown=1, expires=0.3)
        with self.assertRaises(TaskRevokedError):
            result.get(timeout=30)
        self.assertEqual(self.noted(key), [])

    def test_chain_group_chord(self):
        self.assertEqual(chain(self.s("add", 2, 2), self.s("add", 4), self.s("mul", 5)).apply_async().get(timeout=30), 40)
        self.assertEqual(group([self.s("mul", i, i) for i in range(10)], app=self.app).apply_async().get(timeout=30), [i * i for i in range(10)])
        header = [self.s("add", i, 1) for i in range(40)]
        self.assertEqual(chord(header, self.s("total"), app=self.app).apply_async().get(timeout=60), sum(range(1, 41)))
        nested = chain(group([self.s("add", 1, 1), chain(self.s("add", 2, 2), self.s("mul", 10))], app=self.app), self.s("total"), self.s("mul", 2))
        self.assertEqual(nested.apply_async().get(timeout=60), 84)

    def test_chord_whose_part_fails(self):
        key = self.key()
        body = self.s("mark", key, "ran").set(immutable=True)
        result = chord([self.s("add", 1, 1), self.s("fail", "a part")], body, app=self.app).apply_async()
        with self.assertRaisesRegex((ChordError, ValueError), "a part"):
            result.get(timeout=30)
        self.assertEqual(self.noted(key), [])

    def test_state_and_progress(self):
        key = self.key()
        result = self.s("progress", key).apply_async()
        until(lambda: result.state == "PROGRESS", lambda: f"state is {result.state}")
        self.assertEqual(result.info, {"percent": 50})
        self.notes.rpush(key, "go on")
        self.assertEqual(result.get(timeout=30), "done")
        self.assertEqual((result.name, result.args), ("progress", [key]))

    def test_results_are_forgotten_and_expire(self):
        kept = self.s("add", 1, 1).apply_async()
        kept.get(timeout=30)
        name = "celery-task-meta-" + kept.id
        self.assertTrue(0 < self.results.ttl(name) <= 600)
        kept.forget()
        self.assertEqual(self.results.exists(name), 0)
        key = self.key()
        silent = self.s("silent", key).apply_async()
        until(lambda: self.noted(key), "the silent task runs")
        self.assertEqual(self.s("add", 0, 0).apply_async().get(timeout=30), 0)
        self.assertEqual(self.results.exists("celery-task-meta-" + silent.id), 0)
        with celery_app.make(self.appliance.redis(BROKER), self.appliance.redis(RESULTS), result_expires=1) as short:
            task = self.key()
            short.backend.store_result(task, 42, "SUCCESS")
            self.assertEqual(short.AsyncResult(task).get(timeout=5), 42)
            until(lambda: short.AsyncResult(task).state == "PENDING", "the result expires", 10)
            self.assertEqual(self.results.exists("celery-task-meta-" + task), 0)

    def test_revoke_before_it_runs(self):
        key = self.key()
        result = self.s("mark", key, "never").apply_async(countdown=10)  # time to revoke it, also on a busy machine
        until(lambda: any(result.id in str(t) for t in (self.app.control.inspect().scheduled() or {}).values()), "it is scheduled")
        result.revoke()
        with self.assertRaises(TaskRevokedError):
            result.get(timeout=60)
        self.assertEqual(self.noted(key), [])

    def test_revoke_while_it_runs(self):
        key = self.key()
        result = self.s("mark", key, "long", 300).apply_async()
        until(lambda: self.noted(key), "it runs")
        result.revoke(terminate=True, signal="SIGKILL")
        with self.assertRaises(TaskRevokedError):
            result.get(timeout=30)
        self.assertEqual(self.s("add", 1, 2).apply_async().get(timeout=30), 3, "the worker goes on")
        self.assertEqual(self.noted(key + ":done"), [])

    def test_inspect_and_control(self):
        inspect = self.app.control.inspect(timeout=5, destination=["hands@here"])
        self.assertEqual(inspect.ping(), {"hands@here": {"ok": "pong"}})
        self.assertIn("flaky", inspect.registered()["hands@here"])
        self.assertEqual(inspect.stats()["hands@here"]["pool"]["max-concurrency"], 2)
        key, queue = self.key(), "queue-" + self.key()
        self.app.control.add_consumer(queue, reply=True, timeout=5, destination=["hands@here"])
        self.assertIn(queue, [q["name"] for q in inspect.active_queues()["hands@here"]])
        self.assertEqual(self.s("mark", key, "there").apply_async(queue=queue).get(timeout=30), "there")
        self.app.control.cancel_consumer(queue, reply=True, timeout=5, destination=["hands@here"])
        until(lambda: queue not in [q["name"] for q in inspect.active_queues()["hands@here"]], "the queue is given up")
        for n in range(5):
            self.s("mark", key, n).apply_async(queue=queue)
        self.assertEqual(self.app.control.broadcast("rate_limit", {"task_name": "add", "rate_limit": "1000/s"}, reply=True, timeout=5)[0]["hands@here"]["ok"], "new rate limit set successfully")
        with self.app.connection_for_write() as connection:
            self.assertEqual(connection.default_channel.queue_purge(queue), 5)

    def test_events_reach_all_who_listen(self):
        seen, ready, stop = [[], []], threading.Barrier(3), threading.Event()
        threads = [threading.Thread(target=listen_until, args=(self.app, into, ready, stop)) for into in seen]
        for t in threads:
            t.start()
        ready.wait(30)
        result = self.s("add", 20, 22).apply_async()
        wanted = {"task-received", "task-started", "task-succeeded"}
        kinds = lambda events: {e["type"] for e in events if e.get("uuid") == result.id}
        try:
            until(lambda: all(wanted <= kinds(events) for events in seen), lambda: f"both see {wanted}: {[kinds(e) for e in seen]}")
            until(lambda: all(any(e["type"] == "worker-heartbeat" for e in events) for events in seen), "both see heartbeats")
        finally:
            stop.set()
            for t in threads:
                t.join(10)

    def test_beat(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        beat = self.start("beat", "-s", os.path.join(folder.name, "schedule"), ready="beat: Starting", env={"BEAT": "1"})
        self.addCleanup(beat.end)
        until(lambda: len(self.noted("ticks")) >= 4, lambda: f"ticks: {self.noted('ticks')}")
        beat.end(signal.SIGTERM)
        times = [float(t) for t in self.noted("ticks")]
        self.assertGreater(times[3] - times[0], 2.5)
        self.assertLess(times[3] - times[0], 15)


def listen_until(app, into, ready, stop):
    """Appends the events that come, until stop is set."""
    def drain(connection):
        try:
            connection.drain_events(timeout=0.3)
        except TimeoutError:
            pass

    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": into.append})
        with kombu.Consumer(connection.default_channel, queues=[receiver.queue], callbacks=[receiver._receive], no_ack=True):
            drain(connection)  # the subscription goes out with it
            ready.wait(30)
            while not stop.is_set():
                drain(connection)


class Order(Scenario):
    """Priorities, and order within one."""

    def test_priorities(self):
        key = self.key()
        for priority in (9, 4, 0, 7, 2, 5, 9, 1, 8, 3, 6, 0):
            self.s("mark", key, priority).apply_async(priority=priority)
        self.worker("-c", "1")
        wanted = sorted([9, 4, 0, 7, 2, 5, 9, 1, 8, 3, 6, 0])
        until(lambda: len(self.noted(key + ":done")) == 12, "all run")
        self.assertEqual([int(p) for p in self.noted(key)], wanted)

    def test_urgent_overtakes_what_waits(self):
        key = self.key()
        self.worker("-c", "1")
        for n in range(10):
            self.s("mark", key, f"routine {n}", 0.3).apply_async(priority=6)
        until(lambda: self.noted(key), "the first runs")
        self.s("mark", key, "urgent").apply_async(priority=0)
        until(lambda: len(self.noted(key + ":done")) == 11, "all run")
        # One runs and one may be on its way to the worker.
        self.assertLess(self.noted(key).index("urgent"), 4)
        self.assertEqual([k for k in self.noted(key) if k != "urgent"], [f"routine {n}" for n in range(10)], "first come, first served")

    def test_queues_in_their_order(self):
        key = self.key()
        for n in range(4):
            self.s("mark", key, "low").apply_async(queue="low")
            self.s("mark", key, "high").apply_async(queue="high")
        self.worker("-c", "1", "-Q", "high,low")
        until(lambda: len(self.noted(key + ":done")) == 8, "all run")
        self.assertEqual(self.noted(key), ["high"] * 4 + ["low"] * 4)


class Deaths(Scenario):
    """Workers and the broker die by kill -9."""

    environment = {"WAYSIDE_KV_APPENDFSYNC": "always"}

    def test_task_of_a_dead_worker_is_done_by_another(self):
        key = self.key()
        first = self.worker("-c", "1", VISIBILITY="4")
        result = self.s("mark", key, "x", 3).apply_async()
        until(lambda: self.noted(key), "the first worker has it")
        begun = time.monotonic()
        first.end(signal.SIGKILL)
        self.assertEqual(self.broker.hlen("unacked"), 1, "the task is with the dead worker")
        self.worker("-c", "1", VISIBILITY="4")
        self.assertEqual(result.get(timeout=60), "x")
        self.assertGreater(time.monotonic() - begun, 3, "not before the visibility timeout")
        self.assertEqual(self.noted(key), ["x", "x"])
        self.assertEqual(self.noted(key + ":done"), ["x"])
        until(lambda: self.broker.hlen("unacked") == 0, "it is confirmed")
        self.assertEqual(self.broker.zcard("unacked_index"), 0)

    def test_nothing_acknowledged_is_lost_with_the_broker(self):
        key, sent, stop = self.key(), [], threading.Event()

        def send():
            n = 0
            while not stop.is_set():
                try:
                    self.s("mark", key, n).apply_async(retry=False)
                    sent.append(n)
                except (kombu.exceptions.OperationalError, redis.exceptions.RedisError, OSError):
                    stop.wait(0.02)  # the broker is being started
                n += 1

        sender = threading.Thread(target=send)
        sender.start()
        try:
            for life in range(4):
                before = len(sent)
                until(lambda: len(sent) > before + 60, "tasks are sent")
                self.appliance.kill()
                self.appliance.start()
        finally:
            stop.set()
            sender.join(30)
        # Now a worker is in the middle of a long task, and so takes nothing else, when the broker dies twice.
        self.worker("-c", "1", VISIBILITY="60")
        for name in ("long", "long again"):
            last = self.s("mark", key, name, 2).apply_async(priority=0)
            until(lambda: name in self.noted(key), "the worker is busy")
            self.appliance.kill()
            self.appliance.start()
        until(lambda: set(map(str, sent)) <= set(self.noted(key + ":done")),
              lambda: f"all of {len(sent)} are done, missing {sorted(set(map(str, sent)) - set(self.noted(key + ':done')))[:10]}", 120)
        self.assertEqual(last.get(timeout=30), "long again")

    def test_broker_is_away_for_a_while(self):
        """Worker and sender with their defaults get over a restart of the broker."""
        self.worker("-c", "1")
        self.assertEqual(self.s("add", 1, 1).apply_async().get(timeout=30), 2)
        self.appliance.kill()
        sent = []
        sender = threading.Thread(target=lambda: sent.append(self.s("add", 2, 2).apply_async(retry=True, retry_policy={"max_retries": 100, "interval_max": 0.5})))
        sender.start()
        self.appliance.start()
        sender.join(60)
        self.assertEqual(sent[0].get(timeout=60), 4)


class Ways(unittest.TestCase):
    """Other ways to the same server."""

    def test_password_tls_and_unix_socket(self):
        folder = tempfile.TemporaryDirectory(prefix="wayside-celery-")
        self.addCleanup(folder.cleanup)
        socket, tls, (cert, key) = os.path.join(folder.name, "kv.sock"), free_port(), certificate(folder.name)
        appliance = Appliance(APPLIANCE, kv=True, env={
            "WAYSIDE_KV_PASSWORD": "secret", "WAYSIDE_KV_UNIX_SOCKET": socket,
            "WAYSIDE_KV_TLS_LISTEN": f"127.0.0.1:{tls}", "WAYSIDE_KV_TLS_CERT": cert, "WAYSIDE_KV_TLS_KEY": key,
        })
        self.addCleanup(appliance.close)
        secure = {"ssl_cert_reqs": "required", "ssl_ca_certs": cert}
        for url, env, conf in (
            (f"redis://:secret@127.0.0.1:{appliance.kv_port}/%d", {}, {}),
            (f"rediss://:secret@localhost:{tls}/%d", {"CA": cert}, {"broker_use_ssl": secure, "redis_backend_use_ssl": secure}),
            (f"redis+socket://:secret@{socket}?virtual_host=%d", {}, {}),
        ):
            with self.subTest(url=url), celery_app.make(url % BROKER, url % RESULTS, **conf) as app:
                worker = Program(
                    [*CELERY, "-A", "celery_app", "worker", "-c", "1", "-l", "info"],
                    env={"CELERY_BROKER_URL": url % BROKER, "CELERY_RESULT_BACKEND": url % RESULTS, **env}, cwd=HERE,
                )
                try:
                    worker.wait_for(r"ready\.")
                    self.assertEqual(chord([app.signature("add", (n, n)) for n in range(5)], app.signature("total"), app=app).apply_async().get(timeout=60), 20)
                    self.assertEqual(len(app.control.ping(timeout=10, limit=1)), 1)
                finally:
                    worker.end(signal.SIGTERM)


class Full(Scenario):
    """A broker's database is not evicted when memory is full: who sends is told."""

    environment = {"WAYSIDE_KV_MAXMEMORY": "16MiB"}

    def test_full_memory(self):
        first = self.s("add", 1, 2).apply_async()
        with redis.Redis.from_url(self.appliance.redis(0)) as cache:
            for n in range(40):
                cache.set(f"page{n}", b"x" * (1 << 20))  # goes round, old ones go
            self.assertGreater(cache.info("stats")["evicted_keys"], 20)
        sent = []
        with self.assertRaisesRegex(kombu.exceptions.OperationalError, "OOM|used memory"):
            for _ in range(40):
                sent.append(self.s("mark", "big", "x" * (1 << 20)).apply_async(retry=False))
        self.assertGreater(len(sent), 3)
        self.assertEqual(self.broker.llen("celery"), len(sent) + 1)
        self.broker.config_set("maxmemory", "64mb")  # a worker needs a lock to begin with
        self.worker("-c", "1")
        self.assertEqual(first.get(timeout=60), 3)
        until(lambda: len(self.noted("big:done")) > 0 and self.broker.llen("celery") == 0, "the waiting tasks are done")


class Example(Scenario):
    """examples/celery as it is."""

    def test_example(self):
        urls = {"CELERY_BROKER_URL": self.appliance.redis(BROKER), "CELERY_RESULT_BACKEND": self.appliance.redis(RESULTS)}
        folder = ROOT / "examples" / "celery"
        worker = Program([*CELERY, "-A", "depot", "worker", "-c", "1", "-l", "warning", "-E"], env=urls, cwd=folder)
        self.addCleanup(worker.end)
        sender = Program([sys.executable, "send.py"], env=urls, cwd=folder)
        self.addCleanup(sender.end)
        self.assertEqual(sender.wait(90), 0, sender.text + worker.text)
        place = sender.wait_for(r"urgent: place (\d+) of 13")
        self.assertLessEqual(int(place[1]), 3, sender.text)
        for line in ("train 1 reported at attempt 2", "5 trains checked", "train 14 checked after 2 s"):
            self.assertIn(line, sender.text)


if __name__ == "__main__":
    unittest.main()
