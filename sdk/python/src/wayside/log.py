"""Log records that tell which job they belong to, and on whose behalf it runs."""

from __future__ import annotations

import contextvars
import datetime
import json
import logging
from typing import Optional

from .job import Job

_current: contextvars.ContextVar[Optional[Job]] = contextvars.ContextVar("wayside_job", default=None)
_FIELDS = ("job_id", "job_type", "request_id", "correlation_id", "trace_id")


def current_job() -> Optional[Job]:
    """The job whose handler is running, in this thread or task."""
    return _current.get()


class ContextFilter(logging.Filter):
    """Adds job_id, job_type, request_id, correlation_id and trace_id to every record, "" outside a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        job = _current.get()
        for field in _FIELDS:
            if not hasattr(record, field):
                name = field[4:] if field.startswith("job_") else field
                setattr(record, field, getattr(job, name) if job is not None else "")
        return True


class JSONFormatter(logging.Formatter):
    """One JSON object a line, with the names that the appliance's own log uses."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
        out = {
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for field in _FIELDS:
            value = getattr(record, field, "")
            if value:
                out[field] = value
        if record.exc_info:
            out["exception"] = self.formatException(record.exc_info)
        return json.dumps(out, default=str, ensure_ascii=False)
