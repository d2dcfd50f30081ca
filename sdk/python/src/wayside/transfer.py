"""Bodies on their way: what is uploaded, without holding it in memory, and answers that are read as they come."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
from typing import Any, BinaryIO, Callable, Iterator, Optional, Union

from .errors import Unreachable

Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, BinaryIO]
Progress = Callable[[int, Optional[int], Optional[float]], Any]

_PIECE = 256 << 10
_TEXT = "the file of a recording has to be opened for reading bytes: open(path, 'rb')"


class Body:
    """A recording that is sent, perhaps more than once.

    ``progress(bytes, size, percent)`` is called as it goes out; size and percent are None where the size is not known.
    """

    def __init__(self, source: Source, name: Optional[str] = None, progress: Optional[Progress] = None):
        self._progress = progress
        self._own = False
        self.sent = 0
        self.failed: Optional[BaseException] = None  # why the source could not be read
        if isinstance(source, (bytes, bytearray, memoryview)):
            source = io.BytesIO(source)
        elif isinstance(source, (str, os.PathLike)):
            name = name or os.path.basename(os.fspath(source))
            source = open(source, "rb")
            self._own = True
        elif isinstance(source, io.TextIOBase):
            raise TypeError(_TEXT)
        elif not hasattr(source, "read"):
            raise TypeError(f"a recording is a path, bytes or a file opened for reading bytes, not {type(source).__name__}")
        self._file = source
        self.name = name or os.path.basename(str(getattr(source, "name", "") or ""))
        self.size, self._start = _measure(source)

    @property
    def replayable(self) -> bool:
        return self._start is not None

    def rewind(self, to: int = 0) -> None:
        """Goes back to the beginning, or to a place, for another try."""
        self.sent = to
        if self._start is not None:
            self._file.seek(self._start + to)

    @property
    def left(self) -> Optional[int]:
        """What is still to be sent; None where the size is not known."""
        return None if self.size is None else self.size - self.sent

    def read(self, n: int = -1) -> bytes:
        """Reads on. http.client calls it."""
        try:
            return self._read(_PIECE if n is None or n < 0 else n)
        except BaseException as e:
            self.failed = e
            raise

    def _read(self, n: int) -> bytes:
        data = self._file.read(n)
        if isinstance(data, str):
            raise TypeError(_TEXT)
        if self.size is not None and self.sent + len(data) > self.size:
            data = data[: self.size - self.sent]  # it has grown meanwhile
        if data:
            self.sent += len(data)
            if self._progress is not None:
                self._progress(self.sent, self.size, 100.0 * self.sent / self.size if self.size else None)
        elif self.size is not None and self.sent < self.size:
            raise OSError(f"the file has become shorter: {self.sent} of {self.size} bytes")
        return data or b""

    def pieces(self) -> Iterator[bytes]:
        while True:
            data = self.read(_PIECE)
            if not data:
                return
            yield data

    def plain(self) -> Iterator[bytes]:
        """Reads it without telling anybody."""
        progress, self._progress = self._progress, None
        try:
            yield from self.pieces()
        finally:
            self._progress = progress

    def close(self) -> None:
        if self._own:
            self._file.close()


def _measure(f: BinaryIO):
    """Gives the size of what is left of a file, and where it begins; None for what cannot be sought."""
    try:
        if not f.seekable():
            return None, None
        start = f.tell()
        end = f.seek(0, io.SEEK_END)
        f.seek(start)
        return end - start, start
    except (AttributeError, OSError, io.UnsupportedOperation):
        return None, None


class Stream(io.RawIOBase):
    """An answer that is read as it comes. One that breaks off raises :class:`Unreachable`, never ends as if it were whole."""

    def __init__(self, conn: http.client.HTTPConnection, response: http.client.HTTPResponse):
        super().__init__()
        self._conn, self._response = conn, response
        self.headers = response.headers
        length = response.headers.get("Content-Length")
        self._left = int(length) if length is not None and length.isdigit() and not response.chunked else None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, n: int = -1) -> bytes:
        if n is None or n < 0:
            return self.readall()
        if n == 0 or self.closed:
            return b""
        try:
            data = self._response.read1(n)
        except (OSError, http.client.HTTPException) as e:
            raise Unreachable(f"the answer was cut off: {e}") from e
        if self._left is not None:
            self._left -= len(data)
            if not data and self._left > 0:
                raise Unreachable(f"the answer was cut off: {self._left} bytes are missing")
        return data

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(_PIECE), b""))

    def lines(self) -> Iterator[bytes]:
        """Gives the lines, without their ends."""
        rest = b""
        while True:
            data = self.read(_PIECE)
            if not data:
                break
            rest += data
            whole, newline, rest_ = rest.rpartition(b"\n")
            if newline:
                rest = rest_
                yield from whole.split(b"\n")
        if rest:
            yield rest

    def close(self) -> None:
        if not self.closed:
            self._response.close()
            self._conn.close()
        super().close()


class Rows:
    """Rows of a table, read as they come; each is a dict by column. It is an iterator, and a context manager that ends
    the connection.

    ``status`` is ``done``, or ``partial`` where the recording is damaged or the decoder was stopped: the rows are not
    all then. ``issues`` counts what the decoder found wrong.
    """

    def __init__(self, stream: Stream):
        self._stream = stream
        self._lines = stream.lines()
        self.status: str = stream.headers.get("Wayside-Decode-Status", "")
        self.issues: dict[str, int] = {}
        for part in (stream.headers.get("Wayside-Decode-Issues") or "").split(","):
            name, _, number = part.strip().partition("=")
            if number.isdigit():
                self.issues[name] = int(number)

    def __iter__(self) -> "Rows":
        return self

    def __next__(self) -> dict[str, Any]:
        try:
            for line in self._lines:
                if line.strip():
                    return json.loads(line)
        except BaseException:
            self.close()
            raise
        self.close()
        raise StopIteration

    def close(self) -> None:
        self._lines.close()
        self._stream.close()

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()


@contextlib.contextmanager
def complete_file(path: Union[str, "os.PathLike[str]"]) -> Iterator[BinaryIO]:
    """A file that gets its name when the block has ended without an error, and leaves nothing behind otherwise."""
    path = os.fspath(path)
    part = os.path.join(os.path.dirname(path) or ".", f".{os.path.basename(path)}.{os.getpid()}.part")
    try:
        with open(part, "wb") as f:
            yield f
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise
