"""The appliance's cache for values that must not wait for it: a cache that fails is left alone for a while."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .errors import Error, Unreachable

if TYPE_CHECKING:
    from .client import Client

_log = logging.getLogger("wayside.cache")

MISS = object()  # there is no value
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # for which a cache that fails is not asked
_THREADS = 4  # that ask for coroutines
_MOST_BITS = 10_000  # of an int: more digits are not read again by every Python
_UNREADABLE = (401, 403, 404, 405, 429)  # with 5xx: no key can be read now


class Store:
    """The cache as one client sees it. ``get`` and ``put`` never raise: they log once that the cache fails, and once that
    it is back. What asks for an answer, ``delete`` and ``invalidate``, raises."""

    def __init__(self, client: "Client"):
        self._client = client
        self._lock = threading.Lock()  # guards what follows
        self._pause = 0.0  # 0: it works, as far as is known
        self._until = 0.0
        self._refused: set[tuple[str, int]] = set()  # kinds of refusals that were logged
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="wayside-cache")

    def get(self, key: str, timeout: float) -> Any:
        """Gives the value of a key or MISS."""
        if not self._may_ask():
            return MISS
        try:
            items = self._client.call("POST", "/cache/get", {"keys": [key]}, timeout=timeout)["items"]
            item = items[0]
            if item["key"] != key:
                raise ValueError(f"it is about another key: {item['key']}")
            found = item["value"] if item["found"] else MISS
        except (Error, Unreachable) as e:
            self._failed("read", e)
            return MISS
        except (KeyError, IndexError, TypeError, ValueError) as e:
            self._failed("read", Unreachable(f"the answer is not an appliance's: {e!r}"))
            return MISS
        self._works()
        return found

    def put(self, key: str, value: Any, ttl: "float | None", timeout: float) -> None:
        """Keeps a value."""
        if not self._may_ask():
            return
        body: dict[str, Any] = {"value": value}
        if ttl is not None:
            body["ttl_seconds"] = int(ttl) if ttl == int(ttl) else ttl
        try:
            self._client.call("PUT", _path(key), body, timeout=timeout)
        except (Error, Unreachable) as e:
            self._failed("write", e)
        except ValueError as e:
            self._failed("write", Unreachable(f"the answer is not an appliance's: {e!r}"))

    def delete(self, key: str) -> None:
        """Removes a key, if it is there."""
        try:
            self._client.call("DELETE", _path(key))
        except Error as e:
            if e.code != "not_found":
                raise

    def invalidate(self, pattern: str) -> int:
        """Removes all keys that match and gives how many; needs the scope admin."""
        return self._client.call("POST", "/cache/invalidate", {"pattern": pattern})["removed"]

    def _may_ask(self) -> bool:
        """One caller tries again when the pause is over; the others go on without meanwhile."""
        with self._lock:
            now = time.monotonic()
            if self._pause and now < self._until:
                return False
            if self._pause:
                self._until = now + self._pause
            return True

    def _works(self) -> None:
        with self._lock:
            was, self._pause = self._pause, 0.0
            if was:
                self._refused.clear()
        if was:
            _log.info("the cache is back")

    def _failed(self, what: str, e: Exception) -> None:
        status = getattr(e, "status", 0)
        broken = status < 400 or status >= 500 or what == "read" and status in _UNREADABLE
        with self._lock:
            if broken:
                first = not self._pause
                self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
                self._until = time.monotonic() + self._pause
            else:
                first = (what, status) not in self._refused
                self._refused.add((what, status))
        if not first:
            return
        if broken:
            _log.warning("the cache cannot be used, functions run without it: %s", e)
        else:
            _log.warning("the cache refused to %s a value, its function runs each time: %s", what, e)


class Stores:
    """The Store of a client in this process: a process that was forked has one of its own, with threads and locks of its
    own."""

    def __init__(self) -> None:
        self._by_process: dict[int, Store] = {}

    def of(self, client: "Client") -> Store:
        pid = os.getpid()
        return self._by_process.get(pid) or self._by_process.setdefault(pid, Store(client))


def _path(key: str) -> str:
    return "/cache/keys/" + quote(key, safe="")


def checked(value: Any, name: str) -> Any:
    """Gives a value that comes back from the cache as it is; TypeError names what does not."""
    why = _foreign(value, "", 0)
    if why:
        raise TypeError(f"the value of {name} cannot be cached: {why}")
    return value


def _foreign(value: Any, where: str, depth: int) -> str:
    """Says what of a value would be another after a way through JSON; "" = nothing."""
    kind = type(value)
    if value is None or kind in (bool, str):
        return ""
    if kind is int:
        return "" if value.bit_length() <= _MOST_BITS else f"{where or 'it'} has too many digits"
    if kind is float:
        return "" if value - value == 0 else f"{where or 'it'} is {value!r}, which JSON has not"
    if depth > 200:
        return "it is too deep, or holds itself"
    if kind is list:
        return next(filter(None, (_foreign(v, f"{where}[{i}]", depth + 1) for i, v in enumerate(value))), "")
    if kind is not dict:
        return f"{where or 'it'} is a {kind.__name__}; JSON has None, bool, int, float, str, list and dict"
    for k, v in value.items():
        if type(k) is not str:
            return f"a key of {where or 'it'} is a {type(k).__name__}; JSON has str only"
        why = _foreign(v, f"{where}[{json.dumps(k)}]", depth + 1)
        if why:
            return why
    return ""
