"""Many files at a time."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence

from .errors import DecodeFailed, Error, Unreachable

if TYPE_CHECKING:
    from .client import Client

_SLICE = 5.0  # seconds of one wait, after which a run that was stopped ends


class Run:
    """One call of :meth:`Client.process_files`."""

    def __init__(
        self,
        client: "Client",
        timeout: Optional[float],
        options: Mapping[str, Any],
        process_func: Optional[Callable[[dict[str, Any]], Any]],
    ):
        self._client, self._timeout, self._options, self._process = client, timeout, options, process_func
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Has files that have not begun left out; those under way end soon."""
        self._stopped.set()

    def process(self, files: Sequence[Any], max_workers: int, progress: Optional[Callable[[int, int], Any]]) -> dict[str, Any]:
        if max_workers < 1:
            raise ValueError("max_workers has to be 1 or more")
        entries: list[Optional[dict[str, Any]]] = [None] * len(files)
        done = 0
        with ThreadPoolExecutor(max_workers, thread_name_prefix="wayside") as pool:
            futures = {pool.submit(self._one, f): i for i, f in enumerate(files)}
            try:
                for future in as_completed(futures):
                    entries[futures[future]] = future.result()
                    done += 1
                    if progress is not None:
                        progress(done, len(files))
            except BaseException:
                self.stop()
                for f in futures:
                    f.cancel()
                raise
        results = [e for e in entries if e is not None and e["success"]]
        errors = [e for e in entries if e is not None and not e["success"]]
        return {"results": results, "errors": errors, "total": len(files), "successful": len(results), "failed": len(errors)}

    def _one(self, source: Any) -> dict[str, Any]:
        entry = {"file": source, "name": _name_of(source), "file_id": None, "decode_id": None}
        if self._stopped.is_set():
            return self._failed(entry, "cancelled", "the run was stopped")
        try:
            got = self._client.upload(source, **self._options)
            entry["name"], entry["file_id"], entry["decode_id"] = got["file"]["name"], got["file"]["id"], got["decode"]["id"]
            got["decode"] = self._wait(got["decode"])
            result = self._process(got) if self._process is not None else got["decode"]
        except DecodeFailed as e:
            return self._failed(entry, e.code, e.detail, e.offset)
        except Error as e:
            return self._failed(entry, e.code or "error", e.detail, e.offset)
        except TimeoutError as e:
            return self._failed(entry, "timeout", str(e))
        except Unreachable as e:
            return self._failed(entry, "unreachable", str(e))
        except OSError as e:
            return self._failed(entry, "unreadable", str(e))
        except Exception as e:  # of process_func, or of a source that is none: it is this file's alone
            return self._failed(entry, "failed", f"{type(e).__name__}: {e}")
        finally:
            self._client.close()  # the connection of this thread
        return {**entry, "result": result, "success": True}

    def _wait(self, decode: Mapping[str, Any]) -> dict[str, Any]:
        """Waits for a decode in slices, so that a run can be stopped; one that takes too long is cancelled."""
        left = self._timeout
        while True:
            try:
                return self._client.wait(decode, _SLICE if left is None else min(left, _SLICE))
            except TimeoutError:
                if left is not None:
                    left -= _SLICE
                if self._stopped.is_set() or (left is not None and left <= 0):
                    self._cancel(decode)
                    raise TimeoutError("the run was stopped" if self._stopped.is_set() else f"not decoded in {self._timeout} s") from None

    def _cancel(self, decode: Mapping[str, Any]) -> None:
        try:
            self._client.cancel_decode(decode)
        except (Error, Unreachable):
            pass  # it has ended meanwhile, or goes on without anybody waiting

    @staticmethod
    def _failed(entry: dict[str, Any], code: str, message: str, offset: Optional[int] = None) -> dict[str, Any]:
        return {**entry, "error": {"code": code, "message": message, "offset": offset}, "success": False}


def _name_of(source: Any) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.path.basename(os.fspath(source))
    return os.path.basename(str(getattr(source, "name", "") or ""))
