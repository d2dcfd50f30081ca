"""Functions whose values are kept in the appliance's cache."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import functools
import inspect
import json
import logging
import os
import re
import threading
from typing import Any, Callable, Optional, Union

from . import cachekeys
from .cache import MISS, Store, Stores, checked
from .client import Client
from .errors import Error, Unreachable

_log = logging.getLogger("wayside.cache")


def cached(
    ttl: Union[float, datetime.timedelta, None] = None,
    *,
    namespace: str = "cached",
    name: Optional[str] = None,
    key: Optional[Callable[..., str]] = None,
    client: Any = None,
    timeout: float = 1.0,
) -> Callable[[Callable[..., Any]], Any]:
    """Keeps what a function returns in the appliance's cache, for ``ttl`` seconds (None: as the namespace has it).

        @cached(ttl=600)
        def distance(line, start, end): ...

    It works for functions and coroutine functions. The key is ``namespace:name:arguments``: ``name`` is the function's
    qualified name with its module, and the arguments are told apart by value and type; ``key`` makes a text of the
    arguments instead. Values are JSON: None, bool, int, float, str, and lists and dicts of them; a function that returns
    anything else raises TypeError. None is a value like any other; exceptions are not kept.

    Calls with one key at the same time run the function once in this process. A cache that fails, is switched off or away
    is logged once, and the function runs each time; the appliance is given ``timeout`` seconds for an answer.

    ``client`` is a :class:`Client`, :class:`AsyncClient` or :class:`App`; without one WAYSIDE_SERVER and WAYSIDE_TOKEN say
    where the cache is. To read needs the scope read, to write work.

    The function has, with its own arguments where it says so, and as coroutines where it is one:

    - ``bypass(…)`` runs it without the cache;
    - ``refresh(…)`` runs it and keeps the value;
    - ``invalidate(…)`` removes the value of this call; an appliance that does not answer raises here, for the value lives on;
    - ``invalidate_all()`` removes those of all calls and gives how many; needs the scope admin;
    - ``key(…)`` gives the key.
    """
    if callable(ttl):
        raise TypeError("write @cached(ttl=60) or @cached(), with parentheses")
    seconds = _seconds(ttl)
    if not namespace or ":" in namespace or namespace == "decode":
        raise ValueError(f"{namespace!r} is no namespace: it has no colon, and decode is the appliance's own")

    def wrap(fn: Callable[..., Any]) -> Any:
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            raise TypeError(f"{fn.__qualname__} is a generator function, which has no value to keep")
        spec = _Spec(fn, namespace, name or cachekeys.name_of(fn), key, seconds, client, timeout)
        return _async(spec) if inspect.iscoroutinefunction(fn) else _sync(spec)

    return wrap


def _seconds(ttl: Union[float, datetime.timedelta, None]) -> Optional[float]:
    if ttl is None:
        return None
    seconds = ttl.total_seconds() if isinstance(ttl, datetime.timedelta) else float(ttl)
    if not 0 < seconds < float("inf"):
        raise ValueError(f"ttl is {ttl!r}: it must be more than 0 seconds; None is what the namespace has")
    return seconds


class _Spec:
    """What is the same for functions and coroutine functions."""

    def __init__(self, fn, namespace: str, name: str, key, ttl: Optional[float], client: Any, timeout: float):
        self.fn, self.name, self.ttl, self.timeout = fn, name, ttl, timeout
        self.beginning = f"{namespace}:{name}:"
        if len(self.beginning.encode()) > cachekeys.LONGEST - 64:
            raise ValueError(f"{self.beginning} is too long for keys: give a shorter name=")
        self._key, self._client = key, client
        self._signature = inspect.signature(fn)
        if client is not None and not hasattr(_inner(client), "cache_stores"):
            raise TypeError(f"client is a {type(client).__name__}, neither Client, AsyncClient nor App")
        self._flights: dict[int, _Flights] = {}  # by process

    def key(self, *args: Any, **kwargs: Any) -> str:
        if self._key is None:
            return self.beginning + cachekeys.digest(self._signature, self.name, args, kwargs)
        part = self._key(*args, **kwargs)
        if not isinstance(part, str):
            raise TypeError(f"key= of {self.name} gives a {type(part).__name__}, not a str")
        return self.beginning + cachekeys.fitting(part)

    def store(self) -> Store:
        client = _default_client(os.getpid()) if self._client is None else _inner(self._client)
        return client.cache_stores.of(client)

    def flights(self) -> "_Flights":
        pid = os.getpid()  # a process that was forked has locks of its own
        return self._flights.get(pid) or self._flights.setdefault(pid, _Flights())

    def keep(self, flight: "Optional[_Flight]", key: str, value: Any) -> None:
        """Keeps a value, unless it was invalidated while it was made."""
        if flight is not None and flight.stale:
            return
        store = self.store()
        store.put(key, value, self.ttl, self.timeout)
        if flight is not None and flight.stale:
            try:
                store.delete(key)
            except (Error, Unreachable) as e:
                _log.warning("a value of %s that was invalidated may have been kept: %s", self.name, e)

    def invalidate(self, key: str) -> None:
        self.flights().detach(key)
        self.store().delete(key)

    def invalidate_all(self) -> int:
        self.flights().detach(None)
        return self.store().invalidate(re.sub(r"([*?\[\]\\])", r"\\\1", self.beginning) + "*")


def _inner(client: Any) -> Any:
    """Gives the Client of an AsyncClient or App."""
    return getattr(client, "client", client)


class _Flight:
    """One run of the function, for which other calls with the same key wait."""

    def __init__(self, owner: Any, done: Any):
        self.owner, self.done = owner, done  # done is an event of threads or of a loop
        self.waiting = 0  # guarded by the lock of _Flights
        self.stale = False  # what comes of it is not to be kept
        self.text: Optional[str] = None  # the value as JSON: each of those who wait gets one of its own
        self.error: Optional[Exception] = None

    @property
    def answered(self) -> bool:
        return self.text is not None or self.error is not None

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return json.loads(self.text)  # type: ignore[arg-type]


class _Flights:
    """The runs that are going on. Coroutines share them within an event loop only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: dict[tuple[Any, str], _Flight] = {}

    def join(self, loop: Any, key: str, owner: Any, event: Callable[[], Any]) -> tuple[_Flight, bool]:
        """Gives the run of a key, and whether it is the caller's to make."""
        with self._lock:
            flight = self._by_key.get((loop, key))
            if flight is None:
                flight = self._by_key[loop, key] = _Flight(owner, event())
                return flight, True
            flight.waiting += 1
            return flight, False

    def land(self, loop: Any, key: str, flight: _Flight, value: Any) -> None:
        """Ends a run; value is MISS if it has none."""
        with self._lock:
            if self._by_key.get((loop, key)) is flight:
                del self._by_key[loop, key]
        try:
            if flight.waiting and value is not MISS:
                flight.text = json.dumps(value)
        finally:
            flight.done.set()

    def detach(self, key: Optional[str]) -> None:
        """Has calls that come from now on wait for none of the runs that go on, and these keep nothing."""
        with self._lock:
            for at in [at for at in self._by_key if key is None or at[1] == key]:
                self._by_key.pop(at).stale = True


def _sync(spec: _Spec) -> Any:
    fn = spec.fn

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        key, flights, me = spec.key(*args, **kwargs), spec.flights(), threading.get_ident()
        while True:
            flight, mine = flights.join(None, key, me, threading.Event)
            if mine:
                return lead(key, flights, flight, args, kwargs)
            if flight.owner == me:  # the function calls itself as it was called
                return fn(*args, **kwargs)
            flight.done.wait()
            if flight.answered:
                return flight.result()

    def lead(key: str, flights: _Flights, flight: _Flight, args: Any, kwargs: Any) -> Any:
        value = MISS
        try:
            value = spec.store().get(key, spec.timeout)
            if value is MISS:
                value = checked(fn(*args, **kwargs), spec.name)
                spec.keep(flight, key, value)
            return value
        except Exception as e:
            flight.error, value = e, MISS
            raise
        finally:
            flights.land(None, key, flight, value)

    def refresh(*args: Any, **kwargs: Any) -> Any:
        key = spec.key(*args, **kwargs)
        value = checked(fn(*args, **kwargs), spec.name)
        spec.flights().detach(key)  # what they began earlier is older
        spec.keep(None, key, value)
        return value

    def invalidate(*args: Any, **kwargs: Any) -> None:
        spec.invalidate(spec.key(*args, **kwargs))

    return _with(call, bypass=fn, refresh=refresh, invalidate=invalidate, invalidate_all=spec.invalidate_all, key=spec.key)


def _async(spec: _Spec) -> Any:
    fn = spec.fn

    @functools.wraps(fn)
    async def call(*args: Any, **kwargs: Any) -> Any:
        key, flights, me = spec.key(*args, **kwargs), spec.flights(), asyncio.current_task()
        loop = asyncio.get_running_loop()
        while True:
            flight, mine = flights.join(loop, key, me, asyncio.Event)
            if mine:
                return await lead(loop, key, flights, flight, args, kwargs)
            if flight.owner is me:
                return await fn(*args, **kwargs)
            await flight.done.wait()
            if flight.answered:
                return flight.result()

    async def lead(loop: Any, key: str, flights: _Flights, flight: _Flight, args: Any, kwargs: Any) -> Any:
        value = MISS
        try:
            value = await ask(spec.store().get, key, spec.timeout, ending=MISS)
            if value is MISS:
                value = checked(await fn(*args, **kwargs), spec.name)
                await ask(spec.keep, flight, key, value)
            return value
        except Exception as e:
            flight.error, value = e, MISS
            raise
        finally:  # a task that is cancelled has no answer: the next one makes it
            flights.land(loop, key, flight, value)

    async def ask(what: Callable[..., Any], *args: Any, ending: Any = None) -> Any:
        run = contextvars.copy_context().run
        try:
            answer = asyncio.get_running_loop().run_in_executor(spec.store().pool, run, what, *args)
        except RuntimeError:  # the interpreter is ending and begins no threads
            return ending
        return await answer

    async def refresh(*args: Any, **kwargs: Any) -> Any:
        key = spec.key(*args, **kwargs)
        value = checked(await fn(*args, **kwargs), spec.name)
        spec.flights().detach(key)
        await ask(spec.keep, None, key, value)
        return value

    async def invalidate(*args: Any, **kwargs: Any) -> None:
        await ask(spec.invalidate, spec.key(*args, **kwargs))

    async def invalidate_all() -> int:
        return await ask(spec.invalidate_all)

    return _with(call, bypass=fn, refresh=refresh, invalidate=invalidate, invalidate_all=invalidate_all, key=spec.key)


def _with(call: Any, **more: Any) -> Any:
    for name, value in more.items():
        setattr(call, name, value)
    return call


class _Nowhere:
    """Stands for an appliance whose address cannot be read."""

    def __init__(self, why: str):
        self._why = why
        self.cache_stores = Stores()

    def call(self, *_: Any, **__: Any) -> Any:
        raise Unreachable(self._why)


@functools.lru_cache(maxsize=1)
def _default_client(pid: int) -> Any:
    """The client of functions that were given none, one a process."""
    try:
        return Client()
    except ValueError as e:
        return _Nowhere(str(e))
