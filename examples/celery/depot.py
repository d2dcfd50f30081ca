"""A Celery application as one writes it for Redis: urgent work overtakes what waits, and what a worker that died had in
hand is done by another.

Nothing in it knows Wayside. Another broker: CELERY_BROKER_URL and CELERY_RESULT_BACKEND, which Celery reads itself.
"""

import time

from celery import Celery, chord, group

app = Celery("depot", broker="redis://127.0.0.1:6379/1", backend="redis://127.0.0.1:6379/2")

app.conf.update(
    # Priorities: ten steps, 0 is served first. A worker takes one task at a time and confirms it when it is done: what it
    # has taken ahead could not be overtaken any more.
    broker_transport_options={
        "queue_order_strategy": "priority",
        "priority_steps": list(range(10)),
        "sep": ":",
        # Longer than the longest task and the longest countdown: what is not confirmed by then is given to another worker.
        "visibility_timeout": 3600,
    },
    task_default_priority=5,
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    broker_connection_retry_on_startup=True,
    result_expires=3600,
)


@app.task
def check(train, seconds=0.05):
    """Routine work."""
    time.sleep(seconds)
    return f"{train} checked"


@app.task(bind=True, autoretry_for=(OSError,), max_retries=5, retry_backoff=1)
def report(self, train):
    """Work that may fail for a while: it fails once, and is tried again after a second."""
    if self.request.retries == 0:
        raise OSError("the archive does not answer")
    return f"{train} reported at attempt {self.request.retries + 1}"


@app.task
def summary(lines):
    """What follows a number of tasks that run side by side."""
    return f"{len(lines)} trains checked"


def whole_fleet(trains):
    """Checks all trains, then says how many they were."""
    return chord(group(check.s(t) for t in trains), summary.s())
