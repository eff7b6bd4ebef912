"""One study under two Patient IDs that a person called one patient: one record for each ID, whatever else is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.media import discs as verbs
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.store.store import Store
from tests.media import made
from tests.media.disc_helpers import STUDY, fresh, keep, ordered, work_off

OTHER_STUDY = f"{made.ROOT}.77"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


@pytest.mark.parametrize("number", [0, 9], ids=["first", "last"])
def test_an_image_without_id_is_filed_under_the_id_the_rest_of_its_study_has(store: Store, number: int) -> None:
    """The made-up ID of the one had taken the real ID of the other for its record, which then was there twice."""
    own = made.ROOT + f".1.1.{number}.5"
    keep(store, [made.image(number, PatientID="", PatientName="Roe^Jane", SOPInstanceUID=own)])
    keep(store, [made.image(50, StudyInstanceUID=OTHER_STUDY, SeriesInstanceUID=OTHER_STUDY + ".1")])
    selection = Selection(studies=(STUDY, OTHER_STUDY))
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=selection))
    (conflict,) = [each for each in plan.conflicts if each.kind == "study"]
    decisions = tuple(each.decision for each in plan.conflicts)
    view = work_off(store, ordered(store, selection=selection, decisions=decisions))
    assert view["execution_status"] == "DONE", view["message"]
    assert conflict.subject == STUDY
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=selection, decisions=decisions))
    patients = [entry for entry in plan.volumes[0].entries if entry.record_type == "PATIENT"]
    assert len(patients) == 1
