"""What one association may ask for: the printer's terms and ranges, the peer's manner, the limits in force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.config import Settings
from appliance.film.annotation_format import AnnotationFormats, shipped_formats
from appliance.film.catalog import Catalog, shipped_catalog
from appliance.film.sheet import Sheet
from appliance.printing.desk import PrintDesk
from appliance.printing.printers import Medium, PrinterSettings, medium_for, sheet_for, wanted_medium

MEDIUM_TYPES = ("BLUE FILM", "CLEAR FILM", "PAPER", "MAMMO BLUE FILM", "MAMMO CLEAR FILM")
"""Defined terms of Medium Type (PS3.3 C.13.1)."""

MAGNIFICATION_TYPES = ("CUBIC", "BILINEAR", "REPLICATE", "NONE")
"""Enumerated values of Magnification Type (PS3.3 C.13.3)."""

SMOOTHING_TYPES = ("NONE", "SHARP", "NORMAL", "MEDIUM", "SMOOTH", *map(str, range(16)))
"""Smoothing Type is the vendor's own: names, or steps 0 (sharp) to 15 (smoothest)."""

FILM_DESTINATIONS = ("PROCESSOR", "MAGAZINE")
MAXIMUM_COPIES = 99
STANDARD_RESOLUTION, HIGH_RESOLUTION = "STANDARD", "HIGH"

BOXES_OF_ANY = 6
"""Annotation boxes of a format that takes any position: those left empty print nothing."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """Terms come in the order of preference: the first is the default."""

    sheet: Callable[[str | None, str | None, str | None], Sheet]
    """The sheet of (Medium Type, Film Size ID, Requested Resolution ID); the printer's default for each None."""
    strict: bool = False  # Annex H to the letter; else defaults and warnings
    catalog: Catalog = field(default_factory=shipped_catalog)  # film sizes and layouts
    medium_types: tuple[str, ...] = MEDIUM_TYPES  # the printer's
    film_sizes: tuple[str, ...] = ("14INX17IN",)  # the printer's
    film_destinations: tuple[str, ...] = FILM_DESTINATIONS  # besides BIN_i
    magnification_types: tuple[str, ...] = MAGNIFICATION_TYPES
    smoothing_types: tuple[str, ...] = SMOOTHING_TYPES
    resolutions: tuple[str, ...] = (STANDARD_RESOLUTION,)  # Requested Resolution ID
    configuration_names: tuple[str, ...] = ()  # tables that Configuration Information may name
    annotations: AnnotationFormats = field(default_factory=shipped_formats)  # by Annotation Display Format ID
    takes_color: bool = False  # the Basic Color Meta class
    maximum_copies: int = MAXIMUM_COPIES
    film_boxes: int = 200  # in one session
    image_boxes: int = 1000  # on one film
    annotation_length: int = 64  # characters
    assumed_charset: str = ""  # where Specific Character Set is absent or false


def annotation_positions(formats: AnnotationFormats, AnnotationDisplayFormatID: str | None, images: int) -> list[int]:
    """The Annotation Positions of a film of so many image boxes, in order."""
    places = formats.chosen(AnnotationDisplayFormatID).places
    named = {position for place in places if not isinstance(place.positions, str) for position in place.positions}
    if any(place.positions == "images" for place in places):
        named.update(range(1, images + 1))
    return sorted(named) or (list(range(1, BOXES_OF_ANY + 1)) if places else [])


def capabilities_of(
    desk: PrintDesk, settings: Settings, catalog: Catalog, annotations: AnnotationFormats
) -> Capabilities:
    """What a peer may ask of a printer under its print profile."""
    printer = desk.printer.settings
    return Capabilities(
        sheet=lambda medium_type, size, resolution: _sheet(printer, catalog, medium_type, size, resolution),
        strict=desk.peer.answering == "strict",
        catalog=catalog,
        annotations=annotations,
        medium_types=_medium_types(printer),
        film_sizes=_film_sizes(printer, catalog),
        film_destinations=tuple(dict.fromkeys((*FILM_DESTINATIONS, *printer.destinations))),
        magnification_types=tuple(dict.fromkeys((printer.magnification_type, *MAGNIFICATION_TYPES))),
        resolutions=(STANDARD_RESOLUTION, HIGH_RESOLUTION) if printer.high_resolution else (STANDARD_RESOLUTION,),
        configuration_names=tuple(desk.profile.grey.tables),
        takes_color=desk.printer.takes_color,
        film_boxes=settings.dicom.film_boxes,
        image_boxes=settings.dicom.image_boxes,
        annotation_length=settings.limits.annotation_characters,
        assumed_charset=desk.peer.assumed_charset,
    )


def _medium_types(printer: PrinterSettings) -> tuple[str, ...]:
    own = [medium.medium_type for medium in printer.media if medium.medium_type]
    anything = not printer.media or any(not medium.medium_type for medium in printer.media)
    return tuple(dict.fromkeys((printer.default_medium_type, *own, *(MEDIUM_TYPES if anything else ()))))


def _film_sizes(printer: PrinterSettings, catalog: Catalog) -> tuple[str, ...]:
    own = [medium.film_size_id for medium in printer.media] or list(catalog.film_sizes)
    return tuple(dict.fromkeys((printer.default_film_size_id, *own)))


def _sheet(
    printer: PrinterSettings, catalog: Catalog, MediumType: str | None, FilmSizeID: str | None, resolution: str | None
) -> Sheet:
    medium_type, size_id = wanted_medium(printer, MediumType, FilmSizeID)
    medium = medium_for(printer, medium_type, size_id) or Medium.model_validate({"film_size_id": size_id})
    size = catalog.film_size(size_id)
    high = resolution == HIGH_RESOLUTION
    return sheet_for(printer, medium, (size.width_mm, size.height_mm), MediumType=medium_type, high=high)
