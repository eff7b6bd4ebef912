"""The checker notices what other tools let pass, and says nothing of good discs by other makers."""

from __future__ import annotations

import binascii
import os
import random
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pyzipper
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_VM
from pydicom.fileset import FileSet

from appliance.media import build
from appliance.media.check import examine, verify
from appliance.media.iso import write_iso
from appliance.store.files import PartFile
from tests.media import made
from tests.media.made import kept, planned


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound file-set of two series, without a list of sums (which would notice anything)."""
    root = tmp_path_factory.mktemp("good")
    sources = [kept(root / "in", made.image(number, series=1 + number // 4)) for number in range(1, 8)]
    sources.append(kept(root / "in", made.report(1)))
    plan = planned(sources, "STD-GEN-USB-JPEG", "usb", checksums=False)
    return build.build(plan, root / "out")[0].path


@pytest.fixture
def disc(good: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoiled."""
    return shutil.copytree(good, tmp_path / "disc")


def test_an_encrypted_archive_is_said_to_be_that_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "disc.zip"
    with pyzipper.AESZipFile(path, "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(b"secret")
        archive.writestr("DICOMDIR", b"x")
    assert [(finding.code, "password" in finding.text) for finding in verify(path)] == [("encrypted", True)]


def codes(path: Path) -> set[str]:
    return {finding.code for finding in verify(path)}


def spoil(path: Path, change: Callable[[bytearray], None]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def noise(data: bytearray, seed: int, count: int, start: int, end: int) -> None:
    """Change `count` bytes between `start` and `end`."""
    chance = random.Random(seed)
    for _ in range(count):
        data[chance.randrange(start, end)] = chance.randrange(256)


def record(data: bytearray, kind: bytes, number: int = 0) -> int:
    """Offset of the item of a record of a type."""
    at = -1
    for _ in range(number + 1):
        at = data.index(b"\x04\x00\x30\x14CS" + struct.pack("<H", len(kind)) + kind, at + 1)
    return at - 34 - 8


def test_a_good_disc_has_no_findings(good: Path) -> None:
    assert verify(good) == []


# the ten seeded faults


def next_offset_off_by_two(disc: Path) -> None:
    def change(data: bytearray) -> None:
        at = record(data, b"IMAGE ") + 16
        struct.pack_into("<L", data, at, struct.unpack_from("<L", data, at)[0] + 2)

    spoil(disc / "DICOMDIR", change)


def chain_cut(disc: Path) -> None:
    spoil(disc / "DICOMDIR", lambda data: struct.pack_into("<L", data, record(data, b"IMAGE ") + 16, 0))


def study_id_emptied(disc: Path) -> None:
    def change(data: bytearray) -> None:
        at = data.index(b"\x20\x00\x10\x00SH\x02\x00S1")
        data[at + 8 : at + 10] = b"  "

    spoil(disc / "DICOMDIR", change)


def study_id_deleted(disc: Path) -> None:
    def change(data: bytearray) -> None:
        at = data.index(b"\x20\x00\x10\x00SH\x02\x00S1")
        del data[at : at + 10]
        item = record(data, b"STUDY ")
        struct.pack_into("<L", data, item + 4, struct.unpack_from("<L", data, item + 4)[0] - 10)
        whole = data.index(b"\x04\x00\x20\x12SQ\0\0") + 8
        struct.pack_into("<L", data, whole, struct.unpack_from("<L", data, whole)[0] - 10)

    spoil(disc / "DICOMDIR", change)


def file_missing(disc: Path) -> None:
    (disc / "DICOM/D0000000/I0000002").unlink()


def file_unreferenced(disc: Path) -> None:
    shutil.copy(disc / "DICOM/D0000000/I0000002", disc / "DICOM/D0000000/I0000099")


def name_in_lower_case(disc: Path) -> None:
    def change(data: bytearray) -> None:
        at = data.index(b"I0000002")
        data[at : at + 8] = b"i0000002"

    spoil(disc / "DICOMDIR", change)


def files_swapped(disc: Path) -> None:
    folder = disc / "DICOM/D0000000"
    (folder / "I0000001").rename(folder / "X")
    (folder / "I0000002").rename(folder / "I0000001")
    (folder / "X").rename(folder / "I0000002")


def instance_cut_short(disc: Path) -> None:
    path = disc / "DICOM/D0000000/I0000003"
    path.write_bytes(path.read_bytes()[:-100])


def image_type_missing(disc: Path) -> None:
    def change(data: bytearray) -> None:
        at = data.index(b"\x08\x00\x08\x00CS")
        length = 8 + struct.unpack_from("<H", data, at + 6)[0]
        item = record(data, b"IMAGE ")
        del data[at : at + length]
        struct.pack_into("<L", data, item + 4, struct.unpack_from("<L", data, item + 4)[0] - length)
        whole = data.index(b"\x04\x00\x20\x12SQ\0\0") + 8
        struct.pack_into("<L", data, whole, struct.unpack_from("<L", data, whole)[0] - length)

    spoil(disc / "DICOMDIR", change)


TEN = [
    (next_offset_off_by_two, {"bad-offset", "lost-records"}),
    (chain_cut, {"lost-records"}),
    (study_id_emptied, {"type-1-key"}),
    (study_id_deleted, {"type-1-key"}),
    (file_missing, {"missing-file"}),
    (file_unreferenced, {"unreferenced"}),
    (name_in_lower_case, {"file-id"}),
    (files_swapped, {"other-instance"}),
    (instance_cut_short, {"truncated"}),
    (image_type_missing, {"profile-key", "bad-offset"}),
]


@pytest.mark.parametrize(("fault", "expected"), TEN, ids=[fault.__name__ for fault, _ in TEN])
def test_each_seeded_fault_is_noticed(disc: Path, fault: Callable[[Path], None], expected: set[str]) -> None:
    fault(disc)
    found = codes(disc)
    assert expected & found, found
    assert not examine(disc).good


def test_a_missing_profile_key_is_noticed_with_right_offsets_too(tmp_path: Path) -> None:
    """Made by a disc maker without profile keys: every record is sound, the key is not there."""
    folder = tmp_path / "disc"
    folder.mkdir()
    (folder / "IM1").write_bytes(made.as_file(made.image()))
    subprocess.run(
        ["dcmmkdir", "-Pgp", "+id", folder, "+D", folder / "DICOMDIR", "IM1"], check=True, capture_output=True
    )
    spoil(folder / "DICOMDIR", lambda data: data.__setitem__(slice(*_tag_at(data)), b"\x08\x00\x07\x00"))
    assert {"profile-key", "order"} & codes(folder)


def test_a_value_of_nothing_but_separators_is_no_value_a_profile_demands(tmp_path: Path) -> None:
    """Two empty values: our own disc of such an image failed its check."""
    data = made.as_file(made.image(SynchronizationFrameOfReferenceUID="1.2.3"))
    path = tmp_path / "image.dcm"
    path.write_bytes(data.replace(b"UI\x06\x001.2.3\0", b"UI\x06\x00\\\\\\\\\\\0"))
    image = made.built([made.source(path)], tmp_path / "disc", profile="STD-GEN-USB-JPEG", medium="usb")
    assert codes(image) == set()


@pytest.mark.parametrize("name", ["DICOMDIR-implicit", "DICOMDIR-bigEnd"])
def test_a_directory_in_another_encoding_is_read_and_that_is_what_is_said(tmp_path: Path, name: str) -> None:
    """Some old discs have one: it was called damaged, and each of its files unreferenced."""
    shipped = Path(str(get_testdata_file("DICOMDIR"))).parent
    for folder in ("77654033", "98892001", "98892003"):
        shutil.copytree(shipped / folder, tmp_path / folder)
    shutil.copy(shipped / name, tmp_path / "DICOMDIR")
    report = examine(tmp_path)
    assert {each.code for each in report.findings if each.severity == "error"} == {"dicomdir-syntax"}
    assert report.instances == 31


def _tag_at(data: bytearray) -> tuple[int, int]:
    at = data.index(b"\x08\x00\x08\x00CS")
    return at, at + 4


def test_study_and_series_records_may_not_be_twice(disc: Path) -> None:
    def change(data: bytearray) -> None:
        first = data.index(b"\x20\x00\x0e\x00UI")
        second = data.index(b"\x20\x00\x0e\x00UI", first + 1)
        length = 8 + struct.unpack_from("<H", data, first + 6)[0]
        data[second : second + length] = data[first : first + length]

    spoil(disc / "DICOMDIR", change)
    assert {"record-twice", "wrong-place"} <= codes(disc)


@pytest.mark.parametrize(
    ("values", "noticed"),
    [
        ({"PatientName": "SMITH^JOHN"}, True),
        ({"PatientBirthDate": "19410101"}, True),
        ({"PatientName": "Doe^Jane^^Mrs", "PatientBirthDate": ""}, False),
        ({"PatientName": "JANE DOE", "SpecificCharacterSet": "ISO_IR 192"}, False),
        ({"PatientName": "DOE^JANE=王^明", "SpecificCharacterSet": "GB18030"}, False),
        ({"PatientName": "王^明", "SpecificCharacterSet": "GB18030"}, False),  # who can say?
    ],
)
def test_two_patients_that_another_maker_put_below_one_record_are_noticed(
    tmp_path: Path, values: dict[str, str], noticed: bool
) -> None:
    """pydicom goes by the Patient ID alone: nothing on its disc says that these are two people."""
    fileset = FileSet()
    for number, said in enumerate(({}, values, values), 1):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(made.as_file(made.image(number, study=number, **said)))
        fileset.add(path)
    fileset.write(tmp_path / "disc")
    found = [each for each in verify(tmp_path / "disc") if each.code not in ("profile-key", "character-set")]
    assert [(each.code, each.severity) for each in found] == [("other-person", "warning")] * noticed
    assert not any("SMITH" in each.text or "DOE" in each.text for each in found), "findings get around"


def shown_by_linux(disc: Path) -> None:
    """As the kernel shows ISO 9660 without extensions (its mount option map=normal)."""
    for path in sorted(disc.rglob("*"), key=lambda each: -len(each.parts)):
        path.rename(path.with_name(path.name.lower()))


def shown_with_versions(disc: Path) -> None:
    """As it is shown with map=off."""
    for path in [each for each in disc.rglob("*") if each.is_file()]:
        path.rename(path.with_name(f"{path.name}.;1"))


@pytest.mark.parametrize("shown", [shown_by_linux, shown_with_versions])
@pytest.mark.parametrize("packed", [False, True])
def test_a_sound_disc_is_sound_however_a_system_shows_its_names(
    disc: Path, tmp_path: Path, shown: Callable[[Path], None], packed: bool
) -> None:
    shown(disc)
    path = Path(shutil.make_archive(str(tmp_path / "x"), "zip", disc)) if packed else disc
    assert [(each.code, each.severity) for each in verify(path)] == [("file-name", "warning")]
    assert examine(path).instances == 8


@pytest.mark.parametrize("path", ["DICOMDIR", "DICOM/D0000000/I0000002"])
@pytest.mark.parametrize("count", [8, 2000])
def test_zeros_that_fill_a_sector_behind_a_file_are_a_warning(disc: Path, path: str, count: int) -> None:
    """dcmdump reads such files without a word; all of the directory was called lost."""
    spoil(disc / path, lambda data: data.extend(bytes(count)))
    assert subprocess.run(["dcmdump", "-q", disc / path], capture_output=True, check=False).returncode == 0
    assert [(each.code, each.severity, each.where) for each in verify(disc)] == [("padding", "warning", path)]
    assert examine(disc).instances == 8


def test_a_file_whose_second_half_is_zeros_is_damaged(tmp_path: Path, good: Path) -> None:
    """As a copy may be that broke off."""
    folder = shutil.copytree(good, tmp_path / "disc")
    whole = made.as_file(made.image(2, rows=512, columns=512, series=1))
    at = whole.index(b"\xe0\x7f\x10\x00OW")
    (folder / "DICOM/D0000000/I0000001").write_bytes(whole[:at] + bytes(len(whole) - at))
    assert not examine(folder).good


# discs that were right by an earlier edition


def record_of_a_retired_type(disc: Path) -> None:
    spoil(disc / "DICOMDIR", lambda data: data.__setitem__(slice(*_type_at(data)), b"CURVE "))


def _type_at(data: bytearray) -> tuple[int, int]:
    at = record(data, b"IMAGE ") + 8 + 34 + 8
    return at, at + 6


def record_no_longer_in_use(disc: Path) -> None:
    spoil(disc / "DICOMDIR", lambda data: struct.pack_into("<H", data, record(data, b"IMAGE ", 1) + 28, 0))
    (disc / "DICOM/D0000000/I0000001").unlink()


def file_named_by_a_shared_record(disc: Path) -> None:
    """Two IMAGE records leave it to an MRDR, outside the tree, to name the file of the first."""

    def change(data: bytearray) -> None:
        first = data.index(b"\x04\x00\x00\x15CS")
        shared = data[first : data.index(b"\x08\x00", first)]  # File ID and UIDs
        name = b"\x04\x00\x00\x15" + bytes(shared[4 : 8 + shared[6]])
        for at in (first, data.index(b"\x04\x00\x00\x15CS", first + 1)):
            offset = b"\x04\x00\x04\x15UL\x04\x00" + struct.pack("<L", len(data))
            data[at : at + len(name)] = offset + b"\x04\x00\x06\x15LO" + struct.pack("<H", len(name) - 20)
            data[at + 20 : at + 20] = bytes(len(name) - 20)
        body = b"\x04\x00\x00\x14UL\4\0" + bytes(4) + b"\x04\x00\x10\x14US\2\0\xff\xff"
        body += b"\x04\x00\x20\x14UL\4\0" + bytes(4) + b"\x04\x00\x30\x14CS\4\0MRDR" + shared
        data += b"\xfe\xff\x00\xe0" + struct.pack("<L", len(body)) + body
        whole = data.index(b"\x04\x00\x20\x12SQ\0\0") + 8
        struct.pack_into("<L", data, whole, struct.unpack_from("<L", data, whole)[0] + 8 + len(body))

    spoil(disc / "DICOMDIR", change)


@pytest.mark.parametrize(
    ("old", "said"),
    [(record_of_a_retired_type, {"record-type"}), (record_no_longer_in_use, {"in-use-flag"})],
)
def test_what_earlier_editions_allowed_is_a_warning_not_an_error(
    disc: Path, old: Callable[[Path], None], said: set[str]
) -> None:
    old(disc)
    assert {(each.code, each.severity) for each in verify(disc)} == {(code, "warning") for code in said}


def test_a_record_outside_the_tree_that_several_share_is_followed(disc: Path) -> None:
    file_named_by_a_shared_record(disc)
    # the second image's own file is left over; nothing of the directory is lost
    assert {(each.code, each.where) for each in verify(disc)} == {("unreferenced", "DICOM/D0000000/I0000001")}


def test_report_text_in_the_directory_is_noticed(disc: Path) -> None:
    def change(data: bytearray) -> None:
        at = data.index(b"HAS CONCEPT MOD ")
        data[at : at + 16] = b"CONTAINS        "

    spoil(disc / "DICOMDIR", change)
    assert "report-text" in codes(disc)


def test_text_beyond_ascii_needs_a_character_set(disc: Path) -> None:
    spoil(disc / "DICOMDIR", lambda data: data.__setitem__(data.index(b"DOE^JANE"), 0xC4))
    assert "character-set" in codes(disc)


def test_loops_of_offsets_end(disc: Path) -> None:
    def change(data: bytearray) -> None:
        at = record(data, b"IMAGE ", 1)
        struct.pack_into("<L", data, at + 16, record(data, b"IMAGE ", 0))

    spoil(disc / "DICOMDIR", change)
    assert "offset-loop" in codes(disc)


def test_a_program_in_the_preamble_is_noticed(disc: Path) -> None:
    spoil(disc / "DICOM/D0000000/I0000000", lambda data: data.__setitem__(slice(0, 2), b"MZ"))
    assert codes(disc) == {"preamble"}


# images


@pytest.fixture
def image(good: Path, tmp_path: Path) -> Path:
    """A sound image made by somebody else."""
    path = tmp_path / "image.iso"
    command = ["genisoimage", "-quiet", "-iso-level", "1", "-sysid", "", "-V", "TESTDISC", "-o", path, good]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    return path


def test_a_good_image_by_another_maker_has_no_findings(image: Path) -> None:
    assert verify(image) == []


def test_an_image_by_xorriso_with_rock_ridge_and_joliet_is_read(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.iso"
    command = ["xorriso", "-as", "mkisofs", "-iso-level", "1", "-J", "-R", "-V", "TESTDISC", "-o", path, good]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    assert not [finding for finding in verify(path) if finding.severity == "error"]


@pytest.mark.parametrize("maker", ["genisoimage -cache-inodes", "xorriso -as mkisofs --hardlinks"])
def test_a_second_name_of_a_file_is_no_fault(disc: Path, tmp_path: Path, maker: str) -> None:
    """PS3.10 8.2 allows a link, as with an extension for viewers; makers keep what is twice there once."""
    (disc / "IMG1.DCM").hardlink_to(disc / "DICOM/D0000000/I0000001")
    (disc / "A.DLL").write_bytes(b"a viewer's")
    (disc / "B.DLL").hardlink_to(disc / "A.DLL")
    path = tmp_path / "x.iso"
    options = ["-quiet", "-iso-level", "1", "-sysid", "", "-V", "TESTDISC", "-o", str(path), str(disc)]
    subprocess.run([*maker.split(), *options], check=True, capture_output=True)
    assert verify(path) == []


def test_of_a_disc_of_several_sessions_the_last_one_counts(disc: Path, tmp_path: Path) -> None:
    """As readers have it (PS3.12 F); the first says that all is well, and knows nothing of the second."""

    def burned(folder: Path, name: str, *options: str) -> bytes:
        command = ["genisoimage", "-quiet", "-iso-level", "1", "-sysid", "", "-V", "TESTDISC", *options]
        subprocess.run([*command, "-o", tmp_path / name, folder], check=True, capture_output=True)
        return (tmp_path / name).read_bytes()

    first = burned(disc, "1.iso")
    start = len(first) // 2048 + 11400  # run-out and run-in between sessions of a CD
    later = tmp_path / "later"
    made.built([kept(tmp_path / "in", made.image(1, study=2))], tmp_path / "out", "STD-GEN-USB-JPEG", "usb").rename(
        later
    )
    second = burned(later, "2.iso", "-C", f"0,{start}", "-M", str(tmp_path / "1.iso"))
    whole = tmp_path / "whole.iso"
    whole.write_bytes(first.ljust(start * 2048, b"\0") + second)
    seen = subprocess.run(["isoinfo", "-f", "-T", str(start), "-i", whole], capture_output=True, text=True, check=True)
    assert "/SHA256.TXT" in seen.stdout
    found = examine(whole)
    assert found.instances == 1, found.findings
    spoil(whole, lambda data: data.__setitem__(data.index(b"DICM", start * 2048), 0))
    assert not examine(whole).good


def test_the_name_of_the_system_must_be_blank(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.iso"
    command = ["genisoimage", "-quiet", "-iso-level", "1", "-V", "OTHER", "-o", path, good]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    assert codes(path) == {"system-identifier", "volume-identifier"}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image with a UDF view, a folder of a thousand instances, and others beside them."""
    root = tmp_path_factory.mktemp("bridge")
    one = kept(root / "in", made.image())
    sources = [
        replace(one, keys=replace(one.keys, SOPInstanceUID=f"{made.ROOT}.5.{number}"), sha256="")
        for number in range(1, 1101)
    ]
    plan = planned(sources, "STD-GEN-DVD-JPEG", "dvd")
    content = [("README.TXT", b"read me"), ("viewer/a long name.html", b"<html>"), ("empty.txt", b"")]
    assembled = build.Assembly(plan, plan.volumes[0], content)
    with PartFile(root / "bridge.iso") as part:
        write_iso(part, "TESTDISC", assembled.files, joliet=True, udf=True)
        return part.commit()


def test_both_views_of_a_bridge_disc_show_the_same(bridge: Path) -> None:
    """The instances are copies of one, so they contradict their records; the views are what is looked at."""
    assert "udf" not in codes(bridge)
    assert "joliet-name" not in codes(bridge)


def test_a_udf_view_by_another_maker_is_read(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.iso"
    command = [
        "genisoimage",
        "-quiet",
        "-iso-level",
        "1",
        "-sysid",
        "",
        "-V",
        "TESTDISC",
        "-udf",
        "-J",
        "-o",
        path,
        good,
    ]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    assert verify(path) == []


def without_iso9660(path: Path) -> None:
    """Take the ISO 9660 volume out of a bridge image: what is left is what PS3.12 Annex P allows a DVD to be."""

    def change(data: bytearray) -> None:
        sectors = [bytes(data[at : at + 2048]) for at in range(16 * 2048, 32 * 2048, 2048)]
        kept = [each for each in sectors if each[1:6] in (b"BEA01", b"NSR02", b"TEA01")]
        data[16 * 2048 : 32 * 2048] = b"".join(kept).ljust(16 * 2048, b"\0")

    spoil(path, change)


def inside_its_entry(path: Path, content: bytes, kind: int) -> None:
    """Lay a small file's bytes into its UDF entry (kind 261, or the extended one, 266), as Windows does."""

    def change(data: bytearray) -> None:
        place = data.index(content) // 2048
        start = 257  # of genisoimage's partition
        for at in range(257 * 2048, len(data), 2048):
            attributes, length = struct.unpack_from("<LL", data, at + 168)
            found = struct.unpack_from("<H", data, at)[0] == 261 and length == 8
            if found and struct.unpack_from("<L", data, at + 180 + attributes)[0] + start == place:
                break
        entry = data[at : at + 176] if kind == 261 else data[at : at + 56] + data[at + 56 : at + 64] * 2
        if kind == 266:
            entry += bytes(216 - len(entry))
        struct.pack_into("<H", entry, 0, kind)
        struct.pack_into("<H", entry, 34, 3)
        struct.pack_into("<LL", entry, len(entry) - 8, 0, len(content))
        entry += content
        crc = binascii.crc_hqx(entry[16:], 0)
        struct.pack_into("<HH", entry, 8, crc, len(entry) - 16)
        entry[4] = (sum(entry[:4]) + sum(entry[5:16])) % 256
        data[at : at + 2048] = entry.ljust(2048, b"\0")
        data[place * 2048 : place * 2048 + len(content)] = bytes(len(content))

    spoil(path, change)


@pytest.mark.parametrize("kind", [261, 266])
def test_a_dvd_of_udf_alone_is_read(disc: Path, tmp_path: Path, kind: int) -> None:
    """7-Zip and udfinfo read these images as well (tried by hand)."""
    (disc / "README.TXT").write_bytes(b"a few words of the maker")
    path = tmp_path / "x.iso"
    command = ["genisoimage", "-quiet", "-iso-level", "1", "-V", "TESTDISC", "-udf", "-o", path, disc]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    inside_its_entry(path, b"a few words of the maker", kind)
    without_iso9660(path)
    found = examine(path)
    assert [(each.code, each.severity) for each in found.findings] == [("no-iso9660", "warning")]
    assert (found.instances, found.file_set_id) == (8, "TESTDISC")
    noise = path.read_bytes().index(b"DICM")
    spoil(path, lambda data: data.__setitem__(slice(noise + 40, noise + 44), b"\xff\xff\xff\xff"))
    assert not examine(path).good


def test_a_bridge_disc_that_lost_its_first_descriptor_is_no_disc_of_udf_alone(bridge: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(bridge, tmp_path / "x.iso"))
    spoil(path, lambda data: data.__setitem__(slice(16 * 2048, 17 * 2048), bytes(2048)))
    assert ("no-iso9660", "error") in {(each.code, each.severity) for each in verify(path)}


@pytest.mark.parametrize("text", ["I0000500", "README.TXT", "viewer"])
def test_a_udf_view_that_shows_something_else_is_noticed(bridge: Path, tmp_path: Path, text: str) -> None:
    data = bytearray(bridge.read_bytes())
    at = data.index(b"\x08" + text.encode())  # names of one byte a character begin so
    data[at - 38 + 24] ^= 1  # the block of its entry
    (tmp_path / "x.iso").write_bytes(data)
    assert "udf" in codes(tmp_path / "x.iso")


def test_long_names_on_the_image_are_noticed(good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "disc")
    (tmp_path / "disc" / "a long name.text").write_text("x")
    path = tmp_path / "x.iso"
    command = [
        "genisoimage",
        "-quiet",
        "-iso-level",
        "4",
        "-sysid",
        "",
        "-V",
        "TESTDISC",
        "-o",
        path,
        tmp_path / "disc",
    ]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    assert "file-name" in codes(path)


@pytest.mark.parametrize("kept_part", [0, 1000, 40_000, 0.5, 0.9])
def test_an_image_cut_short_is_noticed(image: Path, kept_part: float) -> None:
    data = image.read_bytes()
    image.write_bytes(data[: int(kept_part if kept_part > 1 else kept_part * len(data))])
    assert codes(image) & {"image-cut", "no-iso9660"}


def test_no_byte_of_an_image_can_change_unseen(tmp_path: Path) -> None:
    """With the list of sums on the disc; sectors no file uses don't count."""
    sources = [kept(tmp_path / "in", made.image(number)) for number in (1, 2)]
    path = made.built(sources, tmp_path / "out")
    data = path.read_bytes()
    assert verify(path) == []
    for where in (data.index(b"DICM"), data.index(b"DOE^JANE"), data.rindex(b"\xe0\x7f\x10\x00OW") + 40):
        path.write_bytes(data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :])
        assert not examine(path).good


@pytest.mark.parametrize("seed", range(40))
def test_noise_never_makes_the_checker_fall_over(good: Path, tmp_path: Path, seed: int) -> None:
    copy = shutil.copytree(good, tmp_path / "disc")
    for path in (copy / "DICOMDIR", copy / "DICOM/D0000000/I0000001"):
        spoil(path, lambda data: noise(data, seed, 8, 0, len(data)))
    assert isinstance(verify(copy), list)


@pytest.mark.parametrize("seed", range(20))
def test_noise_in_the_folders_of_an_image_is_survived(image: Path, seed: int) -> None:
    spoil(image, lambda data: noise(data, seed, 30, 16 * 2048, 28 * 2048))
    assert isinstance(verify(image), list)


@pytest.mark.parametrize("seed", range(20))
def test_noise_in_the_udf_view_is_survived(bridge: Path, tmp_path: Path, seed: int) -> None:
    data = bytearray(bridge.read_bytes())
    noise(data, seed, 20, 32 * 2048, 40 * 2048)
    noise(data, seed, 20, 256 * 2048, 264 * 2048)
    (tmp_path / "x.iso").write_bytes(data)
    assert isinstance(verify(tmp_path / "x.iso"), list)


def test_something_else_is_no_disc(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello" * 1000)
    assert codes(tmp_path / "x") == {"no-iso9660", "no-dicomdir"}
    (tmp_path / "empty").mkdir()
    assert codes(tmp_path / "empty") == {"no-dicomdir"}
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4" + bytes(100))
    assert "zip" in codes(tmp_path / "bad.zip")


@pytest.mark.parametrize("seed", range(12))
def test_damaged_archives_are_survived_and_noticed(good: Path, tmp_path: Path, seed: int) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "disc"), "zip", good))
    assert verify(path) == []
    spoil(path, lambda data: noise(data, seed, 20, 100, len(data)))
    assert not examine(path).good


def test_what_cannot_be_opened_in_a_folder_is_said(disc: Path) -> None:
    (disc / "README").symlink_to("nowhere")
    assert codes(disc) == {"no-file"}


def test_the_directory_stands_for_its_folder(disc: Path) -> None:
    assert (examine(disc / "DICOMDIR").kind, examine(disc / "DICOMDIR").good) == ("folder", True)


def test_discs_of_the_library_the_tests_use_are_read(tmp_path: Path) -> None:
    from pydicom.data import get_testdata_file

    path = get_testdata_file("DICOMDIR", download=False)
    assert path is not None
    report = examine(Path(path).parent)
    assert report.instances > 10
    assert not [finding for finding in report.findings if finding.code in ("lost-records", "bad-offset", "last-root")]


SEVERAL = {
    "PatientID": ["P", "1"],
    "PatientName": ["DOE^JANE", "SMITH^ANN"],
    "AccessionNumber": ["A", "B"],
    "StudyDescription": ["Chest", "Abdomen"],
    "StudyID": ["1", "2"],
    "StudyDate": ["20260102", "20260103"],
    "SeriesDescription": ["A", "B"],
    "Modality": ["CT", "PT"],
    "InstanceNumber": [1, 2],
}


def test_a_backslash_in_an_instance_makes_no_second_value_in_the_directory(tmp_path: Path) -> None:
    """LO, SH and PN keep their whole text; of dates, codes and numbers the first value is taken."""
    source = kept(tmp_path / "in", made.image(1, **SEVERAL))
    volume = made.built([source], tmp_path / "out")
    assert not [str(each) for each in verify(volume) if each.severity == "error"]
    subprocess.run(
        ["xorriso", "-osirrox", "on", "-indev", volume, "-extract", "/DICOMDIR", tmp_path / "DICOMDIR"],
        check=True,
        capture_output=True,
    )
    told = subprocess.run(["dcmdump", tmp_path / "DICOMDIR"], check=True, capture_output=True, text=True).stdout
    for value in ("[P/1]", "[DOE^JANE/SMITH^ANN]", "[A/B]", "[Chest/Abdomen]", "[1/2]", "[20260102]", "[CT]", "[1 ]"):
        assert value.replace(" ", "") in told.replace(" ", ""), value
    for record in dcmread(tmp_path / "DICOMDIR").DirectoryRecordSequence:
        assert [each for each in record if each.VM > 1 and dictionary_VM(each.tag) == "1"] == []


@pytest.mark.parametrize("charset", ["GB18030", "ISO 2022 IR 87"])
def test_a_character_whose_second_byte_is_that_of_a_backslash_parts_nothing(tmp_path: Path, charset: str) -> None:
    text = {"GB18030": "乗^A", "ISO 2022 IR 87": "A^B=充^太郎"}[charset]
    dataset = made.image(1, SpecificCharacterSet=["", charset] if "2022" in charset else charset, PatientName=text)
    source = kept(tmp_path / "in", dataset)
    assert b"\\" in source.records.patient, "the name was to hold the byte"
    assert [each for each in verify(made.built([source], tmp_path / "out")) if each.severity == "error"] == []


@pytest.mark.parametrize("keyword", [b"\x10\x00\x20\x00LO", b"\x10\x00\x10\x00PN", b"\x08\x00\x60\x00CS"])
def test_several_values_in_a_key_that_has_one_are_noticed(disc: Path, keyword: bytes) -> None:
    def change(data: bytearray) -> None:
        at = data.index(keyword) + 8
        data[at + 1 : at + 2] = b"\\"

    spoil(disc / "DICOMDIR", change)
    assert "several-values" in codes(disc)


def no_offsets(disc: Path) -> None:
    spoil(disc / "DICOMDIR", lambda data: data.__setitem__(slice(data.index(b"\4\0\0\x12UL\4\0") + 8, None), b""))


def directory_of_zeros(disc: Path) -> None:
    (disc / "DICOMDIR").write_bytes(bytes(5000))


def root_offset_of_zero(disc: Path) -> None:
    def change(data: bytearray) -> None:
        at = data.index(b"\4\0\0\x12UL\4\0") + 8
        data[at : at + 4] = bytes(4)

    spoil(disc / "DICOMDIR", change)


@pytest.mark.parametrize("damage", [no_offsets, directory_of_zeros, root_offset_of_zero])
def test_a_directory_that_leads_nowhere_is_one_fault_not_one_a_file(disc: Path, damage: Callable[[Path], None]) -> None:
    damage(disc)
    found = [finding for finding in verify(disc) if finding.code == "unreferenced"]
    assert [(finding.where, "imported as files" in finding.text) for finding in found] == [("", True)]


def test_a_disc_in_a_folder_is_said_to_be_in_that_folder(disc: Path, tmp_path: Path) -> None:
    shutil.move(disc, tmp_path / "stick" / "CD")
    found = verify(tmp_path / "stick")
    assert [finding.code for finding in found] == ["no-dicomdir"] and "but one in CD:" in found[0].text


def test_an_image_burned_as_a_file_is_said_to_be_that(image: Path, tmp_path: Path) -> None:
    (tmp_path / "burned").mkdir()
    shutil.move(image, tmp_path / "burned" / "Patient.iso")
    found = verify(tmp_path / "burned")
    assert [finding.code for finding in found] == ["no-dicomdir"] and "Patient.iso" in found[0].text


def test_a_root_folder_that_could_not_be_read_is_not_an_empty_disc(image: Path) -> None:
    def change(data: bytearray) -> None:
        at = struct.unpack_from("<L", data, 16 * 2048 + 158)[0] * 2048
        data[at : at + 2048] = bytes(2048)

    spoil(image, change)
    assert "folder-damaged" in codes(image)


def test_an_archive_cut_short_is_said_to_be_that(disc: Path) -> None:
    path = Path(shutil.make_archive(str(disc), "zip", disc))
    path.write_bytes(path.read_bytes()[:-3000])
    assert any("cut short" in finding.text for finding in verify(path) if finding.code == "zip")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_instance_of_more_than_a_gibibyte_in_an_archive_is_looked_at(disc: Path, compression: int) -> None:
    """A tomosynthesis or a slide: such a zip of our own failed its check for ever, another's was called damaged."""
    large, megabyte = disc / "DICOM/D0000000/I0000000", os.urandom(1 << 10).ljust(1 << 20, b"\0")
    data = bytearray(large.read_bytes())
    at = data.index(b"\xe0\x7f\x10\0OW\0\0") + 8
    struct.pack_into("<L", data, at, 1025 << 20)
    path = disc.parent / "disc.zip"
    with zipfile.ZipFile(path, "w", compression, compresslevel=1) as archive:
        for each in disc.rglob("*"):
            if each.is_file() and each != large:
                archive.write(each, each.relative_to(disc))
        with archive.open(str(large.relative_to(disc)), "w", force_zip64=True) as member:
            member.write(data[: at + 4])
            for _ in range(1025):
                member.write(megabyte)
    assert verify(path) == []


def test_a_bomb_in_an_archive_is_not_unpacked(disc: Path) -> None:
    path = disc.parent / "disc.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.write(disc / "DICOMDIR", "DICOMDIR")
        with archive.open("BOMB", "w") as member:
            for _ in range(70):
                member.write(bytes(1 << 20))
    assert [finding.code for finding in verify(path) if finding.where == "BOMB"] == ["too-large"]


def test_a_name_on_a_disc_neither_steers_a_terminal_nor_makes_lines(disc: Path) -> None:
    shutil.copy(disc / "DICOM/D0000000/I0000000", disc / "x\x1b[31m\nfolder 'DISC': all is well")
    said = [str(finding) for finding in verify(disc) if finding.code == "unreferenced"]
    assert said and all("\x1b" not in line and "\n" not in line for line in said)


@pytest.fixture
def signed(disc: Path) -> Path:
    """A legal copy: its list, the signature and the key, by OpenSSL."""
    (disc / "README.TXT").write_bytes(b"as it was")
    key = str(disc.parent / "key.pem")
    openssl(disc, "genrsa", "-out", key, "2048")
    openssl(disc, "rsa", "-in", key, "-pubout", "-out", "SIGNER.PEM")
    names = sorted(str(path.relative_to(disc)) for path in disc.rglob("*") if path.is_file() and "SHA" not in path.name)
    sums = subprocess.run(["sha256sum", *names], cwd=disc, check=True, capture_output=True).stdout
    (disc / "SHA256.TXT").write_bytes(sums)
    openssl(disc, "dgst", "-sha256", "-sign", key, "-out", "SHA256.SIG", "SHA256.TXT")
    return disc


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def test_a_signed_disc_has_no_findings(signed: Path) -> None:
    assert verify(signed) == []


def test_a_signed_file_changed_together_with_the_list_is_noticed(signed: Path) -> None:
    (signed / "README.TXT").write_bytes(b"changed")
    names = [line.split("  ")[1] for line in (signed / "SHA256.TXT").read_text().splitlines()]
    sums = subprocess.run(["sha256sum", *names], cwd=signed, check=True, capture_output=True).stdout
    (signed / "SHA256.TXT").write_bytes(sums)
    assert codes(signed) == {"signature"}


def test_what_was_added_to_a_signed_disc_is_noticed(signed: Path) -> None:
    (signed / "SETUP.EXE").write_bytes(b"MZ")
    assert [(finding.code, finding.where) for finding in verify(signed)] == [("unexpected-file", "SETUP.EXE")]


@pytest.mark.parametrize("name", ["SHA256.SIG", "SIGNER.PEM", "SHA256.TXT"])
def test_a_signed_disc_that_lost_part_of_its_proof_is_noticed(signed: Path, name: str) -> None:
    (signed / name).unlink()
    assert codes(signed) & {"signature", "missing-file"}


@pytest.mark.parametrize("name", ["SHA256.SIG", "SIGNER.PEM"])
def test_a_damaged_proof_proves_nothing(signed: Path, name: str) -> None:
    (signed / name).write_bytes(b"damaged")
    assert "signature" in codes(signed)
