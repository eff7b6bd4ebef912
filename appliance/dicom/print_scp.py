"""The print service: requests of an association → the rules of its film session → a print job.

Handlers authorise, parse, call one verb, answer.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom.events import Event

from appliance.dicom import printer_scp
from appliance.dicom.answering import (
    CLASS_INSTANCE_CONFLICT,
    CLASS_NOT_SUPPORTED,
    INVALID_VALUE,
    NO_SUCH_ACTION,
    NO_SUCH_CLASS,
    NO_SUCH_INSTANCE,
    NOT_AUTHORISED,
    RESOURCE_LIMITATION,
    UNRECOGNISED_OPERATION,
    Answer,
    StatusError,
    answered,
    is_warning,
)
from appliance.dicom.callers import Caller
from appliance.dicom.capabilities import Capabilities, capabilities_of
from appliance.dicom.film_nodes import (
    ANNOTATION_CLASS,
    COLOR_BOX_CLASS,
    FILM_BOX_CLASS,
    GRAY_BOX_CLASS,
    LUT_CLASS,
    SESSION_CLASS,
    reference_item,
)
from appliance.dicom.film_session import FilmSessionTree, Print
from appliance.dicom.print_classes import (
    CLASS_NAMES,
    CONFIGURATION_CLASS,
    PRINT_ACTION,
    PRINT_JOB_CLASS,
    PRINTER_CLASS,
    SERVICES,
    TRANSFER_SYNTAXES,
    covered,
    is_color,
    supported_classes,
)
from appliance.dicom.requests import Request, read_request
from appliance.errors import NotFoundError, ResourceError
from appliance.film.annotation_format import load_formats
from appliance.film.boxes import FilmSession, files_of_session
from appliance.film.catalog import load
from appliance.network.spool import SpoolRequest
from appliance.printing.desk import PrintDesk
from appliance.printing.printer_verbs import get_printer as find_printer
from appliance.printing.printers import Printer
from appliance.printing.submission import Submission, UnsyncedFilmError, submit
from appliance.store import files
from appliance.store.store import Store

log = logging.getLogger(__name__)

NO_MEMORY_FOR_IMAGE = 0xC605
QUEUE_FULL = {SESSION_CLASS: 0xC601, FILM_BOX_CLASS: 0xC602}
LONGEST_ICC_PROFILE = 4 << 20


@dataclass(kw_only=True)
class PrintAssociation:
    """What we hold for one association that may print."""

    caller: Caller
    desk: PrintDesk
    can: Capabilities
    tree: FilmSessionTree
    folder: Path  # in the spool; gone with the association
    printer_told: tuple[str, str]  # Printer Status and Info told last, or found at the start
    jobs: dict[str, str] = field(default_factory=dict)  # print jobs made here -> Execution Status told last
    ended_jobs: set[str] = field(default_factory=set)  # those whose end was told: their instances are gone here

    def accepted(self) -> list[str]:
        """Abstract syntaxes of the contexts accepted."""
        return [str(context.abstract_syntax) for context in self.caller.association.accepted_contexts]


Operation = Callable[["PrintScp", PrintAssociation, Request], Answer]


class PrintScp:
    """Answers the print classes of every association."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.catalog = load(store.folder.layouts)
        self.annotations = load_formats(store.folder.layouts)
        self._open: dict[int, PrintAssociation] = {}

    # --- the association ---

    def supported(self, caller: Caller) -> Mapping[str, Sequence[str]]:
        """The abstract syntaxes this caller may have, each with its transfer syntaxes."""
        if caller.desk is None or "print" not in caller.peer.allows:
            return {}
        classes = supported_classes(color=caller.desk.printer.takes_color, separate=caller.peer.separate_classes)
        return dict.fromkeys(classes, TRANSFER_SYNTAXES)

    def opened(self, caller: Caller) -> None:
        """An association is about to be accepted."""
        if caller.desk is None:
            return
        can = capabilities_of(caller.desk, self.store.settings, self.catalog, self.annotations)
        self._open[id(caller.association)] = PrintAssociation(
            caller=caller,
            desk=caller.desk,
            can=can,
            tree=FilmSessionTree(can=can, profile=caller.desk.profile),
            folder=self.store.folder.spool / f"print-{uuid.uuid4().hex}",
            printer_told=printer_scp.status_of_printer(self.store, caller.desk.printer.name, caller.peer),
        )

    def closed(self, caller: Caller) -> None:
        """It ended, one way or another: what was not printed goes."""
        here = self._open.pop(id(caller.association), None)
        if here is not None and here.folder.exists():
            files.remove_tree(here.folder)

    def associations(self) -> list[PrintAssociation]:
        """Those open now, for events."""
        return list(self._open.values())

    def spool_folder(self, caller: Caller, request: SpoolRequest) -> Path | None:
        """Images are written into the association's folder as they arrive; other data sets are small."""
        here = self._open.get(id(caller.association))
        if here is None or not self._is_image(here, request):
            return None
        return files.make_folder(here.folder)

    @staticmethod
    def _is_image(here: PrintAssociation, request: SpoolRequest) -> bool:
        boxes = (GRAY_BOX_CLASS, COLOR_BOX_CLASS)
        return request.sop_class_uid in boxes or here.tree.class_of(request.sop_instance_uid) in boxes

    # --- requests ---

    def serve(self, caller: Caller, event: Event, service: str) -> Answer:
        """Answer one DIMSE-N request."""
        here = self._open.get(id(caller.association))
        if here is None:
            return Answer(status=NOT_AUTHORISED, comment="no printing here")
        if service == "C-STORE":
            return Answer(status=UNRECOGNISED_OPERATION, comment="nothing is stored under a print class")
        request = read_request(event, service)
        name = CLASS_NAMES.get(request.sop_class, request.sop_class)
        what = f"{service} {name} of {caller} for {here.desk.printer.name}"
        answer = answered(what, lambda: self._serve(here, request), self._when_full(request))
        if is_warning(answer.status):
            log.info("%s answered with %04X: %s", what, answer.status, answer.comment)
        return answer.masked() if caller.peer.mask_warnings else answer

    def _when_full(self, request: Request) -> int:
        if request.service == "N-ACTION":
            return QUEUE_FULL.get(request.sop_class, QUEUE_FULL[FILM_BOX_CLASS])
        return NO_MEMORY_FOR_IMAGE

    def _serve(self, here: PrintAssociation, request: Request) -> Answer:
        self._check_class(here, request)
        operation = OPERATIONS.get((request.sop_class, request.service))
        if operation is None:
            # Nobody can make printers and boxes: the class is not supported for it (0122), else 0211.
            status = CLASS_NOT_SUPPORTED if request.service == "N-CREATE" else UNRECOGNISED_OPERATION
            raise StatusError(status, f"{request.service} is no service of {CLASS_NAMES[request.sop_class]}")
        return operation(self, here, request)

    def _check_class(self, here: PrintAssociation, request: Request) -> None:
        """0118 for a class nobody knows, 0122 for one that was not negotiated (strict: not in this context)."""
        if request.sop_class not in SERVICES:
            raise StatusError(NO_SUCH_CLASS, f"no such SOP class: {request.sop_class[:32]}")
        here_only = [request.abstract_syntax] if here.can.strict else here.accepted()
        if request.sop_class not in covered(here_only):
            raise StatusError(CLASS_NOT_SUPPORTED, f"{CLASS_NAMES[request.sop_class]} was not negotiated")

    # --- film session ---

    def _create_session(self, here: PrintAssociation, request: Request) -> Answer:
        color = is_color(request.abstract_syntax, here.accepted())
        return here.tree.create_session(request.dataset(), request.instance, color)

    def _set_session(self, here: PrintAssociation, request: Request) -> Answer:
        return here.tree.set_session(request.instance, request.dataset())

    def _delete_session(self, here: PrintAssociation, request: Request) -> Answer:
        answer = here.tree.delete_session(request.instance)
        self._sweep(here)
        return answer

    def _print_session(self, here: PrintAssociation, request: Request) -> Answer:
        _check_action(request)
        return self._print(here, here.tree.print_session(request.instance))

    # --- film box ---

    def _create_film_box(self, here: PrintAssociation, request: Request) -> Answer:
        color = is_color(request.abstract_syntax, here.accepted())
        annotated = ANNOTATION_CLASS in covered(here.accepted())
        dataset = request.dataset()
        with self._icc(here, dataset, color) as icc:
            return here.tree.create_film_box(dataset, request.instance, color, annotated=annotated, icc=icc)

    def _set_film_box(self, here: PrintAssociation, request: Request) -> Answer:
        dataset = request.dataset()
        film = here.tree.films.get(request.instance)
        with self._icc(here, dataset, film is not None and film.color) as icc:
            return here.tree.set_film_box(request.instance, dataset, icc)

    def _delete_film_box(self, here: PrintAssociation, request: Request) -> Answer:
        answer = here.tree.delete_film_box(request.instance)
        self._sweep(here)
        return answer

    def _print_film(self, here: PrintAssociation, request: Request) -> Answer:
        _check_action(request)
        return self._print(here, here.tree.print_film(request.instance))

    @contextmanager
    def _icc(self, here: PrintAssociation, dataset: Dataset, color: bool) -> Iterator[str | None]:
        """An ICC profile as a file; None without one, or on a grayscale film. The one it replaces, or that was refused
        with its film box, goes afterwards.
        """
        profile = dataset.get("ICCProfile", b"") if color else b""
        if not profile:
            yield None
            return
        if len(profile) > LONGEST_ICC_PROFILE:
            raise StatusError(INVALID_VALUE, f"ICC profile of {len(profile)} bytes", ("ICCProfile",))
        if not self.store.has_room():
            raise StatusError(RESOURCE_LIMITATION, "the disk is short")
        name = f"{uuid.uuid4().hex}.icc"
        files.write_file(files.make_folder(here.folder) / name, profile)
        try:
            yield name
        finally:
            self._sweep(here)

    # --- boxes, LUT ---

    def _set_image_box(self, here: PrintAssociation, request: Request) -> Answer:
        found = here.tree.class_of(request.instance)
        if found and found != request.sop_class and here.can.strict:
            raise StatusError(CLASS_INSTANCE_CONFLICT, f"that instance is no {CLASS_NAMES[request.sop_class]}")
        image = request.image(files.make_folder(here.folder))
        if not self.store.has_room():
            raise StatusError(NO_MEMORY_FOR_IMAGE, "the disk is short")
        answer = here.tree.set_image_box(request.instance, image.dataset, image.pixels, image.unreadable)
        image.keep()
        files.failpoint("image.kept")
        self._sweep(here)
        return answer

    def _set_annotation_box(self, here: PrintAssociation, request: Request) -> Answer:
        return here.tree.set_annotation_box(request.instance, request.dataset())

    def _create_lut(self, here: PrintAssociation, request: Request) -> Answer:
        return here.tree.create_lut(request.dataset(), request.instance, request.big_endian)

    def _delete_lut(self, here: PrintAssociation, request: Request) -> Answer:
        return here.tree.delete_lut(request.instance)

    def _sweep(self, here: PrintAssociation) -> None:
        """Remove files no image box refers to any more. Jobs have names of their own for what they print.

        A part is an image that still arrives, sent before its forerunner was answered: the network's own.
        """
        if here.folder.exists():
            wanted = files_of(here.tree)
            for path in here.folder.iterdir():
                if path.name not in wanted and path.suffix != files.PART_SUFFIX:
                    files.remove(path)

    # --- printing ---

    def _print(self, here: PrintAssociation, wanted: Print) -> Answer:
        if wanted.nothing:
            return Answer(status=wanted.status, comment=wanted.comment)
        printer, uid = self._accepting_printer(here), generate_uid(None)
        folder = self._submission_folder(here, wanted.session)
        try:
            submission = Submission(
                session=wanted.session,
                folder=folder,
                printer=printer,
                print_job_uid=uid,
                originator=here.caller.calling_ae_title,
                address=here.caller.address,
                called_ae_title=here.caller.called_ae_title,
                profile=here.desk.profile.name,
                warnings=(wanted.comment,) if wanted.comment else (),
            )
            reply = self._job_reply(here, uid)
            job_id = submit(self.store, submission, here.caller.actor)
            files.failpoint("print.accepted")
        except UnsyncedFilmError:
            for name in files_of_session(wanted.session):  # asked to print once more, a second sync would pass
                files.remove(here.folder / name)
            here.jobs.pop(uid, None)
            raise
        except BaseException:
            here.jobs.pop(uid, None)
            raise
        finally:
            files.remove_tree(folder)
        films = len(wanted.session.film_boxes)
        said = {"job": job_id, "printer": printer.name}
        log.info("%s: job %d with %d films for %s", here.caller, job_id, films, printer.name, extra=said)
        return Answer(status=wanted.status, comment=wanted.comment, dataset=reply)

    def _accepting_printer(self, here: PrintAssociation) -> Printer:
        """The printer as it is now: associations last for hours. Raises ResourceError when it takes no jobs."""
        name = here.desk.printer.name
        try:
            printer = find_printer(self.store, name)
        except NotFoundError as error:
            raise ResourceError(f"Printer {name} was removed.") from error
        if not printer.is_accepting_jobs:
            raise ResourceError(f"Printer {name} takes no jobs now.")
        return printer

    def _submission_folder(self, here: PrintAssociation, session: FilmSession) -> Path:
        """A folder with second names for exactly the files the session needs: no bytes are copied."""
        folder = files.make_folder(self.store.folder.spool / f"submit-{uuid.uuid4().hex}")
        try:
            for name in files_of_session(session):
                files.link(here.folder / name, folder / name)
            files.failpoint("print.linked")
        except FileNotFoundError as error:
            files.remove_tree(folder)
            raise ResourceError("The disk did not take an image of this film: send it again.") from error
        except OSError:
            files.remove_tree(folder)
            raise
        return folder

    def _job_reply(self, here: PrintAssociation, uid: str) -> Dataset | None:
        """Exactly one item in (2100,0500), and nothing at all where Print Job was not negotiated (trap 8).

        Before the job is kept: events of it may be looked for as soon as it is.
        """
        if PRINT_JOB_CLASS not in covered(here.accepted()):
            return None
        here.jobs[uid] = ""
        reply = Dataset()
        reply.ReferencedPrintJobSequencePullStoredPrint = [reference_item(PRINT_JOB_CLASS, uid)]
        return reply

    # --- printer, print job ---

    def _get_printer(self, here: PrintAssociation, request: Request) -> Answer:
        return printer_scp.get_printer(self.store, here.desk, request)

    def _get_print_job(self, here: PrintAssociation, request: Request) -> Answer:
        if request.instance in here.ended_jobs:
            raise StatusError(NO_SUCH_INSTANCE, "the print job has ended, as was reported here")
        return printer_scp.get_print_job(self.store, here.desk.peer, request)

    def _get_configuration(self, here: PrintAssociation, request: Request) -> Answer:
        return printer_scp.get_configuration(here.desk, here.can, request)


OPERATIONS: dict[tuple[str, str], Operation] = {
    (SESSION_CLASS, "N-CREATE"): PrintScp._create_session,
    (SESSION_CLASS, "N-SET"): PrintScp._set_session,
    (SESSION_CLASS, "N-ACTION"): PrintScp._print_session,
    (SESSION_CLASS, "N-DELETE"): PrintScp._delete_session,
    (FILM_BOX_CLASS, "N-CREATE"): PrintScp._create_film_box,
    (FILM_BOX_CLASS, "N-SET"): PrintScp._set_film_box,
    (FILM_BOX_CLASS, "N-ACTION"): PrintScp._print_film,
    (FILM_BOX_CLASS, "N-DELETE"): PrintScp._delete_film_box,
    (GRAY_BOX_CLASS, "N-SET"): PrintScp._set_image_box,
    (COLOR_BOX_CLASS, "N-SET"): PrintScp._set_image_box,
    (ANNOTATION_CLASS, "N-SET"): PrintScp._set_annotation_box,
    (LUT_CLASS, "N-CREATE"): PrintScp._create_lut,
    (LUT_CLASS, "N-DELETE"): PrintScp._delete_lut,
    (PRINTER_CLASS, "N-GET"): PrintScp._get_printer,
    (PRINT_JOB_CLASS, "N-GET"): PrintScp._get_print_job,
    (CONFIGURATION_CLASS, "N-GET"): PrintScp._get_configuration,
}


def _check_action(request: Request) -> None:
    if request.action_type != PRINT_ACTION:
        raise StatusError(NO_SUCH_ACTION, f"action type {request.action_type}; 1 is Print")


def files_of(tree: FilmSessionTree) -> set[str]:
    """The names of the files that films not yet deleted refer to."""
    names = {node.film.icc_profile for node in tree.films.values()}
    images = [box.image for node in tree.films.values() for box in node.images.values()]
    return {name for name in names if name} | {image.pixels.file for image in images if image}
