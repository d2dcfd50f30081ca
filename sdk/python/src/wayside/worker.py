"""The worker: leases jobs, runs their handlers, and says how they ended."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Optional, Sequence, Union

from . import log
from .client import Client
from .errors import Cancelled, Error, LeaseLost, Permanent, Retry, Snooze, Unreachable
from .job import Job

_log = logging.getLogger("wayside.worker")

Handler = Callable[[Job], Any]

_LONGEST_PAUSE = 10.0  # between tries while the appliance is away
_FAULTS = ("too_large", "malformed", "validation_failed")  # why an end is refused for what it says, not for want of a disk
_UNKEPT_PAUSE = 0.5
_FINISH_BATCH = 200  # ends of runs in one call
_LEASE_BATCH = 256  # jobs in one call
_RESULT_LIMIT = 64 << 10
_POLL = 20  # seconds that a call waits for jobs
_DRAIN_PAUSE = 5.0  # between calls while the appliance wants this worker drained


class Task:
    """A handler and its type. Calling it calls the function; :meth:`enqueue` makes a job of its type."""

    def __init__(self, app: "App", type: str, fn: Handler, defaults: dict[str, Any]):
        self._app, self.type, self.fn, self.defaults = app, type, fn, defaults
        self.is_async = inspect.iscoroutinefunction(fn)
        self.__doc__ = fn.__doc__
        self.__name__ = getattr(fn, "__name__", type)
        self.__wrapped__ = fn

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)

    def enqueue(self, payload: Any = None, **options: Any) -> dict[str, Any]:
        """Makes a job of this type, see :meth:`Client.enqueue`."""
        return self._app.client.enqueue(self.type, payload, **{**self.defaults, **options})


class App:
    """Handlers by job type, and the worker that runs them."""

    def __init__(self, server: Optional[str] = None, token: Optional[str] = None, client: Optional[Client] = None):
        self.client = client or Client(server, token)
        self.tasks: dict[str, Task] = {}
        self._worker: Optional[_Worker] = None

    def job(self, type: str, **defaults: Any) -> Callable[[Handler], Task]:
        """Makes the decorated function the handler of a type. It is called with the :class:`Job`, in a thread, or as a
        task of the event loop if it is a coroutine function. What it returns is the job's result; what it raises is a
        failed attempt, see :class:`Permanent`, :class:`Retry` and :class:`Snooze`.

        ``defaults`` are options of :meth:`Task.enqueue`: ``queue``, ``priority``, ``max_attempts``, …
        """

        def register(fn: Handler) -> Task:
            if type in self.tasks:
                raise ValueError(f"two handlers for job type {type!r}")
            task = Task(self, type, fn, defaults)
            self.tasks[type] = task
            return task

        return register

    def enqueue(self, type: str, payload: Any = None, **options: Any) -> dict[str, Any]:
        """Makes a job, see :meth:`Client.enqueue`."""
        return self.client.enqueue(type, payload, **options)

    def run(
        self,
        concurrency: int = 4,
        queues: Optional[Sequence[str]] = None,
        name: Optional[str] = None,
        lease_seconds: float = 30.0,
        grace: float = 30.0,
        signals: bool = True,
    ) -> None:
        """Works until SIGTERM, SIGINT or :meth:`stop`. Then no more jobs are leased; those that run have ``grace``
        seconds to end, the others are told to stop, and what is still running then goes back without an attempt."""
        worker = self._start(concurrency, queues, name, lease_seconds, grace)
        handled = signals and threading.current_thread() is threading.main_thread()
        before = {}
        if handled:
            for s in (signal.SIGTERM, signal.SIGINT):
                before[s] = signal.signal(s, lambda *_: worker.stop())
        try:
            worker.run(None)
        finally:
            for s, old in before.items():
                signal.signal(s, old)
            self._worker = None

    async def run_async(
        self,
        concurrency: int = 4,
        queues: Optional[Sequence[str]] = None,
        name: Optional[str] = None,
        lease_seconds: float = 30.0,
        grace: float = 30.0,
    ) -> None:
        """Works until :meth:`stop` or until the task is cancelled, with coroutine handlers in the caller's event loop."""
        worker = self._start(concurrency, queues, name, lease_seconds, grace)
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(None, worker.run, loop)
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            worker.stop()
            await running
            raise
        finally:
            self._worker = None

    def stop(self) -> None:
        """Ends :meth:`run` gracefully. It may be called from any thread, and twice."""
        if self._worker is not None:
            self._worker.stop()

    def _start(self, concurrency, queues, name, lease_seconds, grace) -> "_Worker":
        if not self.tasks:
            raise ValueError("no handlers: decorate functions with @app.job(type)")
        if concurrency < 1 or lease_seconds < 5:
            raise ValueError("concurrency is at least 1, lease_seconds at least 5")
        if self._worker is not None:
            raise RuntimeError("the worker runs already")
        name = name or f"{socket.gethostname()}-{os.getpid()}"
        self._worker = _Worker(self, concurrency, queues, name, lease_seconds, grace)
        return self._worker


class _Worker:
    """One run of an App. Three threads beside those of the handlers: the one that called run leases, one sends signs of
    life, and one tells how runs ended while the first waits for jobs."""

    def __init__(self, app: App, concurrency: int, queues, name: str, lease_seconds: float, grace: float):
        self.app, self.client = app, app.client
        self.concurrency, self.queues, self.name = concurrency, queues, name
        self.lease_seconds, self.grace = lease_seconds, grace
        self.changed = threading.Condition()  # guards what follows
        self.running: dict[str, Job] = {}  # by lease, until the end of the run is told or lost
        self.handling = 0  # handlers that have not returned
        self.ends: list[tuple[str, dict[str, Any]]] = []  # ("ack" | "fail" | "release", entry), to be told
        self.polling = False  # the leasing thread waits for jobs: ends are not to wait for it
        self.draining = False
        self.stopped = threading.Event()
        self.closed = threading.Event()  # everything is told
        self.hurry = threading.Event()  # the thread of the heartbeats is to look again
        self.loop: Optional[asyncio.AbstractEventLoop] = None

    def stop(self) -> None:
        # Called by signal handlers, which may interrupt a holder of the lock: nothing here takes it.
        self.stopped.set()

    def run(self, loop: Optional[asyncio.AbstractEventLoop]) -> None:
        pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="wayside-job")
        with contextlib.ExitStack() as stack:
            stack.callback(pool.shutdown, wait=False)
            self.loop = loop or stack.enter_context(_own_loop())
            threads = [
                threading.Thread(target=self._keep(work), name=name, daemon=True)
                for name, work in (("wayside-heartbeat", self._heartbeats), ("wayside-finish", self._finishes))
            ]
            for t in threads:
                t.start()
            _log.info("worker started", extra={"worker": self.name, "types": sorted(self.app.tasks)})
            try:
                self._lease_until_stopped(pool)
                self._drain()
            finally:
                self.stopped.set()
                self.closed.set()
                self.hurry.set()
                with self.changed:
                    self.changed.notify_all()
                for t in threads:
                    t.join()
                self.client.close()
            _log.info("worker stopped", extra={"worker": self.name})

    # Leasing

    def _lease_until_stopped(self, pool: ThreadPoolExecutor) -> None:
        pause = _Pause()
        while not self.stopped.is_set():
            with self.changed:
                ends = self._take_ends()
                room = self.concurrency - len(self.running) + len(ends)  # what ended makes room in the same call
                if room <= 0:
                    self.changed.wait(0.5)  # stop sets no condition
                    continue
                self.polling = True
            try:
                jobs = self._lease(room, ends)
                pause.reset()
            except (Unreachable, Error) as e:
                self._put_back(ends)
                self._complain("jobs could not be leased", e)
                self.stopped.wait(pause.next(getattr(e, "retry_after", None)))
                continue
            finally:
                with self.changed:
                    self.polling = False
            for data in jobs:
                self._begin(pool, Job(data))
            if self.draining:
                self.stopped.wait(_DRAIN_PAUSE)

    def _lease(self, room: int, ends: list) -> list[dict[str, Any]]:
        body = {
            "worker": self.name,
            "types": sorted(self.app.tasks),
            "max": min(room, _LEASE_BATCH),
            "wait": 0 if ends else _POLL,  # an acknowledgement is not to wait for the next job
            "lease_seconds": self.lease_seconds,
            **_grouped(ends),
        }
        if self.queues is not None:
            body["queues"] = list(self.queues)
        answer = self.client.call("POST", "/leases", body, timeout=_POLL + 40)
        self._settle(ends, answer)
        self.draining = bool(answer.get("drain"))
        return answer.get("jobs") or []

    def _begin(self, pool: ThreadPoolExecutor, job: Job) -> None:
        task = self.app.tasks.get(job.type)
        with self.changed:
            self.running[job._lease] = job
            self.handling += 1
        self.hurry.set()  # its soft timeout may be the next
        if task is None:  # cannot be: only our types were asked for
            self._end(job, "release", {"delay": 60})
        elif task.is_async:
            asyncio.run_coroutine_threadsafe(self._handle_async(task, job), self.loop)
        else:
            pool.submit(self._handle, task, job)

    # Handling

    def _handle(self, task: Task, job: Job) -> None:
        token = log._current.set(job)
        try:
            self._judge(job, lambda: task.fn(job))
        finally:
            log._current.reset(token)

    async def _handle_async(self, task: Task, job: Job) -> None:
        log._current.set(job)  # the task has a context of its own
        handler = asyncio.ensure_future(task.fn(job))
        job._cancel_task = lambda: self.loop.call_soon_threadsafe(handler.cancel)
        if job.cancelled:
            handler.cancel()
        await asyncio.wait([handler])

        def outcome():
            if handler.cancelled():
                raise Cancelled("the task was cancelled")
            return handler.result()

        self._judge(job, outcome)

    def _judge(self, job: Job, run: Callable[[], Any]) -> None:
        """Turns what a handler did into what the appliance is told."""
        try:
            entry = {}
            result = run()
            if result is not None:
                raw = json.dumps(result, allow_nan=False)
                if len(raw) > _RESULT_LIMIT:
                    raise Permanent(f"the result has {len(raw)} bytes, at most {_RESULT_LIMIT} are kept", "too_large")
                entry["result"] = result
            return self._end(job, "ack", entry)
        except LeaseLost:
            return self._end(job, "", {})
        except Snooze as e:
            return self._end(job, "release", {"delay": e.after})
        except Retry as e:
            entry = {"error": _failure(e.code, e), "retry_in": e.after}
        except Permanent as e:
            entry = {"error": _failure(e.code, e), "dead": True}
        except (Cancelled, asyncio.CancelledError) as e:
            if job._why not in ("cancel", "timeout"):
                return self._end(job, "release", {"delay": 0})
            code = "cancelled" if job._why == "cancel" else "timeout"
            entry = {"error": _failure(code, e)}
        except BaseException as e:  # a handler that exits ends its run, not the worker
            _log.exception("handler failed")
            entry = {"error": _failure("failed", e)}
        self._end(job, "fail", entry)

    def _end(self, job: Job, kind: str, entry: dict[str, Any]) -> None:
        with self.changed:
            self.handling -= 1
            if kind and job._why != "lost" and job._lease in self.running:
                self.ends.append((kind, {"id": job.id, "lease": job._lease, **entry}))
            else:
                self.running.pop(job._lease, None)
                if job._why == "lost":
                    _log.warning("job ended after its lease was lost: what it did does not count, and it runs again", extra={"job_id": job.id})
            self.changed.notify_all()

    # Telling

    def _take_ends(self) -> list:
        """Takes what one call is to tell; of a job that ran twice one end, for the answer names jobs. self.changed is held."""
        taken: list = []
        left: list = []
        ids: set[str] = set()
        for end in self.ends:
            fits = len(taken) < _FINISH_BATCH and end[1]["id"] not in ids
            (taken if fits else left).append(end)
            ids.add(end[1]["id"])
        self.ends = left
        return taken

    def _put_back(self, ends: list) -> None:
        with self.changed:
            self.ends = ends + self.ends

    def _settle(self, ends: list, answer: dict[str, Any]) -> None:
        """What was told is no longer ours, whatever the appliance said of it."""
        lost = set(answer.get("lost") or ())
        refused = {r["id"]: r for r in answer.get("refused") or ()}
        with self.changed:
            for _, entry in ends:
                id = entry["id"]
                if id in refused:
                    continue
                if id in lost:
                    _log.warning("end of the job came too late and was refused: its lease had run out, and it runs again", extra={"job_id": id})
                self.running.pop(entry["lease"], None)
            unkept = [end for end in ends if end[1]["id"] in refused and refused[end[1]["id"]].get("code") not in _FAULTS]
            for kind, entry in ends:
                r = refused.get(entry["id"])
                if r is None or r.get("code") not in _FAULTS:
                    continue
                _log.error("end of the job was refused: %s", r.get("message"), extra={"job_id": entry["id"]})
                if kind != "ack":
                    self.running.pop(entry["lease"], None)  # nothing else can be said of it
                    continue
                error = {"code": r["code"], "message": r.get("message") or "the result was refused"}
                self.ends.append(("fail", {"id": entry["id"], "lease": entry["lease"], "error": error, "dead": True}))
            self.ends = unkept + self.ends
            self.changed.notify_all()
        if unkept:
            _log.warning("ends of %d jobs could not be kept, they are told again", len(unkept))
            self.closed.wait(_UNKEPT_PAUSE)

    def _finishes(self) -> None:
        pause = _Pause()
        while True:
            with self.changed:
                while not self.closed.is_set() and not (self.ends and (self.polling or self.stopped.is_set())):
                    self.changed.wait(0.5)
                if self.closed.is_set():
                    return
                ends = self._take_ends()
            try:
                self._settle(ends, self.client.call("POST", "/leases/finish", _grouped(ends, self.name)))
                pause.reset()
            except (Unreachable, Error) as e:
                self._put_back(ends)
                self._complain("ends of jobs could not be told", e)
                self.closed.wait(pause.next(getattr(e, "retry_after", None)))

    # Staying alive

    def _heartbeats(self) -> None:
        beat_at = time.monotonic() + self.lease_seconds / 3
        while True:
            with self.changed:
                soft = min((j._soft for j in self.running.values() if not j._why), default=beat_at)
            self.hurry.wait(max(0.0, min(beat_at, soft) - time.monotonic()))
            self.hurry.clear()
            if self.closed.is_set():
                return
            now = time.monotonic()
            with self.changed:
                jobs = list(self.running.values())
            for job in jobs:
                if job._soft <= now and not job._why:
                    self._stop_job(job, "timeout")
            if now < beat_at:
                continue
            beat_at = now + self.lease_seconds / 3
            if not jobs:
                continue
            beats = []
            for job in jobs:
                beat: dict[str, Any] = {"id": job.id, "lease": job._lease}
                progress = job._take_progress()
                if progress is not None:
                    fraction, text = progress
                    if fraction is not None:
                        beat["progress"] = fraction
                    if text is not None:
                        beat["progress_text"] = text
                beats.append(beat)
            try:
                answer = self.client.call("POST", "/leases/heartbeat", {"worker": self.name, "leases": beats}, timeout=self.lease_seconds)
            except (Unreachable, Error) as e:
                self._complain("no sign of life could be sent", e)
                continue
            states = [lease["state"] for lease in answer.get("leases") or ()]
            self.draining = "drain" in states
            for job, state in zip(jobs, states):  # in the order of the question: a job may be there twice, of two runs
                if state in ("cancel", "lost"):
                    self._stop_job(job, state)

    def _stop_job(self, job: Job, why: str) -> None:
        job._end(why)
        if why == "lost":
            with self.changed:
                self.running.pop(job._lease, None)
                if any(entry["lease"] == job._lease for _, entry in self.ends):
                    _log.warning("lease ran out before the end of the job could be told", extra={"job_id": job.id})
                self.changed.notify_all()
        cancel = getattr(job, "_cancel_task", None)
        if cancel is not None:
            cancel()

    # Stopping

    def _drain(self) -> None:
        """Lets handlers end, tells how they did, and gives back what is left."""
        self._wait_for(lambda: self.handling == 0, self.grace)
        with self.changed:
            left = list(self.running.values())
        for job in left:
            self._stop_job(job, "stopping")
        self._wait_for(lambda: self.handling == 0, min(self.grace, 5.0))
        with self.changed:
            told = {entry["lease"] for _, entry in self.ends}
            for job in self.running.values():
                if job._lease not in told and job._why != "lost":
                    self.ends.append(("release", {"id": job.id, "lease": job._lease, "delay": 0}))
            self.changed.notify_all()
        self._wait_for(lambda: not self.running, min(self.lease_seconds, 10.0))
        with self.changed:
            for job in self.running.values():
                _log.error("end of the job could not be told: its lease runs out, and it runs again", extra={"job_id": job.id})

    def _wait_for(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self.changed:
            while not done():
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                self.changed.wait(min(left, 0.5))

    def _complain(self, what: str, e: Exception) -> None:
        _log.warning("%s: %s", what, e, extra={"worker": self.name})

    def _keep(self, work: Callable[[], None]) -> Callable[[], None]:
        def forever() -> None:
            try:
                while not self.closed.is_set():
                    try:
                        return work()
                    except Exception:
                        _log.exception("the worker's own work failed")
                        self.closed.wait(1.0)
            finally:
                self.client.close()

        return forever


class _Pause:
    """Waits that double, with chance in them so that many workers do not come back at once."""

    def __init__(self) -> None:
        self._next = 0.25

    def reset(self) -> None:
        self._next = 0.25

    def next(self, at_least: Optional[float] = None) -> float:
        wait = self._next
        self._next = min(2 * wait, _LONGEST_PAUSE)
        wait *= 0.75 + 0.5 * int.from_bytes(os.urandom(2), "big") / 65536
        return max(wait, at_least or 0)


def _grouped(ends: list, worker: Union[str, None] = None) -> dict[str, Any]:
    out: dict[str, Any] = {} if worker is None else {"worker": worker}
    for kind, entry in ends:
        out.setdefault(kind, []).append(entry)
    return out


def _failure(code: str, e: BaseException) -> dict[str, str]:
    return {"code": code, "message": str(e) or type(e).__name__}


@contextlib.contextmanager
def _own_loop():
    """An event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="wayside-loop", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        if not loop.is_running():
            loop.close()
