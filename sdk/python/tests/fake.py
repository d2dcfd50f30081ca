"""An appliance that keeps its jobs in a list: enough of the API to see what a worker says, and when."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Fake:
    def __init__(self):
        self.changed = threading.Condition()
        self.ready: list[dict] = []
        self.leases: dict[str, dict] = {}
        self.told: list[tuple[str, dict]] = []
        self.beats: list[dict] = []
        self.calls: list[tuple[str, str, dict]] = []
        self.states: dict[str, str] = {}  # what heartbeats answer, by job
        self.drain = False
        self.broken = 0  # so many calls are answered by 503
        self.refusals: list[str] = []  # codes that the next ends are refused with
        self.deaf = False  # ends and leases are answered by 503, signs of life are not
        self.n = 0
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
                status, answer = fake.answer(self.path, body)
                raw = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def add(self, type, payload=None, **more):
        with self.changed:
            self.n += 1
            job = {"id": f"j{self.n}", "type": type, "queue": "default", "payload": payload, "attempt": 1, "max_attempts": 4, **more}
            self.ready.append(job)
            self.changed.notify_all()
            return job["id"]

    def wait_told(self, n, seconds=10):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.told) >= n, seconds), f"told: {self.told}"
            return list(self.told)

    def wait_beats(self, n, seconds=20):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.beats) >= n, seconds), f"beats: {self.beats}"
            return list(self.beats)

    def answer(self, path, body):
        path = path.split("?")[0].removeprefix("/api/v1") if hasattr(str, "removeprefix") else path
        with self.changed:
            self.calls.append(("", path, body))
            if self.deaf and path != "/leases/heartbeat":
                return 503, {"code": "unavailable", "detail": "not now", "retry_after": 1}
            if self.broken:
                self.broken -= 1
                return 503, {"code": "shutting_down", "detail": "not now"}
            if path == "/leases":
                out = self.finish(body)
                wants = lambda: [j for j in self.ready if j["type"] in body["types"]]
                if not wants() and body.get("wait"):
                    self.changed.wait_for(wants, body["wait"] / 20)
                jobs = [] if self.drain else wants()[: body["max"]]
                for j in jobs:
                    self.ready.remove(j)
                    j["lease"] = f"lease-{j['id']}-{j['attempt']}"
                    self.leases[j["id"]] = j
                return 200, {"jobs": jobs, "drain": self.drain, **out}
            if path == "/leases/finish":
                return 200, self.finish(body)
            if path == "/leases/heartbeat":
                self.beats += body["leases"]
                self.changed.notify_all()
                return 200, {"leases": [{"id": b["id"], "state": self.states.get(b["id"], "ok")} for b in body["leases"]]}
            if path == "/jobs":
                return 201, {"id": "j1", **body}
            return 404, {"code": "not_found", "detail": "no such thing", "errors": [{"field": "id", "message": "unknown"}]}

    def finish(self, body):
        lost, refused, acked, failed = [], [], 0, 0
        for kind in ("ack", "fail", "release"):
            for entry in body.get(kind) or ():
                if self.refusals:
                    refused.append({"id": entry["id"], "code": self.refusals.pop(0), "message": "no"})
                    continue
                held = self.leases.get(entry["id"])
                if held is None or held["lease"] != entry["lease"]:
                    lost.append(entry["id"])
                    continue
                del self.leases[entry["id"]]
                self.told.append((kind, entry))
                acked += kind == "ack"
                failed += kind == "fail"
        self.changed.notify_all()
        return {"acked": acked, "failed": failed, "lost": lost, "refused": refused}
