"""The tasks of celery_test.py, for its workers (`celery -A celery_app worker`) and for what sends to them.

Where the broker is, Celery reads from CELERY_BROKER_URL and CELERY_RESULT_BACKEND; tasks write what they did to the
database NOTES_URL.
"""

import os
import time

import redis
from celery import Celery

# Of a broker over TLS.
TLS = {"ssl_cert_reqs": "required", "ssl_ca_certs": os.environ["CA"]} if "CA" in os.environ else None

OPTIONS = {
    "visibility_timeout": int(os.environ.get("VISIBILITY", "3600")),
    # Restoring is looked at every second, not every hundred.
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "queue_order_strategy": "priority",
    "priority_steps": list(range(10)),
    "sep": ":",
}


def make(broker=None, backend=None, **conf):
    app = Celery("scenarios", broker=broker, backend=backend, set_as_current=False)
    app.conf.update(
        broker_transport_options=OPTIONS, task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1,
        task_track_started=True, result_expires=600, result_extended=True, broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None, worker_cancel_long_running_tasks_on_connection_loss=False,
        beat_schedule={"tick": {"task": "tick", "schedule": 1.0}} if "BEAT" in os.environ else {},
    )
    if TLS:
        app.conf.update(broker_use_ssl=TLS, redis_backend_use_ssl=TLS)
    app.conf.update(conf)
    return app


app = make()


def notes():
    return redis.Redis.from_url(os.environ["NOTES_URL"], decode_responses=True)


def note(key, value):
    with notes() as r:
        r.rpush(key, value)


@app.task(name="add")
def add(x, y):
    return x + y


@app.task(name="mul")
def mul(x, y):
    return x * y


@app.task(name="total")
def total(numbers):
    return sum(numbers)


@app.task(name="tick")
def tick():
    note("ticks", time.time())


@app.task(name="mark")
def mark(key, value, seconds=0.0):
    """Notes a value when it begins, and again when it is done."""
    note(key, value)
    time.sleep(seconds)
    note(key + ":done", value)
    return value


@app.task(name="fail")
def fail(text):
    raise ValueError(text)


@app.task(name="flaky", bind=True, autoretry_for=(ConnectionError,), max_retries=3, retry_backoff=1, retry_jitter=False)
def flaky(self, key, failures):
    note(key, time.time())
    if self.request.retries < failures:
        raise ConnectionError("not yet")
    return self.request.retries


@app.task(name="progress", bind=True)
def progress(self, key):
    """Says how far it is, and ends when it is told to."""
    self.update_state(state="PROGRESS", meta={"percent": 50})
    with notes() as r:
        r.blpop([key], timeout=30)
    return "done"


@app.task(name="silent", ignore_result=True)
def silent(key):
    note(key, "ran")
