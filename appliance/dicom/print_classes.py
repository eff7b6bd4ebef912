"""The SOP classes of print and their services (PS3.4 tables H.3.2.2 and H.4-1): what is negotiated, what is served."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from appliance.dicom.film_nodes import (
    ANNOTATION_CLASS,
    COLOR_BOX_CLASS,
    FILM_BOX_CLASS,
    GRAY_BOX_CLASS,
    LUT_CLASS,
    SESSION_CLASS,
)

VERIFICATION = "1.2.840.10008.1.1"
GRAY_META = "1.2.840.10008.5.1.1.9"
COLOR_META = "1.2.840.10008.5.1.1.18"
PRINT_JOB_CLASS = "1.2.840.10008.5.1.1.14"
PRINTER_CLASS = "1.2.840.10008.5.1.1.16"
PRINTER_INSTANCE = "1.2.840.10008.5.1.1.17"
CONFIGURATION_CLASS = "1.2.840.10008.5.1.1.16.376"
CONFIGURATION_INSTANCE = "1.2.840.10008.5.1.1.17.376"

TRANSFER_SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)

# PS3.4 H.3.2.2.1 and H.3.2.2.2
META_CLASSES = {
    GRAY_META: (SESSION_CLASS, FILM_BOX_CLASS, GRAY_BOX_CLASS, PRINTER_CLASS),
    COLOR_META: (SESSION_CLASS, FILM_BOX_CLASS, COLOR_BOX_CLASS, PRINTER_CLASS),
}
# Negotiated by themselves beside a Meta class, or (the last three) alone (PS3.4 H.3.1)
OPTIONAL_CLASSES = (ANNOTATION_CLASS, LUT_CLASS, PRINT_JOB_CLASS, PRINTER_CLASS, CONFIGURATION_CLASS)
# Not to be negotiated by themselves, but some scanners do (trap 5)
SEPARATE_CLASSES = (SESSION_CLASS, FILM_BOX_CLASS, GRAY_BOX_CLASS)
SEPARATE_COLOR_CLASSES = (COLOR_BOX_CLASS,)

# PS3.4 H.4: services we answer as SCP
SERVICES = {
    SESSION_CLASS: ("N-CREATE", "N-SET", "N-ACTION", "N-DELETE"),
    FILM_BOX_CLASS: ("N-CREATE", "N-SET", "N-ACTION", "N-DELETE"),
    GRAY_BOX_CLASS: ("N-SET",),
    COLOR_BOX_CLASS: ("N-SET",),
    ANNOTATION_CLASS: ("N-SET",),
    LUT_CLASS: ("N-CREATE", "N-DELETE"),
    PRINT_JOB_CLASS: ("N-GET",),
    PRINTER_CLASS: ("N-GET",),
    CONFIGURATION_CLASS: ("N-GET",),
}
EVENTS = {
    PRINTER_CLASS: {"NORMAL": 1, "WARNING": 2, "FAILURE": 3},
    PRINT_JOB_CLASS: {"PENDING": 1, "PRINTING": 2, "DONE": 3, "FAILURE": 4},
}
PRINT_ACTION = 1

CLASS_NAMES = {
    VERIFICATION: "Verification",
    GRAY_META: "Basic Grayscale Print Management Meta",
    COLOR_META: "Basic Color Print Management Meta",
    SESSION_CLASS: "Basic Film Session",
    FILM_BOX_CLASS: "Basic Film Box",
    GRAY_BOX_CLASS: "Basic Grayscale Image Box",
    COLOR_BOX_CLASS: "Basic Color Image Box",
    ANNOTATION_CLASS: "Basic Annotation Box",
    LUT_CLASS: "Presentation LUT",
    PRINT_JOB_CLASS: "Print Job",
    PRINTER_CLASS: "Printer",
    CONFIGURATION_CLASS: "Printer Configuration Retrieval",
}


def supported_classes(*, color: bool, separate: bool) -> tuple[str, ...]:
    """The abstract syntaxes accepted of a peer."""
    meta = (GRAY_META, COLOR_META) if color else (GRAY_META,)
    alone = SEPARATE_CLASSES + (SEPARATE_COLOR_CLASSES if color else ()) if separate else ()
    return meta + OPTIONAL_CLASSES + alone


def covered(abstract_syntaxes: Iterable[str]) -> set[str]:
    """The SOP classes that contexts of these abstract syntaxes serve."""
    return {sop_class for syntax in abstract_syntaxes for sop_class in META_CLASSES.get(syntax, (syntax,))}


def is_color(abstract_syntax: str, accepted: Iterable[str]) -> bool:
    """Whether a film box made under a context gets colour image boxes: its Meta class decides, no UID in the message.

    Under the Film Box class by itself: where colour image boxes were accepted and grayscale ones were not.
    """
    if abstract_syntax in META_CLASSES:
        return abstract_syntax == COLOR_META
    served = covered(accepted)
    return COLOR_BOX_CLASS in served and GRAY_BOX_CLASS not in served
