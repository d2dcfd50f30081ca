"""A worker with one quick and one slow job. Start an appliance, then:

    WAYSIDE_TOKEN=… PYTHONPATH=src python examples/worker.py &
    PYTHONPATH=src python examples/produce.py
"""

import asyncio
import logging

import wayside

app = wayside.App()
log = logging.getLogger("example")


@app.job("word-count")
def word_count(job):
    words = job.payload["text"].split()
    log.info("counted %d words", len(words))
    return {"words": len(words)}


@app.job("countdown")
async def countdown(job):
    n = job.payload["from"]
    for left in range(n, 0, -1):
        job.progress((n - left) / n, f"{left} to go")
        await asyncio.sleep(1)
    return "lift-off"


if __name__ == "__main__":
    handler = logging.StreamHandler()
    handler.addFilter(wayside.ContextFilter())
    handler.setFormatter(wayside.JSONFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    app.run(concurrency=4)
