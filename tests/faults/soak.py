"""``make soak``: films and instances for hours, with kills in between; memory, threads and descriptors must not grow.

``python -m tests.faults.soak FILMS INSTANCES [KILL_EVERY]``: the balance at the end is the ledger's.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.instances import missing, send_until_kept
from tests.faults.plant import Plant, Running, Zygote, make_template, plant
from tests.fuzz.driver import Health

BATCH = 50
WARM = 2
"""Batches after a start until a part is warm: a fork has read next to nothing of its libraries."""
QUIET_SECONDS = 5.0
"""After a batch, before memory is read: what is given back is given back in a quiet moment."""
DEVICES = ("folder", "ipp")
"""Those that can be asked: a kill leaves none of their films for a person to look at."""


def run(works: Plant, films: int, instances: int, kill_every: int) -> bool:
    """Whether the ledger balances and nothing grew by more than 5 %."""
    chance = random.Random(1)
    parts = {name: works.start(name) for name in ("dicom", "films")}
    told: dict[int, str] = {}
    warm: dict[str, Health] = {}
    age = dict.fromkeys(parts, 0)  # batches since its start
    for number in range(0, films, BATCH):
        answers = {works.send_film(chance.choice(DEVICES)) for _ in range(BATCH)}
        each = instances * BATCH // films
        told |= send_until_kept(works, list(range(number // BATCH * each + 1, (number // BATCH + 1) * each + 1)))
        works.drain(120)
        time.sleep(QUIET_SECONDS)
        health = {name: Health.of(part.pid) for name, part in parts.items()}
        age = {name: batches + 1 for name, batches in age.items()}
        warm = {name: one for name, one in health.items() if age[name] == WARM} | warm
        print(time.strftime("%H:%M:%S"), number + BATCH, sorted(answers), _words(health), flush=True)
        if kill_every and number and number % kill_every == 0 and number + max(films // 4, 4 * BATCH) <= films:
            name = chance.choice(tuple(parts))
            parts[name].stop(signal.SIGKILL)
            parts[name] = works.start(name)
            age[name] = 0
            warm.pop(name, None)
    return _balance(works, told, parts, warm)


def _balance(works: Plant, told: dict[int, str], parts: dict[str, Running], warm: dict[str, Health]) -> bool:
    works.drain(300)
    time.sleep(QUIET_SECONDS)
    verdict, lost = works.verdict(), missing(works, told)
    grown = {name: Health.of(part.pid).resident / warm[name].resident for name, part in parts.items() if name in warm}
    print(f"films sent {len(works.ledger.answers())}, printed {len(works.printed())}: {verdict}")
    print(f"instances sent {len(told)}, wrong: {lost}; memory after warm-up, times: {grown}")
    return verdict.balanced and not lost and all(times < 1.05 for times in grown.values())


def _words(health: dict[str, Health]) -> str:
    return "; ".join(
        f"{name} {one.resident >> 20} MiB {one.threads} threads {one.files} files" for name, one in health.items()
    )


def main() -> None:
    films, instances, kill_every = (*map(int, sys.argv[1:]), *(10_000, 100_000, 1000)[len(sys.argv) - 1 :])
    zygote = Zygote()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with plant(folder / "works", zygote, make_template(folder / "template")) as works:
            balanced = run(works, films, instances, kill_every)
    zygote.stop()
    sys.exit(0 if balanced else 1)


if __name__ == "__main__":
    main()
