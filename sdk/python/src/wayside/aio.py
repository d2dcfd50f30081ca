"""The client for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any, AsyncIterator, Callable, Iterable, Iterator, Optional

from . import batch
from .client import Client
from .recordings import _ENDED, DecodeLike, _checked, _decode_id
from .table import Table

_CHUNK = 500  # rows that one thread hands over at a time
_SLICE = 5.0  # seconds of one wait: a task that is cancelled leaves a thread behind for so long at most


class AsyncClient:
    """:class:`Client` for asyncio: the same methods as coroutines, and the same iterators as asynchronous ones.

        async with AsyncClient() as client:
            up = await client.upload("run.RU", wait=True)
            async for row in client.rows(up, "telegrams"):
                ...

    The calls are made by ``max_workers`` threads, so that none blocks the event loop.
    """

    def __init__(self, *args: Any, max_workers: int = 8, **kwargs: Any):
        self.client = Client(*args, **kwargs)
        self._pool = ThreadPoolExecutor(max_workers, thread_name_prefix="wayside")

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self.close()

    async def close(self) -> None:
        """Waits for the calls under way and ends the threads."""
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        self.client.close_all()

    async def _run(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, functools.partial(fn, *args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        """Gives a method of Client as a coroutine function."""
        method = getattr(self.client, name)
        if name.startswith("_") or not callable(method):
            raise AttributeError(name)

        @functools.wraps(method)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._run(method, *args, **kwargs)

        return call

    async def upload(self, source: Any, name: Optional[str] = None, *, wait: Any = None, **options: Any) -> dict[str, Any]:
        """See :meth:`Client.upload`."""
        got = await self._run(self.client.upload, source, name, **options)
        if wait is not None and wait is not False and got.get("decode"):
            got["decode"] = await self.wait(got["decode"], None if wait is True else float(wait))
        return got

    async def wait(self, decode: DecodeLike, timeout: Optional[float] = None) -> dict[str, Any]:
        """See :meth:`Client.wait`."""
        id, loop = _decode_id(decode), asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while True:
            left = _SLICE if deadline is None else max(0.0, min(_SLICE, deadline - loop.time()))
            got = await self._run(self.client.get_decode, id, left)
            if got["status"] in _ENDED:
                return _checked(got)
            if deadline is not None and loop.time() >= deadline:
                raise TimeoutError(f"decode {id} is {got['status']}")

    def files(self, **filters: Any) -> AsyncIterator[dict[str, Any]]:
        return self._each(lambda: self.client.files(**filters))

    def decodes(self, **filters: Any) -> AsyncIterator[dict[str, Any]]:
        return self._each(lambda: self.client.decodes(**filters))

    def jobs(self, **filters: Any) -> AsyncIterator[dict[str, Any]]:
        return self._each(lambda: self.client.jobs(**filters))

    def issues(self, decode: DecodeLike) -> AsyncIterator[dict[str, Any]]:
        return self._each(lambda: self.client.issues(decode))

    def rows(self, decode: DecodeLike, table: str, **filters: Any) -> AsyncIterator[dict[str, Any]]:
        """See :meth:`Client.rows`."""
        return self._each(lambda: self.client.rows(decode, table, **filters))

    def stream_decode(self, source: Any, table: str, **options: Any) -> AsyncIterator[dict[str, Any]]:
        """See :meth:`Client.stream_decode`."""
        return self._each(lambda: self.client.stream_decode(source, table, **options))

    def table(self, decode: DecodeLike, name: str) -> "AsyncTable":
        return AsyncTable(self, self.client.table(decode, name))

    async def process_files(
        self,
        files: Iterable[Any],
        max_workers: int = 4,
        progress_callback: Optional[Callable[[int, int], Any]] = None,
        *,
        process_func: Optional[Callable[[dict[str, Any]], Any]] = None,
        timeout_per_file: Optional[float] = None,
        **options: Any,
    ) -> dict[str, Any]:
        """See :meth:`Client.process_files`. The callback is called in the event loop and may be a coroutine function;
        ``process_func`` is called in a thread. A task that is cancelled begins no more files."""
        loop = asyncio.get_running_loop()
        run = batch.Run(self.client, timeout_per_file, options, process_func)

        def report(done: int, total: int) -> None:
            async def tell() -> None:
                got = progress_callback(done, total)
                if inspect.isawaitable(got):
                    await got

            asyncio.run_coroutine_threadsafe(tell(), loop).result()

        call = functools.partial(run.process, list(files), max_workers, report if progress_callback else None)
        try:
            return await loop.run_in_executor(None, call)  # it has threads of its own
        except asyncio.CancelledError:
            run.stop()
            raise

    async def _each(self, make: Callable[[], Iterator[Any]]) -> AsyncIterator[Any]:
        """Gives what an iterator gives; a thread takes some of it at a time."""
        it = await self._run(make)
        try:
            while True:
                got = await self._run(lambda: list(itertools.islice(it, _CHUNK)))
                for item in got:
                    yield item
                if len(got) < _CHUNK:
                    return
        finally:
            close = getattr(it, "close", None)
            if close is not None:
                with contextlib.suppress(ValueError):  # a thread is in it still, and lets it go afterwards
                    close()


class AsyncTable:
    """:class:`Table` for asyncio."""

    def __init__(self, client: AsyncClient, table: Table):
        self._client, self.table = client, table

    def rows(self, **filters: Any) -> AsyncIterator[dict[str, Any]]:
        return self._client.rows(self.table.decode_id, self.table.name, **filters)

    async def save(self, path: Any, to: Optional[str] = None, **filters: Any) -> None:
        await self._client._run(self.table.save, path, to, **filters)

    async def to_arrow(self, **filters: Any) -> Any:
        return await self._client._run(self.table.to_arrow, **filters)

    async def to_pandas(self, **filters: Any) -> Any:
        return await self._client._run(self.table.to_pandas, **filters)

    async def to_polars(self, **filters: Any) -> Any:
        return await self._client._run(self.table.to_polars, **filters)
