"""What is in a recording: python recordings.py FILE [TABLE], on an appliance that runs (WAYSIDE_SERVER, WAYSIDE_TOKEN)."""

import sys

import wayside


def main() -> int:
    client = wayside.Client()
    try:
        up = client.upload(sys.argv[1], wait=True)
    except wayside.DecodeFailed as e:
        print(f"{sys.argv[1]}: {e.code}: {e.detail}", file=sys.stderr)
        return 1
    decode = up["decode"]
    print(f"{up['file']['name']}: {up['file']['format']}, {decode['status']}, {decode['rows']} rows")
    for table in client.tables(decode):
        print(f"  {table['name']:20} {table['rows']:8} rows, {len(table['columns'])} columns")
    if len(sys.argv) > 2:
        for row in client.rows(decode, sys.argv[2]):
            print(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
