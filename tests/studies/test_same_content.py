"""An instance that comes again in another encoding is known; one that says anything else is kept aside."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from appliance.store import instances
from appliance.store.store import Store
from appliance.studies import elements, same_content, search
from appliance.studies.intake import Intake
from tests.media import made
from tests.studies.arrivals import SCANNER, arrival, files_of

STUDY = f"{made.ROOT}.1"


def image(*, undefined_length: bool = False, inner: str = "A1", private: bytes = b"AB", **values: object) -> Dataset:
    """An image with a sequence in a sequence, and elements of a maker's own."""
    dataset = made.image(1, **values)
    code, item = Dataset(), Dataset()
    code.CodeValue, code.PixelSpacing = inner, [0.5, 0.25]
    item.ReferencedSOPInstanceUID = "1.2.3"
    item.PurposeOfReferenceCodeSequence = Sequence([code])
    dataset.ReferencedImageSequence = Sequence([item])
    dataset.add_new(0x00090010, "LO", "MAKER")
    dataset.add_new(0x00091001, "UN", private)
    dataset.SmallestImagePixelValue = 32
    for sequence in (dataset["ReferencedImageSequence"], item["PurposeOfReferenceCodeSequence"]):
        sequence.is_undefined_length = undefined_length
        for each in sequence.value:
            each.is_undefined_length_sequence_item = undefined_length
    return dataset


@pytest.mark.parametrize("undefined_length", [False, True])
@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda uid: uid.name,
)
def test_another_encoding_of_the_same_is_known_and_kept_once(store: Store, syntax: str, undefined_length: bool) -> None:
    intake = Intake(store)
    other = image(undefined_length=undefined_length)
    if syntax == ExplicitVRBigEndian:  # pydicom writes pixels as they are
        other.PixelData = elements.swapped(other.PixelData, 2)
    again = arrival(store, other, syntax)
    assert intake.take(arrival(store, image()), SCANNER).outcome == "stored"
    assert intake.take(again, SCANNER).outcome == "known"
    found = search.show_study(store, STUDY)
    assert (found["instances"], found["kept_aside"], len(files_of(store))) == (1, 0, 1)


@pytest.mark.parametrize(
    "values",
    [
        {"inner": "A2"},
        {"private": b"A "},
        {"SmallestImagePixelValue": 0},  # as bytes, blanks against zeros
        {"WindowCenter": 7},
        {"ImageComments": "one more"},
        {"seed": 5},
    ],
    ids=lambda values: next(iter(values)),
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=lambda uid: uid.name)
def test_what_says_anything_else_is_kept_aside(store: Store, syntax: str, values: dict) -> None:
    intake = Intake(store)
    assert intake.take(arrival(store, image()), SCANNER).outcome == "stored"
    other = image(**{key: value for key, value in values.items() if key in ("inner", "private")})
    for keyword in values.keys() - {"inner", "private", "seed"}:
        setattr(other, keyword, values[keyword])
    if "seed" in values:
        other.PixelData = other.PixelData[:-2] + b"\x01\x02"
    assert intake.take(arrival(store, other, syntax), SCANNER).outcome == "kept-aside"
    assert search.show_study(store, STUDY)["kept_aside"] == 1


def test_an_instance_is_compared_with_a_few_of_its_uid_however_many_there_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender may make any number of them: each new one would cost more than the one before."""
    read: list[str] = []
    digest = same_content.digest
    monkeypatch.setattr(
        same_content, "digest", lambda path, *args, **kwargs: read.append(path.name) or digest(path, *args, **kwargs)
    )
    intake = Intake(store)
    for number in range(12):
        taken = intake.take(arrival(store, image(ImageComments=f"again {number}")), SCANNER)
        assert taken.outcome == ("kept-aside" if number else "stored")
    read.clear()
    again = arrival(store, image(ImageComments="again 0"), ImplicitVRLittleEndian)
    assert intake.take(again, SCANNER).outcome == "known", "the accepted one is among those it is compared with"
    assert 2 <= len(read) <= 1 + instances.FEW


def test_a_sender_does_not_wait_long_for_others_to_be_compared(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same_content, "DOOR_SECONDS", 0.05)
    intake = Intake(store)
    assert intake.take(arrival(store, image()), SCANNER).outcome == "stored"
    with same_content._ONE_AT_A_TIME:  # a large one is being read
        assert intake.take(arrival(store, image(), ImplicitVRLittleEndian), SCANNER).outcome == "kept-aside"
