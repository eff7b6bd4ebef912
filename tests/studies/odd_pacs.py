"""An archive that answers as some real ones do: wrong counts, keys passed over, no C-GET, no word while it sends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt

FIND, MOVE = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2"
VERIFICATION = "1.2.840.10008.1.1"


@dataclass
class OddArchive:
    """What it has, and what is odd about it."""

    kept: list[Dataset]
    move_to: int  # port of APPLIANCE
    study_count: int | None = None  # (0020,1208), whatever it has
    series_count: int | None = None  # (0020,1209), likewise
    silent_series: tuple[str, ...] = ()  # of which it names no images
    names_images: bool = True
    passes_over_keys: bool = False
    says_pending: bool = True
    sends: int = 1 << 30  # so many of a C-MOVE, then it says that all is well
    waits_for: threading.Event | None = None  # in the middle of a C-MOVE
    ponders: threading.Event | None = None  # before it answers a query
    also_under: str = ""  # Patient ID of another patient it files its studies under
    ends_with: int = 0x0000  # a query, after what it tells
    names_no_study: bool = False  # its studies without their UID
    limited: str = ""  # the level it ends with FE00 after one match
    tells_twice: bool = False  # each series
    tells_for_ever: bool = False  # its series
    port: int = 0
    moves: list[Dataset] = field(default_factory=list)

    def find(self, event: evt.Event) -> Iterator[tuple[int, Any]]:
        wanted = event.identifier
        level = wanted.QueryRetrieveLevel
        if self.ponders is not None:
            self.ponders.wait(20)
        if level == "IMAGE" and not self.names_images:
            yield 0xA900, None
            return
        seen = set()
        for each in self._fitting(wanted):
            match, uid = Dataset(), getattr(each, _KEYS[level])
            if uid in seen or (level == "IMAGE" and each.SeriesInstanceUID in self.silent_series):
                continue
            seen.add(uid)
            for element in wanted:
                if element.keyword in each:
                    match[element.tag] = each[element.tag]
            match.QueryRetrieveLevel = level
            if level == "STUDY" and self.study_count is not None:
                match.NumberOfStudyRelatedInstances = self.study_count
            if level == "SERIES" and self.series_count is not None:
                match.NumberOfSeriesRelatedInstances = self.series_count
            if level == "STUDY" and self.names_no_study:
                del match.StudyInstanceUID
            yield 0xFF00, match
            if level == self.limited:
                yield 0xFE00, None
                return
            if level == "STUDY" and self.also_under:
                match.PatientID = self.also_under
                yield 0xFF00, match
            if level == "SERIES" and self.tells_twice:
                yield 0xFF00, match
            while level == "SERIES" and self.tells_for_ever and event.assoc.is_established:
                time.sleep(0.005)
                yield 0xFF00, match
        if self.ends_with:
            yield self.ends_with, None

    def _fitting(self, wanted: Dataset) -> list[Dataset]:
        if self.passes_over_keys:
            return self.kept
        keys = [key for key in _KEYS.values() if wanted.get(key)]
        return [each for each in self.kept if all(getattr(each, key) == wanted.get(key) for key in keys)]

    def move(self, event: evt.Event) -> Iterator[Any]:
        """Where it says nothing it sends by itself all but the last: pynetdicom would say something after each."""
        self.moves.append(event.identifier)
        wanted = self._fitting(event.identifier)[: self.sends]
        yield "127.0.0.1", self.move_to
        yield len(wanted) if self.says_pending else 1
        for number, each in enumerate(wanted):
            if number == 1 and self.waits_for is not None:
                self.waits_for.wait(20)
            if self.says_pending or number == len(wanted) - 1:
                yield 0xFF00, each
            else:
                self._send(each)

    def _send(self, instance: Dataset) -> None:
        ae = AE("PACS")
        ae.add_requested_context(instance.SOPClassUID)
        association = ae.associate("127.0.0.1", self.move_to, ae_title="APPLIANCE")
        association.send_c_store(instance)
        association.release()

    @contextmanager
    def listening(self) -> Iterator[OddArchive]:
        """It listens as PACS as long as the block runs."""
        ae = AE("PACS")
        for uid in (VERIFICATION, FIND, MOVE, *{each.SOPClassUID for each in self.kept}):  # takes images, as all do
            ae.add_supported_context(uid)
        for uid in {each.SOPClassUID for each in self.kept}:
            ae.add_requested_context(uid)
        handlers = [(evt.EVT_C_FIND, self.find), (evt.EVT_C_MOVE, self.move)]
        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
        assert server is not None
        self.port = server.server_address[1]
        try:
            yield self
        finally:
            for held in (self.waits_for, self.ponders):
                if held is not None:
                    held.set()
            server.shutdown()


_KEYS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
