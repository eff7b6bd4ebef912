"""Every item of ASVS level 1 is answered, and every test an answer names is there."""

from __future__ import annotations

import re

from tests.support.service import ROOT
from tests.trust.test_hazards import GUARD, found_in

LEVEL_1 = {
    "V1": "2.1 2.2 2.3 2.4 2.5 3.1 3.2 5.1",
    "V2": "1.1 2.1 2.2 3.1",
    "V3": "2.1 2.2 3.1 4.1 4.2 5.1 5.2 5.3",
    "V4": "1.1 4.1",
    "V5": "2.1 2.2 3.1 3.2",
    "V6": "1.1 2.1 2.2 2.3 2.4 2.5 2.6 2.7 2.8 3.1 3.2 4.1 4.2",
    "V7": "2.1 2.2 2.3 2.4 4.1 4.2",
    "V8": "1.1 2.1 2.2 3.1",
    "V9": "1.1 1.2 1.3 2.1",
    "V10": "4.1 4.2 4.3 4.4 4.5",
    "V11": "3.1 3.2 4.1",
    "V12": "1.1 2.1 2.2",
    "V13": "4.1",
    "V14": "2.1 3.1",
    "V15": "1.1 2.1 3.1",
}
"""ASVS 5.0.0, chapter -> its items of level 1."""
ATTACKS = [f"W{number}" for number in range(1, 13)]
REASON = re.compile(r"does not apply: \w|below, \w|`scripts/")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "asvs.md").read_text("utf-8").splitlines()
    if re.match(r"\| [VW]\d", line)
]


def test_every_item_is_answered_once() -> None:
    wanted = [f"{chapter}.{item}" for chapter, items in LEVEL_1.items() for item in items.split()]
    assert len(wanted) == 70
    assert [row[0] for row in ROWS] == wanted + ATTACKS


def test_every_answer_is_a_test_or_a_reason() -> None:
    assert [row[0] for row in ROWS if not GUARD.search(row[2]) and not REASON.search(row[2])] == []
    assert [row[0] for row in ROWS if row[0] in ATTACKS and not GUARD.search(row[2])] == []


def test_every_test_named_is_there() -> None:
    guards = {guard for row in ROWS for guard in GUARD.findall(row[2])}
    assert {(name, test) for name, test in guards if test not in found_in(name)} == set()
