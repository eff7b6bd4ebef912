"""Data sets of a peer's answers: as much of them as can be read."""

from __future__ import annotations

import logging
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import decode

log = logging.getLogger("appliance.network")


def read_reply(stream: BytesIO, transfer_syntax: UID) -> Dataset:
    """The data set of an answer, every value looked at; what can't be read is left out, be it all of it.

    pydicom reads values when they are asked for, and raises all sorts of things then. What the peer did is told by its
    status: an answer to a film that was printed must not become a failure for what else it holds.
    """
    try:
        dataset = decode(stream, transfer_syntax.is_implicit_VR, transfer_syntax.is_little_endian)
        _keep_readable(dataset)
    except Exception as error:
        log.warning("the data set of an answer can't be read: %s", type(error).__name__)
        return Dataset()
    return dataset


def _keep_readable(dataset: Dataset) -> None:
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception as error:
            log.warning("%s of an answer can't be read: %s", tag, type(error).__name__)
            del dataset[tag]
            continue
        for item in element.value or () if element.VR == "SQ" else ():
            _keep_readable(item)
