"""Recordings: what the client does with files, decodes and tables."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Union
from urllib.parse import quote

from . import batch
from .errors import DecodeFailed, Error, Unreachable
from .resume import Upload
from .table import Table
from .transfer import Body, Progress, Rows, Source, Stream, complete_file

# A decode: its id, the API's document of it, or what upload gave.
DecodeLike = Union[str, Mapping[str, Any]]

_ENDED = frozenset(("done", "partial", "failed", "cancelled"))
_LONGEST_WAIT = 30  # seconds that one call waits
_PASSING = frozenset((429, 502, 503, 504))


class Recordings:
    """The part of :class:`Client` that is about recordings."""

    # Files

    def upload(
        self,
        source: Source,
        name: Optional[str] = None,
        *,
        wait: Union[bool, float, None] = None,
        decoder: Optional[str] = None,
        params: Optional[Mapping[str, Any]] = None,
        decode: bool = True,
        force: bool = False,
        idempotency_key: Optional[str] = None,
        progress: Optional[Progress] = None,
        resume: Union[bool, str, "os.PathLike[str]"] = False,
    ) -> dict[str, Any]:
        """Stores a recording and gives ``{"file": …, "decode": …}``; it is durable when this returns.

        ``source`` is a path, bytes, or a file opened for reading bytes, which is sent as it is read. With ``wait=True``,
        or a number of seconds, the end of the decode is waited for, see :meth:`wait`. ``params`` are those of the
        decoder; ``decode=False`` stores only; ``force`` decodes anew even where a result exists.
        ``progress(bytes, size, percent)`` is called while it is sent.

        A lost connection, or an appliance that is busy or starts again, is borne where the source can be read again. With
        ``resume=True`` it goes on then where it was broken off, for large files and bad connections. Where ``resume`` names
        a folder, a later call with the same bytes, name, decoder and parameters does too, also of another process: the
        source is read twice then, since its SHA-256 says what it is.
        """
        query = _decode_query(decoder, params)
        if resume:
            if not decode or force:
                raise ValueError("resume takes neither decode=False nor force")
            return self._waited(self._resume(Body(source, name, progress), query, resume), wait)
        if not decode:
            query["decode"] = "false"
        if force:
            query["force"] = "true"
        body = Body(source, name, progress)
        try:
            query["name"] = body.name or None
            key = idempotency_key or uuid.uuid4().hex
            got = self._send("/files", body, query, {"Idempotency-Key": key})
        finally:
            body.close()
        return self._waited(got, wait)

    def _resume(self, body: Body, query: Mapping[str, Any], resume: Union[bool, str, "os.PathLike[str]"]) -> dict[str, Any]:
        try:
            metadata = {k: str(v) for k, v in query.items() if v is not None}
            if body.name:
                metadata["filename"] = body.name
            return Upload(self, body, metadata, None if resume is True else resume).run()  # type: ignore[arg-type]
        finally:
            body.close()

    def _waited(self, got: dict[str, Any], wait: Union[bool, float, None]) -> dict[str, Any]:
        if wait is not None and wait is not False and got.get("decode"):
            got["decode"] = self.wait(got["decode"], None if wait is True else float(wait))
        return got

    def files(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Gives files, the newest first, page by page: ``name``, ``format``, ``sha256``, ``source``, ``parent``."""
        return self._pages("/files", filters)

    def file(self, id: str) -> dict[str, Any]:
        return self._get(f"/files/{quote(id, safe='')}")

    def delete_file(self, id: str) -> None:
        """Deletes a file with its decodes and their tables."""
        self._retrying(lambda: self.call("DELETE", f"/files/{quote(id, safe='')}"))

    def download(self, file: Union[str, Mapping[str, Any]], to: Union[str, "os.PathLike[str]", Any, None] = None) -> Optional[bytes]:
        """Gets the bytes of a file: as bytes, or into a path (which is there when it is whole) or an open file."""
        id = file if isinstance(file, str) else file.get("file", file)["id"]
        return self._deliver(lambda: self._open("GET", f"/files/{quote(id, safe='')}/content"), to)

    def detect(self, source: Source, name: Optional[str] = None) -> Optional[dict[str, Any]]:
        """Finds out what a recording is; nothing is stored. None is what no decoder knows."""
        body = Body(source, name)
        try:
            return self._send("/detect", body, {"name": body.name or None})
        except Error as e:
            if e.code == "unknown_format":
                return None
            raise
        finally:
            body.close()

    # Decodes

    def decodes(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Gives decodes, the newest first, page by page: ``file_id``, ``status``, ``decoder``, ``format``."""
        return self._pages("/decodes", filters)

    def get_decode(self, decode: DecodeLike, wait: float = 0) -> dict[str, Any]:
        """Gives a decode as it is, or once it has ended, which is waited for up to 30 seconds."""
        return self._get(f"/decodes/{_decode_id(decode)}", {"wait": wait or None}, timeout=self._timeout + wait)

    def start_decode(
        self, file_id: str, *, decoder: Optional[str] = None, params: Optional[Mapping[str, Any]] = None, force: bool = False
    ) -> dict[str, Any]:
        """Decodes a stored file, with another decoder or other parameters; a decode that is there already is given again."""
        body = {"file_id": file_id, "decoder": decoder, "params": dict(params) if params else None, "force": force or None}
        body = {k: v for k, v in body.items() if v is not None}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return self._retrying(lambda: self.call("POST", "/decodes", body, headers=headers))

    def cancel_decode(self, decode: DecodeLike) -> dict[str, Any]:
        return self.call("POST", f"/decodes/{_decode_id(decode)}/cancel")

    def delete_decode(self, decode: DecodeLike) -> None:
        self._retrying(lambda: self.call("DELETE", f"/decodes/{_decode_id(decode)}"))

    def wait(self, decode: DecodeLike, timeout: Optional[float] = None) -> dict[str, Any]:
        """Waits for the end of a decode and gives it.

        One that failed or was cancelled raises :class:`DecodeFailed`; a ``partial`` one is given: its rows up to the
        damage are there, and its ``error`` says what is wrong. After ``timeout`` seconds TimeoutError is raised.
        """
        id = _decode_id(decode)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _LONGEST_WAIT if deadline is None else max(0.0, deadline - time.monotonic())
            got = self.get_decode(id, min(left, _LONGEST_WAIT))
            if got["status"] in _ENDED:
                return _checked(got)
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"decode {id} is {got['status']}")

    def issues(self, decode: DecodeLike) -> Iterator[dict[str, Any]]:
        """Gives what the decoder found wrong, page by page."""
        return self._pages(f"/decodes/{_decode_id(decode)}/issues", {})

    # Tables

    def tables(self, decode: DecodeLike) -> list[dict[str, Any]]:
        """Gives the descriptions of all tables of a decode."""
        return self._get(f"/decodes/{_decode_id(decode)}/tables")

    def table(self, decode: DecodeLike, name: str) -> Table:
        """Gives a table of a decode, for pandas, polars, pyarrow or a file."""
        return Table(self, _decode_id(decode), name)

    def rows(
        self,
        decode: DecodeLike,
        table: str,
        *,
        columns: Optional[Iterable[str]] = None,
        where: Union[str, Iterable[str], None] = None,
        sort: Optional[str] = None,
        order: Optional[str] = None,
        q: Optional[str] = None,
        page_size: int = 1000,
    ) -> Iterator[dict[str, Any]]:
        """Gives the rows of a table as dicts by column, page by page: at most ``page_size`` of them are held at once.

        ``where`` is one or more of ``"column:op:value"`` with eq ne lt le gt ge in contains is_null; all have to hold.
        """
        path = f"/decodes/{_decode_id(decode)}/tables/{quote(table, safe='')}/rows"
        query = {**_filters(columns, where, sort, order, q), "limit": page_size}

        def pages() -> Iterator[dict[str, Any]]:
            while True:
                page = self._get(path, query)
                names = page["columns"]
                for row in page["rows"]:
                    yield dict(zip(names, row))
                if not page.get("next_cursor"):
                    return
                query["cursor"] = page["next_cursor"]

        return pages()

    def open_table(self, decode: DecodeLike, table: str, to: str = "parquet", **filters: Any) -> Stream:
        """Opens a whole table in one of the forms parquet, csv, ndjson, json, arrow, xlsx, as a file to read bytes from."""
        path = f"/decodes/{_decode_id(decode)}/tables/{quote(table, safe='')}.{quote(to, safe='')}"
        query = _filters(**filters)
        return self._retrying(lambda: self._open("GET", path, query))

    def save_table(self, decode: DecodeLike, table: str, path: Union[str, "os.PathLike[str]"], to: str, **filters: Any) -> None:
        """Writes a whole table to a file, which is there when it is whole."""
        self._deliver(lambda: self.open_table(decode, table, to, **filters), path)

    def table_url(self, decode: DecodeLike, table: str, to: str = "parquet") -> str:
        return f"{self._base}/decodes/{_decode_id(decode)}/tables/{quote(table, safe='')}.{to}"

    # Without storing

    def decode(
        self,
        source: Source,
        to: str = "json",
        *,
        table: Optional[str] = None,
        name: Optional[str] = None,
        decoder: Optional[str] = None,
        params: Optional[Mapping[str, Any]] = None,
        output: Union[str, "os.PathLike[str]", Any, None] = None,
    ) -> Any:
        """Decodes a recording without storing anything.

        ``to="json"`` without a table gives ``{"decode": …, "tables": {name: [rows]}}`` (at most 64 MiB of input); any
        other form needs ``table`` and gives bytes, or writes to ``output``, a path or an open file.
        """
        query = {**_decode_query(decoder, params), "to": to, "table": table}
        got = self._deliver(lambda: self._decode_stream(source, name, query), output, again=False)
        return json.loads(got) if to == "json" and got is not None else got

    def stream_decode(
        self,
        source: Source,
        table: str,
        *,
        name: Optional[str] = None,
        decoder: Optional[str] = None,
        params: Optional[Mapping[str, Any]] = None,
        progress_callback: Optional[Progress] = None,
    ) -> Rows:
        """Decodes a recording of any size and gives the rows of a table as they come; nothing is stored, and neither the
        recording nor the rows are held in memory.

        ``progress_callback(bytes, size, percent)`` is called while the recording is sent.
        """
        query = {**_decode_query(decoder, params), "to": "ndjson", "table": table}
        return Rows(self._decode_stream(source, name, query, progress_callback))

    def _decode_stream(self, source: Source, name: Optional[str], query: Mapping[str, Any], progress: Optional[Progress] = None) -> Stream:
        body = Body(source, name, progress)
        try:
            return self._stream_body("/decode", body, {**query, "name": body.name or None}, {})
        finally:
            body.close()

    # Many

    def process_files(
        self,
        files: Iterable[Source],
        max_workers: int = 4,
        progress_callback: Optional[Callable[[int, int], Any]] = None,
        *,
        process_func: Optional[Callable[[dict[str, Any]], Any]] = None,
        timeout_per_file: Optional[float] = None,
        decoder: Optional[str] = None,
        params: Optional[Mapping[str, Any]] = None,
        force: bool = False,
    ) -> dict[str, Any]:
        """Uploads files and waits for their decodes, ``max_workers`` at a time. One that fails stops none of the others.

        Gives ``{"results": […], "errors": […], "total", "successful", "failed"}``, both lists in the order of the files:
        a result is ``{"file", "name", "file_id", "decode_id", "result", "success": True}``, ``result`` being the decode or
        what ``process_func({"file": …, "decode": …})`` makes of it; an error is ``{"file", "name", "file_id", "decode_id",
        "error": {"code", "message", "offset"}, "success": False}``. ``progress_callback(done, total)`` is called after
        each file. A decode that takes longer than ``timeout_per_file`` seconds is cancelled: its code is timeout.
        """
        run = batch.Run(self, timeout_per_file, {"decoder": decoder, "params": params, "force": force}, process_func)
        return run.process(list(files), max_workers, progress_callback)

    # Calling

    def _get(self, path: str, query: Optional[Mapping[str, Any]] = None, timeout: Optional[float] = None) -> Any:
        return self._retrying(lambda: self.call("GET", path, query=query, timeout=timeout))

    def _pages(self, path: str, filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        query = dict(filters)
        while True:
            page = self._get(path, query)
            yield from page["items"]
            if not page.get("next_cursor"):
                return
            query["cursor"] = page["next_cursor"]

    def _retrying(self, call: Callable[[], Any], may: Callable[[], bool] = lambda: True) -> Any:
        """Makes a call, and makes it again where what failed may pass: only for calls that may be made twice."""
        for attempt in range(self.retries + 1):
            try:
                return call()
            except (Unreachable, Error) as e:
                passing = isinstance(e, Unreachable) or e.status in _PASSING
                if not passing or attempt == self.retries or not may():
                    raise
                pause = min(0.25 * 2**attempt, 8.0)
                self._sleep(max(pause, min(getattr(e, "retry_after", None) or 0.0, 30.0)))

    def _send(self, path: str, body: Body, query: Mapping[str, Any], headers: Optional[Mapping[str, str]] = None) -> Any:
        """Posts a recording and gives the answer's JSON."""
        with self._stream_body(path, body, query, headers or {}) as answer:
            return json.loads(answer.readall())

    def _stream_body(self, path: str, body: Body, query: Mapping[str, Any], headers: Mapping[str, str]) -> Stream:
        def once() -> Stream:
            body.rewind()
            return self._open("POST", path, query, headers, body)

        return self._retrying(once, lambda: body.replayable)

    def _deliver(self, open_answer: Callable[[], Stream], to: Any, again: bool = True) -> Optional[bytes]:
        """Brings an answer to a path or an open file, or gives it. One that breaks off on its way to a path is asked for
        again, if it may be."""
        if to is not None and hasattr(to, "write"):
            with open_answer() as answer:
                shutil.copyfileobj(answer, to, 1 << 20)
            return None
        if to is not None:
            def whole() -> None:
                with open_answer() as answer, complete_file(to) as f:
                    shutil.copyfileobj(answer, f, 1 << 20)

            return self._retrying(whole, lambda: again)
        with open_answer() as answer:
            return answer.readall()


def _decode_id(decode: DecodeLike) -> str:
    """Gives the quoted id of a decode."""
    if isinstance(decode, Mapping):
        inner = decode.get("decode", decode) if "file" in decode else decode
        if not inner or "id" not in inner:
            raise ValueError("this file was stored without being decoded")
        decode = inner["id"]
    return quote(decode, safe="")


def _decode_query(decoder: Optional[str], params: Optional[Mapping[str, Any]]) -> dict[str, Any]:
    query: dict[str, Any] = {"decoder": decoder}
    for k, v in (params or {}).items():
        query["param." + k] = ("true" if v else "false") if isinstance(v, bool) else v
    return query


def _filters(
    columns: Optional[Iterable[str]] = None,
    where: Union[str, Iterable[str], None] = None,
    sort: Optional[str] = None,
    order: Optional[str] = None,
    q: Optional[str] = None,
) -> dict[str, Any]:
    query: dict[str, Any] = {"sort": sort, "order": order, "q": q}
    if columns is not None:
        query["columns"] = columns if isinstance(columns, str) else ",".join(columns)
    if where is not None:
        query["where"] = [where] if isinstance(where, str) else list(where)
    return query


def _checked(decode: dict[str, Any]) -> dict[str, Any]:
    if decode["status"] in ("done", "partial"):
        return decode
    raise DecodeFailed(decode)
