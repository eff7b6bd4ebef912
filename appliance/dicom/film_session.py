"""The film session of one association: its tree and Annex H's rules (PS3.4 H.4.1 to H.4.4, H.4.9).

No network, no database, no files: handlers bring data sets and references to pixels, and take the finished
:class:`appliance.film.boxes.FilmSession` to the printer.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field, fields, replace
from typing import Any
from weakref import WeakSet

from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid

from appliance.dicom.answering import (
    ATTRIBUTE_LIST_WARNING,
    CLASS_INSTANCE_CONFLICT,
    DUPLICATE_INSTANCE,
    INVALID_INSTANCE,
    INVALID_VALUE,
    MISSING_ATTRIBUTE,
    MISSING_VALUE,
    NO_SUCH_ATTRIBUTE,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    VALUE_OUT_OF_RANGE,
    Answer,
    StatusError,
    is_warning,
    tags_of,
)
from appliance.dicom.capabilities import Capabilities, annotation_positions
from appliance.dicom.densities import keep_densities
from appliance.dicom.film_attributes import (
    ANNOTATION_BOX,
    COLOR_IMAGE_BOX,
    CREATE,
    FILM_BOX,
    FILM_SESSION,
    IMAGE_BOX,
    SET,
    Reader,
    Reading,
    sent_items,
)
from appliance.dicom.film_nodes import (
    ANNOTATION_CLASS,
    COLOR_BOX_CLASS,
    FILM_BOX_CLASS,
    GRAY_BOX_CLASS,
    LUT_CLASS,
    SESSION_CLASS,
    FilmNode,
    SessionNode,
    box_in_use,
    film_in_use,
    session_in_use,
)
from appliance.dicom.film_requests import charset_of, check_position, referenced, sent_session
from appliance.dicom.image_attributes import read_image
from appliance.dicom.presentation_luts import MOST_LUTS, MOST_VALUES, read_presentation_lut
from appliance.film.areas import set_verdict
from appliance.film.boxes import AnnotationBox, FilmBox, FilmSession, ImageBox, PixelReference, PresentationLUT
from appliance.film.display_format import parse
from appliance.film.layout import number_of_boxes
from appliance.film.sheet import Sheet
from appliance.film.sizing import TOO_LARGE
from appliance.printing.profiles import PrintProfile

log = logging.getLogger(__name__)

MOST_BOXES = 20_000
"""Image boxes of a session, 200 films of 100; each takes 400 bytes, as long as the association lasts."""
NO_MEMORY_ALLOCATION = 0xB600
EMPTY_SESSION = 0xB602
EMPTY_FILM = 0xB603
NO_FILM_BOXES = 0xC600

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Print:
    """What an N-ACTION is to print, and the status it is answered with."""

    session: FilmSession
    status: int
    comment: str

    @property
    def nothing(self) -> bool:
        return not self.session.film_boxes


@dataclass(kw_only=True)
class FilmSessionTree:
    """All print instances of one association but Printer and Print Job."""

    can: Capabilities
    profile: PrintProfile
    session: SessionNode | None = None
    films: dict[str, FilmNode] = field(default_factory=dict)  # in order of creation
    luts: dict[str, PresentationLUT] = field(default_factory=dict)
    _tables: WeakSet[PresentationLUT] = field(default_factory=WeakSet)

    # --- film session ---

    def create_session(self, dataset: Dataset, uid: str, color: bool) -> Answer:
        if self.session is not None:
            raise StatusError(DUPLICATE_INSTANCE, "this association has a film session already")
        uid = self._new_uid(uid)
        charset = charset_of(dataset)
        reading = self._read(FILM_SESSION, dataset, CREATE, charset)
        session = FilmSession(film_boxes=(), color=color, sent=sent_session(dataset, reading))
        self.session = SessionNode(
            uid=uid,
            color=color,
            session=_updated(session, reading.values),
            charset=charset,
            common=self._common(dataset, reading),
        )
        return _answer(reading, session_in_use(self.session, self.can), uid)

    def set_session(self, uid: str, dataset: Dataset) -> Answer:
        node = self._session(uid)
        charset = charset_of(dataset) or node.charset
        reading = self._read(FILM_SESSION, dataset, SET, charset)
        sent = {**node.session.sent, **sent_session(dataset, reading)}
        node.common.update(self._common(dataset, reading))
        node.session = replace(_updated(node.session, reading.values), sent=sent)
        node.charset = charset
        return _answer(reading, session_in_use(node, self.can) if reading.warnings else None)

    def delete_session(self, uid: str) -> Answer:
        """Presentation LUTs stay: clients make them before the session and delete them after it."""
        self._session(uid)
        self.session = None
        self.films.clear()
        return Answer()

    def _common(self, dataset: Dataset, reading: Reading) -> dict[str, Any]:
        """What a session holds for films that say nothing themselves."""
        if reading.values.get("MemoryAllocation"):
            reading.warn(NO_MEMORY_ALLOCATION, "MemoryAllocation", "memory is not allocated by request")
        values = {k: v for k, v in reading.values.items() if k in ("Illumination", "ReflectedAmbientLight")}
        lut = None if self.can.strict else self._referenced_lut(dataset)
        return values | ({"presentation_lut": lut} if lut else {})

    # --- film box ---

    def create_film_box(self, dataset: Dataset, uid: str, color: bool, *, annotated: bool, icc: str | None) -> Answer:
        """`annotated`: annotation boxes were negotiated; `icc`: name of the file that holds the ICC profile sent."""
        session = self._session_for_film(dataset, color)
        self._refuse_more_films()
        uid = self._new_uid(uid)
        reading = self._read(FILM_BOX, dataset, CREATE, session.charset)
        self._note_icc(dataset, color, reading)
        lut = self._referenced_lut(dataset)
        sheet = self._sheet(reading.values)
        keep_densities(reading, reading.values, sheet, strict=self.can.strict)
        film = _updated(FilmBox(ImageDisplayFormat="", image_boxes=(), sent=reading.sent), reading.values)
        film = replace(film, presentation_lut=lut, icc_profile=icc)
        node = FilmNode(uid=uid, color=color, film=film)
        self._make_boxes(node, annotated)
        self.films[uid] = node
        return _answer(reading, self._in_use(node), uid)

    def _session_for_film(self, dataset: Dataset, color: bool) -> SessionNode:
        """The session a new film box belongs to; what the reference must say (trap 4 is forgiven to tolerant peers)."""
        reference = referenced(dataset, "ReferencedFilmSessionSequence")
        if self.session is None:
            raise StatusError(INVALID_INSTANCE, "there is no film session to put a film box into")
        if not reference and self.can.strict:
            status = MISSING_ATTRIBUTE if reference is None else MISSING_VALUE
            raise StatusError(status, "no Referenced Film Session Sequence", ("ReferencedFilmSessionSequence",))
        if reference and reference != self.session.uid:
            raise StatusError(INVALID_INSTANCE, "the film session referenced is not this association's")
        if not reference:
            log.info("film box without a reference to its film session, taken as this association's")
        if self.can.strict and color != self.session.color:
            raise StatusError(CLASS_INSTANCE_CONFLICT, "film session and film box are of different Meta classes")
        return self.session

    def _refuse_more_films(self) -> None:
        if len(self.films) >= self.can.film_boxes:
            raise StatusError(RESOURCE_LIMITATION, f"at most {self.can.film_boxes} film boxes in a session")

    def _note_icc(self, dataset: Dataset, color: bool, reading: Reading) -> None:
        """Grayscale films have no ICC profile (PS3.3 C.13.3)."""
        if color or "ICCProfile" not in dataset:
            return
        words = "an ICC profile is for colour films"
        if self.can.strict:
            raise StatusError(NO_SUCH_ATTRIBUTE, words, ("ICCProfile",))
        reading.warn(ATTRIBUTE_LIST_WARNING, "ICCProfile", words + ", ignored")

    def _sheet(self, values: dict[str, Any]) -> Sheet:
        medium_type = self.session.session.MediumType if self.session else None
        return self.can.sheet(medium_type, values.get("FilmSizeID"), values.get("RequestedResolutionID"))

    def _sheet_of(self, node: FilmNode) -> Sheet:
        return self._sheet({key: getattr(node.film, key) for key in ("FilmSizeID", "RequestedResolutionID")})

    def _in_use(self, node: FilmNode) -> Dataset:
        assert self.session is not None
        return film_in_use(node, self.session, self._sheet_of(node), self.can)

    def _make_boxes(self, node: FilmNode, annotated: bool) -> None:
        film, sheet = node.film, self._sheet_of(node)
        count = number_of_boxes(parse(film.ImageDisplayFormat), sheet, film.FilmOrientation, self.can.catalog)
        if count > self.can.image_boxes:
            raise StatusError(RESOURCE_LIMITATION, f"{count} image boxes, at most {self.can.image_boxes} on a film")
        if count + sum(len(other.images) for other in self.films.values()) > MOST_BOXES:
            raise StatusError(RESOURCE_LIMITATION, f"at most {MOST_BOXES} image boxes in a session: print, then go on")
        node.images = {generate_uid(None): ImageBox(ImageBoxPosition=number) for number in range(1, count + 1)}
        if annotated:
            positions = annotation_positions(self.can.annotations, film.AnnotationDisplayFormatID, count)
            node.annotations = {generate_uid(None): AnnotationBox(AnnotationPosition=p) for p in positions}

    def set_film_box(self, uid: str, dataset: Dataset, icc: str | None = None) -> Answer:
        node = self._film(uid)
        session = self.session
        reading = self._read(FILM_BOX, dataset, SET, session.charset if session else "")
        merged = {"MinDensity": node.film.MinDensity, "MaxDensity": node.film.MaxDensity, **reading.values}
        keep_densities(reading, merged, self._sheet_of(node), strict=self.can.strict)
        reading.values.update({k: merged[k] for k in ("MinDensity", "MaxDensity")})
        film = replace(_updated(node.film, reading.values), sent={**node.film.sent, **reading.sent})
        self._note_icc(dataset, node.color, reading)
        lut = self._referenced_lut(dataset)
        if lut or "ReferencedPresentationLUTSequence" in dataset:
            film = replace(film, presentation_lut=lut)
        node.film = replace(film, icc_profile=icc or film.icc_profile)
        return _answer(reading, self._in_use(node) if reading.warnings else None)

    def delete_film_box(self, uid: str) -> Answer:
        self._film(uid)
        del self.films[uid]
        return Answer()

    # --- image box, annotation box ---

    def set_image_box(
        self, uid: str, dataset: Dataset, pixels: PixelReference | None, unreadable: tuple[str, ...] = ()
    ) -> Answer:
        """`pixels`: where the Pixel Data lies, None without; `unreadable`: keywords of values not readable."""
        node = self._film_of(uid, "images")
        before = node.images[uid]
        table = COLOR_IMAGE_BOX if node.color else IMAGE_BOX
        reading = self._read(table, dataset, SET, fresh=True)
        self._note_unreadable(unreadable, reading)
        check_position(dataset, before.ImageBoxPosition)
        image = self._image(dataset, pixels, node.color, reading)
        if not node.color:
            keep_densities(reading, reading.values, self._sheet_of(node), strict=self.can.strict)
        box = _updated(ImageBox(ImageBoxPosition=before.ImageBoxPosition, image=image), reading.values)
        box = replace(box, presentation_lut=None if node.color else self._referenced_lut(dataset))
        self._check_lut_matches(node, box)
        verdict = self._verdict(node, box)
        node.images[uid], node.verdicts[uid] = box, verdict
        if is_warning(verdict[0]):
            reading.warn(verdict[0], "", verdict[1])
        return _answer(reading, box_in_use(box) if reading.values and reading.warnings else None)

    def _image(self, dataset: Dataset, pixels: PixelReference | None, color: bool, reading: Reading) -> Any:
        keyword = "BasicColorImageSequence" if color else "BasicGrayscaleImageSequence"
        if keyword not in dataset:
            raise StatusError(MISSING_ATTRIBUTE, f"{keyword} is missing", (keyword,))
        items = sent_items(dataset, keyword)
        if not items:
            return None  # erased
        if len(items) > 1:
            raise StatusError(INVALID_VALUE, f"{keyword} has more than one item", (keyword,))
        return read_image(items[0], pixels, color, self.can, reading)

    def _note_unreadable(self, keywords: tuple[str, ...], reading: Reading) -> None:
        for keyword in keywords:
            if self.can.strict:
                raise StatusError(INVALID_VALUE, f"{keyword} can't be read as its VR says", (keyword,))
            reading.warn(VALUE_OUT_OF_RANGE, keyword, f"{keyword} can't be read as its VR says, default used")

    def _check_lut_matches(self, node: FilmNode, box: ImageBox) -> None:
        """In strict, a table has as many entries as the image has values (PS3.4 H.4.9.1.1); else it is stretched."""
        lut = box.presentation_lut or node.film.presentation_lut
        if self.can.strict and lut and lut.data and box.image and len(lut.data) != 1 << box.image.BitsStored:
            words = f"Presentation LUT of {len(lut.data)} entries for {box.image.BitsStored} bits"
            raise StatusError(INVALID_VALUE, words, ("BitsStored",))

    def _verdict(self, node: FilmNode, box: ImageBox) -> tuple[int, str]:
        if box.image is None:
            return (0, "")
        verdict = set_verdict(
            box,
            node.film,
            self._sheet_of(node),
            self.session.session.FilmSessionLabel if self.session else "",
            strict=self.can.strict,
            catalog=self.can.catalog,
            formats=self.can.annotations,
        )
        if verdict.status == TOO_LARGE:
            raise StatusError(verdict.status, verdict.reason)
        return verdict.status, verdict.reason

    def set_annotation_box(self, uid: str, dataset: Dataset) -> Answer:
        node = self._film_of(uid, "annotations")
        before = node.annotations[uid]
        charset = self.session.charset if self.session else ""
        reading = self._read(ANNOTATION_BOX, dataset, SET, charset_of(dataset) or charset)
        position = reading.values["AnnotationPosition"]
        if position != before.AnnotationPosition:
            # DCMTK sends 2 for a single box; the box was addressed by its UID anyway.
            if self.can.strict:
                words = f"Annotation Position {position} is not the box's, {before.AnnotationPosition}"
                raise StatusError(INVALID_VALUE, words, ("AnnotationPosition",))
            log.info("annotation position %d taken as the box's own, %d", position, before.AnnotationPosition)
        text = self._annotation(reading)
        node.annotations[uid] = replace(before, TextString=before.TextString if text is None else text)
        return _answer(reading, None)

    def _annotation(self, reading: Reading) -> str | None:
        text = reading.values.get("TextString")
        longest = self.can.annotation_length
        if text is None or len(text) <= longest:
            return text
        words = f"Text String has {len(text)} characters, at most {longest} are printed"
        if self.can.strict:
            raise StatusError(INVALID_VALUE, words, ("TextString",))
        reading.warn(VALUE_OUT_OF_RANGE, "TextString", words)
        return str(text)[:longest]

    # --- presentation LUT ---

    def create_lut(self, dataset: Dataset, uid: str, big_endian: bool) -> Answer:
        uid = self._new_uid(uid)
        lut = self._kept(read_presentation_lut(dataset, self.can, big_endian))
        self.luts[uid] = lut
        reply = Dataset()
        if lut.PresentationLUTShape:
            reply.PresentationLUTShape = lut.PresentationLUTShape
        return Answer(instance=uid, dataset=reply if len(reply) else None)

    def _kept(self, lut: PresentationLUT) -> PresentationLUT:
        """The table, once in memory however often it is sent: some send the same for each film and delete none.

        What films and boxes refer to counts as long as they do, also when the LUT itself was deleted.
        """
        known = next((table for table in self._tables if table == lut), None)
        if known is not None and len(self.luts) < MOST_LUTS:
            return known
        if len(self.luts) >= MOST_LUTS or sum(len(table.data) for table in self._tables) + len(lut.data) > MOST_VALUES:
            raise StatusError(RESOURCE_LIMITATION, "too many Presentation LUTs: delete those no longer needed")
        self._tables.add(lut)
        return lut

    def delete_lut(self, uid: str) -> Answer:
        """Films that refer to it keep its content; nothing may refer to it again."""
        self._find(uid, LUT_CLASS)
        del self.luts[uid]
        return Answer()

    def _referenced_lut(self, dataset: Dataset) -> PresentationLUT | None:
        keyword = "ReferencedPresentationLUTSequence"
        uid = referenced(dataset, keyword)
        if not uid:
            return None
        if uid not in self.luts:
            raise StatusError(INVALID_VALUE, "the Presentation LUT referenced does not exist", (keyword,))
        return self.luts[uid]

    # --- printing ---

    def print_film(self, uid: str) -> Print:
        """One film, for its film box's N-ACTION."""
        node = self._film(uid)
        if node.empty:
            return self._print((), EMPTY_FILM, "no image was set: an empty film is not printed", collated=False)
        return self._print((node,), *_worst((node,)), collated=False)

    def print_session(self, uid: str) -> Print:
        """All films, for the film session's N-ACTION; empty ones are left out."""
        self._session(uid)
        if not self.films:
            raise StatusError(NO_FILM_BOXES, "the film session has no film box")
        nodes = tuple(node for node in self.films.values() if not node.empty)
        status, words = _worst(nodes)
        if len(nodes) < len(self.films):
            status, words = EMPTY_SESSION, f"{len(self.films) - len(nodes)} films have no image and are not printed"
        return self._print(nodes, status, words, collated=True)

    def _print(self, nodes: tuple[FilmNode, ...], status: int, comment: str, *, collated: bool) -> Print:
        assert self.session is not None
        films = tuple(self._whole(node) for node in nodes)
        color = any(node.color for node in nodes)
        session = replace(self.session.session, film_boxes=films, color=color, collated=collated)
        return Print(session=session, status=status, comment=comment)

    def _whole(self, node: FilmNode) -> FilmBox:
        common = self.session.common if self.session else {}
        missing = {key: value for key, value in common.items() if getattr(node.film, key) is None}
        boxes = tuple(node.images.values())
        return replace(node.film, image_boxes=boxes, annotation_boxes=tuple(node.annotations.values()), **missing)

    # --- finding ---

    def class_of(self, uid: str) -> str | None:
        """The SOP class of an instance of this tree; None when there is none."""
        if self.session and uid == self.session.uid:
            return SESSION_CLASS
        if uid in self.films:
            return FILM_BOX_CLASS
        if uid in self.luts:
            return LUT_CLASS
        for node in self.films.values():
            if uid in node.images:
                return COLOR_BOX_CLASS if node.color else GRAY_BOX_CLASS
            if uid in node.annotations:
                return ANNOTATION_CLASS
        return None

    def _find(self, uid: str, sop_class: str) -> None:
        found = self.class_of(uid)
        if found is None:
            raise StatusError(NO_SUCH_INSTANCE, f"there is no {UID(sop_class).name} of that UID here")
        if found != sop_class:
            raise StatusError(CLASS_INSTANCE_CONFLICT, f"that instance is no {UID(sop_class).name}")

    def _session(self, uid: str) -> SessionNode:
        self._find(uid, SESSION_CLASS)
        assert self.session is not None
        return self.session

    def _film(self, uid: str) -> FilmNode:
        self._find(uid, FILM_BOX_CLASS)
        return self._addressed(self.films[uid])

    def _film_of(self, uid: str, boxes: str) -> FilmNode:
        for node in self.films.values():
            if uid in getattr(node, boxes):
                return self._addressed(node)
        if self.class_of(uid):
            raise StatusError(CLASS_INSTANCE_CONFLICT, "that instance is no such box")
        raise StatusError(NO_SUCH_INSTANCE, "there is no such box on a film of this association")

    def _addressed(self, node: FilmNode) -> FilmNode:
        """Only the last film box made may be addressed; others do forgive it, and so do we to tolerant peers."""
        if self.can.strict and node.uid != next(reversed(self.films)):
            raise StatusError(PROCESSING_FAILURE, "only the film box created last can be addressed")
        return node

    def _new_uid(self, uid: str) -> str:
        if not uid:
            return generate_uid(None)
        if not _UID.fullmatch(uid) or len(uid) > 64:
            raise StatusError(INVALID_INSTANCE, "the SOP Instance UID is not a UID")
        if self.class_of(uid):
            raise StatusError(DUPLICATE_INSTANCE, "an instance of that UID exists already")
        return uid

    def _read(
        self, table: Any, dataset: Dataset, service: str, charset: str = "", *, fresh: bool | None = None
    ) -> Reading:
        fresh = service == CREATE if fresh is None else fresh
        reader = Reader(table=table, service=service, can=self.can, profile=self.profile, charset=charset, fresh=fresh)
        return reader.read(dataset)


def _updated(thing: Any, values: dict[str, Any]) -> Any:
    """`thing` with the values it has fields for; None gives a field its default."""
    known = {f.name: f.default for f in fields(thing)}
    return replace(thing, **{k: known[k] if v is None else v for k, v in values.items() if k in known})


def _worst(nodes: tuple[FilmNode, ...]) -> tuple[int, str]:
    """The first warning about an image's size, for N-ACTION to repeat."""
    verdicts = [node.verdicts[uid] for node in nodes for uid in node.images if node.verdicts.get(uid, (0, ""))[0]]
    return verdicts[0] if verdicts else (0, "")


def _answer(reading: Reading, dataset: Dataset | None, instance: str = "") -> Answer:
    tags = tags_of(reading.offending)
    return Answer(status=reading.status, dataset=dataset, instance=instance, comment=reading.comment, tags=tags)
