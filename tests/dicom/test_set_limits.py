"""Limits that a site sets, as peers meet them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.dimse_primitives import N_CREATE

from appliance.store.store import Store
from tests.dicom.clients import ANNOTATION, FILM, GRAY, SESSION, boxes
from tests.dicom.conftest import Door, open_door
from tests.dicom.test_front_door import nested, raw_status
from tests.dicom.test_storage import door_of, store_raw
from tests.media import made
from tests.support.limited import limited


@pytest.fixture(scope="module")
def strict_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    limits = {"sequence_depth": 9, "annotation_characters": 100}
    with open_door(tmp_path_factory.mktemp("limits"), limits=limits) as door:
        yield door


@pytest.mark.parametrize(("depth", "status"), [(9, 0x0107), (10, 0x0110)])
def test_a_print_request_is_nested_as_deep_as_is_set(strict_site: Door, depth: int, status: int) -> None:
    with strict_site.client(classes=(GRAY,), syntaxes=[ExplicitVRLittleEndian]) as client:
        create = N_CREATE()
        create.AffectedSOPClassUID = SESSION
        assert raw_status(client, create, "AttributeList", nested(depth)) == status


@pytest.mark.parametrize(("depth", "status"), [(9, 0), (10, 0xC000)])
def test_an_instance_is_nested_as_deep_as_is_set(store: Store, depth: int, status: int) -> None:
    dataset = made.image(depth)
    inner = Dataset()
    for _ in range(depth):
        outer = Dataset()
        outer.ContentSequence = [inner]
        outer["ContentSequence"].is_undefined_length = inner.is_undefined_length_sequence_item = True
        inner = outer
    dataset.ContentSequence = outer.ContentSequence
    dataset["ContentSequence"].is_undefined_length = True
    with door_of(limited(store, sequence_depth=9)) as door:
        assert store_raw(door.port, dataset) == status


@pytest.mark.parametrize(("length", "status"), [(100, 0), (101, 0x0116)])
def test_an_annotation_is_as_long_as_is_set(strict_site: Door, length: int, status: int) -> None:
    with strict_site.client() as client:
        film = client.film(client.session(), AnnotationDisplayFormatID="LABEL")
        client.image(boxes(film)[0])
        box = film.dataset.ReferencedBasicAnnotationBoxSequence[0].ReferencedSOPInstanceUID
        assert client.set(ANNOTATION, box, AnnotationPosition=1, TextString="L" * length).status == status
        assert client.action(FILM, film.instance).status == 0
    assert strict_site.newest()[1].film_boxes[0].annotation_boxes[0].TextString == "L" * 100
