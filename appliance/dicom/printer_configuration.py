"""Printer Configuration Sequence: what a printer offers, filled from its settings (PS3.3 C.13.12, PS3.4 H.4.11)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from appliance.dicom.capabilities import Capabilities
from appliance.dicom.print_classes import (
    COLOR_META,
    CONFIGURATION_CLASS,
    GRAY_META,
    OPTIONAL_CLASSES,
    PRINTER_CLASS,
)
from appliance.film.display_format import parse
from appliance.film.layout import page, place
from appliance.film.sheet import Sheet
from appliance.printing.desk import PrintDesk
from appliance.units import MILLIMETRES_PER_INCH

MANUFACTURER = "Appliance"
MODEL = "Print and disc appliance"
MAXIMUM_MEMORY = 0  # kB by request: Memory Allocation is not supported
PUBLISHED_FORMATS = (
    "STANDARD\\1,1", "STANDARD\\1,2", "STANDARD\\2,1", "STANDARD\\2,2", "STANDARD\\2,3", "STANDARD\\3,3",
    "STANDARD\\3,4", "STANDARD\\4,4", "STANDARD\\4,5", "STANDARD\\5,6", "STANDARD\\20,20",
    "SLIDE", "SUPERSLIDE",
)  # fmt: skip
"""Of the STANDARD layouts those scanners offer; every other C,R, ROW and COL is taken as well."""


def printer_configuration(desk: PrintDesk, can: Capabilities) -> list[Dataset]:
    """One item for each Meta class the printer takes."""
    metas = (GRAY_META, COLOR_META) if can.takes_color else (GRAY_META,)
    return [_item(meta, desk, can) for meta in metas]


def _item(meta: str, desk: PrintDesk, can: Capabilities) -> Dataset:
    settings, item = desk.printer.settings, Dataset()
    others = [uid for uid in OPTIONAL_CLASSES if uid not in (PRINTER_CLASS, CONFIGURATION_CLASS)]
    item.SOPClassesSupported = [meta, *others, CONFIGURATION_CLASS]
    item.MaximumMemoryAllocation = MAXIMUM_MEMORY
    item.MemoryBitDepth = 8 if meta == COLOR_META else 16
    item.PrintingBitDepth = 8 if meta == COLOR_META else settings.bits
    item.MediaInstalledSequence = [
        _medium(can, *medium, number) for number, medium in enumerate(_installed(desk, can), 1)
    ]
    item.OtherMediaAvailableSequence = [_medium(can, *medium) for medium in _others(desk)]
    item.SupportedImageDisplayFormatsSequence = _formats(can)
    item.DefaultPrinterResolutionID = can.resolutions[0]
    item.DefaultMagnificationType = can.magnification_types[0]
    item.OtherMagnificationTypesAvailable = list(can.magnification_types[1:])
    item.DefaultSmoothingType = can.smoothing_types[0]
    item.OtherSmoothingTypesAvailable = list(can.smoothing_types[1:])
    item.ConfigurationInformationDescription = "\n".join(can.configuration_names) or "no tables"
    item.MaximumCollatedFilms = can.film_boxes
    item.DecimateCropResult = "DECIMATE"
    item.Manufacturer = MANUFACTURER
    item.ManufacturerModelName = MODEL
    item.PrinterName = desk.printer.name
    return item


def _installed(desk: PrintDesk, can: Capabilities) -> list[tuple[str, str]]:
    """(Medium Type, Film Size ID) pairs loaded, the default first."""
    settings = desk.printer.settings
    default = (settings.default_medium_type, settings.default_film_size_id)
    if settings.media:
        pairs = [(m.medium_type or default[0], m.film_size_id) for m in settings.media if m.loaded]
    else:
        pairs = [(medium, size) for medium in can.medium_types[:3] for size in can.film_sizes]
    return sorted(dict.fromkeys(pairs), key=lambda pair: pair != default)


def _others(desk: PrintDesk) -> list[tuple[str, str]]:
    settings = desk.printer.settings
    return [(m.medium_type or settings.default_medium_type, m.film_size_id) for m in settings.media if not m.loaded]


def _medium(can: Capabilities, MediumType: str, FilmSizeID: str, number: int | None = None) -> Dataset:
    sheet, item = can.sheet(MediumType, FilmSizeID, None), Dataset()
    if number is not None:
        item.ItemNumber = number
    item.MediumType = MediumType
    item.FilmSizeID = FilmSizeID
    item.MinDensity = round(sheet.min_density * 100)
    item.MaxDensity = round(sheet.max_density * 100)
    return item


def _formats(can: Capabilities) -> list[Dataset]:
    """Every published format on the default film size: pixels of a box, in both orientations."""
    size = can.film_sizes[0]
    sheet = can.sheet(None, size, None)
    return [
        _format(text, orientation, size, sheet, can)
        for text in PUBLISHED_FORMATS
        for orientation in ("PORTRAIT", "LANDSCAPE")
    ]


def _format(text: str, orientation: str, FilmSizeID: str, sheet: Sheet, can: Capabilities) -> Dataset:
    boxes, item = place(parse(text), sheet, orientation, can.catalog), Dataset()
    item.Rows = min(box.height for box in boxes)
    item.Columns = min(box.width for box in boxes)
    item.ImageDisplayFormat = text
    item.FilmOrientation = orientation
    item.FilmSizeID = FilmSizeID
    item.PrinterResolutionID = can.resolutions[0]
    spacing = f"{MILLIMETRES_PER_INCH / sheet.resolution:.6f}"
    item.PrinterPixelSpacing = [spacing, spacing]
    item.RequestedImageSizeFlag = "YES"
    return item


def printable_matrix(sheet: Sheet) -> tuple[int, int]:
    """(columns, rows) of a sheet's printable rectangle in portrait, in pixels."""
    held = page(sheet, "PORTRAIT")
    return held.width, held.height
