"""Every hazard has its guard, and every guard is a test there is."""

from __future__ import annotations

import ast
import re

from tests.support.service import ROOT

ROWS = [line for line in (ROOT / "docs" / "hazards.md").read_text().splitlines() if line.startswith("| ")][2:]
GUARD = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def found_in(name: str) -> set[str]:
    """Names of the tests in every file of that name."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "tests").rglob(name)]
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_hazard_names_a_test_that_guards_it() -> None:
    assert len(ROWS) >= 10
    assert [row for row in ROWS if not GUARD.search(row)] == []


def test_every_guard_is_there() -> None:
    guards = {guard for row in ROWS for guard in GUARD.findall(row)}
    assert {(name, test) for name, test in guards if test not in found_in(name)} == set()
