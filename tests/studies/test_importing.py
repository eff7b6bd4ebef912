"""Import of files, folders, other people's discs and archives; hostile ones too."""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import UsageError
from appliance.events import Actor
from appliance.media.export import export_studies
from appliance.printing import recovery
from appliance.store import files
from appliance.store.store import Store
from appliance.studies import importing, removal, search
from appliance.studies.importing import import_path
from tests.media import made
from tests.studies.arrivals import files_of

STUDY = f"{made.ROOT}.1"
SaveFiles = Callable[..., Path]


def test_a_folder_is_imported_with_what_is_no_dicom_counted_apart(store: Store, clerk: Actor, saved: SaveFiles) -> None:
    folder = saved(made.image(1), made.image(2), made.report(3))
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "0002.dcm").rename(folder / "deep" / "er" / "X")
    (folder / "README.TXT").write_text("words")
    (folder / "empty").touch()
    (folder / "cut.dcm").write_bytes((folder / "0001.dcm").read_bytes()[:400])
    steps: list[tuple[int, int]] = []
    report = import_path(store, folder, clerk, progress=lambda *step: steps.append(step)).to_json()
    assert (report["files"], report["stored"], report["not_dicom"], report["refused_count"]) == (6, 3, 2, 1)
    assert report["refused"][0]["file"] == "cut.dcm" and "truncated" in report["refused"][0]["reason"]
    assert report["studies"] == [STUDY] and steps[-1] == (6, 6)
    assert list(store.folder.spool.iterdir()) == []
    again = import_path(store, folder, clerk).to_json()
    assert (again["stored"], again["known"]) == (0, 3)


@pytest.mark.parametrize("rows", [16, 512])  # within what is looked at first, and beyond
def test_zeros_behind_an_instance_are_none_of_it(store: Store, clerk: Actor, saved: SaveFiles, rows: int) -> None:
    """Some discs fill the last sector of a file; DCMTK reads it, and ours do not hand it on."""
    folder = saved(made.image(1, rows=rows, columns=rows))
    (path,) = folder.iterdir()
    data = path.read_bytes()
    path.write_bytes(data + bytes(2048 - len(data) % 2048))
    report = import_path(store, folder, clerk).to_json()
    assert (report["stored"], report["refused_count"]) == (1, 0), report
    (kept,) = files_of(store)
    assert kept.read_bytes().endswith(made.image(1, rows=rows, columns=rows).PixelData)
    assert list(store.folder.spool.iterdir()) == []
    path.write_bytes(data)
    assert import_path(store, folder, clerk).to_json()["known"] == 1, "the same as without them"
    path.write_bytes(data + bytes(100) + b"x")
    assert import_path(store, folder, clerk).to_json()["refused_count"] == 1


def test_links_that_lead_out_are_not_followed(store: Store, clerk: Actor, saved: SaveFiles, tmp_path: Path) -> None:
    secret = saved(made.image(9), folder="elsewhere")
    folder = saved(made.image(1))
    (folder / "out").symlink_to(secret)
    (folder / "file").symlink_to(secret / "0001.dcm")
    assert import_path(store, folder, clerk).to_json()["files"] == 1


def test_dcmtks_disc_is_imported_and_what_its_dicomdir_promises_is_missed(
    store: Store, clerk: Actor, saved: SaveFiles, tmp_path: Path
) -> None:
    folder = saved(made.image(1), made.image(2))
    for number, path in enumerate(sorted(folder.iterdir()), 1):
        path.rename(folder / f"IMG{number}")
    subprocess.run(["dcmmkdir", "+r", "+id", str(folder), "+D", str(folder / "DICOMDIR"), "-Pgp"], check=True)
    (folder / "IMG2").unlink()
    report = import_path(store, folder, clerk).to_json()
    assert (report["stored"], report["missing"], report["refused_count"]) == (1, ["IMG2"], 0)


@pytest.mark.parametrize("left", [b"", bytes(3000)])
def test_a_file_a_dicomdir_promises_that_is_no_image_any_more_is_refused_not_passed_over(
    store: Store, clerk: Actor, saved: SaveFiles, left: bytes
) -> None:
    """What a scratched disc or a damaged stick leaves of one; a README is none, and not worth a word."""
    folder = saved(made.image(1), made.image(2))
    for number, path in enumerate(sorted(folder.iterdir()), 1):
        path.rename(folder / f"IMG{number}")
    subprocess.run(["dcmmkdir", "+r", "+id", str(folder), "+D", str(folder / "DICOMDIR"), "-Pgp"], check=True)
    (folder / "IMG2").write_bytes(left)
    (folder / "README").write_bytes(left)
    report = import_path(store, folder, clerk).to_json()
    assert (report["stored"], report["missing"], report["not_dicom"]) == (1, [], 1)
    assert [each["file"] for each in report["refused"]] == ["IMG2"]


def test_what_discs_in_folders_promise_is_missed_and_files_with_an_extension_are_not(
    store: Store, clerk: Actor, saved: SaveFiles, tmp_path: Path
) -> None:
    """A disc is copied or zipped with the folder it lay in; systems add .dcm to its names."""
    (tmp_path / "discs").mkdir()
    folder = saved(made.image(1), made.image(2), made.image(3), folder="discs/DISC 2")
    for number, path in enumerate(sorted(folder.iterdir()), 1):
        path.rename(folder / f"IMG{number}")
    subprocess.run(["dcmmkdir", "+r", "+id", str(folder), "+D", str(folder / "DICOMDIR"), "-Pgp"], check=True)
    (folder / "IMG2").unlink()
    (folder / "IMG3").rename(folder / "IMG3.dcm")
    report = import_path(store, folder.parent, clerk).to_json()
    assert (report["stored"], report["missing"]) == (2, ["DISC 2/IMG2"])


def test_our_own_archive_is_imported_again_as_it_was(
    store: Store, clerk: Actor, saved: SaveFiles, tmp_path: Path
) -> None:
    import_path(store, saved(made.image(1), made.image(2), made.report(3)), clerk)
    before = {path.read_bytes() for path in files_of(store)}
    target = tmp_path / "study.zip"
    built = export_studies(store, [STUDY], target, clerk)
    assert built.instances == 3
    removal.delete_study(store, STUDY, clerk)
    report = import_path(store, target, clerk).to_json()
    assert (report["stored"], report["missing"], report["refused_count"]) == (3, [], 0)
    assert {path.read_bytes() for path in files_of(store)} == before


def test_names_in_an_archive_lead_nowhere(store: Store, clerk: Actor, saved: SaveFiles, tmp_path: Path) -> None:
    content = made.as_file(made.image(1))
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../out.dcm", "/etc/passwd.dcm", "C:\\windows\\x.dcm", "a/\u202e/b"):
            archive.writestr(name, content)
    report = import_path(store, path, clerk).to_json()
    assert (report["stored"], report["known"]) == (1, 3)
    assert not (tmp_path.parent / "out.dcm").exists() and not (tmp_path / "out.dcm").exists()
    assert len(files_of(store)) == 1


def test_a_bomb_in_an_archive_is_refused_before_it_goes_off(store: Store, clerk: Actor, tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("bomb", made.as_file(made.image(1)) + bytes(200 << 20))
        archive.writestr("good", made.as_file(made.image(2)))
    report = import_path(store, path, clerk).to_json()
    assert report["stored"] == 1
    assert [each["file"] for each in report["refused"]] == ["bomb"]
    assert "209,71" in report["refused"][0]["reason"] and "bombs" in report["refused"][0]["reason"]


def test_an_image_of_a_disc_is_not_silently_nothing(store: Store, clerk: Actor, saved: SaveFiles) -> None:
    folder = saved(made.image(1))
    image, archive = folder.parent / "disc", folder.parent / "study.7z"
    subprocess.run(["genisoimage", "-quiet", "-o", image, folder], check=True)
    archive.write_bytes(bytes.fromhex("377abcaf271c0004"))
    for path in (image, archive):
        report = import_path(store, path, clerk).to_json()
        assert "unpack or mount it" in report["refused"][0]["reason"]


def test_bombs_and_archives_in_an_archive_are_named_in_the_report(store: Store, clerk: Actor, tmp_path: Path) -> None:
    """Not "no DICOM" alone: what was refused, and why."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.bin", bytes(80 << 20))
        archive.writestr("inner.zip", b"PK\3\4 whatever")
        archive.writestr("readme.txt", b"hello")
    report = import_path(store, path, clerk).to_json()
    assert report["not_dicom"] == 1
    said = {each["file"]: each["reason"] for each in report["refused"]}
    assert "to 83,886,080 bytes" in said["zeros.bin"] and "archive in an archive" in said["inner.zip"]


def test_a_member_that_lies_about_its_size_is_refused(store: Store, clerk: Actor, tmp_path: Path) -> None:
    path = tmp_path / "lies.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one", made.as_file(made.image(1)))
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (500).to_bytes(4, "little")
    path.write_bytes(content)
    report = import_path(store, path, clerk).to_json()
    assert (report["stored"], report["refused_count"]) == (0, 1)
    assert files_of(store) == []


def test_a_damaged_archive_and_a_missing_path_are_said_so(store: Store, clerk: Actor, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no"):
        import_path(store, tmp_path / "nothing", clerk)
    with zipfile.ZipFile(tmp_path / "cut.zip", "w") as archive:
        archive.writestr("image", bytes(5000))
    (tmp_path / "cut.zip").write_bytes((tmp_path / "cut.zip").read_bytes()[:3000])
    with pytest.raises(UsageError, match="cut short"):
        import_path(store, tmp_path / "cut.zip", clerk)
    path = tmp_path / "text.txt"
    path.write_text("no archive, no DICOM")
    assert import_path(store, path, clerk).to_json()["not_dicom"] == 1


def test_an_import_is_stopped_when_asked(store: Store, clerk: Actor, saved: SaveFiles) -> None:
    folder = saved(*[made.image(number) for number in range(1, 9)])
    asked: list[int] = []
    report = import_path(store, folder, clerk, cancelled=lambda: asked.append(1) or len(asked) > 3)  # type: ignore[func-returns-value]
    assert report.to_json()["stored"] == 3
    assert search.show_study(store, STUDY)["instances"] == 3


def test_an_import_that_takes_long_keeps_its_spool_when_another_part_starts(tmp_path: Path, store: Store) -> None:
    """A part that starts empties the spool of what died; one large file may be copied for minutes."""
    left = files.make_folder(store.folder.spool / "import-left")
    with importing._spool(store) as spool:
        for folder in (left, spool):
            os.utime(folder, (0, 0))
        recovery.sweep(store)
        assert spool.is_dir() and not left.exists()
    assert not spool.exists()
