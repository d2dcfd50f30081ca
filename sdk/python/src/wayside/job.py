"""A job as its handler sees it."""

from __future__ import annotations

import threading
import time
from typing import Any, Optional

from .errors import Cancelled, LeaseLost


class Job:
    """One run of a job. ``data`` has all that the appliance told; the attributes are what handlers need most."""

    def __init__(self, data: dict[str, Any]):
        self.data = data
        self.id: str = data["id"]
        self.type: str = data["type"]
        self.queue: str = data.get("queue", "")
        self.payload: Any = data.get("payload")
        self.attempt: int = data.get("attempt", 1)
        self.max_attempts: int = data.get("max_attempts", 1)
        self.request_id: str = data.get("request_id") or ""
        self.correlation_id: str = data.get("correlation_id") or ""
        self.trace_id: str = data.get("trace_id") or ""
        self._lease: str = data["lease"]
        self._stop = threading.Event()
        self._why = ""  # cancel | lost | timeout | stopping
        self._soft = time.monotonic() + (data.get("soft_timeout") or 1e9)
        self._lock = threading.Lock()
        self._progress: Optional[tuple[Optional[float], Optional[str]]] = None

    def progress(self, fraction: Optional[float] = None, text: Optional[str] = None) -> None:
        """Says how far the job is, 0 to 1, and what it is at; the next heartbeat takes it along."""
        if fraction is not None:
            fraction = min(max(float(fraction), 0.0), 1.0)
        with self._lock:
            self._progress = (fraction, text)

    @property
    def cancelled(self) -> bool:
        """Whether the handler is to stop: somebody cancelled the job, its soft timeout has passed, the lease is lost, or the
        worker stops."""
        return self._stop.is_set()

    def check(self) -> None:
        """Raises :class:`Cancelled` (or :class:`LeaseLost`) if the handler is to stop."""
        if self._stop.is_set():
            raise LeaseLost("the lease is lost") if self._why == "lost" else Cancelled(f"the job is to stop: {self._why}")

    def wait(self, seconds: float) -> None:
        """Sleeps, and raises as :meth:`check` does as soon as the handler is to stop."""
        self._stop.wait(seconds)
        self.check()

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.type} attempt {self.attempt}>"

    def _end(self, why: str) -> None:
        if not self._why:
            self._why = why
        self._stop.set()

    def _take_progress(self) -> Optional[tuple[Optional[float], Optional[str]]]:
        with self._lock:
            p, self._progress = self._progress, None
            return p
