"""What was promised and what came out, counted outside the product.

A film bears its number in its picture: a ring of white around 8 × 8 fields, 32 for the bits and 32 for their opposite.
What a printer received is rendered and the number read from it, so a film mixed up with another one can't pass.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FIELDS = 10  # 8 and the ring
SIDE = 16  # pixels of a field


def picture(number: int) -> np.ndarray:
    """uint8 pixels (160, 160) that bear a number of 32 bits."""
    bits = [(number >> place) & 1 for place in range(32)]
    inner = np.array(bits + [1 - bit for bit in bits], "u1").reshape(8, 8)
    fields = np.ones((FIELDS, FIELDS), "u1")
    fields[1:-1, 1:-1] = inner
    return np.kron(fields, np.ones((SIDE, SIDE), "u1")) * 255


def number_of(document: bytes) -> int:
    """The number in a document (PDF). Raises ValueError when there is none: damaged or mixed."""
    line = ["pdftoppm", "-r", "36", "-gray", "-singlefile", "-"]
    done = subprocess.run(line, input=document, capture_output=True, check=False)
    if done.returncode or done.stderr or not done.stdout:
        raise ValueError(f"no whole document: {done.stderr.decode(errors='replace')[:200]}")
    return number_in(_gray(done.stdout))


def _gray(pgm: bytes) -> np.ndarray:
    _, size, _, pixels = pgm.split(b"\n", 3)
    columns, rows = map(int, size.split())
    return np.frombuffer(pixels, "u1").reshape(rows, columns)


def number_in(page: np.ndarray) -> int:
    """The number in a rendered page, uint8 (rows, columns)."""
    white = page > 127
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    if not len(rows):
        raise ValueError("an empty film")
    box = white[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    at = [[int((place + 0.5) * length / FIELDS) for place in range(FIELDS)] for length in box.shape]
    bits = box[np.ix_(*at)][1:-1, 1:-1].ravel().astype(int)
    if not (bits[:32] + bits[32:] == 1).all():
        raise ValueError("a film with another picture than was sent")
    return int(sum(int(bit) << place for place, bit in enumerate(bits[:32])))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The balance after recovery. All four must be empty."""

    lost: list[int] = field(default_factory=list)  # acknowledged, and neither printed nor shown to a person
    doubled: list[int] = field(default_factory=list)  # came out more often than asked, by itself
    stuck: list[int] = field(default_factory=list)  # acknowledged, and neither ended nor held after recovery
    wrong: list[str] = field(default_factory=list)  # called done though not printed, refused though printed, damaged

    @property
    def balanced(self) -> bool:
        return not (self.lost or self.doubled or self.stuck or self.wrong)


class Ledger:
    """What the modality was told of each film: kept outside the data folder, synced line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="ascii")

    def note(self, number: int, answer: str) -> None:
        """answer: acknowledged, refused, or nothing (none came)."""
        self._file.write(json.dumps({"film": number, "answer": answer}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def answers(self) -> dict[int, str]:
        lines = map(json.loads, self.path.read_text(encoding="ascii").splitlines())
        return {line["film"]: line["answer"] for line in lines}

    def judge(self, printed: list[bytes], jobs: dict[int, str]) -> Verdict:
        """The balance of films. jobs: film number -> completed, held, ended (with a reason) or open."""
        counts: Counter[int] = Counter()
        wrong = []
        for document in printed:
            try:
                counts[number_of(document)] += 1
            except ValueError as error:
                wrong.append(str(error))
        answers = self.answers()
        acknowledged = [number for number, answer in answers.items() if answer == "acknowledged"]
        wrong += [
            f"{number} called done, not printed" for number, is_now in jobs.items() if _lies(counts, number, is_now)
        ]
        wrong += [f"{number} refused, yet printed" for number in counts if answers.get(number) == "refused"]
        wrong += [f"{number} printed, never sent" for number in counts if number not in answers]
        return Verdict(
            lost=[number for number in acknowledged if number not in jobs and not counts[number]],
            doubled=[number for number, count in counts.items() if count > 1],
            stuck=[number for number, is_now in jobs.items() if is_now == "open"],
            wrong=wrong,
        )


def _lies(counts: Counter[int], number: int, is_now: str) -> bool:
    return is_now == "completed" and not counts[number]
