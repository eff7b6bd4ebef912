"""What a person wants to see of a print job: its attributes as sent and as used, and a film at its full resolution."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from appliance.errors import ConflictError, NotFoundError
from appliance.film.annotation_format import load_formats
from appliance.film.boxes import FilmBox, FilmSession, ImageBox
from appliance.film.catalog import load
from appliance.film.compose import compose
from appliance.film.preview import preview
from appliance.printing.composing import policy_of, sheet_of
from appliance.printing.jobs import get_job, read_session
from appliance.printing.patterns import draw_pattern
from appliance.printing.printer_verbs import get_printer
from appliance.printing.submission import FILM_JSON
from appliance.store.store import Store
from appliance.words import say

WHOLE = 1 << 20
"""A longest side no film has: nothing is made smaller."""

_one_at_a_time = threading.Lock()  # a whole film takes a few hundred megabytes

Pairs = list[tuple[str, Any, Any]]
"""(keyword, as sent, as used)."""


def attributes_of(store: Store, job_id: int) -> dict[str, Any]:
    """A job's attributes: ``session`` and each of ``films`` with its ``images``; {} when its files are gone."""
    folder = store.folder.job(job_id)
    if get_job(store, job_id).purged or not (folder / FILM_JSON).exists():
        return {}
    session = read_session(folder)
    return {
        "session": _pairs(session, session.sent, "film_boxes", "color", "collated"),
        "films": [
            {
                "attributes": _pairs(film, film.sent, "image_boxes", "annotation_boxes", "icc_profile", "pattern"),
                "annotations": [(box.AnnotationPosition, box.TextString) for box in film.annotation_boxes],
                "images": [_image(box) for box in film.image_boxes],
            }
            for film in session.film_boxes
        ],
    }


def _pairs(tree: FilmSession | FilmBox, sent: Mapping[str, Any], *but: str) -> Pairs:
    """Every attribute that was sent or is in use, in the tree's order, then what we have no use for."""
    names = [f.name for f in fields(tree) if f.name not in (*but, "sent")]
    rows = [(name, sent.get(name), _used(getattr(tree, name))) for name in names]
    rows += [(name, value, None) for name, value in sent.items() if name not in names]
    return [row for row in rows if row[1] not in (None, "") or row[2] not in (None, "")]


def _used(value: Any) -> Any:
    shape = getattr(value, "PresentationLUTShape", None)
    if shape is not None or hasattr(value, "first_value"):
        return shape or f"{len(value.data)} entries of {value.bits} bits"
    return value


def _image(box: ImageBox) -> dict[str, Any]:
    """An image box as plain values: what was asked for and the image's size."""
    image = box.image
    asked = {f.name: _used(getattr(box, f.name)) for f in fields(box) if f.name not in ("image", "ImageBoxPosition")}
    size = (
        f"{image.Columns} × {image.Rows}, {image.BitsStored} bits, {image.PhotometricInterpretation}" if image else ""
    )
    given = {key: value for key, value in asked.items() if value not in (None, "")}
    return {"position": box.ImageBoxPosition, "image": size, "attributes": given}


def film_at_full_resolution(store: Store, job_id: int, number: int) -> bytes:
    """A PNG of one film with every dot it is printed with. Raises NotFoundError, ConflictError when purged."""
    job = get_job(store, job_id)
    folder = store.folder.job(job_id)
    if job.purged or not (folder / FILM_JSON).exists():
        raise ConflictError(
            say("The films of job %(job_id)s are purged: send them again from the modality.", job_id=job_id)
        )
    session = read_session(folder)
    if not 1 <= number <= len(session.film_boxes):
        raise NotFoundError(say("Job %(job_id)s has no film %(number)s.", job_id=job_id, number=number))
    film = session.film_boxes[number - 1]
    catalog = load(store.folder.layouts)
    _, sheet = sheet_of(get_printer(store, job.printer).settings, session, film, catalog)
    with _one_at_a_time:
        if film.pattern:
            raster = draw_pattern(film.pattern, sheet, session.FilmSessionLabel)
        else:
            formats, policy = load_formats(store.folder.layouts), policy_of(store, job.profile)
            raster = compose(session, number, sheet, folder, policy=policy, catalog=catalog, formats=formats)
        return preview(raster, sheet, WHOLE)
