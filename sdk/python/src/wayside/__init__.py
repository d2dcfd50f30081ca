"""Workers and producers for the job queue of a Wayside appliance.

    from wayside import App

    app = App()                      # WAYSIDE_SERVER, WAYSIDE_TOKEN

    @app.job("resize")
    def resize(job):
        job.progress(0.5, "half of it")
        return {"width": job.payload["width"]}

    resize.enqueue({"width": 640})   # from any program
    app.run()                        # in the worker

Nothing but the standard library is needed. A job runs at least once: after a crash of worker or appliance it runs
again with the same ``job.id`` and a higher ``job.attempt``, so effects must bear that.
"""

from .client import Client
from .errors import Cancelled, Error, LeaseLost, Permanent, Retry, Snooze, Unreachable
from .job import Job
from .log import ContextFilter, JSONFormatter, current_job
from .worker import App, Task

__all__ = [
    "App",
    "Cancelled",
    "Client",
    "ContextFilter",
    "Error",
    "JSONFormatter",
    "Job",
    "LeaseLost",
    "Permanent",
    "Retry",
    "Snooze",
    "Task",
    "Unreachable",
    "current_job",
]
__version__ = "0.1.0"
