"""The functions that rq_test.py has RQ's workers run. What they did they note in the database NOTES_URL."""

import os
import time

import redis


def notes():
    return redis.Redis.from_url(os.environ["NOTES_URL"], decode_responses=True)


def note(key, value):
    with notes() as r:
        r.rpush(key, value)


def add(x, y):
    return x + y


def mark(key, value, seconds=0.0):
    """Notes a value when it begins, and again when it is done."""
    note(key, value)
    time.sleep(seconds)
    note(key + ":done", value)
    return value


def fail(text):
    raise ValueError(text)


def flaky(key, failures):
    """Fails as often as it is told, then gives how often it was tried."""
    with notes() as r:
        tried = r.rpush(key, time.time())
    if tried <= failures:
        raise ConnectionError("not yet")
    return tried


def succeeded(job, connection, result):
    note("callback:" + job.id, f"success {result}")


def failed(job, connection, kind, value, trace):
    note("callback:" + job.id, f"failure {value}")
