"""The client for recordings against the built binary, whose path is in APPLIANCE_BIN."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import io
import os
import resource
import shutil
import tempfile
import threading
import time
import unittest
from decimal import Decimal

import wayside
from tests.appliance import BIN, Appliance

EXAMPLE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "examples", "rail", "example.RU")


def needs(*packages):
    """Leaves a test out where a package is missing, and says so."""
    missing = [p for p in packages if importlib.util.find_spec(p) is None]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)} (pip install pandas polars pyarrow)")


def example(n=0):
    """The example recording, in as many different versions as wanted: a byte of the first record differs."""
    with open(EXAMPLE, "rb") as f:
        data = bytearray(f.read())
    data[7] ^= n
    return bytes(data)


@unittest.skipUnless(BIN, "APPLIANCE_BIN names no binary")
class RecordingsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.appliance = Appliance()
        cls.addClassCleanup(cls.appliance.close)
        cls.client = wayside.Client(cls.appliance.url)
        cls.addClassCleanup(cls.client.close_all)
        cls.up = cls.client.upload(EXAMPLE, wait=True)

    def test_upload(self):
        self.assertEqual((self.up["file"]["name"], self.up["file"]["format"], self.up["decode"]["status"]), ("example.RU", "rail-recorder", "done"))
        again = self.client.upload(example(), "example.RU", wait=10)
        self.assertEqual((again["file"]["id"], again["decode"]["id"]), (self.up["file"]["id"], self.up["decode"]["id"]))
        stored = self.client.upload(b"no recording", "notes.txt", decode=False)
        self.assertIsNone(stored["decode"])
        with self.assertRaises(wayside.DecodeFailed) as caught:
            self.client.upload(b"no recording", "notes.txt", wait=True)
        self.assertEqual(caught.exception.code, "unknown_format")
        other = self.client.start_decode(self.up["file"]["id"], params={"timezone": "Europe/Berlin"})
        self.assertEqual(self.client.wait(other)["params"]["timezone"], "Europe/Berlin")
        with self.assertRaises(wayside.Error) as caught:
            self.client.upload(EXAMPLE, params={"nope": 1})
        self.assertEqual((caught.exception.status, caught.exception.code), (422, "validation_failed"))
        self.assertRegex(caught.exception.request_id, r"\w+")

    def test_files(self):
        self.assertIn(self.up["file"]["id"], [f["id"] for f in self.client.files(name="EXAMPLE", limit=1)])
        self.assertEqual(self.client.file(self.up["file"]["id"])["sha256"], self.up["file"]["sha256"])
        self.assertEqual(self.client.download(self.up), example())
        out = io.BytesIO()
        self.client.download(self.up["file"], out)
        self.assertEqual(out.getvalue(), example())
        with tempfile.TemporaryDirectory() as d:
            self.client.download(self.up["file"]["id"], os.path.join(d, "x"))
            self.assertEqual(os.listdir(d), ["x"])
        gone = self.client.upload(example(9), "gone.RU", wait=True)
        self.client.delete_decode(gone)
        self.client.delete_file(gone["file"]["id"])
        with self.assertRaises(wayside.Error) as caught:
            self.client.file(gone["file"]["id"])
        self.assertEqual((caught.exception.status, caught.exception.code), (404, "not_found"))

    def test_detect(self):
        self.assertEqual(self.client.detect(EXAMPLE)["format"], "rail-recorder")
        self.assertIsNone(self.client.detect(b"no recording"))

    def test_rows(self):
        tables = {t["name"]: t["rows"] for t in self.client.tables(self.up)}
        rows = list(self.client.rows(self.up, "records", page_size=100))
        self.assertEqual(len(rows), tables["records"])
        self.assertEqual([r["seq"] for r in rows], list(range(1, len(rows) + 1)))
        fast = list(self.client.rows(self.up, "records", where="speed_kmh:gt:79", columns=["seq", "speed_kmh"], sort="speed_kmh", order="desc"))
        self.assertEqual(sorted((r["speed_kmh"] for r in fast), reverse=True), [r["speed_kmh"] for r in fast])
        self.assertEqual(len(fast), sum(1 for r in rows if (r["speed_kmh"] or 0) > 79))
        self.assertEqual(len(list(self.client.issues(self.up))), tables["issues"])
        with self.assertRaises(wayside.Error) as caught:
            next(self.client.rows(self.up, "records", where="speed_kmh:gt:fast"))
        self.assertEqual(caught.exception.code, "validation_failed")

    def test_table(self):
        table = self.client.table(self.up, "telegrams")
        self.assertEqual((len(table), table.columns[:2]), (len(list(table)), ["seq", "offset"]))
        with tempfile.TemporaryDirectory() as d:
            table.save(os.path.join(d, "t.csv"), columns=["seq"])
            with open(os.path.join(d, "t.csv")) as f:
                self.assertEqual(f.read().split(), ["seq"] + [str(i + 1) for i in range(len(table))])
            table.save(os.path.join(d, "t.parquet"))
            with open(os.path.join(d, "t.parquet"), "rb") as f:
                self.assertEqual(f.read(4), b"PAR1")
            self.assertEqual(len(os.listdir(d)), 2)
        with self.assertRaises(KeyError):
            self.client.table(self.up, "nope").info

    @needs("pandas", "pyarrow")
    def test_pandas(self):
        frame = self.client.table(self.up, "records").to_pandas()
        rows = list(self.client.rows(self.up, "records"))
        self.assertEqual(frame["seq"].tolist(), [r["seq"] for r in rows])
        self.assertIsInstance(frame["location_m"].dropna().iloc[0], Decimal)
        self.assertEqual(str(frame["time"].iloc[0]), "2025-03-14 05:12:08")
        few = self.client.table(self.up, "records").to_pandas(where="seq:le:3", columns=["seq"])
        self.assertEqual((few["seq"].tolist(), list(few.columns)), ([1, 2, 3], ["seq"]))

    @needs("polars")
    def test_polars(self):
        frame = self.client.table(self.up, "telegrams").to_polars()
        self.assertEqual(frame["nid_bg"].to_list(), [r["nid_bg"] for r in self.client.rows(self.up, "telegrams")])

    @needs("pyarrow")
    def test_arrow(self):
        import pyarrow as pa

        table = self.client.table(self.up, "telegrams").to_arrow()
        self.assertEqual(table.num_rows, len(self.client.table(self.up, "telegrams")))
        self.assertEqual(table.schema.field("location_m").type, pa.decimal128(18, 2))
        empty = self.client.table(self.up, "telegrams").to_arrow(where="seq:lt:0")
        self.assertEqual((empty.num_rows, empty.column_names), (0, table.column_names))

    def test_decode(self):
        got = self.client.decode(EXAMPLE)
        self.assertEqual((got["decode"]["status"], len(got["tables"]["telegrams"])), ("done", len(self.client.table(self.up, "telegrams"))))
        csv = self.client.decode(EXAMPLE, "csv", table="telegrams")
        self.assertTrue(csv.startswith(b"seq,offset,time,"))
        with self.assertRaises(wayside.Error) as caught:
            self.client.decode(b"no recording")
        self.assertEqual((caught.exception.status, caught.exception.code), (422, "unknown_format"))

    def test_stream_decode(self):
        with self.client.stream_decode(EXAMPLE, "records") as rows:
            got = list(rows)
        self.assertEqual((rows.status, got), ("done", list(self.client.rows(self.up, "records"))))
        with self.client.stream_decode(example()[:5000], "records", name="cut.RU") as rows:
            self.assertEqual(rows.status, "partial")
            self.assertGreater(len(list(rows)), 10)

    def test_stream_decode_in_bounded_memory(self):
        """A recording of 64 MiB, made as it is sent, and its rows: neither is ever in memory."""
        copies = (64 << 20) // os.path.getsize(EXAMPLE)

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        self.client.stream_decode(EXAMPLE, "records").close()
        before = peak()
        with self.client.stream_decode(Copies(example(), copies), "records", name="long.RU", params={"variables": False}) as rows:
            n = sum(1 for _ in rows)
        grown = (peak() - before) / 1024
        self.assertEqual(n, copies * len(self.client.table(self.up, "records")))
        self.assertLess(grown, 40, "MiB more memory")
        print(f"\n{copies * len(example()) >> 20} MiB sent, {n} rows, {grown:.0f} MiB more memory", flush=True)

    def test_process_files(self):
        with tempfile.TemporaryDirectory() as d:
            files = []
            for i in range(6):
                files.append(os.path.join(d, f"{i}.RU" if i != 2 else "2.txt"))
                with open(files[-1], "wb") as f:
                    f.write(example(i + 20) if i != 2 else b"no recording")
            files.append(os.path.join(d, "missing.RU"))
            told = []
            got = self.client.process_files(files, max_workers=3, progress_callback=lambda done, total: told.append((done, total)))
        self.assertEqual((got["total"], got["successful"], got["failed"], len(told)), (7, 5, 2, 7))
        self.assertEqual([os.path.basename(r["file"]) for r in got["results"]], ["0.RU", "1.RU", "3.RU", "4.RU", "5.RU"])
        self.assertEqual([e["error"]["code"] for e in got["errors"]], ["unknown_format", "unreadable"])
        self.assertEqual(self.client.get_decode(got["results"][0]["decode_id"])["status"], "done")

    def test_async(self):
        async def main():
            async with wayside.AsyncClient(self.appliance.url) as client:
                up = await client.upload(EXAMPLE, wait=True)
                rows = [r async for r in client.rows(up, "telegrams")]
                streamed = [r async for r in client.stream_decode(EXAMPLE, "telegrams")]
                tables = await client.tables(up)
                got = await client.process_files([example(40), b"no recording"], 2)
                return rows, streamed, tables, got

        rows, streamed, tables, got = asyncio.run(main())
        self.assertEqual(rows, streamed)
        self.assertEqual({t["name"]: t["rows"] for t in tables}["telegrams"], len(rows))
        self.assertEqual((got["successful"], got["failed"]), (1, 1))

    def test_kill_while_processing(self):
        """An appliance that is killed and started again in the middle loses nothing, and nobody notices."""
        files = [example(n) for n in range(30)]
        client = wayside.Client(self.appliance.url, retries=8)
        self.addCleanup(client.close_all)
        killed = threading.Event()

        def progress(done, total):
            if done == 10 and not killed.is_set():
                killed.set()
                self.appliance.kill()
                time.sleep(0.3)  # for calls that meet nobody
                self.appliance.start()

        got = client.process_files(files, 4, progress)
        self.assertTrue(killed.is_set())
        self.assertEqual((got["successful"], got["errors"]), (30, []))


    def test_resume(self):
        """An appliance that is killed in the middle is borne; what is sent is sent once, but for what was on its way."""
        data = os.urandom(40 << 20)
        client = wayside.Client(self.appliance.url, retries=8)
        self.addCleanup(client.close_all)
        killed, told = threading.Event(), []

        def progress(sent, size, percent):
            told.append(sent)
            if sent > len(data) // 2 and not killed.is_set():
                killed.set()
                self.appliance.kill()
                self.appliance.start()

        got = client.upload(data, "large.bin", resume=True, progress=progress)
        self.assertTrue(killed.is_set())
        self.assertEqual((got["file"]["sha256"], got["file"]["name"], got["file"]["source"]), (hashlib.sha256(data).hexdigest(), "large.bin", "tus"))
        self.assertEqual(told[-1], len(data))
        with self.assertRaises(wayside.DecodeFailed):
            client.upload(data, "large.bin", resume=True, wait=True)

    def test_resume_in_a_later_call(self):
        """A call whose process ends goes on in another one that has the same folder."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        data = io.BytesIO(os.urandom(64 << 20))

        def stop(sent, size, percent):
            if sent > 30 << 20:
                raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            self.client.upload(data, "later.bin", resume=folder, progress=stop)
        self.assertEqual(len(os.listdir(folder)), 1)
        told = []
        data.seek(0)
        got = wayside.Client(self.appliance.url).upload(data, "later.bin", resume=folder, progress=lambda sent, *_: told.append(sent))
        self.assertEqual(got["file"]["sha256"], hashlib.sha256(data.getvalue()).hexdigest())
        self.assertGreater(told[0], 1 << 20)
        self.assertEqual(os.listdir(folder), [])

    def test_resume_refusals(self):
        with self.assertRaises(wayside.Error) as caught:
            self.client.upload(EXAMPLE, resume=True, decoder="none")
        self.assertEqual((caught.exception.status, caught.exception.code), (422, "validation_failed"))
        for wrong in ({"decode": False}, {"force": True}):
            with self.assertRaises(ValueError):
                self.client.upload(EXAMPLE, resume=True, **wrong)
        with self.assertRaises(ValueError):
            self.client.upload(Copies(b"x", 2), "x", resume=True)
        with self.assertRaises(wayside.Error) as caught:
            wayside.Client(self.appliance.url + "/elsewhere").upload(EXAMPLE, resume=True)
        self.assertRegex(str(caught.exception), r"elsewhere/api/v1/uploads takes no uploads that resume")
        up = self.client.upload(EXAMPLE, resume=True, wait=True, params={"timezone": "Europe/Berlin"})
        self.assertEqual((up["decode"]["status"], up["decode"]["params"]["timezone"]), ("done", "Europe/Berlin"))

    def test_resume_async(self):
        async def send():
            async with wayside.AsyncClient(self.appliance.url) as client:
                return await client.upload(example(77), "async.RU", resume=True, wait=True)

        self.assertEqual(asyncio.run(send())["decode"]["status"], "done")


class Copies(io.RawIOBase):
    """A recording many times over, which is nowhere as a whole."""

    def __init__(self, data, times):
        self.data, self.left, self.at = data, times, 0

    def readable(self):
        return True

    def read(self, n=-1):
        if self.at == len(self.data):
            self.left, self.at = self.left - 1, 0
        if self.left == 0:
            return b""
        piece = self.data[self.at : self.at + n]
        self.at += len(piece)
        return piece


if __name__ == "__main__":
    unittest.main()
