"""Made-up film sessions as the front door would hand them over, and printers to print them on."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.uid import generate_uid

from appliance.events import Actor
from appliance.film.boxes import FilmBox, FilmSession, Image, ImageBox, PixelReference
from appliance.printing.printer_verbs import add_printer, get_printer, printer_settings
from appliance.printing.printers import Printer
from appliance.printing.submission import Submission, submit
from appliance.store.store import Store

MODALITY = Actor(name="CT1", kind="peer", address="127.0.0.1")


def image_box(folder: Path, position: int = 1, side: int = 64, level: int | None = None) -> ImageBox:
    """An image of 12 bits: a ramp, or one grey of `level`."""
    pixels = np.tile(np.linspace(0, 4095, side).astype("<u2"), (side, 1))
    if level is not None:
        pixels[:] = level
    name = f"image-{position}-{secrets.token_hex(4)}"
    (folder / name).write_bytes(pixels.tobytes())
    image = Image(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=side,
        Columns=side,
        BitsAllocated=16,
        BitsStored=12,
        HighBit=11,
        pixels=PixelReference(file=name, offset=0, length=side * side * 2),
    )
    return ImageBox(ImageBoxPosition=position, image=image)


def submission(
    store: Store, printer: Printer, *, films: int = 1, level: int | None = None, **session: object
) -> Submission:
    """A session of films of 8x10 inches with one image each, in the spool."""
    folder = store.folder.spool / secrets.token_hex(8)
    folder.mkdir()
    boxes = tuple(
        FilmBox(
            ImageDisplayFormat="STANDARD\\1,1",
            FilmSizeID="8INX10IN",
            image_boxes=(image_box(folder, level=level),),
            FilmOrientation="PORTRAIT" if number % 2 == 0 else "LANDSCAPE",
        )
        for number in range(films)
    )
    return Submission(
        session=replace(FilmSession(film_boxes=boxes), **session),  # type: ignore[arg-type]
        folder=folder,
        printer=printer,
        print_job_uid=generate_uid(),
        originator="CT1",
        address="127.0.0.1",
    )


def submit_films(store: Store, printer: Printer, **options: object) -> int:
    return submit(store, submission(store, printer, **options), MODALITY)  # type: ignore[arg-type]


def add_folder_printer(store: Store, name: str = "film", **settings: object) -> Printer:
    """A printer that writes into a folder of its name, at a low resolution so that tests are quick."""
    printer = Printer(
        name=name,
        device_uri=f"folder:{store.folder.root / 'out' / name}",
        ae_titles=(name.upper(),),
        settings=printer_settings({"resolution": 72} | settings),
    )
    add_printer(store, printer, MODALITY)
    return get_printer(store, name)


def printed(store: Store, name: str = "film") -> list[str]:
    """The names of what came out of a folder printer."""
    return sorted(path.name for path in (store.folder.root / "out" / name).glob("*"))
