"""tuspy against the built appliance: 200 MB in pieces, of which the appliance is killed, and with which another client goes on."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import urllib.request

from tusclient import client

from appliance import Appliance


def main(binary):
    size = int(os.environ.get("SIZE", 200 * 1000 * 1000))
    work = tempfile.mkdtemp(prefix="wayside-tuspy-")
    path = os.path.join(work, "recording.bin")
    data = os.urandom(size)
    with open(path, "wb") as f:
        f.write(data)
    digest = hashlib.sha256(data).hexdigest()
    appliance = Appliance(binary, os.path.join(work, "data"))
    try:
        tus = client.TusClient(appliance.url + "/api/v1/uploads/")
        options = {"chunk_size": 8_000_000, "metadata": {"filename": "recording.bin"}, "upload_checksum": True, "retries": 5, "retry_delay": 1}
        first = tus.uploader(path, **options)
        while first.offset < size * 0.4:
            first.upload_chunk()
        appliance.kill()
        appliance.start()
        second = tus.uploader(path, url=first.url, **options)
        if second.offset != first.offset:
            raise RuntimeError(f"{first.offset} bytes were acknowledged, after the kill there are {second.offset}")
        second.upload()
        with urllib.request.urlopen(appliance.url + "/api/v1/files") as answer:
            files = json.load(answer)["items"]
        if [(f["sha256"], f["size"], f["name"]) for f in files] != [(digest, size, "recording.bin")]:
            raise RuntimeError(f"other files: {files}")
        print(f"tuspy: {size} bytes with checksums, killed at {first.offset}, one file, the digest is the same")
    finally:
        appliance.kill()
        shutil.rmtree(work)


if __name__ == "__main__":
    main(sys.argv[1])
