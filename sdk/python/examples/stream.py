"""Rows of a recording of any size, without storing it: python stream.py FILE TABLE, or - for standard input."""

import json
import sys

import wayside


def main() -> int:
    name, table = sys.argv[1:]
    source = sys.stdin.buffer if name == "-" else name
    with wayside.Client().stream_decode(source, table) as rows:
        for row in rows:
            print(json.dumps(row))
    return 0 if rows.status == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
