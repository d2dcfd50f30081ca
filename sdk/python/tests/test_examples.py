"""The example programs and the example of the README, run as they are against the built binary."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

from tests.appliance import BIN, Appliance
from tests.test_recordings import EXAMPLE, needs

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..", "..")


@unittest.skipUnless(BIN, "APPLIANCE_BIN names no binary")
class ExamplesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.appliance = Appliance()
        cls.addClassCleanup(cls.appliance.close)

    def run_python(self, *args, code=0, **options):
        env = {**os.environ, "WAYSIDE_SERVER": self.appliance.url, "PYTHONPATH": os.path.join(HERE, "..", "src")}
        done = subprocess.run([sys.executable, *args], env=env, capture_output=True, text=True, timeout=120, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout

    def example(self, name, *args, **options):
        return self.run_python(os.path.join(HERE, "..", "examples", name), *args, **options)

    def test_recordings(self):
        out = self.example("recordings.py", EXAMPLE, "telegrams")
        self.assertRegex(out, r"^example\.RU: rail-recorder, done, \d+ rows\n")
        self.assertIn("'seq': 1,", out)
        self.example("recordings.py", __file__, code=1)

    def test_folder(self):
        with tempfile.TemporaryDirectory() as d:
            for name in ("b.RU", "a.RU"):
                with open(EXAMPLE, "rb") as src, open(os.path.join(d, name), "wb") as dst:
                    dst.write(src.read())
            out = os.path.join(d, "out.csv")
            self.example("folder.py", d, "telegrams", out)
            with open(out) as f:
                lines = f.read().splitlines()
        self.assertTrue(lines[0].startswith("file,seq,offset,time,"))
        self.assertEqual([line[:6] for line in (lines[1], lines[-1])], ["a.RU,1", "b.RU,1"])

    def test_stream(self):
        rows = [json.loads(line) for line in self.example("stream.py", EXAMPLE, "telegrams").splitlines()]
        self.assertEqual([r["seq"] for r in rows], list(range(1, len(rows) + 1)))

    def test_async(self):
        self.assertEqual(self.example("async_upload.py", EXAMPLE, EXAMPLE).count(" issues\n"), 2)

    def test_cached_calls(self):
        first, again = (self.example("cached_calls.py", "abc") for _ in range(2))
        self.assertRegex(first, r"^\{'text': 'abc', 'length': 3, 'at': '\d\d:\d\d:\d\d'\} after 1\.\d+ s, kept as cached:cached_calls\.length:")
        self.assertEqual(first.split(" after ")[0], again.split(" after ")[0])

    @needs("pandas", "pyarrow")
    def test_readme(self):
        with open(os.path.join(HERE, "..", "README.md")) as f:
            code = re.search(r"```python\n(from wayside import Client\n.*?)```", f.read(), re.S).group(1)
        out = self.run_python("-c", code, cwd=TOP)
        self.assertRegex(out, r"^rail-recorder done \d+\n")
        self.assertIn("nid_bg", out)
        self.assertRegex(out, r"\n2025-03-14T05:12:57\.000000 79\.02\n")


if __name__ == "__main__":
    unittest.main()
