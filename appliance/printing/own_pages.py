"""Submit a printer's own page (test page, grey steps, SMPTE pattern) as a job like any other."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.uid import generate_uid

from appliance.errors import UsageError
from appliance.events import Actor
from appliance.film.boxes import FilmBox, FilmSession, Image, ImageBox, PixelReference, PresentationLUT
from appliance.film.catalog import load
from appliance.film.raster import FilmRaster
from appliance.film.sheet import Characteristic
from appliance.printing.composing import sheet_of
from appliance.printing.patterns import PATTERNS, draw_pattern, heading_for
from appliance.printing.printers import Printer
from appliance.printing.submission import Submission, submit
from appliance.store import files
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say


def submit_test_page(
    store: Store,
    printer: Printer,
    actor: Actor,
    *,
    pattern: str = "test-page",
    FilmSizeID: str | None = None,
    MediumType: str | None = None,
) -> int:
    """Submit a page for a printer, on a medium or its default one; the job's number.

    Raises UsageError for an unknown pattern, MediaNeededError when the printer has no such medium, ResourceError.
    """
    if pattern not in PATTERNS:
        raise UsageError(
            say(
                "There is no pattern %(pattern)s; there are %(patterns)s.",
                pattern=repr(pattern),
                patterns=", ".join(PATTERNS),
            ),
            field="pattern",
        )
    film = FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=(), FilmSizeID=FilmSizeID, pattern=pattern)
    heading = heading_for(printer.name, now())
    session = FilmSession(film_boxes=(film,), MediumType=MediumType, FilmSessionLabel=heading)
    medium, sheet = sheet_of(printer.settings, session, film, load(store.folder.layouts))
    session = replace(
        session,
        MediumType=MediumType or medium.medium_type or printer.settings.default_medium_type,
        film_boxes=(replace(film, FilmSizeID=medium.film_size_id),),
    )
    folder = files.make_folder(store.folder.spool / f"page-{secrets.token_hex(8)}")
    try:
        if printer.device_uri.startswith("dicom:"):
            p_values = replace(sheet, bits=12, color=False, characteristic=Characteristic(kind="p-values"))
            session = _as_image(session, draw_pattern(pattern, p_values, heading), folder)
        return submit(store, _submission(session, folder, printer, actor), actor)
    finally:
        files.remove_tree(folder)


def _submission(session: FilmSession, folder: Path, printer: Printer, actor: Actor) -> Submission:
    uid = generate_uid()
    return Submission(
        session=session,
        folder=folder,
        printer=printer,
        print_job_uid=uid,
        originator=actor.name,
        address=actor.address,
        intended=True,
    )


def _as_image(session: FilmSession, raster: FilmRaster, folder: Path) -> FilmSession:
    """The page as an image of P-values in one image box: a film imager draws no patterns of ours."""
    files.write_file(folder / "pattern", np.ascontiguousarray(raster.pixels, "<u2").tobytes())
    rows, columns = raster.pixels.shape[:2]
    image = Image(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=rows,
        Columns=columns,
        BitsAllocated=16,
        BitsStored=12,
        HighBit=11,
        pixels=PixelReference(file="pattern", offset=0, length=rows * columns * 2),
    )
    identity = PresentationLUT(PresentationLUTShape="IDENTITY")
    film = replace(
        session.film_boxes[0],
        pattern="",
        image_boxes=(ImageBox(ImageBoxPosition=1, image=image),),
        presentation_lut=identity,
    )
    return replace(session, film_boxes=(film,))
