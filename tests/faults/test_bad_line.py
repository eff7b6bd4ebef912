"""A line that loses packets, or goes dead in the middle without a word: nothing told is lost, nobody else waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.instances import missing, send_instances, send_until_kept
from tests.faults.plant import Plant, wait_until
from tests.faults.test_kill import assert_balanced, fault_at
from tests.fuzz.driver import echo
from tests.support.bad_line import BadLine, bad_line


@pytest.fixture
def line() -> Iterator[BadLine]:
    with bad_line() as made:
        yield made


@pytest.fixture
def far(works: Plant, line: BadLine) -> Plant:
    """An appliance whose clients are at the other end of the line."""
    works.host = line.near
    works.environment = {"APPLIANCE_DICOM_ADDRESS": "0.0.0.0"}
    return works


def places_taken(door: int) -> int:
    """Connections that process has to the other machine."""
    rows = Path(f"/proc/{door}/net/tcp").read_text("ascii").splitlines()[1:]
    return sum(row.split()[3] == "01" and ".231." in _address(row.split()[2]) for row in rows)


def _address(field: str) -> str:
    packed = bytes.fromhex(field.partition(":")[0])
    return ".".join(str(each) for each in reversed(packed))


def test_films_and_instances_come_through_a_line_that_loses_packets(far: Plant, line: BadLine) -> None:
    far.start("dicom")
    far.start("films")
    line.loss = 0.05
    assert [line.inside(lambda: far.send_film("folder")) for _ in range(3)] == ["acknowledged"] * 3
    numbers = list(range(1, 21))
    told = line.inside(lambda: send_until_kept(far, numbers))
    assert line.lost > 5, "it lost nothing"
    assert set(told.values()) == {"acknowledged"} and missing(far, told) == []
    far.drain()
    assert_balanced(far)
    assert far.query("select count(*) from instance") == [(len(numbers),)]


@pytest.mark.parametrize("what", ["an instance", "a film"])
def test_a_line_that_goes_dead_costs_no_place_and_nobody_else_waits(far: Plant, line: BadLine, what: str) -> None:
    far.environment |= {"APPLIANCE_DICOM_IDLE_SECONDS": "6", "APPLIANCE_DICOM_PDU_SECONDS": "3"}
    point = "store.committed:3" if what == "an instance" else "image.kept"
    door = far.start("dicom", fault_at(point, "delay"))
    far.start("films")
    answers: list[object] = []
    many = list(range(1, 2001))

    def work() -> object:
        return send_instances(far, many, wait_seconds=10) if what == "an instance" else far.send_film("folder")

    sending = threading.Thread(target=lambda: answers.append(line.inside(work)))
    sending.start()
    assert wait_until(lambda: far.trace().count(["failpoint", point.partition(":")[0], ""]) > point.count(":") * 3)
    line.dead = True
    assert echo(far.port) > 0
    assert wait_until(lambda: places_taken(door.pid) == 0, 40), "a dead peer keeps its place"
    assert line.lost > 0
    line.dead = False
    sending.join()
    if what == "an instance":
        [told] = answers
        assert isinstance(told, dict)
        acknowledged = {number: answer for number, answer in told.items() if answer == "acknowledged"}
        assert len(acknowledged) < len(many) and missing(far, acknowledged) == []
        assert line.inside(lambda: send_until_kept(far, [1, 2, 3])) == dict.fromkeys((1, 2, 3), "acknowledged")
    assert line.inside(lambda: far.send_film("folder")) == "acknowledged"
    far.drain()
    assert_balanced(far)
