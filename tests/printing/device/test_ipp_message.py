from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.printing.device import ipp_message as ipp
from appliance.printing.device.ipp_message import MalformedMessageError, parse, value

HEAD = struct.pack(">HHi", 0x0200, 0, 1)
END = bytes([ipp.END])


def answer(*attributes: bytes, group: int = ipp.PRINTER_GROUP) -> bytes:
    return HEAD + bytes([group]) + b"".join(attributes) + END


# (encoded, name, value as read)
SYNTAXES = [
    (ipp.integer("copies", 7), "copies", [7]),
    (ipp.integer("levels", 1, -2), "levels", [1, -2]),
    (ipp.enum("printer-state", 3), "printer-state", [3]),
    (ipp.boolean("my-jobs", False), "my-jobs", [False]),
    (ipp.keyword("sides", "one-sided"), "sides", ["one-sided"]),
    (ipp.text("job-name", ipp.NAME, "Грудь", 255), "job-name", ["Грудь"]),
    (ipp.text("job-name", ipp.NAME, "Грудь", 5), "job-name", ["Гр"]),
    (ipp.resolution("printer-resolution", 320, 320), "printer-resolution", [(320, 320, 3)]),
    (ipp.attribute("copies-supported", ipp.RANGE_OF_INTEGER, struct.pack(">ii", 1, 9)), "copies-supported", [(1, 9)]),
    (ipp.attribute("location", ipp.UNKNOWN, b""), "location", [None]),
    (ipp.attribute("info", ipp.TEXT_WITH_LANGUAGE, b"\0\2de\0\4Film"), "info", ["Film"]),
    (ipp.attribute("supply", ipp.OCTET_STRING, b"level=4"), "supply", [b"level=4"]),
    (
        ipp.collection("media-col", [ipp.collection("media-size", [ipp.integer("x-dimension", 35560)])]),
        "media-col",
        [{"media-size": [{"x-dimension": [35560]}]}],
    ),
]


@pytest.mark.parametrize(("encoded", "name", "wanted"), SYNTAXES)
def test_a_value_is_read_as_it_was_written(encoded: bytes, name: str, wanted: list) -> None:
    assert parse(answer(encoded)).first(ipp.PRINTER_GROUP) == {name: wanted}


def test_a_request_is_the_bytes_of_rfc_8010() -> None:
    """RFC 8010 appendix A.1 begins so, but for the printer's own URI."""
    data = ipp.request("Print-Job", 1, ipp.text("printer-uri", ipp.URI, "ipp://p/", 1023), b"", 0x0101)
    assert data == (
        b"\x01\x01\x00\x02\x00\x00\x00\x01\x01"
        b"\x47\x00\x12attributes-charset\x00\x05utf-8"
        b"\x48\x00\x1battributes-natural-language\x00\x02en"
        b"\x45\x00\x0bprinter-uri\x00\x08ipp://p/"
        b"\x03"
    )


def test_an_out_of_band_value_counts_as_none() -> None:
    assert value({"location": [None]}, "location", "here") == "here"
    assert value({}, "location", "here") == "here"


MALFORMED = [
    b"",
    b"HTTP/1.1 200 OK",
    HEAD,
    HEAD + ipp.integer("copies", 1) + END,
    answer(ipp.attribute("", ipp.INTEGER, b"\0\0\0\1")),
    answer(ipp.attribute("copies", ipp.INTEGER, b"\1")),
    answer(b"\x21\xff\xff"),
    answer(ipp.attribute("media-col", ipp.BEGIN_COLLECTION, b"")),
    answer(ipp.attribute("a", ipp.BEGIN_COLLECTION, b"") + ipp.attribute("", ipp.BEGIN_COLLECTION, b"") * 9),
    answer(ipp.integer("levels", *range(60_000))),
]


@pytest.mark.parametrize("data", MALFORMED)
def test_a_malformed_message_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        parse(data)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(MalformedMessageError):
        parse(HEAD + data)


@given(st.data())
def test_a_changed_byte_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(answer(*(encoded for encoded, _, _ in SYNTAXES)))
    for _ in range(3):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedMessageError):
        parse(bytes(whole))
