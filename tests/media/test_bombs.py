"""Bombs that were stored: a disc of them is refused or made, the discs' process stays small, and no child is left."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from appliance.media.views import show_disc
from appliance.store.store import Store
from tests.media import made
from tests.media.disc_helpers import fresh, keep, ordered, work_off

SERVICE = 160 << 20
"""What a part of the service has before it does anything, rather more."""
MOST = (512 << 20) - SERVICE


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


def in_syntax(dataset: Dataset, syntax: str) -> Dataset:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def deflated() -> Dataset:
    """A hundred and fifty megabytes of zeros in as many kilobytes."""
    dataset = made.image(70, series=7)
    dataset.private_block(0x0029, "MAKER", create=True).add_new(1, "OB", bytes(150 << 20))
    return in_syntax(dataset, DeflatedExplicitVRLittleEndian)


def run_lengths() -> Dataset:
    dataset = made.image(71, series=7)
    bomb = struct.pack("<16L", 2, 64, 500_064, *[0] * 13) + b"\x81\x00" * 500_000
    dataset.PixelData = encapsulate([bomb])
    return in_syntax(dataset, RLELossless)


def giant_codestream() -> Dataset:
    """A codestream of 65535 x 65535 pixels in a header that says the same."""
    dataset = made.image(72, rows=64, columns=64, series=7)
    in_syntax(dataset, ExplicitVRLittleEndian)
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    at = dataset.PixelData.find(b"\xff\x4f\xff\x51") + 8
    dataset.PixelData = dataset.PixelData[:at] + struct.pack(">II", 65535, 65535) + dataset.PixelData[at + 8 :]
    dataset.Rows = dataset.Columns = 65535
    return dataset


def deep() -> Dataset:
    """Sequences nested sixty times, as deep as is taken in."""
    dataset = made.image(73, series=7)
    inner = Dataset()
    for _ in range(60):
        outer = Dataset()
        outer.ContentSequence = [inner]
        inner = outer
    dataset.ContentSequence = [inner]
    return in_syntax(dataset, ImplicitVRLittleEndian)


def many_items() -> Dataset:
    """Two million empty items in sixteen megabytes, which become gigabytes of objects when they are read."""
    dataset = made.image(74, series=7)
    items = b"\xfe\xff\x00\xe0\0\0\0\0" * 2_000_000
    dataset.private_block(0x0029, "MAKER", create=True).add_new(1, "UN", items)
    dataset.add_new(0x00081140, "UN", items)
    return in_syntax(dataset, ImplicitVRLittleEndian)


def peak_of(deed: Callable[[], None]) -> int:
    """Bytes of memory a process of its own took at most, beyond what it inherited from this one, which does tests."""
    inherited = int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    child = os.fork()
    if not child:
        try:
            deed()
        finally:
            os._exit(0)
    _, status, used = os.wait4(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return used.ru_maxrss * 1024 - inherited


BOMBS = {
    deflated: "larger than",
    run_lengths: "more RLE data than its pixels can need",
    giant_codestream: "less than 4 GiB",
    deep: "",
    many_items: "sequence items",
}


@pytest.mark.parametrize(("bomb", "reason"), BOMBS.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_a_disc_is_made_without_the_bomb_in_little_memory(
    store: Store, bomb: Callable[[], Dataset], reason: str
) -> None:
    keep(store, [bomb()])
    choices = {"leave_out_refused": True}
    made_of = [ordered(store, choices=choices), ordered(store, choices=choices | {"anonymous": True})]
    peak = peak_of(lambda: [work_off(store, disc_id) for disc_id in made_of])
    assert peak < MOST, peak >> 20
    for view in (show_disc(store, disc_id) for disc_id in made_of):
        assert view["execution_status"] == "DONE", view["message"]
        assert view["volumes"][0]["instances"] == (3 if reason else 4)
    left_out = show_disc(store, made_of[0])["plan"]["left_out"]
    assert [reason in each["reason"] for each in left_out] == ([True] if reason else [])


def test_pages_viewer_and_check_survive_bombs_that_stay_on_a_disc(store: Store) -> None:
    """A zip takes every transfer syntax: nothing is left out, the pictures are, the check lays out on disk."""
    keep(store, [deflated(), run_lengths(), giant_codestream()])
    disc_id = ordered(store, medium="zip", choices={"viewer": True, "web_content": True})
    assert peak_of(lambda: work_off(store, disc_id)) < MOST
    view = show_disc(store, disc_id)
    assert (view["execution_status"], view["volumes"][0]["instances"]) == ("DONE", 6)
