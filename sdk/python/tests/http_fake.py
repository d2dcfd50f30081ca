"""A server that answers what a test tells it to, byte by byte where that matters."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HTTPFake:
    """``answer(handler, body)`` writes the answer; ``calls`` are what was asked: (method, path, headers, body)."""

    def __init__(self, answer):
        self.calls: list[tuple] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def body(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    out = b""
                    while True:
                        n = int(self.rfile.readline(), 16)
                        out += self.rfile.read(n)
                        self.rfile.readline()
                        if n == 0:
                            return out
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def json(self, status, doc, **headers):
                raw = json.dumps(doc).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
                self.send_header("Content-Length", str(len(raw)))
                for k, v in headers.items():
                    self.send_header(k.replace("_", "-"), v)
                self.end_headers()
                self.wfile.write(raw)

            def do_POST(self):
                body = self.body()
                fake.calls.append((self.command, self.path, dict(self.headers), body))
                answer(self, body)

            do_GET = do_PUT = do_DELETE = do_POST

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
