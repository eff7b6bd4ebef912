"""How far a disc is: bytes of each phase that only grow, from the first picture on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from appliance.media import progress
from appliance.media.progress import Watch
from appliance.store.store import Store
from tests.media import made
from tests.media.disc_helpers import fresh, keep, ordered, work_off
from tests.support.away import away_between


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


def test_bytes_are_counted_while_pictures_are_made_images_decompressed_and_the_image_written_and_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    compressed = made.image(9, rows=64, columns=64)
    compressed.file_meta = FileMetaDataset()
    compressed.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    compressed.compress(RLELossless, generate_instance_uid=False)
    keep(store, [compressed])
    told: list[tuple[str, int, int]] = []
    step = Watch.step

    def noted(watch: Watch, done: int, total: int) -> None:
        told.append((watch._phase, done, total))
        step(watch, done, total)

    monkeypatch.setattr(progress, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(Watch, "step", noted)
    view = work_off(store, ordered(store, choices={"viewer": True, "web_content": True}))
    assert view["execution_status"] == "DONE", view["message"]
    built = [(done, total) for phase, done, total in told if phase == "build"]
    image, total = view["volumes"][0]["bytes"], built[0][1]
    assert {each for _, each in built} == {total}
    assert [done for done, _ in built] == sorted(done for done, _ in built)
    assert len({done for done, _ in built if done < total // 2}) > 4, "it moves before the image is written"
    assert ("check", 0, image) in told


def test_a_database_that_is_away_while_images_are_made_begins_nothing_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    phase = Watch.phase

    def noted(watch: Watch, name: str, total: int = 0) -> None:
        begun.append(name)
        phase(watch, name, total)

    monkeypatch.setattr(progress, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(Watch, "phase", noted)
    disc_id = ordered(store)
    with away_between(monkeypatch, "build.content", "iso.data", thread=f"build-{disc_id}"):
        view = work_off(store, disc_id)
    assert view["execution_status"] == "DONE", view["message"]
    assert begun.count("plan") == 1
