"""A folder of recordings as one CSV of a table: python folder.py DIR TABLE OUT.csv. Needs nothing but the appliance."""

import csv
import pathlib
import sys

import wayside


def main() -> int:
    folder, table, out = sys.argv[1:]
    client = wayside.Client()
    files = sorted(p for p in pathlib.Path(folder).rglob("*") if p.is_file())
    done = client.process_files(files, max_workers=4, progress_callback=lambda n, total: print(f"\r{n}/{total}", end="", file=sys.stderr))
    print(f"\n{done['successful']} decoded, {done['failed']} failed", file=sys.stderr)
    for e in done["errors"]:
        print(f"{e['file']}: {e['error']['code']}: {e['error']['message']}", file=sys.stderr)
    with open(out, "w", newline="") as f:
        writer = None
        for r in done["results"]:
            if not any(t["name"] == table and t["rows"] for t in r["result"]["tables"]):
                continue
            for row in client.rows(r["decode_id"], table):
                if writer is None:
                    writer = csv.DictWriter(f, ["file", *row], extrasaction="ignore")
                    writer.writeheader()
                writer.writerow({"file": r["name"], **row})
    return 1 if done["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
