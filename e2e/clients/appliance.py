"""The built appliance and other programs as processes of tests, and waiting for what they do."""

import collections
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, what, within=30.0):
    """Gives the first true value of condition, which is asked again and again."""
    end = time.monotonic() + within
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what() if callable(what) else what}")
        time.sleep(0.02)  # between two questions


def certificate(folder):
    """Writes a certificate for this machine that is its own authority, gives the paths of it and of its key."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", key, "-out", cert,
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"], check=True, capture_output=True,
    )
    return cert, key


class Program:
    """A process in a session of its own, so that it can be killed with its children, and the end of what it writes."""

    def __init__(self, command, env=None, cwd=None):
        self.name = " ".join(map(str, command))
        self.process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(env or {})}, start_new_session=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        self.lines = collections.deque(maxlen=2000)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def text(self):
        return "".join(tuple(self.lines))

    def wait_for(self, pattern, within=60.0):
        """Waits for a line that the program writes."""
        def look():
            if found := re.search(pattern, self.text):
                return found
            if self.process.poll() is not None:
                self.reader.join(5)
                if found := re.search(pattern, self.text):
                    return found
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.text}")
            return None
        return until(look, lambda: f"{self.name} writes {pattern!r}:\n{self.text}", within)

    def wait(self, within=60.0):
        """Waits for the end of the program, gives how it ended."""
        code = self.process.wait(within)
        self.reader.join(5)
        return code

    def _kill(self):
        """Kills all processes of the session: children may have made groups of their own."""
        killed = True
        while killed:
            killed = False
            for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
                try:
                    state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
                    if int(session) == self.process.pid and state != "Z":
                        os.kill(int(path.parent.name), signal.SIGKILL)
                        killed = True
                except (FileNotFoundError, ProcessLookupError):
                    pass  # it ended

    def end(self, how=signal.SIGKILL, within=30.0):
        """Ends the program: by SIGKILL all of its processes, else the first, which ends the others."""
        try:
            if self.process.poll() is None and how != signal.SIGKILL:
                self.process.send_signal(how)
                self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end:\n{self.text}") from None
        finally:
            self._kill()  # what it left behind, too
            code = self.process.wait(within)
            self.reader.join(within)
            self.process.stdout.close()
        return code


class Appliance:
    """The built appliance on a data folder and ports that stay the same over its restarts."""

    def __init__(self, binary, folder=None, kv=False, env=None):
        self.folder = None if folder else tempfile.TemporaryDirectory(prefix="wayside-clients-")
        self.port, self.kv_port = free_port(), free_port() if kv else None
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = env or {}
        self.command = [
            binary, "serve", "--data-dir", folder or os.path.join(self.folder.name, "data"), "--listen", f"127.0.0.1:{self.port}",
            "--kv-listen", f"127.0.0.1:{self.kv_port}" if kv else "off",
        ]
        self.start()

    def redis(self, db=0):
        return f"redis://127.0.0.1:{self.kv_port}/{db}"

    def start(self):
        self.program = Program(self.command, self.env)
        try:
            self.program.wait_for(r"(?m)^ready http", 120)
        except BaseException:
            self.kill()
            raise

    def kill(self):
        self.program.end(signal.SIGKILL)

    def close(self):
        """Ends the appliance in order, and removes its folder if it is its own."""
        try:
            if (code := self.program.end(signal.SIGTERM)) != 0:
                raise AssertionError(f"the appliance ended with {code}:\n{self.program.text}")
        finally:
            if self.folder:
                self.folder.cleanup()
