"""A worker that appends the id of every job it runs to a file: python tests/effects_worker.py URL FILE CONCURRENCY."""

import os
import sys

import wayside

url, path, concurrency = sys.argv[1], sys.argv[2], int(sys.argv[3])
effects = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
app = wayside.App(url)


@app.job("effect")
def effect(job):
    os.write(effects, f"{job.payload['n']}\n".encode())
    return job.payload["n"]


app.run(concurrency=concurrency, lease_seconds=5, grace=10)
