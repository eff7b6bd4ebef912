"""A film session printed over an association with a film imager.

A film the imager can't take in parts (its layout, its pixels' depth, its texts) goes as one composed raster of P-values
on STANDARD\\1,1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pydicom.dataset import Dataset

from appliance.errors import DeviceError
from appliance.film.boxes import FilmBox, FilmSession, PresentationLUT
from appliance.network.print_scu import (
    ANNOTATION_BOX,
    FILM_CREATION,
    PRESENTATION_LUT,
    PRINT_JOB,
    CreatedFilm,
    Pixels,
    PrintClient,
    PrintRefusedError,
)
from appliance.printing.device import imager_data as data
from appliance.printing.device.delivery import Delivery, InterruptedTransferError, shown
from appliance.printing.device.options import DeviceOptions
from appliance.printing.device.outcome import Document
from appliance.words import say

QUEUE_FULL = (0xC601, 0xC602, 0x0213, 0xC605)
ENDED = ("DONE", "FAILURE")
ANOTHER_WAY = (0x0105, 0x0106, 0x0115, 0x0120, 0x0121, 0xC603, 0xC613, 0xC605)  # a composed raster may be taken


class SheetRefusedError(Exception):
    """The imager has no such medium or size, would print on another, or takes the film in no way there is."""


class FilmPrinting:
    """One session printed over one association. `events`: print job UID -> the last Execution Status told."""

    def __init__(
        self,
        imager: PrintClient,
        delivery: Delivery,
        session: FilmSession,
        folder: Path,
        options: DeviceOptions,
        events: Mapping[str, str],
    ) -> None:
        self.imager = imager
        self.delivery = delivery
        self.session = session
        self.folder = folder
        self.options = options
        self.events = events
        self.copies = max((document.copy for document in delivery.request.documents), default=session.NumberOfCopies)

    def print_all(self) -> list[str]:
        """Print what is still to be printed; what became of each print job, as far as the imager tells."""
        self.session_uid = self._create_session()
        films = range(1, len(self.session.film_boxes) + 1)
        if self.session.collated and self.copies > 1 and len(films) > 1:
            for number in films:
                self._build(number)
            return [self._action(self.imager.print_session, self.session_uid, self.delivery.documents)]
        states = []
        for number in films:
            documents = [document for document in self.delivery.documents if document.film == number]
            if documents:
                box = self._build(number)
                states.append(self._action(self.imager.print_film, box, documents))
                self._delete(box)
        return states

    def _create_session(self) -> str:
        request = data.session_data(self.session, self.copies, self.options)
        try:
            made = self.imager.create_session(request)
        except PrintRefusedError as error:
            if "MediumType" in request and error.status not in QUEUE_FULL:
                raise SheetRefusedError(str(error)) from error
            raise
        same_medium(request, made.attributes, "MediumType")
        return made.uid

    def _delete(self, box: str) -> None:
        """For tidiness: a refusal changes nothing, the end of the association deletes it too."""
        with suppress(DeviceError):
            self.imager.delete_film(box)

    def _build(self, number: int) -> str:
        """A film box with everything on it: in parts if the imager takes it so, else as a raster of 12 or 8 bits."""
        film = self.session.film_boxes[number - 1]
        ways: list[Callable[[], str]] = []
        if self._takes_parts(film):
            ways.append(lambda: self._build_parts(film))
        if self.options.compose_raster is not None and not self.session.color:
            ways += [lambda: self._build_raster(number, film, 12), lambda: self._build_raster(number, film, 8)]
        problem: PrintRefusedError | None = None
        for way in ways:
            self.delivery.check_canceled()
            try:
                return way()
            except PrintRefusedError as error:
                if error.status not in ANOTHER_WAY:
                    raise
                problem = problem or error
        if problem is None:
            raise SheetRefusedError(
                say("film %(number)s can't go as film boxes, and no raster of it can be made", number=number)
            )
        if film.FilmSizeID and problem.what == FILM_CREATION and problem.status not in QUEUE_FULL:
            raise SheetRefusedError(str(problem)) from problem
        raise problem

    def _takes_parts(self, film: FilmBox) -> bool:
        """Whether the film can go box by box without losing its pixels, its greys or its texts."""
        plain = (None, data.IDENTITY)
        needs_lut = any(lut not in plain for lut in data.luts_of(film))
        texts = any(box.TextString for box in film.annotation_boxes)
        return (
            all(box.image is None or data.passes(box.image) for box in film.image_boxes)
            and (not needs_lut or self.imager.offers(PRESENTATION_LUT))
            and (not texts or self.imager.offers(ANNOTATION_BOX))
        )

    def _create_film(self, film: FilmBox, lut: str | None) -> CreatedFilm:
        request = data.film_data(film, self.options)
        made = self.imager.create_film(self.session_uid, request, lut)
        try:
            same_medium(request, made.attributes, "FilmSizeID")
            if not made.image_boxes:
                raise OSError(say("the imager named no image boxes"))
        except (SheetRefusedError, OSError):
            self._delete(made.uid)
            raise
        return made

    def _create_luts(self, film: FilmBox) -> dict[PresentationLUT | None, str]:
        if not self.imager.offers(PRESENTATION_LUT):
            return {}
        return {lut: self.imager.create_lut(data.lut_data(lut)) for lut in data.luts_of(film)}

    def _build_parts(self, film: FilmBox) -> str:
        """Film box and image boxes as they came."""
        luts = self._create_luts(film)
        made = self._create_film(film, luts.get(film.presentation_lut))
        try:
            for box in film.image_boxes:
                if box.image is not None:
                    attributes = data.image_box_data(box, self.options)
                    pixels = data.file_pixels(box.image, self.folder)
                    lut = luts.get(box.presentation_lut)
                    self._set_image(made, box.ImageBoxPosition, attributes, data.image_data(box.image), pixels, lut)
            self._set_texts(film, made)
        except PrintRefusedError:
            self._delete(made.uid)
            raise
        return made.uid

    def _set_image(
        self, film: CreatedFilm, position: int, box: Dataset, image: Dataset, pixels: Pixels, lut: str | None = None
    ) -> None:
        if position > len(film.image_boxes):
            raise OSError(
                say(
                    "the imager has %(image_boxes)s image boxes, the film needs %(position)s",
                    image_boxes=len(film.image_boxes),
                    position=position,
                )
            )
        self.delivery.check_canceled()
        self.imager.set_image(film.image_boxes[position - 1], box, image, pixels, lut=lut)

    def _set_texts(self, film: FilmBox, made: CreatedFilm) -> None:
        for box, annotation in zip(made.annotation_boxes, film.annotation_boxes, strict=False):
            if annotation.TextString:
                self.imager.set_annotation(box, annotation.TextString[:64], annotation.AnnotationPosition)

    def _build_raster(self, number: int, film: FilmBox, bits: int) -> str:
        """The whole film as one image of P-values at the imager's printable matrix."""
        assert self.options.compose_raster is not None
        matrix = data.matrix_for(film, self.options)
        raster = self.options.compose_raster(self.session, number, self.folder, matrix)
        whole = data.raster_film(film, magnify=matrix is None)
        made = self._create_film(whole, self._create_luts(whole).get(whole.presentation_lut))
        box = Dataset()
        box.ImageBoxPosition, box.Polarity = 1, "NORMAL"
        try:
            self._set_image(made, 1, box, data.raster_data(raster, bits), data.raster_pixels(raster, bits))
        except PrintRefusedError:
            self._delete(made.uid)
            raise
        return made.uid

    def _action(self, ask: Callable[[str], str | None], uid: str, documents: Sequence[Document]) -> str:
        """Ask for the print: from here on it is in doubt until the imager answers. What became of it, if it tells."""
        sizes = [document.path.stat().st_size for document in documents]
        self.delivery.leaving(sum(sizes))
        try:
            job = ask(uid)
        except PrintRefusedError:
            self.delivery.document_begun = False
            raise
        self.delivery.left(sum(sizes))
        state = self._follow(job)
        if state == "FAILURE":
            raise InterruptedTransferError(say("it took the film, then reported that printing it failed"))
        for _ in documents:
            self.delivery.document_done()
        return state

    def _follow(self, job: str | None) -> str:
        """The Execution Status a print job ends with; "" when the imager doesn't tell.

        A job whose end was told by an event is gone (PS3.4 H.4.5.2.2.2): it is not asked after any more.
        """
        if job is None or not self.imager.offers(PRINT_JOB):
            return ""
        end = time.monotonic() + self.options.job_deadline
        state = self.events.get(job, "")
        while state not in ENDED and time.monotonic() < end:
            try:
                state = str(self.imager.job(job).get("ExecutionStatus", ""))
            except DeviceError:
                return self.events.get(job, "")
            if state not in ENDED:
                time.sleep(self.options.poll_interval)
                state = self.events.get(job, state)
        return state


def same_medium(request: Dataset, answer: Dataset, keyword: str) -> None:
    """Raises SheetRefusedError when the imager put another medium or size in the place of the one asked for."""
    asked, given = request.get(keyword), answer.get(keyword)
    if asked and given and asked != given:
        raise SheetRefusedError(
            say(
                "it has no %(keyword)s %(asked)s and would take %(given)s",
                keyword=keyword,
                asked=shown(asked, 16),
                given=shown(given, 16),
            )
        )
