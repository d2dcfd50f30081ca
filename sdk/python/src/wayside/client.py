"""The HTTP side: one small client that keeps its connections."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
import time
import weakref
from typing import Any, Iterable, Mapping, Optional
from urllib.parse import quote, urlencode, urlsplit

from .cache import Stores
from .errors import Error, Unreachable
from .recordings import Recordings
from .transfer import Body, Stream

_API = "/api/v1"
_MAX_ANSWER = 64 << 20
_IDEMPOTENT = frozenset(("GET", "PUT", "DELETE"))


class Client(Recordings):
    """Calls one appliance. It may be used from several threads; each has a connection of its own.

    Methods for recordings bear what may pass, up to ``retries`` times: lost connections, an appliance that is busy or
    starts again. ``timeout`` is how long the appliance may be silent.
    """

    def __init__(
        self,
        server: Optional[str] = None,
        token: Optional[str] = None,
        timeout: float = 60.0,
        context: Optional[ssl.SSLContext] = None,
        retries: int = 4,
    ):
        server = server or os.environ.get("WAYSIDE_SERVER") or "http://127.0.0.1:8000"
        if "://" not in server:
            server = "http://" + server
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{server!r} is no address of an appliance; write it like http://127.0.0.1:8000")
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/") + _API
        self._token = token if token is not None else os.environ.get("WAYSIDE_TOKEN", "")
        self._timeout = timeout
        self._context = context
        self._local = threading.local()
        self._lock = threading.Lock()  # guards _conns
        self._conns: "weakref.WeakSet[http.client.HTTPConnection]" = weakref.WeakSet()
        self._base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{self._prefix}"
        self._sleep = time.sleep
        self.cache_stores = Stores()  # of functions that are cached through this client
        self.retries = retries

    # Producing

    def enqueue(self, type: str, payload: Any = None, **options: Any) -> dict[str, Any]:
        """Makes a job and gives it; it is durable when this returns.

        Options are the fields of the API: ``queue``, ``priority``, ``delay``, ``run_at``, ``max_attempts``, ``timeout``,
        ``unique_key``, ``limit_key``, ``depends_on``, …; ``idempotency_key`` makes it safe to call again after an error.
        """
        headers = {}
        key = options.pop("idempotency_key", None)
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.call("POST", "/jobs", {"type": type, "payload": payload, **options}, headers=headers)

    def enqueue_many(self, jobs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Makes jobs, all or none, at most 10,000."""
        return self.call("POST", "/jobs", {"jobs": list(jobs)})["items"]

    def flow(self, jobs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Makes jobs that depend on each other: each has a ``key`` and may name others in ``depends_on``."""
        return self.call("POST", "/flows", {"jobs": list(jobs)})

    # Looking

    def job(self, id: str) -> dict[str, Any]:
        return self.call("GET", f"/jobs/{quote(id, safe='')}")

    def jobs(self, **filters: Any) -> Iterable[dict[str, Any]]:
        """Gives the jobs that a filter finds, page by page: ``status``, ``queue``, ``type``, …"""
        while True:
            page = self.call("GET", "/jobs", query=filters)
            yield from page["items"]
            if not page.get("next_cursor"):
                return
            filters["cursor"] = page["next_cursor"]

    def result(self, id: str, wait: float = 0) -> Any:
        """Gives the result of a job, waiting for it; an :class:`Error` tells what became of a job that has none.

        A job that has not ended after ``wait`` seconds raises TimeoutError.
        """
        deadline = time.monotonic() + wait
        while True:
            left = max(0.0, deadline - time.monotonic())
            job = self.call("GET", f"/jobs/{quote(id, safe='')}/result", query={"wait": int(min(left, 30) + 0.999)})
            status = job.get("status")
            if status == "completed":
                return job.get("result")
            if status in ("dead", "cancelled"):
                error = job.get("error") or {}
                raise Error(409, error.get("code", status), error.get("message") or f"the job is {status}")
            if time.monotonic() >= deadline:
                raise TimeoutError(f"job {id} is {status}")

    def cancel(self, id: str) -> dict[str, Any]:
        return self.call("POST", f"/jobs/{quote(id, safe='')}/cancel")

    def retry(self, id: str) -> dict[str, Any]:
        return self.call("POST", f"/jobs/{quote(id, safe='')}/retry")

    # Calling

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Optional[Mapping[str, Any]] = None,
        headers: Optional[Mapping[str, str]] = None,
        timeout: Optional[float] = None,
    ) -> Any:
        """Makes one call of the API and gives the answer's JSON, None if there is none."""
        target, sent = self._request(path, query, {"Accept": "application/json", **(headers or {})})
        data = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
            sent["Content-Type"] = "application/json"
        response, raw = self._exchange(method, target, data, sent, timeout or self._timeout)
        return _answer(response, raw)

    def _request(self, path: str, query: Optional[Mapping[str, Any]], headers: Mapping[str, str]):
        """Gives the target and the headers of a request."""
        target = self._prefix + path
        pairs = [(k, v) for k, v in (query or {}).items() if v is not None]
        if pairs:
            target += "?" + urlencode(pairs, doseq=True)
        sent = dict(headers)
        if self._token:
            sent["Authorization"] = "Bearer " + self._token
        return target, sent

    def _open(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, Any]] = None,
        headers: Optional[Mapping[str, str]] = None,
        body: Optional[Body] = None,
    ) -> Stream:
        """Makes a call on a connection of its own, and gives its answer as a stream, which is to be closed."""
        target, sent = self._request(path, query, headers or {})
        sent.setdefault("Accept-Encoding", "identity")
        data: Any = None
        if body is not None:
            sent.setdefault("Content-Type", "application/octet-stream")
            if body.left is not None:
                sent["Content-Length"], data = str(body.left), body
            else:
                sent["Transfer-Encoding"], data = "chunked", body.pieces()
        conn = self._connect(self._timeout)
        try:
            try:
                conn.request(method, target, body=data, headers=sent, encode_chunked=body is not None and body.size is None)
            except (BrokenPipeError, ConnectionResetError):
                if body is None or body.failed is not None:
                    raise
                # The appliance has said why, perhaps, and reads no further.
            response = conn.getresponse()
            if response.status >= 300:
                _answer(response, _whole(response))
            return Stream(conn, response)
        except (OSError, http.client.HTTPException) as e:
            conn.close()
            if body is not None and body.failed is e:
                raise
            raise Unreachable(f"no appliance answers at {self._host}:{self._port or ''}: {e}") from e
        except BaseException:
            conn.close()
            raise

    def _exchange(self, method, target, data, headers, timeout):
        """Sends a request. One that a kept connection did not take is sent once more, if it may be: an appliance that
        was started again has closed them all."""
        for fresh in (False, True):
            conn, kept = self._connection(timeout, fresh)
            try:
                conn.request(method, target, body=data, headers=headers)
                response = conn.getresponse()
                raw = _whole(response)
                if response.will_close:
                    self.close()
                return response, raw
            except (OSError, http.client.HTTPException) as e:
                self.close()
                safe = method in _IDEMPOTENT or "Idempotency-Key" in headers
                if kept and not fresh and (safe or isinstance(e, (http.client.RemoteDisconnected, BrokenPipeError))):
                    continue
                raise Unreachable(f"no appliance answers at {self._host}:{self._port or ''}: {e}") from e
        raise AssertionError("not reached")

    def _connection(self, timeout: float, fresh: bool):
        conn = getattr(self._local, "conn", None)
        if conn is not None and not fresh and self._local.pid == os.getpid():  # a forked process has the parent's otherwise
            conn.timeout = timeout
            if conn.sock is not None:
                conn.sock.settimeout(timeout)
            return conn, conn.sock is not None
        conn = self._connect(timeout)
        self._local.conn, self._local.pid = conn, os.getpid()
        with self._lock:
            self._conns.add(conn)
        return conn, False

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        if self._scheme == "https":
            return _HTTPS(self._host, self._port, timeout=timeout, context=self._context)
        return _HTTP(self._host, self._port, timeout=timeout)

    def close_all(self) -> None:
        """Closes the connections of all threads, none of which may be in a call."""
        with self._lock:
            conns = list(self._conns)
        for conn in conns:
            conn.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close_all()

    def close(self) -> None:
        """Closes the calling thread's connection."""
        conn = getattr(self._local, "conn", None)
        if conn is not None:
            conn.close()
            self._local.conn = None


class _Closing:
    """Closes a connection together with the thread that it belonged to."""

    def __del__(self) -> None:
        try:
            self.close()  # type: ignore[attr-defined]
        except Exception:
            pass  # it was never opened, or the interpreter is ending


class _HTTP(_Closing, http.client.HTTPConnection):
    pass


class _HTTPS(_Closing, http.client.HTTPSConnection):
    pass


def _whole(response: http.client.HTTPResponse) -> bytes:
    """Reads an answer. http.client gives the beginning of one that was cut off as if it were all."""
    raw = response.read(_MAX_ANSWER)
    if response.length and len(raw) < _MAX_ANSWER:
        raise http.client.IncompleteRead(raw, response.length)
    return raw


def _answer(response: http.client.HTTPResponse, raw: bytes) -> Any:
    kind = response.headers.get_content_type()
    if response.status < 300:
        if response.status == 204 or not raw:
            return None
        if kind != "application/json":
            raise Error(response.status, "", f"the server at this address answers {kind}; is it a Wayside appliance?")
        return json.loads(raw)
    try:
        problem = json.loads(raw)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    retry_after = response.headers.get("Retry-After", "")
    raise Error(
        response.status,
        problem.get("code", ""),
        problem.get("detail") or problem.get("title") or response.reason,
        problem.get("errors"),
        float(retry_after) if retry_after.isdigit() else None,
        request_id=problem.get("request_id") or response.headers.get("X-Request-ID", ""),
        offset=problem.get("offset"),
    )
