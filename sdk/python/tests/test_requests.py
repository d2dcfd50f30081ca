"""What the client asks an appliance for, to the letter: without one, so that nothing else makes up for a wrong question."""

from __future__ import annotations

import json
import tempfile
import unittest
from urllib.parse import parse_qs, urlsplit

import wayside
from tests.http_fake import HTTPFake

DECODE = {"id": "d1", "status": "done", "rows": 1}


def answer(handler, body):
    path = urlsplit(handler.path).path[len("/api/v1"):]
    if path == "/detect":
        return handler.json(422, {"code": "unknown_format", "detail": "unknown"})
    if path == "/files" and handler.command == "POST":
        return handler.json(201, {"file": {"id": "f1", "name": "n"}, "decode": DECODE})
    if path.endswith("/rows"):
        more = "cursor" not in handler.path
        return handler.json(200, {"columns": ["a"], "rows": [[1 if more else 2]], "next_cursor": "c 2" if more else None})
    if path in ("/files", "/decodes") and handler.command == "GET":
        return handler.json(200, {"items": [{"id": "x"}], "next_cursor": None})
    return handler.json(200, DECODE)


class RequestsTest(unittest.TestCase):
    def setUp(self):
        self.fake = HTTPFake(answer)
        self.addCleanup(self.fake.close)
        self.client = wayside.Client(self.fake.url, token="secret")
        self.addCleanup(self.client.close_all)

    def asked(self, method, path, **query):
        """Checks the last call, and gives its headers and body."""
        got_method, target, headers, body = self.fake.calls[-1]
        url = urlsplit(target)
        self.assertEqual((got_method, url.path), (method, "/api/v1" + path))
        self.assertEqual(parse_qs(url.query), {k.replace("__", "."): v if isinstance(v, list) else [v] for k, v in query.items()})
        self.assertEqual(headers["Authorization"], "Bearer secret")
        return headers, body

    def test_upload(self):
        headers, body = (self.client.upload(b"rec", "a b.RU", decode=False), self.asked("POST", "/files", name="a b.RU", decode="false"))[1]
        self.assertEqual(body, b"rec")
        self.assertTrue(headers["Idempotency-Key"])
        self.client.upload(b"rec", "n", decoder="rail", params={"timezone": "UTC", "reveal": True, "n": 3}, force=True)
        self.asked("POST", "/files", name="n", decoder="rail", force="true", param__timezone="UTC", param__reveal="true", param__n="3")
        with tempfile.NamedTemporaryFile(suffix=".RU") as f:
            f.write(b"bytes")
            f.flush()
            told = []
            self.client.upload(f.name, progress=lambda *a: told.append(a))
        _, body = self.asked("POST", "/files", name=f.name.rsplit("/", 1)[1])
        self.assertEqual((body, told[-1]), (b"bytes", (5, 5, 100.0)))

    def test_detect(self):
        self.assertIsNone(self.client.detect(b"rec", "n"))
        self.asked("POST", "/detect", name="n")

    def test_decodes(self):
        self.client.start_decode("f/1", decoder="rail", params={"a": 1}, force=True)
        headers, body = self.asked("POST", "/decodes")
        self.assertEqual(json.loads(body), {"file_id": "f/1", "decoder": "rail", "params": {"a": 1}, "force": True})
        self.assertTrue(headers["Idempotency-Key"])
        self.client.cancel_decode("d/1")
        self.asked("POST", "/decodes/d%2F1/cancel")
        self.client.delete_decode(DECODE)
        self.asked("DELETE", "/decodes/d1")
        self.client.delete_file("f1")
        self.asked("DELETE", "/files/f1")
        self.client.wait({"file": {"id": "f1"}, "decode": DECODE}, 7)
        _, target, _, _ = self.fake.calls[-1]
        self.assertRegex(target, r"/decodes/d1\?wait=[67]")
        self.assertEqual([f["id"] for f in self.client.files(name="x", format="rail")], ["x"])
        self.asked("GET", "/files", name="x", format="rail")
        self.assertEqual([d["id"] for d in self.client.decodes(status="done")], ["x"])
        self.asked("GET", "/decodes", status="done")

    def test_rows(self):
        asked = {"columns": "a,b", "where": ["a:gt:1", "b:lt:2"], "sort": "a", "order": "desc", "q": "t", "limit": "7"}
        rows = self.client.rows("d1", "t", columns=["a", "b"], where=["a:gt:1", "b:lt:2"], sort="a", order="desc", q="t", page_size=7)
        self.assertEqual(next(rows), {"a": 1})
        self.asked("GET", "/decodes/d1/tables/t/rows", **asked)
        self.assertEqual(list(rows), [{"a": 2}])
        self.asked("GET", "/decodes/d1/tables/t/rows", cursor="c 2", **asked)
        self.client.open_table("d1", "t", "csv", where="a:gt:1").close()
        self.asked("GET", "/decodes/d1/tables/t.csv", where="a:gt:1")

    def test_without_storing(self):
        self.client.stream_decode(b"rec", "t", name="n", decoder="rail", params={"a": 1}).close()
        self.asked("POST", "/decode", name="n", decoder="rail", param__a="1", to="ndjson", table="t")
        self.client.decode(b"rec", name="n")
        self.asked("POST", "/decode", name="n", to="json")
