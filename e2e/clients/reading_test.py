"""Tables as other people's programs read them, from a running appliance: DuckDB, pyarrow, polars, pandas, openpyxl.

`make e2e-clients` runs it. A relay in front of the appliance counts the bytes that it sends, so that "a query reads
less than the file" is a number and no hope.
"""

import email.utils
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.request

import duckdb
import openpyxl
import pandas
import polars
import pyarrow.compute
import pyarrow.dataset
import pyarrow.fs
import pyarrow.ipc
import pyarrow.parquet
from fsspec.implementations.http import HTTPFileSystem

ROOT = pathlib.Path(__file__).resolve().parents[2]
APPLIANCE = os.environ.get("APPLIANCE_BIN", str(ROOT / "bin" / "wayside"))
RECORDING_BYTES = 48 << 20
# Small enough that a client fetches what it wants and not much around it.
BLOCK = 16 << 10


class Relay:
    """Passes connections on to the appliance and counts the bytes that come back."""

    def __init__(self, target):
        self.target, self.sent, self.lock = target, 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            threading.Thread(target=self.relay, args=(client, server), daemon=True).start()

    def relay(self, client, server):
        with client, server:
            back = threading.Thread(target=self.copy, args=(server, client, True), daemon=True)
            back.start()
            self.copy(client, server, False)
            back.join()

    def copy(self, source, sink, count):
        try:
            while data := source.recv(1 << 16):
                if count:  # before the client has them, so that it cannot be done first
                    with self.lock:
                        self.sent += len(data)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for s in (source, sink):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def take(self):
        """The bytes since the last time."""
        with self.lock:
            n, self.sent = self.sent, 0
        return n


class HTTP(HTTPFileSystem):
    """fsspec's HTTP as one wants it for tables.

    DuckDB asks when a file was changed, which fsspec does not tell of HTTP. And whether a file is there, and whether it is
    a folder, fsspec finds out by a GET of the whole file that it leaves after the headers: until the appliance notices,
    megabytes are on their way.
    """

    def modified(self, path):
        with urllib.request.urlopen(urllib.request.Request(path, method="HEAD")) as answer:
            return email.utils.parsedate_to_datetime(answer.headers["Last-Modified"])

    async def _exists(self, path, **kwargs):
        session = await self.set_session()
        async with session.head(path) as answer:
            return answer.status < 400

    async def _isdir(self, path):
        return False


class Reading(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        recording = os.path.join(cls.folder.name, "days.RU")
        subprocess.run(
            ["go", "run", "./examples/rail/makeexample", "-bytes", str(RECORDING_BYTES), "-o", recording], cwd=ROOT, check=True
        )
        cls.server = subprocess.Popen(
            [APPLIANCE, "serve", "--data-dir", os.path.join(cls.folder.name, "data"), "--listen", "127.0.0.1:0", "--kv-listen", "off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        cls.addClassCleanup(cls.stop)
        for line in cls.server.stderr:
            if found := re.match(r"ready http://([^:]+):(\d+)", line):
                cls.relay = Relay((found[1], int(found[2])))
                break
        else:
            raise AssertionError("the appliance did not start")
        threading.Thread(target=cls.server.stderr.read, daemon=True).start()
        with open(recording, "rb") as body:
            request = urllib.request.Request(
                cls.relay.url + "/api/v1/files?name=days.RU&wait=30", data=body, method="POST",
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(os.path.getsize(recording))},
            )
            with urllib.request.urlopen(request) as answer:
                decode = json.load(answer)["decode"]
        while decode["status"] in ("queued", "running"):
            with urllib.request.urlopen(cls.relay.url + "/api/v1/decodes/" + decode["id"] + "?wait=30") as answer:
                decode = json.load(answer)
        assert decode["status"] == "done", decode
        cls.tables = cls.relay.url + "/api/v1/decodes/" + decode["id"] + "/tables"
        cls.records = cls.tables + "/records.parquet"
        whole = cls.get("records.parquet")
        cls.size = len(whole)
        cls.truth = pyarrow.parquet.read_table(io.BytesIO(whole))
        n = cls.truth.num_rows
        cls.low, cls.high = n // 2, n // 2 + 5000
        some = cls.truth.slice(cls.low - 1, cls.high - cls.low + 1)  # seq begins at 1
        cls.mean = pyarrow.compute.mean(some["speed_kmh"].cast("float64")).as_py()
        print(f"\n{n} rows, {cls.size} bytes, {cls.truth.schema.names}")

    @classmethod
    def stop(cls):
        cls.server.send_signal(signal.SIGTERM)
        cls.server.wait(20)
        cls.relay.listener.close()
        cls.folder.cleanup()

    @classmethod
    def get(cls, path):
        with urllib.request.urlopen(cls.tables + "/" + path) as answer:
            return answer.read()

    def setUp(self):
        self.relay.take()

    def less(self, what, part):
        sent = self.relay.take()
        print(f"{what}: {sent} of {self.size} bytes ({100 * sent / self.size:.1f} %)")
        self.assertGreater(sent, 0)
        self.assertLess(sent, self.size * part)

    def http(self):
        return HTTP(block_size=BLOCK, cache_type="bytes", skip_instance_cache=True)

    def test_duckdb(self):
        with duckdb.connect() as db:
            db.register_filesystem(self.http())
            got = db.sql(f"select avg(speed_kmh), count(*) from read_parquet('{self.records}') where seq between {self.low} and {self.high}").fetchall()[0]
            self.assertAlmostEqual(float(got[0]), self.mean, 6)
            self.assertEqual(got[1], self.high - self.low + 1)
            self.less("DuckDB, one column of a narrow range", 0.2)
            got = db.sql(f"select count(*), max(seq) from read_parquet('{self.records}')").fetchall()[0]
            self.assertEqual(got, (self.truth.num_rows, self.truth.num_rows))
            self.less("DuckDB, count and maximum of seq", 0.2)

    def test_pyarrow(self):
        fs = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(self.http()))
        data = pyarrow.dataset.dataset(self.records, filesystem=fs, format="parquet")
        field = pyarrow.compute.field
        got = data.to_table(columns=["speed_kmh"], filter=(field("seq") >= self.low) & (field("seq") <= self.high))
        self.assertEqual(got.num_rows, self.high - self.low + 1)
        self.assertAlmostEqual(pyarrow.compute.mean(got["speed_kmh"].cast("float64")).as_py(), self.mean, 6)
        self.less("pyarrow, one column of a narrow range", 0.2)
        self.assertEqual(data.count_rows(), self.truth.num_rows)
        self.assertLess(self.relay.take(), self.size * 0.05, "the footer is known by now")

    def test_polars(self):
        lazy = polars.scan_parquet(self.records)
        got = lazy.filter(polars.col("seq").is_between(self.low, self.high)).select(polars.col("speed_kmh").cast(polars.Float64).mean(), polars.len().alias("n")).collect()
        self.assertAlmostEqual(got["speed_kmh"][0], self.mean, 6)
        self.assertEqual(got["n"][0], self.high - self.low + 1)
        self.less("polars, one column of a narrow range", 0.2)

    def test_pandas(self):
        got = pandas.read_parquet(self.http().open(self.records), columns=["speed_kmh"], filters=[("seq", ">=", self.low), ("seq", "<=", self.high)])
        self.assertAlmostEqual(float(got["speed_kmh"].astype(float).mean()), self.mean, 6)
        self.less("pandas, one column of a narrow range", 0.2)
        csv = pandas.read_csv(f"{self.tables}/records.csv?columns=speed_kmh&where=seq:ge:{self.low}&where=seq:le:{self.high}")
        self.assertAlmostEqual(csv["speed_kmh"].mean(), self.mean, 6)

    def test_every_form_holds_the_same(self):
        query = f"?columns=seq,time,speed_kmh&where=seq:ge:{self.low}&where=seq:le:{self.low + 99}&sort=speed_kmh&order=desc"
        forms = {f: self.get(f"records.{f}{query}") for f in ("parquet", "arrow", "csv", "json", "ndjson", "xlsx")}
        want = pyarrow.parquet.read_table(io.BytesIO(forms["parquet"]))
        self.assertEqual(want.num_rows, 100)
        seq, speed = want["seq"].to_pylist(), [float(x) for x in want["speed_kmh"].to_pylist()]
        self.assertEqual(speed, sorted(speed, reverse=True))
        self.assertTrue(pyarrow.ipc.open_stream(forms["arrow"]).read_all()["seq"].equals(want["seq"]))
        for name, got in {
            "csv": pandas.read_csv(io.BytesIO(forms["csv"])),
            "json": pandas.DataFrame(json.loads(forms["json"])),
            "ndjson": pandas.read_json(io.BytesIO(forms["ndjson"]), lines=True),
            "polars": polars.read_ndjson(forms["ndjson"]),
        }.items():
            self.assertEqual(list(got["seq"]), seq, name)
            self.assertEqual(list(got["speed_kmh"]), speed, name)
        book = openpyxl.load_workbook(io.BytesIO(forms["xlsx"]))
        cells = list(book["records"].iter_rows(values_only=True))
        self.assertEqual(cells[0], ("seq", "time", "speed_kmh"))
        self.assertEqual([r[0] for r in cells[1:]], seq)
        self.assertEqual([r[2] for r in cells[1:]], speed)
        for cell, at in zip(cells[1:], want["time"].to_pylist()):
            if at is not None:  # openpyxl rounds to milliseconds
                self.assertLess(abs((cell[1] - at.replace(tzinfo=None)).total_seconds()), 0.002)
        about = {r[0]: r[1:3] for r in book["About columns"].iter_rows(values_only=True)}
        self.assertEqual(about["speed_kmh"][0], "km/h")


if __name__ == "__main__":
    unittest.main()
