"""The long run can be broken off, gone on with, shared out and cut short, and counts what was taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.tally import Line, chosen, note, point_of, read, table

CASES = [f"tests/faults/test_kill.py::test_a_film[{point}-ipp-{count}]" for point in "abc" for count in range(4)]


def line(case: str, *, passed: bool = True, seconds: float = 10.0) -> Line:
    return Line(case=case, passed=passed, seconds=seconds, at="2026-11-29", version="1")


def test_what_passed_is_not_taken_again_and_what_failed_is() -> None:
    lines = [line(CASES[0]), line(CASES[1], passed=False)]
    assert chosen(CASES, lines, {}, 2) == CASES[1:]


def test_shares_make_up_the_whole_and_have_nothing_in_common() -> None:
    shares = [chosen(CASES, [], {"FAULT_SHARE": f"{part}/3"}, 2) for part in (1, 2, 3)]
    assert sorted(sum(shares, [])) == sorted(CASES)


@pytest.mark.parametrize("share", ["0/3", "4/3", "third"])
def test_a_share_that_is_none_is_refused(share: str) -> None:
    with pytest.raises(ValueError, match="2/3 is the second third"):
        chosen(CASES, [], {"FAULT_SHARE": share}, 2)


def test_a_budget_takes_what_fits_of_the_points_tried_least() -> None:
    lines = [line(CASES[0]), line(CASES[1])]  # a was tried twice, b and c never
    found = chosen(CASES, lines, {"FAULT_SECONDS": "20", "FAULT_SEED": "1"}, 2)
    assert sorted(point_of(case)[1] for case in found) == ["b", "b", "c", "c"]
    assert found == chosen(CASES, lines, {"FAULT_SECONDS": "20", "FAULT_SEED": "1"}, 2)
    assert found != chosen(CASES, lines, {"FAULT_SECONDS": "20", "FAULT_SEED": "2"}, 2)


def test_runs_with_a_budget_take_everything_in_the_end() -> None:
    lines: list[Line] = []
    for run in range(len(CASES)):
        lines += map(line, chosen(CASES, lines, {"FAULT_SECONDS": "5", "FAULT_SEED": str(run)}, 1))
    assert sorted(each.case for each in lines) == sorted(CASES)


def test_the_tally_is_kept_line_by_line_and_survives_one_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tally.jsonl"
    note(path, CASES[0], passed=True, seconds=3.0)
    with path.open("a") as file:
        file.write('{"case": "cut')
    [kept] = read(path)
    assert (kept.case, kept.passed) == (CASES[0], True)
    assert "| test_a_film | a | 1 | 0 | 3.0 |  |" in table([kept])
