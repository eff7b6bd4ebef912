"""kill -9 at every named step of a film, through the real service: nothing acknowledged is lost, nothing prints twice.

A short run takes each point once, ``make faults`` 25 times, with devices in turn.
"""

from __future__ import annotations

import os

import pytest

from tests.faults.plant import DEVICES, Plant

REPEATS = int(os.environ.get("FAULT_REPEATS", "1"))
"""How often each point is tried."""

RECEIVING = ("receive.begun", "receive.data", "receive.whole", "image.kept", "answer.ready:3", "answer.given:3")
ACCEPTING = ("print.linked", "submit.start", "submit.numbered", "submit.renamed", "submit.committed", "print.accepted")
ANSWERING = ("answer.ready:3", "answer.given:3")
COMPOSING = ("compose.claimed", "compose.start", "compose.raster", "compose.document", "compose.preview")
SENDING = ("compose.committed", "send.claimed", "send.started", "device.connect", "device.first-byte", "device.half")
SETTLING = ("device.last-byte", "device.closed", "send.answered", "send.settled")
IN_DICOM = RECEIVING[:4] + ACCEPTING + ANSWERING
IN_FILMS = COMPOSING + SENDING + SETTLING


def in_turn(points: tuple[str, ...], devices: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """Each point as often as it is tried, with one device after the other."""
    return [
        (point, devices[(number + count) % len(devices)], count)
        for number, point in enumerate(points)
        for count in range(REPEATS)
    ]


def fault_at(point: str, what: str = "kill") -> str:
    name, _, skip = point.partition(":")
    return f"{name}:{what}:{skip or 0}"


def assert_balanced(works: Plant) -> None:
    assert works.verdict().balanced, (works.verdict(), works.ledger.answers(), works.logged())
    assert works.remains() == []


@pytest.mark.parametrize(("point", "device", "count"), in_turn(IN_DICOM, DEVICES))
def test_a_film_killed_on_its_way_in_is_there_whole_or_not_at_all(
    works: Plant, point: str, device: str, count: int
) -> None:
    door = works.start("dicom", fault_at(point))
    answer = works.send_film(device)
    assert door.wait(10) and door.code == -9, f"{point} was not met"
    assert answer != "refused"
    works.recover()
    assert_balanced(works)
    assert works.send_film(device) == "acknowledged"


@pytest.mark.parametrize(("point", "device", "count"), in_turn(IN_FILMS, DEVICES))
def test_a_film_killed_on_its_way_out_comes_out_once_or_is_held(
    works: Plant, point: str, device: str, count: int
) -> None:
    works.start("dicom")
    films = works.start("films", fault_at(point))
    assert works.send_film(device) == "acknowledged"
    assert films.wait(20) and films.code == -9, f"{point} was not met"
    works.stop()
    works.recover()
    assert_balanced(works)
    if device in ("folder", "ipp"):  # these can be asked: nobody need look
        assert set(works.jobs().values()) == {"completed"}
