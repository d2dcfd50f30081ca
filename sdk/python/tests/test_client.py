"""The client for recordings against a server that misbehaves."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import tempfile
import unittest
from unittest import mock

import wayside
from tests.http_fake import HTTPFake

BUSY = {"code": "shutting_down", "detail": "not now", "request_id": "r1"}
TAKEN = {"file": {"id": "f1", "name": "a"}, "decode": {"id": "d1", "status": "queued"}}
DONE = {"id": "d1", "file_id": "f1", "status": "done", "rows": 2}


class Once(io.RawIOBase):
    """A file that can be read only once."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def read(self, n=-1):
        return self.data.read(n)


class ClientTest(unittest.TestCase):
    def serve(self, answer, **options):
        fake = HTTPFake(answer)
        self.addCleanup(fake.close)
        client = wayside.Client(fake.url, token="secret", **options)
        self.pauses = []
        client._sleep = self.pauses.append
        self.addCleanup(client.close)
        return fake, client

    def script(self, *answers, **options):
        """Answers one after the other: (status, document[, headers]) or a function."""
        left = list(answers)

        def answer(handler, body):
            a = left.pop(0)
            if callable(a):
                a(handler, body)
            else:
                handler.json(a[0], a[1], **(a[2] if len(a) > 2 else {}))

        return self.serve(answer, **options)

    def test_upload_is_tried_again_with_one_key(self):
        fake, client = self.script((503, BUSY, {"Retry_After": "3"}), cut, (201, TAKEN), (200, DONE))
        seen = []
        got = client.upload(b"abcdef", "a b", wait=True, decoder="rail", params={"reveal": True, "n": 3}, progress=lambda *p: seen.append(p))
        self.assertEqual((got["file"]["id"], got["decode"]["status"]), ("f1", "done"))
        posts = [c for c in fake.calls if c[0] == "POST"]
        self.assertEqual([c[3] for c in posts], [b"abcdef"] * 3)
        self.assertEqual(len({c[2]["Idempotency-Key"] for c in posts}), 1)
        self.assertEqual(posts[0][1], "/api/v1/files?decoder=rail&param.reveal=true&param.n=3&name=a+b")
        self.assertEqual(posts[0][2]["Authorization"], "Bearer secret")
        self.assertEqual(self.pauses, [3.0, 0.5])
        self.assertEqual(seen, [(6, 6, 100.0)] * 3)

    def test_what_can_be_read_once_is_sent_once(self):
        fake, client = self.script((503, BUSY))
        with self.assertRaises(wayside.Error) as caught:
            client.upload(Once(b"stream"), "a")
        self.assertEqual((caught.exception.code, caught.exception.request_id), ("shutting_down", "r1"))
        self.assertEqual((len(fake.calls), fake.calls[0][3], fake.calls[0][2]["Transfer-Encoding"]), (1, b"stream", "chunked"))

    def test_refusals_are_not_tried_again(self):
        fake, client = self.script((413, {"code": "too_large", "detail": "too large"}))
        with self.assertRaises(wayside.Error) as caught:
            client.upload(b"x")
        self.assertEqual((caught.exception.status, len(fake.calls)), (413, 1))

    def test_an_answer_that_is_cut_off_is_none(self):
        """An appliance that is killed while it answers is asked again; the beginning of the answer is not taken for it."""

        def half(handler, body):
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", "100")
            handler.end_headers()
            handler.wfile.write(b'{"id": "f1", "name": "a"')
            handler.close_connection = True

        fake, client = self.script((200, {"id": "f0"}), half, half, (200, {"id": "f1"}))
        self.assertEqual([client.file("f0")["id"], client.file("f1")["id"]], ["f0", "f1"])
        self.assertEqual(len(fake.calls), 4)

    def test_retries_end(self):
        fake, client = self.script(*[(503, BUSY)] * 3, retries=2)
        with self.assertRaises(wayside.Error):
            client.file("f1")
        self.assertEqual(len(fake.calls), 3)
        with self.assertRaises(wayside.Unreachable):
            wayside.Client("127.0.0.1:9", retries=0).upload(b"x")

    def test_early_answer(self):
        """A server that answers without reading on is heard, whatever becomes of the rest of the body."""

        fake = EarlyAnswer()
        self.addCleanup(fake.close)
        with self.assertRaises(wayside.Error) as caught:
            wayside.Client(fake.url, retries=0).upload(b"x" * (32 << 20), "big")
        self.assertEqual(caught.exception.code, "too_large")

    def test_sources(self):
        fake, client = self.script(*[(201, TAKEN)] * 3)
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "rec.RU")
            with open(path, "wb") as f:
                f.write(b"0123456789")
            client.upload(path)
            with open(path, "rb") as f:
                f.seek(4)
                client.upload(f)
            with open(path) as f, self.assertRaises(TypeError):
                client.upload(f)
            with self.assertRaises(FileNotFoundError):
                client.upload(path + "x")
            client.upload(memoryview(b"mv"))
        with self.assertRaises(TypeError):
            client.upload(7)
        uploads = [c for c in fake.calls if c[3]]
        self.assertEqual([c[3] for c in uploads], [b"0123456789", b"456789", b"mv"])
        self.assertEqual([c[1] for c in uploads], ["/api/v1/files?name=rec.RU"] * 2 + ["/api/v1/files"])

    def test_shrinking_file(self):
        class Shrinking(io.BytesIO):
            def read(self, n=-1):
                return b""

        fake, client = self.script(cut)
        with self.assertRaisesRegex(OSError, "shorter"):
            client.upload(Shrinking(b"data"))

    def test_wait(self):
        failed = {**DONE, "status": "failed", "error": {"code": "unknown_format", "message": "nobody knows it", "offset": 7}}
        _, client = self.script((200, {**DONE, "status": "running"}), (200, DONE), (200, failed), (200, {**DONE, "status": "running"}), (200, {**DONE, "status": "cancelled"}))
        self.assertEqual(client.wait("d1")["status"], "done")
        with self.assertRaises(wayside.DecodeFailed) as caught:
            client.wait(TAKEN)
        e = caught.exception
        self.assertEqual((e.code, e.detail, e.offset, e.decode), ("unknown_format", "nobody knows it", 7, failed))
        with self.assertRaises(TimeoutError):
            client.wait(DONE, timeout=0)
        with self.assertRaises(wayside.DecodeFailed) as caught:
            client.wait("d1")
        self.assertEqual(caught.exception.code, "cancelled")
        with self.assertRaises(ValueError):
            client.wait({"file": {"id": "f1"}, "decode": None})

    def test_rows(self):
        fake, client = self.script(
            (200, {"columns": ["a", "b"], "rows": [[1, "x"], [18446744073709551615, None]], "next_cursor": "c1"}),
            (503, BUSY),
            (200, {"columns": ["a", "b"], "rows": [[3, "z"]], "next_cursor": None}),
        )
        rows = list(client.rows("d1", "t", where=["a:gt:0", "b:ne:q"], columns=["a", "b"], sort="a", order="desc", page_size=2))
        self.assertEqual(rows, [{"a": 1, "b": "x"}, {"a": 18446744073709551615, "b": None}, {"a": 3, "b": "z"}])
        self.assertEqual(fake.calls[0][1], "/api/v1/decodes/d1/tables/t/rows?sort=a&order=desc&columns=a%2Cb&where=a%3Agt%3A0&where=b%3Ane%3Aq&limit=2")
        self.assertTrue(fake.calls[2][1].endswith("&cursor=c1"))

    def test_cut_off_answers(self):
        def chunked(handler, body):
            head(handler, "Transfer-Encoding: chunked")
            handler.wfile.write(b"8\r\n" + b'{"a":1}\n' + b"\r\n")
            end(handler)

        def counted(handler, body):
            head(handler, "Content-Length: 100")
            handler.wfile.write(b"short")
            end(handler)

        _, client = self.script(chunked, counted, counted, counted, retries=1)
        rows = client.stream_decode(b"x", "t", name="a")
        self.assertEqual((next(rows), rows.status), ({"a": 1}, "partial"))
        with self.assertRaisesRegex(wayside.Unreachable, "cut off"):
            next(rows)
        with self.assertRaisesRegex(wayside.Unreachable, "cut off"):
            client.download("f1")
        with tempfile.TemporaryDirectory() as d:
            with self.assertRaisesRegex(wayside.Unreachable, "cut off"):
                client.download("f1", os.path.join(d, "f"))
            self.assertEqual(os.listdir(d), [])

    def test_stream_decode(self):
        lines = [json.dumps({"n": i, "text": "ä" * 50}).encode() + b"\n" for i in range(5000)]

        def answer(handler, body):
            head(handler, "Transfer-Encoding: chunked")
            text = b"".join(lines)
            for at in range(0, len(text), 7777):
                piece = text[at : at + 7777]
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            handler.wfile.write(b"0\r\n\r\n")

        fake, client = self.serve(answer)
        seen = []
        with client.stream_decode(Once(b"z" * 600_000), "t", decoder="rail", progress_callback=lambda *p: seen.append(p)) as rows:
            self.assertEqual([r["n"] for r in rows], list(range(5000)))
            self.assertEqual((rows.status, rows.issues), ("partial", {"infos": 1, "warnings": 2, "errors": 3}))
        self.assertEqual(seen[-1], (600_000, None, None))
        self.assertEqual(fake.calls[0][1], "/api/v1/decode?decoder=rail&to=ndjson&table=t")

    def test_output_is_not_sent_twice(self):
        """What a stream gave once is gone: a second try would decode nothing."""

        def counted(handler, body):
            head(handler, "Content-Length: 100")
            end(handler)

        fake, client = self.script(counted, counted)
        with tempfile.TemporaryDirectory() as d, self.assertRaises(wayside.Unreachable):
            client.decode(io.BytesIO(b"x"), "csv", table="t", output=os.path.join(d, "t.csv"))
        self.assertEqual(len(fake.calls), 1)

    def test_process_files(self):
        def answer(handler, body):
            path = handler.path.split("?")[0]
            if path == "/api/v1/files":
                if body == b"large":
                    return handler.json(413, {"code": "too_large", "detail": "too large"})
                name = body.decode()
                return handler.json(201, {"file": {"id": "f-" + name, "name": name}, "decode": {"id": "d-" + name, "status": "queued"}})
            if path.endswith("/cancel"):
                return handler.json(200, {"id": "d-slow", "status": "cancelled"})
            name = path.rpartition("d-")[2]
            status = {"bad": "failed", "slow": "running", "cut": "partial"}.get(name, "done")
            error = {"code": "decode_failed", "message": "no", "offset": 3} if status == "failed" else None
            handler.json(200, {"id": "d-" + name, "status": status, "error": error})

        fake, client = self.serve(answer)
        progress = []
        files = [b"one", b"bad", b"large", "/nowhere/x.RU", b"slow", b"cut", 7]
        got = client.process_files(files, 3, lambda done, total: progress.append((done, total)), timeout_per_file=0.01)
        self.assertEqual({k: got[k] for k in ("total", "successful", "failed")}, {"total": 7, "successful": 2, "failed": 5})
        self.assertEqual([(r["file"], r["name"], r["file_id"], r["decode_id"], r["result"]["status"], r["success"]) for r in got["results"]],
                         [(b"one", "one", "f-one", "d-one", "done", True), (b"cut", "cut", "f-cut", "d-cut", "partial", True)])
        self.assertEqual([(e["file"], e["error"]["code"], e["error"]["offset"], e["success"]) for e in got["errors"]],
                         [(b"bad", "decode_failed", 3, False), (b"large", "too_large", None, False), ("/nowhere/x.RU", "unreadable", None, False),
                          (b"slow", "timeout", None, False), (7, "failed", None, False)])
        self.assertEqual(progress, [(i + 1, 7) for i in range(7)])
        self.assertIn("/api/v1/decodes/d-slow/cancel", [c[1] for c in fake.calls])
        named = client.process_files([b"one"], process_func=lambda up: up["file"]["name"].upper())
        self.assertEqual(named["results"][0]["result"], "ONE")
        self.assertEqual(client.process_files([])["total"], 0)
        with self.assertRaises(ZeroDivisionError):
            client.process_files([b"one", b"cut"], 1, lambda done, total: 1 / 0)

    def test_async(self):
        def answer(handler, body):
            path = handler.path.split("?")[0]
            if handler.command == "POST":
                return handler.json(201, TAKEN)
            if path.endswith("/rows"):
                first = "cursor" not in handler.path
                start = 0 if first else 1000
                return handler.json(200, {"columns": ["a"], "rows": [[i] for i in range(start, start + 1000)], "next_cursor": "c" if first else None})
            handler.json(200, DONE)

        fake = HTTPFake(answer)
        self.addCleanup(fake.close)

        async def main():
            async with wayside.AsyncClient(fake.url) as client:
                ups = await asyncio.gather(*(client.upload(b"x", wait=True) for _ in range(10)))
                rows = [r["a"] async for r in client.rows(ups[0], "t")]
                async for _ in client.rows(ups[0], "t"):
                    break
                told = []

                async def tell(done, total):
                    told.append((done, total))

                got = await client.process_files([b"a", b"b"], 2, tell)
                one = await client.file("f1")
                with self.assertRaises(AttributeError):
                    client.nothing
                return ups, rows, told, got, one

        ups, rows, told, got, one = asyncio.run(main())
        self.assertEqual({u["decode"]["status"] for u in ups}, {"done"})
        self.assertEqual(rows, list(range(2000)))
        self.assertEqual((told, got["successful"], one), ([(1, 2), (2, 2)], 2, DONE))

    def test_missing_packages_are_named(self):
        client = wayside.Client("127.0.0.1:9", retries=0)
        for method, package in (("to_pandas", "pandas"), ("to_polars", "polars"), ("to_arrow", "pyarrow")):
            with mock.patch.dict(sys.modules, {"pandas": None, "polars": None, "pyarrow": None, "pyarrow.parquet": None}):
                with self.assertRaisesRegex(ImportError, f"needs {package}, which is not installed: pip install"):
                    getattr(client.table("d1", "t"), method)()
        with self.assertRaises(ValueError):
            client.table("d1", "t").save("x.txt")
        self.assertEqual(client.table(TAKEN, "t").url, "http://127.0.0.1:9/api/v1/decodes/d1/tables/t.parquet")


class EarlyAnswer:
    """A server that reads the head of a request only, answers, and waits for the client to go."""

    def __init__(self):
        import socket
        import threading

        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen()
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        conn, _ = self.socket.accept()
        with conn:
            conn.recv(1024)
            body = b'{"code":"too_large","detail":"too large"}'
            conn.sendall(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            while conn.recv(1 << 20):
                pass

    def close(self):
        self.thread.join(10)
        self.socket.close()


def head(handler, line):
    handler.wfile.write(
        f"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nWayside-Decode-Status: partial\r\n"
        f"Wayside-Decode-Issues: infos=1, warnings=2, errors=3\r\n{line}\r\n\r\n".encode()
    )


def end(handler):
    """Cuts the connection."""
    handler.close_connection = True


def cut(handler, body):
    """Answers nothing."""
    end(handler)


if __name__ == "__main__":
    unittest.main()
