"""Spoilt answers of printers and spoilt settings: each is refused in our own words, whatever was done to it."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from appliance.config import load_settings
from appliance.errors import ApplianceError
from appliance.printing.device import ipp_message as ipp
from tests.fuzz.mutations import ON_DATA

CASES = int(os.environ.get("FUZZ_CASES", "1000"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))

ANSWER = (
    b"\x02\x00\x00\x00\x00\x00\x00\x01\x01"
    + ipp.attribute("attributes-charset", ipp.CHARSET, b"utf-8")
    + ipp.attribute("attributes-natural-language", ipp.LANGUAGE, b"en")
    + bytes([ipp.PRINTER_GROUP])
    + ipp.enum("printer-state", 3)
    + ipp.keyword("printer-state-reasons", "none", "media-low")
    + ipp.collection("media-col-ready", [ipp.collection("media-size", [ipp.integer("x-dimension", 20320)])])
    + ipp.integer("marker-levels", 42, -2)
    + bytes([ipp.END])
)
SETTINGS = b"""\
[dicom]
ports = [11112, 104]
ae_title = "APPLIANCE"
idle_seconds = 600.0

[web]
port = 8080

[storage]
reserve_percent = 5
"""


def spoilt(data: bytes, number: int) -> bytes:
    chance = random.Random(f"{SEED}/{number}")
    for _ in range(chance.choice((1, 1, 2, 5))):
        data = chance.choice(ON_DATA)(chance, data)
    return data


def test_a_spoilt_ipp_answer_is_read_or_called_malformed() -> None:
    assert ipp.parse(ANSWER).first(ipp.PRINTER_GROUP)
    read = 0
    for number in range(CASES):
        data = spoilt(ANSWER, number)
        try:
            message = ipp.parse(data)
            ipp.value(message.first(ipp.PRINTER_GROUP), "printer-state")
            read += 1
        except ipp.MalformedMessageError:
            continue
        except Exception as error:
            pytest.fail(f"seed {SEED}, case {number}: {error!r} of {data!r}")
    assert 0 < read < CASES


def test_spoilt_settings_are_read_or_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "appliance.toml"
    path.write_bytes(SETTINGS)
    load_settings(tmp_path, path)
    read = 0
    for number in range(min(CASES, 5000)):
        path.write_bytes(spoilt(SETTINGS, number))
        try:
            load_settings(tmp_path, path)
            read += 1
        except ApplianceError as error:
            assert str(error)
        except Exception as error:
            pytest.fail(f"seed {SEED}, case {number}: {error!r} of {path.read_bytes()!r}")
    assert 0 < read < min(CASES, 5000)
