"""A hundred films queued: what a second worker brings, and how long a modality waits meanwhile."""

from __future__ import annotations

import socket
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE

from appliance.config import Settings
from appliance.events import process_actor
from appliance.film.boxes import FilmBox, FilmSession, Image, ImageBox, PixelReference
from appliance.printing.desk import printer_from_row
from appliance.printing.printer_verbs import add_printer
from appliance.printing.printers import Printer, PrinterSettings
from appliance.printing.submission import Submission, submit
from appliance.store import print_jobs, printers
from appliance.store.store import Store, open_store
from benchmarks.support import workplace
from tests.support.ports import free_port
from tests.support.service import running

FILMS = 100
PAIRS = 5
SIDE = 512
BENCH = process_actor("benchmark")
META = "1.2.840.10008.5.1.1.9"
FILM_SESSION, FILM_BOX, IMAGE_BOX = (f"1.2.840.10008.5.1.1.{number}" for number in (1, 2, 4))


def run() -> list[dict[str, Any]]:
    with workplace() as folder:
        return [_answers(folder), _workers(folder)]


def _workers(folder: Path) -> dict[str, Any]:
    """The same queue by one worker and by two."""
    times = [[_work_off(folder / f"{pair}-{count}", count) for count in (1, 2)] for pair in range(PAIRS)]
    one, two = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(first / second for first, second in times)
    return {
        "name": f"{FILMS} films of 14x17 in queued for two printers",
        "one_worker_s": one,
        "two_workers_s": two,
        "ratio": ratio,
        "goal": "at least 1.7",
        "peer": "the same queue, one worker process",
    }


def _work_off(data: Path, workers: int) -> float:
    store = _filled(data)
    with running(data, free_port(), ["films"] * workers):
        seconds = printed_in(store)
    store.close()
    return seconds


def printed_in(store: Store) -> float:
    """Seconds from the first film of a queue to the last."""
    _wait_until(store, left=FILMS - 1)  # start-up is not what is measured
    start = time.perf_counter()
    _wait_until(store, left=0)
    return time.perf_counter() - start


def _filled(data: Path) -> Store:
    return filled(data, Settings())


def filled(data: Path, settings: Settings) -> Store:
    """An appliance with a hundred films queued for two printers."""
    store = open_store(data, settings=settings)
    for name in ("one", "two"):
        room = PrinterSettings(maximum_jobs=FILMS * 2)
        add_printer(store, Printer(name=name, device_uri=f"folder:{data}/{name}", ae_titles=(), settings=room), BENCH)
    pixels = np.random.default_rng(2).integers(0, 4096, (SIDE, SIDE), dtype=np.uint16).tobytes()
    for number in range(FILMS):
        _submit(store, ("one", "two")[number % 2], pixels, number)
    return store


def _submit(store: Store, name: str, pixels: bytes, number: int) -> None:
    folder = store.folder.spool / f"film-{number}"
    folder.mkdir()
    (folder / "image").write_bytes(pixels)
    image = Image(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=SIDE,
        Columns=SIDE,
        BitsAllocated=16,
        BitsStored=12,
        HighBit=11,
        pixels=PixelReference(file="image", offset=0, length=len(pixels)),
    )
    boxes = tuple(ImageBox(ImageBoxPosition=position, image=image) for position in range(1, 21))
    film = FilmBox(ImageDisplayFormat="STANDARD\\4,5", FilmSizeID="14INX17IN", image_boxes=boxes)
    with store.database.read() as connection:
        row = printers.get(connection, name)
    assert row is not None
    request = Submission(
        session=FilmSession(film_boxes=(film,)),
        folder=folder,
        printer=printer_from_row(row),
        print_job_uid=generate_uid(),
        originator="BENCH",
        intended=True,
    )
    submit(store, request, BENCH)


def _wait_until(store: Store, left: int) -> None:
    while True:
        with store.database.read() as connection:
            counts = print_jobs.count_by_state(connection)
        if sum(count for (_, state), count in counts.items() if state != "completed") <= left:
            return
        time.sleep(0.02)


def _answers(folder: Path) -> dict[str, Any]:
    """N-SET answers of 512 KB images, with nothing to do and with two workers busy."""
    data, port = folder / "answers", free_port()
    store = _filled(data)
    with running(data, port, ["dicom"]):
        idle = _slowest_tenth(port)
        with running(data, port, ["films", "films"]):
            _wait_until(store, left=FILMS - 1)
            busy = _slowest_tenth(port)
    store.close()
    return {
        "name": "slowest tenth of N-SET answers (90th percentile) while two workers compose",
        "idle_ms": idle * 1000,
        "busy_ms": busy * 1000,
        "ratio": busy / idle,
        "goal": "at most 2",
        "peer": "the same client with nothing to compose",
    }


def _slowest_tenth(port: int, count: int = 200) -> float:
    """The 90th percentile of N-SET round trips, seconds."""
    association = _associate(port)
    session, film = generate_uid(), generate_uid()
    association.send_n_create(Dataset(), FILM_SESSION, session, meta_uid=META)
    attributes = Dataset()
    attributes.ImageDisplayFormat = "STANDARD\\1,1"
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = FILM_SESSION, session
    attributes.ReferencedFilmSessionSequence = [reference]
    _, answer = association.send_n_create(attributes, FILM_BOX, film, meta_uid=META)
    box = answer.ReferencedImageBoxSequence[0].ReferencedSOPInstanceUID
    image = _image_request()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        association.send_n_set(image, IMAGE_BOX, box, meta_uid=META)
        times.append(time.perf_counter() - start)
    association.release()
    return statistics.quantiles(times, n=10)[-1]


def _associate(port: int) -> Any:
    entity = AE("BENCH")
    entity.add_requested_context(META)
    entity.maximum_pdu_size = 131072
    association = entity.associate("127.0.0.1", port, ae_title="APPLIANCE", max_pdu=131072)
    if not association.is_established:
        raise SystemExit("no association")
    # else Nagle and delayed acknowledgement of the client's own make 40 ms of every exchange
    connection: Any = association.dul.socket
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return association


def _image_request() -> Dataset:
    image = Dataset()
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = SIDE
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelData = bytes(SIDE * SIDE * 2)
    request = Dataset()
    request.ImageBoxPosition = 1
    request.BasicGrayscaleImageSequence = [image]
    return request
