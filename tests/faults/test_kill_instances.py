"""kill -9 at every named step of an instance: acknowledged ones are there as sent, others can be sent again."""

from __future__ import annotations

import pytest

from tests.faults.instances import missing, send_instances, send_until_kept, strays
from tests.faults.plant import Plant
from tests.faults.test_kill import REPEATS, fault_at

POINTS = ("receive.begun:1", "receive.whole:1", "store.part:1", "store.renamed:1", "store.synced:1")
POINTS += ("store.committed:1", "answer.ready:1", "answer.given:1")


@pytest.mark.parametrize("count", range(REPEATS))
@pytest.mark.parametrize("point", POINTS)
def test_an_instance_killed_on_its_way_in_is_there_whole_or_is_sent_again(works: Plant, point: str, count: int) -> None:
    door = works.start("dicom", fault_at(point))
    told = send_instances(works, [1, 2, 3])
    assert door.wait(10)
    assert door.code == -9, f"{point} was not met"
    assert "refused" not in told.values()
    assert missing(works, told) == []
    works.age()
    works.start("dicom")
    again = send_until_kept(works, [1, 2, 3])
    assert set(again.values()) == {"acknowledged"}
    assert missing(works, again) == []
    assert works.query("select count(*) from instance") == [(3,)], "one was kept twice"
    works.stop()
    assert list((works.data / "spool").iterdir()) == []
    works.sweep_studies()
    assert strays(works) == []
