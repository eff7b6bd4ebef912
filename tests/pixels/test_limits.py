"""How much is decoded, as a site sets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from appliance.config import LimitsSettings
from appliance.pixels import DEFAULT_LIMITS, Decoder, TooLargeError, limits_of
from tests.media import made


def test_the_defaults_are_those_of_the_settings() -> None:
    assert limits_of(LimitsSettings()) == DEFAULT_LIMITS


def test_a_child_has_the_memory_for_the_largest_frame() -> None:
    assert limits_of(LimitsSettings(frame_mib=2048)).address_space == 12 << 30


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize(("columns", "fits"), [(1024, True), (1025, False)])
def test_a_frame_is_as_large_as_is_set(tmp_path: Path, columns: int, fits: bool, syntax: str) -> None:
    dataset = made.image(1, rows=512, columns=columns)
    dataset.PixelData = bytes(2 * 512 * columns)
    source = made.kept(tmp_path, dataset, syntax)
    with Decoder(limits=limits_of(LimitsSettings(frame_mib=1, inflated_mib=2))) as decoder:
        if fits:
            assert decoder.frame(Path(source.path), 1).shape == (512, columns)
        else:
            with pytest.raises(TooLargeError, match="512 x 1025"):
                decoder.frame(Path(source.path), 1)


def test_a_deflated_data_set_is_as_large_as_is_set(tmp_path: Path) -> None:
    dataset = made.image(1, rows=512, columns=1024)
    dataset.PixelData = bytes(2 * 512 * 1024)
    source = made.kept(tmp_path, dataset, DeflatedExplicitVRLittleEndian)
    limits = limits_of(LimitsSettings(inflated_mib=1))
    with Decoder(limits=limits) as decoder, pytest.raises(TooLargeError, match="larger than 1 MiB"):
        decoder.frame(Path(source.path), 1)
