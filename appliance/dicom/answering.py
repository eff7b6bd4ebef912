"""What goes back over the wire: an answer, or a refusal; nothing crosses raw.

Rules return an :class:`Answer` or raise a :class:`StatusError`. Handlers run inside :func:`answering`, which turns
whatever was raised into a log line and a DIMSE status (PS3.7 Annex C, PS3.4 Annex H).
"""

from __future__ import annotations

import errno
import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from appliance.errors import ApplianceError, RefusedError
from appliance.store import files

log = logging.getLogger(__name__)

SUCCESS = 0x0000
NO_SUCH_ATTRIBUTE = 0x0105
INVALID_VALUE = 0x0106
ATTRIBUTE_LIST_WARNING = 0x0107
PROCESSING_FAILURE = 0x0110
DUPLICATE_INSTANCE = 0x0111
NO_SUCH_INSTANCE = 0x0112
VALUE_OUT_OF_RANGE = 0x0116
INVALID_INSTANCE = 0x0117
NO_SUCH_CLASS = 0x0118
CLASS_INSTANCE_CONFLICT = 0x0119
MISSING_ATTRIBUTE = 0x0120
MISSING_VALUE = 0x0121
CLASS_NOT_SUPPORTED = 0x0122
NO_SUCH_ACTION = 0x0123
NOT_AUTHORISED = 0x0124
UNRECOGNISED_OPERATION = 0x0211
RESOURCE_LIMITATION = 0x0213

WARNINGS = frozenset({ATTRIBUTE_LIST_WARNING, VALUE_OUT_OF_RANGE})
FULL_DISK = files.FULL | {errno.EROFS}
LONGEST_COMMENT = 64
"""Error Comment (0000,0902) is LO."""


def is_warning(status: int) -> bool:
    """Whether a status says that the request was done, though not as asked (PS3.7 Annex C)."""
    return status in WARNINGS or status >> 12 == 0xB


class StatusError(RefusedError):
    """A request that is not done. `attributes`: keywords of the elements at fault."""

    def __init__(self, dimse_status: int, message: str, attributes: tuple[str, ...] = ()) -> None:
        super().__init__(dimse_status, message)
        self.attributes = attributes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One DIMSE-N response."""

    status: int = SUCCESS
    dataset: Dataset | None = None  # Attribute List or Action Reply; None: no data set at all
    instance: str = ""  # Affected SOP Instance UID, where the response needs one
    comment: str = ""  # Error Comment
    tags: tuple[int, ...] = ()  # Attribute Identifier List

    def masked(self) -> Answer:
        """The same, with a warning told as success: for peers that stop on any warning."""
        return replace(self, status=SUCCESS, comment="", tags=()) if is_warning(self.status) else self

    def elements(self) -> dict[str, Any]:
        """The elements of the command set by keyword, as handlers return them."""
        found: dict[str, Any] = {"Status": self.status}
        if self.comment and self.status != SUCCESS:
            found["ErrorComment"] = short_comment(self.comment)
        if self.instance:
            found["AffectedSOPInstanceUID"] = self.instance
        if self.tags:
            found["AttributeIdentifierList"] = list(self.tags)
        return found


def tags_of(keywords: Iterable[str]) -> tuple[int, ...]:
    """The tags of elements, for the Attribute Identifier List."""
    return tuple(int(Tag(keyword)) for keyword in keywords)


def short_comment(text: str) -> str:
    """Words fit for Error Comment: LO, 64 characters of the default repertoire, no backslash."""
    plain = text.replace("\\", "/").encode("ascii", "replace").decode()
    plain = "".join(letter if letter.isprintable() else "?" for letter in plain)
    return plain if len(plain) <= LONGEST_COMMENT else plain[: LONGEST_COMMENT - 3] + "..."


@dataclass
class Outcome:
    """Where :func:`answering` leaves the answer."""

    answer: Answer = field(default_factory=lambda: Answer(status=PROCESSING_FAILURE))


@contextmanager
def answering(what: str, full_status: int = RESOURCE_LIMITATION) -> Iterator[Outcome]:
    """Run a handler; afterwards ``outcome.answer`` is what to send, whatever was raised inside.

    `what` names request, caller and printer for the log; `full_status` is the answer when disk or queue is full.
    """
    outcome = Outcome()
    try:
        yield outcome
    except StatusError as refusal:
        log.warning("%s refused with %04X: %s", what, refusal.dimse_status, refusal)
        outcome.answer = Answer(status=refusal.dimse_status, comment=str(refusal), tags=tags_of(refusal.attributes))
    except ApplianceError as error:
        status = full_status if error.dimse_status == RESOURCE_LIMITATION else error.dimse_status
        log.warning("%s failed with %04X: %s", what, status, error)
        outcome.answer = Answer(status=status, comment=str(error))
    except OSError as error:
        status = full_status if error.errno in FULL_DISK else PROCESSING_FAILURE
        log.error("%s failed with %04X: %s", what, status, error.strerror or type(error).__name__)
        outcome.answer = Answer(status=status, comment=error.strerror or "input or output failed")
    except Exception as error:
        # The exception's own words may hold a patient's name: the log gets its kind and place only.
        place = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s failed: %s\n%s", what, type(error).__name__, place)
        outcome.answer = Answer(status=PROCESSING_FAILURE, comment="internal error, see the log")


def answered(what: str, handle: Callable[[], Answer], full_status: int = RESOURCE_LIMITATION) -> Answer:
    """The answer of `handle`, or the one its exception stands for."""
    with answering(what, full_status) as outcome:
        outcome.answer = handle()
    return outcome.answer
