"""Client of a Wayside appliance: recordings and their tables, and workers for its job queue.

    from wayside import Client

    client = Client()                # WAYSIDE_SERVER, WAYSIDE_TOKEN
    up = client.upload("run.RU", wait=True)
    frame = client.table(up, "telegrams").to_pandas()

    from wayside import App

    app = App()                      # WAYSIDE_SERVER, WAYSIDE_TOKEN

    @app.job("resize")
    def resize(job):
        job.progress(0.5, "half of it")
        return {"width": job.payload["width"]}

    resize.enqueue({"width": 640})   # from any program
    app.run()                        # in the worker

    from wayside import cached

    @cached(ttl=600)                 # in the appliance's cache
    def distance(line, start, end): ...

Nothing but the standard library is needed. A job runs at least once: after a crash of worker or appliance it runs
again with the same ``job.id`` and a higher ``job.attempt``, so effects must bear that.
"""

from .aio import AsyncClient
from .caching import cached
from .client import Client
from .errors import Cancelled, DecodeFailed, Error, LeaseLost, Permanent, Retry, Snooze, Unreachable
from .job import Job
from .log import ContextFilter, JSONFormatter, current_job
from .table import Table
from .transfer import Rows
from .worker import App, Task

__all__ = [
    "App",
    "AsyncClient",
    "Cancelled",
    "Client",
    "ContextFilter",
    "DecodeFailed",
    "Error",
    "JSONFormatter",
    "Job",
    "LeaseLost",
    "Permanent",
    "Retry",
    "Rows",
    "Snooze",
    "Table",
    "Task",
    "Unreachable",
    "cached",
    "current_job",
]
__version__ = "0.1.0"
