"""Uploads that go on where they were broken off, by the tus protocol 1.0.0."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import time
import uuid
from typing import TYPE_CHECKING, Any, Mapping, Optional, Union
from urllib.parse import urlsplit

from .errors import Error, Unreachable
from .transfer import Body

if TYPE_CHECKING:
    from .client import Client

_TUS = {"Tus-Resumable": "1.0.0"}
_PIECE = {**_TUS, "Content-Type": "application/offset+octet-stream"}
_PASSING = frozenset((409, 423, 429, 460, 502, 503, 504))
_GONE = frozenset((404, 410))
_REMEMBERED = 30 * 24 * 3600  # seconds; the appliance forgets sooner


class Upload:
    """One recording on its way. ``folder`` is where uploads are remembered, None = within this call only."""

    def __init__(self, client: "Client", body: Body, metadata: Mapping[str, str], folder: Optional[Union[str, "os.PathLike[str]"]]):
        if not body.replayable or body.size is None:
            raise ValueError("only what can be read again from any place can be sent with resume: a path, bytes, or a file that seeks")
        self._client, self._body, self._size = client, body, body.size
        self._metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in sorted(metadata.items()))
        self._sha256: Optional[str] = None
        self._state: Optional[str] = None
        if folder is not None:
            self._sha256 = _digest(body)
            key = "\0".join((client._base, self._sha256, self._metadata))
            self._state = os.path.join(os.fspath(folder), hashlib.sha256(key.encode()).hexdigest()[:32] + ".json")
        self._key = uuid.uuid4().hex  # of all tries to begin

    def run(self) -> dict[str, Any]:
        """Sends what the appliance does not have yet, and gives file and decode."""
        where, best, tries = self._recall(), -1, 0
        while True:
            at = -1
            try:
                if where is None:
                    where = self._begin()
                headers = self._ask(where)
                at = _offset(headers, self._size)
                if "X-File-ID" not in headers:
                    headers = self._piece(where, at)
                    at = _offset(headers, self._size)
                if "X-File-ID" in headers:
                    return self._done(headers)
                failed: Exception = Unreachable("the appliance takes the bytes, but makes no file of them")
            except (Error, Unreachable) as e:
                failed = e
                if isinstance(e, Error) and e.status in _GONE and where is not None:
                    where, best = None, -1
                    self._key = uuid.uuid4().hex
                    self._forget()
                elif isinstance(e, Error) and e.status not in _PASSING:
                    raise
            if at > best:  # only bytes count as getting on
                best, tries = at, 0
            if tries >= self._client.retries:
                raise failed
            self._pause(tries, failed)
            tries += 1

    def _begin(self) -> str:
        headers = {**_TUS, "Upload-Length": str(self._size), "Upload-Metadata": self._metadata, "Idempotency-Key": self._key}
        try:
            with self._client._open("POST", "/uploads", None, headers) as answer:
                where = answer.headers.get("Location") or ""
        except Error as e:
            if e.status in (404, 405, 501):
                raise Error(e.status, e.code, f"{self._client._base}/uploads takes no uploads that resume (tus 1.0.0): {e.detail}") from e
            raise
        id = urlsplit(where).path.rstrip("/").rpartition("/")[2]
        if not id:
            raise Error(0, "", f"the server does not speak tus 1.0.0: {where!r} is no location of an upload")
        self._remember(id)
        return id

    def _ask(self, id: str) -> Mapping[str, str]:
        with self._client._open("HEAD", f"/uploads/{id}", None, _TUS) as answer:
            length = answer.headers.get("Upload-Length")
            if length is not None and length != str(self._size):
                raise Error(404, "", "the upload has another length")
            return answer.headers

    def _piece(self, id: str, offset: int) -> Mapping[str, str]:
        self._body.rewind(offset)
        with self._client._open("PATCH", f"/uploads/{id}", None, {**_PIECE, "Upload-Offset": str(offset)}, self._body) as answer:
            return answer.headers

    def _done(self, headers: Mapping[str, str]) -> dict[str, Any]:
        self._forget()
        file = self._client.file(headers["X-File-ID"])
        if self._sha256 is not None and file["sha256"] != self._sha256:
            raise Error(0, "", f"the appliance has other bytes than were sent: file {file['id']} with SHA-256 {file['sha256']}")
        decode = headers.get("X-Decode-ID")
        return {"file": file, "decode": self._client.get_decode(decode) if decode else None}

    def _pause(self, tries: int, failed: Exception) -> None:
        asked = getattr(failed, "retry_after", None) or 0.0
        self._client._sleep(max(min(0.25 * 2**tries, 8.0), min(asked, 30.0)))

    # What is remembered is a cache: what cannot be read counts as nothing, and the upload begins anew.

    def _recall(self) -> Optional[str]:
        if self._state is None:
            return None
        try:
            with open(self._state, encoding="utf-8") as f:
                id = json.load(f)["id"]
            return id if isinstance(id, str) and id.isalnum() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _remember(self, id: str) -> None:
        if self._state is None:
            return
        folder = os.path.dirname(self._state)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                if name.endswith(".json") and time.time() - os.path.getmtime(path) > _REMEMBERED:
                    os.remove(path)
        with open(self._state, "w", encoding="utf-8") as f:
            json.dump({"id": id}, f)

    def _forget(self) -> None:
        if self._state is not None:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self._state)


def _offset(headers: Mapping[str, str], size: int) -> int:
    text = headers.get("Upload-Offset") or ""
    if not text.isdigit() or int(text) > size:
        raise Error(0, "", f"the server does not speak tus 1.0.0: {text!r} is no offset of this upload")
    return int(text)


def _digest(body: Body) -> str:
    sha = hashlib.sha256()
    body.rewind()
    for data in body.plain():
        sha.update(data)
    return sha.hexdigest()
