"""The print client against DCMTK's print SCP and against our own server."""

from __future__ import annotations

import mmap
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from appliance.network import print_scu
from appliance.network.events import send_event
from appliance.network.print_scu import CreatedFilm, PrintRefusedError, printing
from appliance.network.requestor import NoAssociationError, Peer
from appliance.network.server import Listen, start_server
from appliance.network.skim import skim
from appliance.network.spool import spooled_dataset
from tests.network.conftest import QUICK, Bench, eventually
from tests.network.test_scu import answering, dcmtk
from tests.support.ports import free_port

_CONFIGURATION = """[[GENERAL]]
[APPLICATION]
LogDirectory = log
LogLevel = ERROR
[PRINT]
Server = dcmprscp
Directory = spool
DetailedLog = false
BinaryLog = false
[DATABASE]
Directory = db
[LUT]
Directory = lut
[NETWORK]
aetitle = US
[[COMMUNICATION]]
[IMAGER]
Aetitle = IMAGER
Hostname = localhost
Port = {port}
Type = LOCALPRINTER
DisplayFormat=1,1\\2,2
FilmSizeID = 14INX17IN
MediumType = BLUE FILM
FilmDestination = PROCESSOR
MagnificationType = CUBIC
BorderDensity = BLACK
EmptyImageDensity = BLACK
MaxDensity = 320
MinDensity = 20
ResolutionID = STANDARD
SmoothingType = NONE
MaxPDU = 131072
Supports12Bit = true
SupportsPresentationLUT = true
PresentationLUTMatchRequired = false
"""


class Imager:
    """dcmprscp."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        for name in ("log", "spool", "db", "lut"):
            (folder / name).mkdir()
        (folder / "imager.cfg").write_text(_CONFIGURATION.format(port=self.port), encoding="ascii")
        self.process = dcmtk("dcmprscp", "-c", "imager.cfg", "-p", "IMAGER", cwd=folder)
        assert eventually(lambda: answering(self.port), 10)
        time.sleep(0.1)

    @property
    def peer(self) -> Peer:
        return Peer(host="127.0.0.1", port=self.port, called="IMAGER")


@pytest.fixture(scope="module")
def imager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imager]:
    imager = Imager(tmp_path_factory.mktemp("imager"))
    yield imager
    imager.process.terminate()
    imager.process.wait(10)


def film_attributes() -> Dataset:
    film = Dataset()
    film.ImageDisplayFormat = r"STANDARD\1,1"
    film.FilmOrientation = "PORTRAIT"
    film.FilmSizeID = "14INX17IN"
    return film


def image_attributes(rows: int, columns: int, bits: int = 8) -> Dataset:
    image = Dataset()
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows, image.Columns = rows, columns
    image.PixelAspectRatio = [1, 1]
    image.BitsAllocated = 8 if bits == 8 else 16
    image.BitsStored, image.HighBit = bits, bits - 1
    image.PixelRepresentation = 0
    return image


def position(number: int) -> Dataset:
    box = Dataset()
    box.ImageBoxPosition = number
    box.Polarity = "NORMAL"
    return box


def test_a_film_goes_to_an_imager_pixel_by_pixel(imager: Imager, tmp_path: Path) -> None:
    pixels = bytes((row * column) % 251 for row in range(300) for column in range(200))
    (tmp_path / "pixels").write_bytes(pixels)
    with printing(imager.peer) as client, (tmp_path / "pixels").open("rb") as file:
        assert client.printer().PrinterStatus == "NORMAL"
        session = client.create_session(Dataset())
        film: CreatedFilm = client.create_film(session.uid, film_attributes())
        assert len(film.image_boxes) == 1
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            client.set_image(film.image_boxes[0], position(1), image_attributes(300, 200), view)
        client.print_film(film.uid)
        client.delete_session(session.uid)
    printed = [dcmread(path, force=True) for path in (imager.folder / "db").glob("*.dcm")]
    images = [one for one in printed if "PixelData" in one]
    assert len(images) == 1
    assert images[0].PixelData[: len(pixels)] == pixels


def test_a_film_that_is_refused_says_which_request_and_why(imager: Imager) -> None:
    with pytest.raises(PrintRefusedError, match=r"film box with status 0[0-9A-F]{3}"), printing(imager.peer) as client:
        wrong = film_attributes()
        wrong.ImageDisplayFormat = "NONSENSE"
        client.create_film(client.create_session(Dataset()).uid, wrong)


def test_an_imager_without_colour_says_so(imager: Imager) -> None:
    with (
        pytest.raises(NoAssociationError, match="none of the services|does not print colour"),
        printing(imager.peer, color=True) as client,
    ):
        assert client.offers(print_scu.PRESENTATION_LUT)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
@pytest.mark.parametrize("length", [40_000, 40_001])
def test_what_is_sent_is_a_data_set_like_any_other(bench: Bench, syntax: str, length: int) -> None:
    """Our own SCP and skim are the judges."""
    found = []

    def handle(event: evt.Event) -> tuple[int, None]:
        spooled = spooled_dataset(event)
        skimmed = skim(spooled.path, spooled.transfer_syntax)
        bulk = skimmed.find(0x20200110, 0, 0x7FE00010)
        assert bulk is not None
        data = spooled.path.read_bytes()[bulk.offset : bulk.offset + bulk.length]
        found.append((spooled.transfer_syntax, skimmed.dataset, data))
        return 0, None

    ae = AE("APPLIANCE")
    ae.add_supported_context(print_scu.GRAYSCALE, syntax)
    with start_server(ae, [Listen()], [(evt.EVT_N_SET, handle)], limits=QUICK, spool=bench.spool) as group:
        pixels = bytes(number % 256 for number in range(length))
        box = position(1)
        box.RequestedImageSize = "100.0"
        with printing(Peer(host="127.0.0.1", port=group.port, called="APPLIANCE")) as client:
            client.set_image("1.2.3", box, image_attributes(100, 200, 16), pixels, lut="1.2.4")
    used, dataset, data = found[0]
    assert used == syntax
    assert dataset.RequestedImageSize == 100
    assert dataset.BasicGrayscaleImageSequence[0].BitsStored == 16
    assert dataset.ReferencedPresentationLUTSequence[0].ReferencedSOPInstanceUID == "1.2.4"
    assert data == pixels + b"\0" * (length % 2)


def test_events_come_while_a_response_is_awaited(bench: Bench) -> None:
    def handle(event: evt.Event) -> tuple[int, Dataset]:
        send_event(event.assoc, 2, print_scu.PRINTER, print_scu.PRINTER_INSTANCE)
        answer = Dataset()
        answer.PrinterStatus = "WARNING"
        return 0, answer

    group = bench.serve((evt.EVT_N_GET, handle))
    events = []
    with printing(Peer(host="127.0.0.1", port=group.port, called="APPLIANCE"), on_event=events.append) as client:
        assert client.printer("PrinterStatus").PrinterStatus == "WARNING"
        assert client.printer("PrinterStatus").PrinterStatus == "WARNING"
        assert eventually(lambda: len(events) == 2)
    assert {event.event_type for event in events} == {2}


def test_warnings_are_kept_and_the_print_job_is_known(bench: Bench) -> None:
    def act(event: evt.Event) -> tuple[Dataset, Dataset]:
        status, reply, job = Dataset(), Dataset(), Dataset()
        status.Status, status.ErrorComment = 0xB603, "empty page"
        job.ReferencedSOPClassUID, job.ReferencedSOPInstanceUID = print_scu.PRINT_JOB, "1.2.77"
        reply.add_new(0x21000500, "SQ", [job])
        return status, reply

    group = bench.serve((evt.EVT_N_ACTION, act))
    with printing(Peer(host="127.0.0.1", port=group.port, called="APPLIANCE")) as client:
        assert client.print_film("1.2.3") == "1.2.77"
    assert [(warning.status, warning.comment) for warning in client.warnings] == [(0xB603, "empty page")]
    assert re.match("to print", client.warnings[0].what)
