"""One UID, two contents: the same image in two compressions needs nobody to choose, anything else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

from appliance.media import discs as verbs
from appliance.media.ordering import DiscOrder
from appliance.media.same_image import same_images
from appliance.media.selection import Selection
from appliance.store.store import Store
from tests.media import made
from tests.media.disc_helpers import STUDY, fresh, keep, ordered, work_off


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


def compressed(syntax: str, **values: object) -> Dataset:
    """The study's first image, as another station sends it."""
    dataset = made.image(1, **values)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(syntax, generate_instance_uid=False)
    return dataset


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless], ids=lambda uid: uid.name)
def test_the_same_image_in_another_compression_stops_nobody(store: Store, syntax: str) -> None:
    keep(store, [compressed(syntax)])
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,))))
    assert plan.ready and plan.decompress == ()
    assert ["another compression" in note.reason for note in plan.left_out] == [True]
    view = work_off(store, ordered(store))
    assert (view["execution_status"], view["volumes"][0]["instances"]) == ("DONE", 3), view["message"]


def test_the_one_that_may_stay_as_it_is_goes_on_the_disc(tmp_path: Path) -> None:
    first, second = (made.kept(tmp_path / "in", each, syntax) for each, syntax in (
        (compressed(RLELossless), RLELossless), (made.image(1), ExplicitVRLittleEndian),
    ))  # fmt: skip
    plan = made.planned([first, second], same_image=frozenset({first.keys.SOPInstanceUID}))
    (placed,) = plan.volumes[0].placed
    assert (placed.source, placed.decompress, plan.decompress) == (second, False, ())


@pytest.mark.parametrize("values", [{"WindowCenter": 7}, {"SeriesDescription": "Another"}, {"rows": 15}])
def test_what_differs_otherwise_is_for_a_person(store: Store, values: dict) -> None:
    keep(store, [compressed(RLELossless, **values)])
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,))))
    assert [conflict.kind for conflict in plan.conflicts] == ["instance"]
    assert work_off(store, ordered(store))["reasons"] == ["decision-needed"]


@pytest.mark.parametrize("dataset", [made.image(1), made.report(1)], ids=["image", "report"])
def test_what_was_kept_aside_for_its_encoding_alone_stops_nobody(tmp_path: Path, dataset: Dataset) -> None:
    """Intake knows them for one now; those it kept aside before are still there."""
    syntaxes = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
    sources = [made.kept(tmp_path / str(number), dataset, syntax) for number, syntax in enumerate(syntaxes)]
    plan = made.planned(sources)
    same = same_images(plan, sources)
    assert [conflict.kind for conflict in plan.conflicts] == ["instance"]
    assert same == {dataset.SOPInstanceUID}
    plan = made.planned(sources, same_image=same)
    assert plan.ready and plan.decompress == ()
    assert ["another encoding" in note.reason for note in plan.left_out] == [True]
