"""Makes a job and prints its result."""

import wayside

client = wayside.Client()
job = client.enqueue("word-count", {"text": "a durable queue keeps what it was told"})
print(job["id"], client.result(job["id"], wait=60))
