"""What can go wrong, and what a handler says about its run."""

from __future__ import annotations

from typing import Any, Optional


class Error(Exception):
    """The appliance answered with an error.

    ``status`` is HTTP's, ``code`` the stable code of docs/api-errors.md ("" if the answer was not an appliance's),
    ``fields`` the fields of the request that are wrong, each with a message. ``request_id`` finds the request in the
    appliance's log, ``offset`` is the byte of the input where a decode failed, ``retry_after`` the seconds after which
    it may be better.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        fields: Optional[list[dict[str, Any]]] = None,
        retry_after: Optional[float] = None,
        request_id: str = "",
        offset: Optional[int] = None,
    ):
        super().__init__(detail or f"the server answered {status}")
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = fields or []
        self.retry_after = retry_after
        self.request_id = request_id
        self.offset = offset


class DecodeFailed(Error):
    """A decode has failed or was cancelled: ``decode`` is all that the appliance says of it, ``code``, ``detail`` and
    ``offset`` are why."""

    def __init__(self, decode: dict[str, Any]):
        why = decode.get("error") or {}
        status = decode["status"]
        super().__init__(
            422,
            why.get("code") or ("cancelled" if status == "cancelled" else "decode_failed"),
            why.get("message") or f"decode {decode['id']} is {status}",
            offset=why.get("offset"),
        )
        self.decode = decode


class Unreachable(Exception):
    """No appliance answers at the address."""


class Permanent(Exception):
    """Raised by a handler: trying again is of no use, the job is dead at once."""

    def __init__(self, message: str = "the job cannot succeed", code: str = "failed"):
        super().__init__(message)
        self.code = code


class Retry(Exception):
    """Raised by a handler: the attempt failed, the next one comes after ``after`` seconds instead of the backoff."""

    def __init__(self, after: float, message: str = "to be tried again", code: str = "failed"):
        super().__init__(message)
        self.after = after
        self.code = code


class Snooze(Exception):
    """Raised by a handler: not yet. The job comes back after ``after`` seconds, and this run is no attempt."""

    def __init__(self, after: float):
        super().__init__(f"not before {after} s")
        self.after = after


class Cancelled(Exception):
    """Raised by :meth:`Job.check` when the job is to be cancelled, or its worker stops."""


class LeaseLost(Cancelled):
    """Raised by :meth:`Job.check` when the job is no longer this worker's: somebody else may run it."""
