"""The routes of the cache, as far as the package calls them."""

from __future__ import annotations

import fnmatch
import json
from urllib.parse import unquote

from tests.http_fake import HTTPFake

OFF = (503, {"code": "unavailable", "detail": "the cache is switched off"})


class CacheFake(HTTPFake):
    """``fault`` is what is answered instead of anything: (status, document) or a function; ``faults`` the same by method."""

    def __init__(self):
        self.values: dict[str, object] = {}
        self.ttls: dict[str, object] = {}
        self.fault = None
        self.faults: dict[str, tuple] = {}
        self.peers: list = []  # who asked, one entry a call
        super().__init__(self.answer)

    def answer(self, handler, body):
        self.peers.append(handler.client_address)
        fault = self.fault or self.faults.get(handler.command)
        if callable(fault):
            return fault(handler, body)
        if fault:
            return handler.json(*fault)
        path = handler.path[len("/api/v1/cache/") :]
        doc = json.loads(body) if body else {}
        if path == "get":
            items = [{"key": k, "found": k in self.values, "value": self.values.get(k), "ttl_seconds": None} for k in doc["keys"]]
            return handler.json(200, {"items": items})
        if path == "invalidate":
            gone = [k for k in self.values if fnmatch.fnmatchcase(k, doc["pattern"])]
            for k in gone:
                del self.values[k]
            return handler.json(200, {"removed": len(gone)})
        key = unquote(path[len("keys/") :])
        if handler.command == "PUT":
            self.values[key], self.ttls[key] = doc["value"], doc.get("ttl_seconds")
        elif self.values.pop(key, self) is self:
            return handler.json(404, {"code": "not_found", "detail": "no such key"})
        handler.json(200, {})

    def asked(self, method):
        return [c for c in self.calls if c[0] == method]
