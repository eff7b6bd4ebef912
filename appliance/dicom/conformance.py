"""The DICOM conformance statement for print, written from the tables the code runs on (PS3.2, PS3.4 H.3.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID

from appliance.config import Settings
from appliance.dicom.capabilities import Capabilities, annotation_positions, capabilities_of
from appliance.dicom.domains import Elsewhere
from appliance.dicom.film_attributes import (
    ANNOTATION_BOX,
    COLOR_IMAGE_BOX,
    FILM_BOX,
    FILM_SESSION,
    IMAGE_BOX,
    PRESENTATION_LUT,
    Attribute,
)
from appliance.dicom.film_session import FilmSessionTree
from appliance.dicom.image_attributes import IMAGE_VALUES
from appliance.dicom.print_classes import (
    CLASS_NAMES,
    COLOR_META,
    EVENTS,
    GRAY_META,
    OPTIONAL_CLASSES,
    SEPARATE_CLASSES,
    SEPARATE_COLOR_CLASSES,
    SERVICES,
    TRANSFER_SYNTAXES,
    VERIFICATION,
)
from appliance.dicom.printer_configuration import printable_matrix
from appliance.dicom.statuses import STATUSES
from appliance.film.annotation_format import AnnotationFormats, load_formats
from appliance.film.catalog import Catalog, load
from appliance.network.file_head import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from appliance.printing.desk import PrintDesk
from appliance.printing.printer_verbs import all_printers, all_profiles, get_printer
from appliance.printing.printers import Printer
from appliance.printing.profiles import PrintProfile
from appliance.security.peers import UNKNOWN
from appliance.store.store import Store

Rows = Iterable[Sequence[object]]

CLASS_TABLES = {
    "Basic Film Session (N-CREATE, N-SET)": FILM_SESSION,
    "Basic Film Box (N-CREATE; N-SET where marked)": FILM_BOX,
    "Basic Grayscale Image Box (N-SET)": IMAGE_BOX,
    "Basic Color Image Box (N-SET)": COLOR_IMAGE_BOX,
    "Basic Annotation Box (N-SET)": ANNOTATION_BOX,
    "Presentation LUT (N-CREATE)": PRESENTATION_LUT,
}


def print_statement(store: Store) -> str:
    """The statement as Markdown, for the printers and layouts this data folder has."""
    catalog, annotations = load(store.folder.layouts), load_formats(store.folder.layouts)
    parts = [_association(store.settings), _classes(), _statuses(), _layouts(catalog, annotations), _behaviour()]
    for number, printer in enumerate(all_printers(store)):
        can = _capabilities(printer, store.settings, catalog, annotations)
        if number == 0:
            parts.insert(2, _attributes(can))
        parts.append(_printer(printer, can))
    parts += [_profile(profile, store, catalog, annotations) for profile in all_profiles(store)]
    return "# DICOM conformance statement: print\n\n" + "\n".join(parts)


def _capabilities(
    printer: Printer,
    settings: Settings,
    catalog: Catalog,
    annotations: AnnotationFormats,
    profile: PrintProfile | None = None,
) -> Capabilities:
    profile = profile or PrintProfile(name="", printer=printer.name)
    desk = PrintDesk(printer=printer, profile=profile, peer=UNKNOWN, called_known=True)
    return capabilities_of(desk, settings, catalog, annotations)


def table(head: Sequence[str], rows: Rows) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _association(settings: Settings) -> str:
    dicom = settings.dicom
    rows = [
        ("AE title", dicom.ae_title),
        ("Ports", ", ".join(map(str, dicom.ports))),
        ("TLS port (once there is a certificate)", dicom.tls_port),
        ("Associations at once", f"{dicom.associations}, of one address {dicom.associations_per_address}"),
        ("Past them", "rejected-transient, local-limit-exceeded (2,3,2)"),
        ("Unknown calling AE title", _unknown_calling(settings)),
        ("Unknown called AE title", _unknown_called(settings)),
        ("Maximum PDU received", f"{dicom.maximum_pdu} bytes"),
        ("Asynchronous operations", "none: one outstanding operation"),
        ("Idle association", f"aborted after {dicom.idle_seconds:g} s"),
        ("Largest data set of an image box", f"{dicom.film_mib} MiB, past it C605"),
        ("Implementation class UID", IMPLEMENTATION_CLASS_UID),
        ("Implementation version name", IMPLEMENTATION_VERSION_NAME),
    ]
    return "## Associations\n\n" + table(("", ""), rows)


def _unknown_calling(settings: Settings) -> str:
    return "accepted" if settings.dicom.unknown_peers == "accept" else "rejected-permanent (1,1,3)"


def _unknown_called(settings: Settings) -> str:
    return (
        "rejected-permanent (1,1,7)"
        if settings.dicom.strict_called_ae
        else "accepted, the default print profile serves"
    )


def _classes() -> str:
    syntaxes = ", ".join(UID(uid).name for uid in TRANSFER_SYNTAXES)
    accepted = (VERIFICATION, GRAY_META, COLOR_META, *OPTIONAL_CLASSES, *SEPARATE_CLASSES, *SEPARATE_COLOR_CLASSES)
    note = {
        COLOR_META: "printers that take colour",
        **dict.fromkeys(SEPARATE_CLASSES, "peers allowed separate classes"),
        **dict.fromkeys(SEPARATE_COLOR_CLASSES, "peers allowed separate classes, printers that take colour"),
    }
    contexts = table(
        ("SOP class", "UID", "Role", "Accepted of"),
        ((CLASS_NAMES[uid], uid, "SCP", note.get(uid, "every peer that may print")) for uid in accepted),
    )
    services = table(
        ("SOP class", "Services", "Events sent"),
        ((CLASS_NAMES[uid], ", ".join(names), ", ".join(EVENTS.get(uid, ()))) for uid, names in SERVICES.items()),
    )
    return f"## SOP classes\n\nTransfer syntaxes of each: {syntaxes}.\n\n{contexts}\n{services}"


def _attributes(can: Capabilities) -> str:
    text = "## Attributes\n\nValues as the first printer has them; a print profile may give defaults and overrides.\n"
    defaults = attributes_in_use(can)
    tables = "".join(f"\n### {name}\n\n{_attribute_table(rows, defaults, can)}" for name, rows in CLASS_TABLES.items())
    images = ((dictionary_description(keyword), gray, color) for keyword, (gray, color) in IMAGE_VALUES.items())
    other = "Another value is answered 0106, an absent one 0120, an empty one 0121.\n"
    return f"{text}{tables}\n### Image item\n\n{table(('Attribute', 'Grayscale', 'Colour'), images)}\n{other}"


def attributes_in_use(can: Capabilities) -> Mapping[str, str]:
    """What a film session and film box get that ask for nothing: keyword -> value."""
    tree = FilmSessionTree(can=can, profile=PrintProfile(name="", printer=""))
    session = tree.create_session(Dataset(), "", color=False)
    wanted = Dataset()
    wanted.ImageDisplayFormat = "STANDARD\\1,1"
    film = tree.create_film_box(wanted, "", color=False, annotated=False, icc=None)
    found = [element for answer in (session, film) for element in answer.dataset or () if element.VR != "SQ"]
    return {"Polarity": "NORMAL"} | {element.keyword: str(element.value) for element in found}


def _attribute_table(attributes: Mapping[str, Attribute], defaults: Mapping[str, str], can: Capabilities) -> str:
    return table(
        ("Attribute", "Tag", "Usage", "Values", "Default", "N-SET", "Other value: tolerant", "strict"),
        (
            (
                dictionary_description(keyword),
                Tag(tag_for_keyword(keyword) or 0),
                attribute.usage,
                attribute.domain.words(can),
                "" if attribute.mandatory else defaults.get(keyword, ""),
                "yes" if attribute.settable else "no",
                *_refusals(attribute),
            )
            for keyword, attribute in attributes.items()
        ),
    )


def _refusals(attribute: Attribute) -> tuple[str, str]:
    """What another value is answered: to a tolerant peer, to a strict one."""
    domain = attribute.domain
    tolerant = "0106" if attribute.mandatory else "0116, default used"
    if isinstance(domain, Elsewhere):
        tolerant, strict = domain.tolerant, domain.strict
    else:
        strict = "0106"
    return tolerant, "0105" if attribute.tolerant_only else strict


def _statuses() -> str:
    rows = ((f"{code:04X}", meaning, tolerant, strict) for code, (meaning, tolerant, strict) in STATUSES.items())
    return "## Status codes\n\n" + table(("Code", "Meaning", "Tolerant (default)", "Strict"), rows)


def _layouts(catalog: Catalog, annotations: AnnotationFormats) -> str:
    sizes = table(
        ("Film Size ID", "mm, portrait", "Also known as"),
        ((name, f"{s.width_mm:g} x {s.height_mm:g}", ", ".join(s.aliases)) for name, s in catalog.film_sizes.items()),
    )
    custom = table(
        ("Format", "Boxes in order: left, top, width, height", "Unit"),
        (
            (
                f"CUSTOM\\{number}",
                "; ".join(f"{b.left:g}, {b.top:g}, {b.width:g}, {b.height:g}" for b in layout.boxes),
                "of the printable width and height" if layout.unit == "fraction" else "mm",
            )
            for number, layout in sorted(catalog.custom.items())
        ),
    )
    formats = table(
        ("Annotation Display Format ID", "Positions on a film of 2 images", "Where, size in mm"),
        (
            (
                name,
                ", ".join(map(str, annotation_positions(annotations, name, 2))) or "none",
                "; ".join(f"{p.where} {p.align}, {p.text_mm:g}" for p in form.places) or "nothing",
            )
            for name, form in annotations.by_id.items()
        ),
    )
    return f"## Film sizes\n\n{sizes}\n## Custom layouts\n\n{custom}\n## Annotation formats\n\n{formats}"


def _behaviour() -> str:
    points = (
        "An empty film is not printed: B603 for a film box, B602 for a film session, whose other films do print.",
        "A film session is printed collated: copies 1234 1234.",
        "Image boxes are of the class of the Meta class the film box was created under.",
        "Each N-SET of an image box replaces image and attributes alike.",
        "By default grey printers refuse the Basic Color Meta class; one set to take it prints colour as its luma.",
        "Cropping is about the centre of the image.",
        "Presentation LUTs live until N-DELETE or the end of the association; films keep the content they referred to.",
        "Tolerant peers may set Presentation LUT, Illumination and Reflected Ambient Light on the film session.",
        "An annotation's Specific Character Set is its own, else the film session's, else the one assumed of the peer.",
        "What N-ACTION accepted is printed though the association ends or is aborted; everything else is forgotten.",
        "Print Job instances can be read from other associations; the one that was told of the end can't any more.",
        "Printer Status describes the queue: NORMAL while films are accepted, WARNING with SUPPLY LOW when the device "
        "needs a person, FAILURE when films are refused; per peer it describes the device.",
        "A peer may be set to get every warning as success.",
    )
    return "## Behaviour\n\n" + "\n".join(f"- {point}" for point in points) + "\n"


def _printer(printer: Printer, can: Capabilities) -> str:
    settings = printer.settings
    facts = table(
        ("", ""),
        (
            ("Called AE titles", ", ".join(printer.ae_titles)),
            ("Colour", "yes" if can.takes_color else "no: the Basic Color Meta class is refused"),
            ("Resolution", f"{settings.resolution:g} dpi, {settings.bits} bits"),
            ("Densities", f"{settings.min_density:g} to {settings.max_density:g} OD"),
            ("Films collated, at most", can.film_boxes),
            ("Image boxes on a film, at most", can.image_boxes),
            ("Configuration Information", ", ".join(can.configuration_names) or "no tables"),
        ),
    )
    sizes = table(("Film Size ID", "Printable matrix, columns x rows", "mm a pixel"), _matrices(can))
    return f"## Printer {printer.name}\n\n{facts}\n{sizes}"


def _profile(profile: PrintProfile, store: Store, catalog: Catalog, annotations: AnnotationFormats) -> str:
    """What films get that come under a print profile: its printer's terms, its own tables, defaults and overrides."""
    can = _capabilities(get_printer(store, profile.printer), store.settings, catalog, annotations, profile)
    facts = (
        ("Chosen by called AE title", profile.called_ae_title or "any"),
        ("by calling AE title", profile.calling_ae_title or "any"),
        ("by address", profile.address or "any"),
        ("Printer", profile.printer),
        ("Film sizes", ", ".join(can.film_sizes)),
        ("Medium types", ", ".join(can.medium_types)),
        ("Configuration Information", ", ".join(can.configuration_names) or "no tables"),
        ("Pixels without a Presentation LUT", profile.grey.without_lut),
        ("Where absent or empty", _values(profile.defaults)),
        ("Whatever was sent", _values(profile.overrides)),
        ("Values meant as others", _values(profile.aliases)),
    )
    return f"## Print profile {profile.name}\n\n{table(('', ''), facts)}"


def _values(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items()) or "nothing"


def _matrices(can: Capabilities) -> Rows:
    for size in can.film_sizes:
        for resolution in can.resolutions:
            sheet = can.sheet(None, size, resolution)
            columns, rows = printable_matrix(sheet)
            yield f"{size} {resolution}", f"{columns} x {rows}", f"{25.4 / sheet.resolution:.4f}"
