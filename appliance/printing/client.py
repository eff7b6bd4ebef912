"""A print client: DICOM files on films of STANDARD layout, sent by the ``dicom:`` device."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.errors import UsageError
from appliance.film.boxes import FilmBox, FilmSession, Image, ImageBox, PixelReference
from appliance.film.display_format import parse
from appliance.printing.client_images import ClientImage, client_image
from appliance.printing.device.outcome import Document, SendRequest, SendResult
from appliance.printing.device.registry import open_device
from appliance.words import say


@dataclass(frozen=True, kw_only=True)
class FilmOrder:
    """What a person asks of the films."""

    layout: str = ""  # C,R; "" the smallest square that takes the images, at most 4,5
    FilmSizeID: str = "14INX17IN"
    FilmOrientation: str = "PORTRAIT"
    MediumType: str = ""
    copies: int = 1
    PrintPriority: str = "MED"
    MagnificationType: str | None = None
    FilmSessionLabel: str = ""
    color: bool = False


def send_films(files: list[Path], order: FilmOrder, uri: str, calling: str, folder: Path) -> tuple[int, SendResult]:
    """Send files as films to the Print SCP of a ``dicom:`` URI; how many films, and what became of them.

    folder: an empty one for the pixels. Raises UsageError for files or a layout that make no sense.
    """
    session = film_session(files, order, folder)
    # the device wants the film boxes, not documents; a document only stands for its film
    marks = [folder / f"film-{number}" for number in range(1, len(session.film_boxes) + 1)]
    for mark in marks:
        mark.write_bytes(b"film")
    documents = tuple(
        Document(path=mark, document_format="application/dicom", film=number, width_mm=0, height_mm=0)
        for number, mark in enumerate(marks, start=1)
    )
    device = open_device(uri, options={"calling_ae_title": calling})
    name = f"send-film-{secrets.token_hex(4)}"
    request = SendRequest(job_name=name, documents=documents, session=session, folder=folder)
    return len(documents), device.send(request, lambda sent, total: None)


def film_session(files: list[Path], order: FilmOrder, folder: Path) -> FilmSession:
    """The films of some files, their pixels written into `folder`."""
    columns, rows = _grid(order.layout, len(files))
    boxes = columns * rows
    films = [files[start : start + boxes] for start in range(0, len(files), boxes)]
    return FilmSession(
        film_boxes=tuple(_film_box(number, film, (columns, rows), order, folder) for number, film in enumerate(films)),
        color=order.color,
        NumberOfCopies=order.copies,
        PrintPriority=order.PrintPriority,
        MediumType=order.MediumType or None,
        FilmSessionLabel=order.FilmSessionLabel,
    )


def _grid(layout: str, images: int) -> tuple[int, int]:
    if not layout:
        columns = min(4, math.ceil(math.sqrt(images)))
        return columns, min(5, math.ceil(images / columns))
    numbers = parse(f"STANDARD\\{layout}").numbers
    if len(numbers) != 2:
        raise UsageError(say("%(layout)s is no layout C,R.", layout=repr(layout)), field="layout")
    return numbers[0], numbers[1]


def _film_box(number: int, files: list[Path], grid: tuple[int, int], order: FilmOrder, folder: Path) -> FilmBox:
    images = [client_image(path, color=order.color) for path in files]
    return FilmBox(
        ImageDisplayFormat=f"STANDARD\\{grid[0]},{grid[1]}",
        FilmSizeID=order.FilmSizeID,
        FilmOrientation=order.FilmOrientation,
        MagnificationType=order.MagnificationType,
        image_boxes=tuple(
            ImageBox(ImageBoxPosition=position, image=_kept(image, folder / f"image-{number}-{position}"))
            for position, image in enumerate(images, start=1)
        ),
    )


def _kept(image: ClientImage, path: Path) -> Image:
    """Write an image's pixels into a file of their own."""
    pixels = image.pixels if image.color else image.pixels.astype("<u2")
    path.write_bytes(np.ascontiguousarray(pixels).tobytes())
    bits = 8 if image.color else 12
    return Image(
        SamplesPerPixel=3 if image.color else 1,
        PhotometricInterpretation="RGB" if image.color else "MONOCHROME2",
        Rows=pixels.shape[0],
        Columns=pixels.shape[1],
        BitsAllocated=8 if image.color else 16,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelAspectRatio=image.PixelAspectRatio,
        pixels=PixelReference(file=path.name, offset=0, length=pixels.nbytes),
    )
