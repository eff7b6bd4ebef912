"""A film imager that misbehaves on order, on pynetdicom; and DCMTK's dcmprscp, which behaves.

`fault` says what goes wrong with a film:

    reset     the connection breaks when an image comes
    die       the same, and nothing listens any more
    stall     no answer to N-ACTION, though the film is printed
    slow      answers take their time
    size      it has no such film size and would take another (warning 0116H)
    medium    it has no such medium (0106H)
    layout    it knows no layout but STANDARD\\1,1
    depth     it takes 8 bits only
    full      its queue is full (C602H)
    failure   its Printer Status is FAILURE, COVER OPEN
    job       it has print jobs and tells DONE after a while
    job-fails it has print jobs, and they fail
    job-event it tells the end of a print job by itself, after which the job is gone (PS3.4 H.4.5.2.2.2)
    rejects   it does not know our AE title
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt

from tests.support.ports import free_port

META = "1.2.840.10008.5.1.1.9"
COLOR_META = "1.2.840.10008.5.1.1.18"
SESSION, FILM_BOX, PRINT_JOB = "1.2.840.10008.5.1.1.1", "1.2.840.10008.5.1.1.2", "1.2.840.10008.5.1.1.14"
ANNOTATION, LUT = "1.2.840.10008.5.1.1.15", "1.2.840.10008.5.1.1.23"
IMAGE_BOX, COLOR_IMAGE_BOX = "1.2.840.10008.5.1.1.4", "1.2.840.10008.5.1.1.4.1"


class FaultImager:
    """An imager that keeps what it was told and what it printed."""

    def __init__(self, fault: str = "", *, without: tuple[str, ...] = (), tls: ssl.SSLContext | None = None) -> None:
        self.fault = fault
        self.session = Dataset()
        self.films: dict[str, Dataset] = {}  # film box UID -> its attributes
        self.images: dict[str, dict[str, Dataset]] = {}  # film box UID -> image box UID -> its attributes
        self.texts: list[str] = []
        self.luts: list[Dataset] = []
        self.printed: list[list[Dataset]] = []  # the images of each film printed, copies spelled out
        self.printed_films: list[Dataset] = []
        self.asked_for_job = 0
        self.asked_in_vain = 0  # for a job whose end was told
        self.proposed: list[str] = []  # transfer syntaxes of the first context, in order
        entity = AE("IMAGER")
        for uid in (META, COLOR_META, LUT, ANNOTATION, PRINT_JOB):
            if uid not in without and (uid != PRINT_JOB or fault.startswith("job")):
                entity.add_supported_context(uid, ImplicitVRLittleEndian)
        if fault == "rejects":
            entity.require_calling_aet = ["SOMEONE"]
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_N_GET, self._get),
            (evt.EVT_N_CREATE, self._create),
            (evt.EVT_N_SET, self._set),
            (evt.EVT_N_ACTION, self._action),
            (evt.EVT_N_DELETE, lambda event: 0),
        ]
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=tls)
        assert self._server is not None
        self.port = self._server.server_address[1]

    def stop(self) -> None:
        assert self._server is not None
        threading.Thread(target=self._server.shutdown, daemon=True).start()  # takes half a second

    def _requested(self, event: Any) -> None:
        contexts = event.assoc.requestor.requested_contexts
        self.proposed = [str(syntax) for syntax in contexts[0].transfer_syntax]

    def _get(self, event: Any) -> tuple[int, Dataset]:
        answer = Dataset()
        if event.request.RequestedSOPClassUID == PRINT_JOB:
            self.asked_for_job += 1
            if self.fault == "job-event":
                return self._tell_end(event)
            done = "FAILURE" if self.fault == "job-fails" else "DONE"
            answer.ExecutionStatus = "PRINTING" if self.asked_for_job == 1 else done
            return 0, answer
        answer.PrinterStatus = "FAILURE" if self.fault == "failure" else "NORMAL"
        answer.PrinterStatusInfo = "COVER OPEN" if self.fault == "failure" else "NORMAL"
        return 0, answer

    def _tell_end(self, event: Any) -> tuple[int, Dataset]:
        """PRINTING for an answer, and at once after it the event that it is done; then there is no such job."""
        answer = Dataset()
        if self.asked_for_job > 1:
            self.asked_in_vain += 1
            return 0x0112, answer
        uid = event.request.RequestedSOPInstanceUID
        threading.Timer(0.05, event.assoc.send_n_event_report, (answer, 3, PRINT_JOB, uid)).start()
        answer.ExecutionStatus = "PRINTING"
        return 0, answer

    def _create(self, event: Any) -> tuple[int, Dataset | None]:
        sop_class, uid = event.request.AffectedSOPClassUID, event.request.AffectedSOPInstanceUID
        attributes = event.attribute_list
        if sop_class == LUT:
            self.luts.append(attributes)
            return 0, attributes
        if sop_class == SESSION:
            if self.fault == "medium":
                return 0x0106, None
            self.session = attributes
            return 0, attributes
        return self._create_film(str(uid), attributes)

    def _create_film(self, uid: str, attributes: Dataset) -> tuple[int, Dataset | None]:
        if self.fault == "layout" and attributes.ImageDisplayFormat != "STANDARD\\1,1":
            return 0x0106, None
        columns, rows = (int(number) for number in attributes.ImageDisplayFormat.split("\\")[1].split(","))
        boxes = [str(generate_uid()) for _ in range(columns * rows)]
        self.films[uid] = attributes
        self.images[uid] = {}
        answer = Dataset()
        answer.update(attributes)
        color = attributes.get("ICCProfile") is not None
        answer.ReferencedImageBoxSequence = _references(COLOR_IMAGE_BOX if color else IMAGE_BOX, boxes)
        if "AnnotationDisplayFormatID" in attributes:
            answer.ReferencedBasicAnnotationBoxSequence = _references(ANNOTATION, [generate_uid()])
        self._last = uid
        if self.fault == "size":
            answer.FilmSizeID = "8INX10IN"
            return 0x0116, answer
        return 0, answer

    def _set(self, event: Any) -> tuple[int, Dataset | None]:
        if event.request.RequestedSOPClassUID == ANNOTATION:
            self.texts.append(event.attribute_list.TextString)
            return 0, None
        if self.fault in ("reset", "die"):
            if self.fault == "die":
                self._server.server_close()  # type: ignore[union-attr]
            event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)
            return 0x0110, None
        if self.fault == "slow":
            time.sleep(0.2)
        attributes = event.attribute_list
        images = attributes.get("BasicGrayscaleImageSequence") or attributes.BasicColorImageSequence
        if self.fault == "depth" and images[0].BitsStored > 8:
            return 0x0106, None
        self.images[self._last][str(event.request.RequestedSOPInstanceUID)] = attributes
        return 0, None

    def _action(self, event: Any) -> tuple[int, Dataset | None]:
        if self.fault == "full":
            return 0xC602, None
        all_films = event.request.RequestedSOPClassUID == SESSION
        uids = list(self.films) if all_films else [str(event.request.RequestedSOPInstanceUID)]
        copies = int(self.session.get("NumberOfCopies") or 1)
        for uid in uids * copies if all_films else [uid for uid in uids for _ in range(copies)]:
            self.printed.append(list(self.images[uid].values()))
            self.printed_films.append(self.films[uid])
        if self.fault == "stall":
            time.sleep(3)
            event.assoc.abort()
        if not self.fault.startswith("job"):
            return 0, None
        answer = Dataset()
        answer.ReferencedPrintJobSequencePullStoredPrint = _references(PRINT_JOB, [generate_uid()])
        return 0, answer


def _references(sop_class: str, instances: list[str]) -> Sequence:
    items = []
    for instance in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        items.append(item)
    return Sequence(items)


CONFIGURATION = """
[[GENERAL]]
[PRINT]
Directory = spool
[DATABASE]
Directory = database
[LUT]
Directory = lut
[NETWORK]
aetitle = CLIENT
[[COMMUNICATION]]
[JUDGE]
Aetitle = JUDGE
Description = print SCP of the tests
Hostname = localhost
Port = {port}
Type = LOCALPRINTER
BorderDensity = 150\\20\\BLACK\\WHITE
EmptyImageDensity = 20\\BLACK\\WHITE
DisplayFormat = 1,1\\2,1\\2,2\\3,4
FilmDestination = MAGAZINE\\PROCESSOR\\BIN_1
FilmSizeID = 8INX10IN\\14INX17IN
MagnificationType = REPLICATE\\BILINEAR\\CUBIC\\NONE
MaxDensity = 320\\310\\300
MinDensity = 20\\25\\30
MaxPDU = 131072
MediumType = PAPER\\CLEAR FILM\\BLUE FILM
ResolutionID = STANDARD\\HIGH
SmoothingType = NONE
Supports12Bit = true
SupportsPresentationLUT = true
PresentationLUTMatchRequired = false
SupportsDecimateCrop = true
SupportsImageSize = true
SupportsTrim = true
"""


class Judge:
    """One running dcmprscp."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.folder = folder

    def files(self, start: str) -> list[Path]:
        """What it kept, oldest first: SP = films as printed, HG = their images."""
        return sorted(self.folder.glob(f"database/{start}*.dcm"), key=lambda path: path.stat().st_mtime_ns)


@contextmanager
def dcmprscp(folder: Path) -> Iterator[Judge]:
    """DCMTK's print SCP on a free port, keeping films under `folder`/database."""
    for name in ("spool", "database", "lut"):
        (folder / name).mkdir(parents=True)
    port = free_port()
    (folder / "configuration").write_text(CONFIGURATION.format(port=port))
    arguments = ["dcmprscp", "-v", "-c", "configuration", "-p", "JUDGE"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            arguments, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "TCP_NODELAY": "1"}
        )
    try:
        _until_it_listens(port, process, folder / "log")
        yield Judge(port, folder)
    finally:
        process.kill()
        process.wait()


def _until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())
