"""Prints what a slow function gives; run again within ten minutes, it does not wait. The argument is anything."""

import sys
import time

from wayside import cached


@cached(ttl=600)
def length(text: str) -> dict:
    time.sleep(1)  # what takes long
    return {"text": text, "length": len(text), "at": time.strftime("%H:%M:%S")}


if __name__ == "__main__":
    began = time.monotonic()
    value = length(sys.argv[1])
    print(value, f"after {time.monotonic() - began:.3f} s, kept as {length.key(sys.argv[1])}")
