"""Many recordings at once with asyncio: python async_upload.py FILE…"""

import asyncio
import sys

import wayside


async def main() -> None:
    async with wayside.AsyncClient() as client:

        async def one(path):
            up = await client.upload(path, wait=True)
            n = 0
            async for _ in client.rows(up, "issues"):
                n += 1
            print(f"{path}: {up['decode']['rows']} rows, {n} issues")

        await asyncio.gather(*(one(p) for p in sys.argv[1:]))


asyncio.run(main())
