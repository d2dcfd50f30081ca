"""Hooks of schemathesis for `make contract`: real ids among those it makes up, short waits, lines of JSON."""

import json
import os
import zlib

import schemathesis

with open(os.environ["CONTRACT_UPLOAD"], encoding="utf-8") as f:
    UPLOAD = json.load(f)
FILE, DECODE = UPLOAD["file"]["id"], UPLOAD["decode"]["id"]


@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx, value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return json.dumps(value).encode()


@schemathesis.serializer("application/offset+octet-stream")
def piece(ctx, value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Half of the reads ask for what is there; no request waits for long."""
    for part in (case.query, case.body):
        if isinstance(part, dict) and isinstance(part.get("wait"), (int, float)) and 0.2 < part["wait"] <= 30:
            part["wait"] = 0.2
    path = case.path_parameters
    if case.method.upper() != "GET" or not isinstance(path, dict) or zlib.crc32((str(path) + str(case.query)).encode("utf-8", "replace")) % 2:
        return
    if case.path.startswith("/files/"):
        path["id"] = FILE
    elif case.path.startswith("/decodes/"):
        path["id"] = DECODE
        if "table" in path:
            path["table"] = "records"
