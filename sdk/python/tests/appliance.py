"""The built binary as a process that can be killed and started again, on the same data and the same port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

BIN = os.environ.get("APPLIANCE_BIN", "")


class Appliance:
    def __init__(self, *settings: str):
        self.dir = tempfile.mkdtemp(prefix="wayside-python-")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {**os.environ, "WAYSIDE_LOG_LEVEL": "error", **dict(s.split("=", 1) for s in settings)}
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [BIN, "serve", "--data-dir", self.dir, "--listen", f"127.0.0.1:{self.port}", "--kv-listen", "off"],
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        ready = threading.Event()
        self.reader = threading.Thread(target=self._read, args=(self.process.stderr, ready), daemon=True)
        self.reader.start()
        if not ready.wait(60) or self.process.poll() is not None:
            raise RuntimeError("the appliance does not start")

    @staticmethod
    def _read(stderr, ready):
        with stderr:
            for line in stderr:
                if line.startswith("ready "):
                    ready.set()
        ready.set()

    def kill(self):
        """kill -9, as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.reader.join()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)
