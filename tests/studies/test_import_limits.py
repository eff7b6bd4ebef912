"""What an import may hold, as a site sets it."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from appliance.errors import UsageError
from appliance.events import Actor
from appliance.store.store import Store
from appliance.studies.importing import import_path
from tests.media import made
from tests.support.limited import limited


def test_more_files_than_are_set_are_refused_of_a_folder_and_of_an_archive(
    store: Store, clerk: Actor, tmp_path: Path
) -> None:
    folder, archive = tmp_path / "folder", tmp_path / "archive.zip"
    folder.mkdir()
    with zipfile.ZipFile(archive, "w") as into:
        for number in (1, 2):
            (folder / str(number)).write_bytes(made.as_file(made.image(number)))
            into.write(folder / str(number))
    for path in (folder, archive):
        with pytest.raises(UsageError, match="more than 1 files"):
            import_path(limited(store, import_files=1), path, clerk)
        assert import_path(limited(store, import_files=2), path, clerk).files == 2


def test_an_archive_that_says_it_unpacks_to_more_than_is_set_is_refused(
    store: Store, clerk: Actor, tmp_path: Path
) -> None:
    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w") as into:
        into.writestr("leaflet.txt", "one")
        into.writestr("image", made.as_file(made.image(1)))
    content = bytearray(path.read_bytes())
    struct.pack_into("<L", content, content.index(b"PK\1\2") + 24, (1 << 30) + 1)  # its size, in the directory
    path.write_bytes(content)
    with pytest.raises(UsageError, match="unpack to more than 1 GiB"):
        import_path(limited(store, import_gib=1), path, clerk)
    assert import_path(limited(store, import_gib=2), path, clerk).outcomes["stored"] == 1


@pytest.mark.parametrize(("ratio", "refused"), [(100, 1), (1_000_000, 0)])
def test_a_member_grows_as_much_as_is_set(store: Store, clerk: Actor, tmp_path: Path, ratio: int, refused: int) -> None:
    path = tmp_path / "grows.zip"
    dataset = made.image(1, rows=6000, columns=5700)  # blank: shrinks a thousandfold
    dataset.PixelData = bytes(2 * 6000 * 5700)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as into:
        into.writestr("image", made.as_file(dataset))
    report = import_path(limited(store, archive_ratio=ratio), path, clerk)
    assert (report.refused_count, report.outcomes["stored"]) == (refused, 1 - refused)
