"""Sends tasks to the workers of depot.py and prints what comes back, in the order in which they were done."""

import time

from depot import check, report, whole_fleet

# Twelve trains wait for their turn; then an urgent one comes.
routine = [check.apply_async((f"train {n}",), priority=7) for n in range(1, 13)]
urgent = check.apply_async(("train 13, which smokes",), priority=0)

waiting = {r.id: r for r in [*routine, urgent]}
for r in waiting.values():
    r.get(timeout=60)
done = sorted(waiting.values(), key=lambda r: r.date_done)
for place, r in enumerate(done, 1):
    print(f"{place:2}. {r.result}")
print(f"urgent: place {done.index(urgent) + 1} of {len(done)}")

print(report.delay("train 1").get(timeout=60))
print(whole_fleet([f"train {n}" for n in range(1, 6)])().get(timeout=60))

begun = time.monotonic()
print(check.apply_async(("train 14",), countdown=2).get(timeout=60), f"after {time.monotonic() - begun:.0f} s")
