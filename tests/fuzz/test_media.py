"""Spoilt discs, archives, layouts and backups: each is read or refused in our own words, whatever was done to it."""

from __future__ import annotations

import io
import os
import random
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from appliance.errors import ApplianceError
from appliance.events import process_actor
from appliance.film import annotation_format, catalog
from appliance.media import label_layout
from appliance.media.check import examine
from appliance.resources import shipped
from appliance.store.store import open_store
from appliance.studies.importing import import_path
from appliance.upkeep.backup import make_backup
from appliance.upkeep.restore import restore
from tests.faults.instances import instance
from tests.faults.plant import SETTINGS
from tests.fuzz.mutations import LENGTHS, ON_DATA, TEXTS, data_element
from tests.fuzz.recording import Message
from tests.media import made

CASES = int(os.environ.get("FUZZ_CASES", "0"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
WHO = process_actor("tests")
SECTOR = 2048
pytestmark = pytest.mark.filterwarnings("ignore:")  # pydicom's and zipfile's, of what we spoilt
ISO_STRUCTURES = 40 * SECTOR
"""Descriptors, path tables and folders of a small image lie in its first sectors."""


def cases(short: int, share: float = 1.0) -> range:
    """Numbers of cases: a few in every run, a share of those asked for in a long one."""
    return range(int(CASES * share) if CASES else short)


def survive(number: int, deed: Callable[[], object], spoilt: bytes = b"") -> bool:
    """Whether it was read; refused in words is as good."""
    try:
        deed()
    except ApplianceError as error:
        assert str(error), f"seed {SEED}, case {number}: refused without a word"
        return False
    except Exception as error:
        pytest.fail(f"seed {SEED}, case {number}: {error!r} of {spoilt[:300]!r}")
    return True


def chance_of(number: int, what: str) -> random.Random:
    return random.Random(f"{SEED}/{what}/{number}")


def spoil(chance: random.Random, data: bytes) -> bytes:
    for _ in range(chance.choice((1, 1, 2, 5))):
        data = chance.choice(ON_DATA)(chance, data)
    return data


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A disc of five images, one a report."""
    folder = tmp_path_factory.mktemp("disc")
    sources = [made.kept(folder / "in", made.image(number)) for number in range(1, 5)]
    sources.append(made.kept(folder / "in", made.report(9)))
    return made.built(sources, folder / "out").read_bytes()


def dicomdir_of(image: bytes) -> tuple[int, int]:
    """Where the DICOMDIR lies in an image: the first DICOM file whose class is that of a directory."""
    place = -1
    while (place := image.find(b"DICM", place + 1)) >= 0:
        if b"1.2.840.10008.1.3.10" in image[place : place + 300]:
            start = place - 128
            end = image.find(b"DICM", place + 4)
            return start, (end - 128 if end > 0 else len(image)) - start
    raise AssertionError("no DICOMDIR")


def spoilt_image(chance: random.Random, image: bytes) -> bytes:
    """An image with its DICOMDIR, its file system or its instances spoilt."""
    kind = chance.choice(("directory", "directory", "element", "system", "system", "anything", "cut"))
    if kind == "cut":
        return image[: chance.randrange(len(image))]
    changed = bytearray(image)
    start, size = (0, len(image)) if kind == "anything" else dicomdir_of(image)
    if kind == "system":
        start, size = 16 * SECTOR, ISO_STRUCTURES
        for _ in range(chance.choice((1, 3, 20))):
            place = start + chance.randrange(size - 8)
            changed[place : place + 4] = struct.pack(chance.choice("<>") + "L", chance.choice(LENGTHS))
        return bytes(changed)
    part = bytes(changed[start : start + size])
    if kind == "element":
        message = Message(1, {}, part[132:])
        data_element(chance, message)
        part = (part[:132] + message.data)[:size].ljust(size, b"\0")
    else:
        part = spoil(chance, part)[:size].ljust(size, b"\0")
    changed[start : start + size] = part
    return bytes(changed)


def test_a_spoilt_disc_is_judged_without_falling(image: bytes, tmp_path: Path) -> None:
    path = tmp_path / "disc.iso"
    path.write_bytes(image)
    assert examine(path).good
    good = 0
    for number in cases(150, 0.1):
        data = spoilt_image(chance_of(number, "disc"), image)
        path.write_bytes(data)
        try:
            good += examine(path).good
        except OSError:
            continue  # it can't be opened at all: as documented
        except Exception as error:
            pytest.fail(f"seed {SEED}, case {number}: {error!r}")
    assert good < len(cases(150, 0.1)) // 2, "hardly a case hurts"


def test_a_spoilt_folder_or_archive_is_imported_as_far_as_it_is_whole(image: bytes, tmp_path: Path) -> None:
    """A folder as copied off a disc, with its DICOMDIR and instances spoilt; and the same as a zip archive."""
    start, size = dicomdir_of(image)
    whole = {
        "DICOMDIR": image[start : start + size],
        "a.dcm": made.as_file(instance(1)),
        "b": made.as_file(instance(2)),
    }
    store = open_store(tmp_path / "data", settings=SETTINGS)
    for number in cases(60, 0.03):
        chance = chance_of(number, "import")
        victims = chance.sample(sorted(whole), chance.choice((1, 2)))
        files = {name: spoil(chance, data) if name in victims else data for name, data in whole.items()}
        packed = zipped(chance, files)
        spoilt = spoil(chance, packed) if chance.random() < 0.7 else packed
        (tmp_path / "a.zip").write_bytes(spoilt)
        folder = tmp_path / "folder"
        folder.mkdir(exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        survive(number, partial(import_path, store, tmp_path / "a.zip", WHO), spoilt)
        survive(number, partial(import_path, store, folder, WHO))
        assert list(store.folder.spool.iterdir()) == [], number
    store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "data", "folder"], "something got out"


def zipped(chance: random.Random, files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    names = ("../../out", "/etc/x", "a/../../b", "x" * 300, "", "DICOMDIR/x", "nul\0name")
    with zipfile.ZipFile(packed, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, data in files.items():
            archive.writestr(chance.choice((name, name, name, chance.choice(names) or "empty")), data)
    return packed.getvalue()


LINES = ("= 1", "= -1", '= "x"', "= []", "= {}", "= nan", "= 1e400", "= [[1]]", "= true", "= 1979-05-27")


def spoilt_toml(chance: random.Random, text: bytes) -> bytes:
    """Another value, key or table; or spoilt bytes."""
    if chance.random() < 0.4:
        return spoil(chance, text)
    lines = text.split(b"\n")
    for _ in range(chance.choice((1, 2, 5))):
        place = chance.randrange(len(lines))
        key = lines[place].partition(b"=")[0]
        new = (key + chance.choice(LINES).encode(), lines[place] * 2, b"", b"[" + chance.choice(TEXTS)[:50] + b"]")
        lines[place] = chance.choice(new)
    return b"\n".join(lines)


@pytest.mark.parametrize("name", [path.name for path in sorted(shipped("layouts").glob("*.toml"))])
def test_spoilt_layouts_are_read_or_refused_in_words(tmp_path: Path, name: str) -> None:
    text = (shipped("layouts") / name).read_bytes()
    path = tmp_path / name
    read = 0
    for number in cases(120, 0.02):
        path.write_bytes(spoilt := spoilt_toml(chance_of(number, name), text))
        loaders = (label_layout.layouts,) if name == "labels.toml" else (catalog.load, annotation_format.load_formats)
        read += sum(survive(number, partial(load, tmp_path), spoilt) for load in loaders) == len(loaders)
    assert read < len(cases(120, 0.02)), "hardly a case hurts"


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("backup")
    store = open_store(folder / "data", settings=SETTINGS)
    make_backup(store, folder / "b.tar", WHO)
    store.close()
    return (folder / "b.tar").read_bytes()


def spoilt_tar(chance: random.Random, data: bytes) -> bytes:
    """Another name, kind or size of a member with its header's sum right; or spoilt bytes anywhere."""
    if chance.random() < 0.4:
        return spoil(chance, data)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
    member = chance.choice(members)
    head = bytearray(data[member.offset : member.offset + 512])
    field = chance.choice(((0, 100), (100, 8), (124, 12), (156, 1), (157, 100), (345, 155)))
    value = chance.choice((*TEXTS, b"\xff" * 12, b"99999999999", b"1", b"2", b"5", b"L", b"x", b"S"))[: field[1]]
    head[field[0] : field[0] + field[1]] = value.ljust(field[1], b"\0")
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return data[: member.offset] + bytes(head) + data[member.offset + 512 :]


def test_a_spoilt_backup_is_refused_in_words_and_leaves_nothing(backup: bytes, tmp_path: Path) -> None:
    path, place = tmp_path / "b.tar", tmp_path / "there"
    path.write_bytes(backup)
    assert survive(0, lambda: restore(path, place, WHO))
    taken = 0
    for number in cases(60, 0.01):
        shutil.rmtree(place, ignore_errors=True)
        path.write_bytes(spoilt := spoilt_tar(chance_of(number, "backup"), backup))
        if survive(number, lambda: restore(path, place, WHO), spoilt):
            taken += 1
        else:
            assert not place.exists() or list(place.iterdir()) == [], number
        assert sorted(each.name for each in tmp_path.iterdir()) in (["b.tar", "there"], ["b.tar"]), number
    assert taken < len(cases(60, 0.01)), "hardly a case hurts"
