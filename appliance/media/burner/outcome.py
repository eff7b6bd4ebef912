"""What every burner answers: how a burn stands, what was read back, its supplies, and the check before use.

A burner turns one image into pieces of media. It knows no database; the worker acts on its answers. A burn may be done
when :meth:`Burner.submit` returns (folder, drive) or be at work elsewhere and asked about (robot): `WORKING`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


class BurnOutcome(Enum):
    """How a burn stands."""

    DONE = "done"  # burned; see Verification for how far that is known to be right
    WORKING = "working"  # taken: ask again
    WAITING = "waiting"  # a person must do something (insert a disc, clear a jam); ask again, nothing is lost
    RETRY = "retry"  # nothing was made: safe to submit again
    SPOILED = "spoiled"  # this piece of media is waste: take another
    REFUSED = "refused"  # this burner won't ever make it
    CANCELED = "canceled"
    UNCERTAIN = "uncertain"  # stopped in the middle: a person must look


@dataclass(frozen=True, kw_only=True)
class BurnResult:
    """An answer to submit, status or cancel."""

    outcome: BurnOutcome
    reasons: tuple[str, ...] = ()  # keywords: media-needed, media-not-blank, media-jam, media-empty, offline ...
    message: str = ""  # what happened and what to do next
    evidence: str = ""  # how we know
    done: int = 0  # bytes burned, where the burner tells


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What became of reading a piece back."""

    good: bool | None  # None: it can't be read back here
    by: str  # "read-back", "robot", "nobody"
    sha256: str = ""  # of exactly as many bytes as the image has
    message: str = ""


LABEL_FIELDS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "StudyDate",
    "StudyDescription",
    "AccessionNumber",
    "LabelText",
    "Disc",
    "Serial",
)
"""What a robot's own label template may show."""


def never() -> bool:
    """A burn nobody cancels."""
    return False


def nothing() -> None:
    """For burns whose beginning nobody notes."""


def no_progress(done: int, total: int) -> None:
    """For burns whose progress is of no interest."""


@dataclass(frozen=True, kw_only=True)
class BurnRequest:
    """All a burner needs to make one piece of media, or several copies where it makes them at once."""

    job_name: str  # unique and stable over attempts, [A-Za-z0-9_-]{1,32}: a burner is asked for it
    image: Path  # ISO image, zip archive, or folder
    form: str  # iso, folder, zip
    sha256: str  # of the image; of the list of sums of a folder
    bytes: int
    medium: str  # cd, dvd, usb, zip
    volume_id: str
    number: int  # which volume, from 1
    count: int  # of so many
    copies: int = 1
    serials: tuple[str, ...] = ()  # on the labels, one for each copy
    label: Path | None = None  # in the kind Burner.label_kind names
    title: str = ""  # for people: "disc 2 of 3"
    fields: Mapping[str, str] = field(default_factory=dict)  # of LABEL_FIELDS, for templates a robot fills in
    ticket: dict[str, object] | None = None  # facts about it, for burners that pass them on
    begun: bool = False  # an earlier attempt may have begun; for `status`
    is_canceled: Callable[[], bool] = never
    begin: Callable[[], None] = nothing  # called just before the first byte leaves; what it raises goes through
    progress: Callable[[int, int], None] = no_progress


@dataclass(frozen=True, kw_only=True)
class Supply:
    """One supply of a burner."""

    name: str
    level: int  # -1 unknown
    unit: str = ""  # "discs", "percent"


@dataclass(frozen=True, kw_only=True)
class BurnerStatus:
    """A burner's own state."""

    burner_state: str = "idle"  # idle, processing, stopped, unknown
    burner_state_reasons: tuple[str, ...] = ()
    message: str = ""
    supplies: tuple[Supply, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of a burner check."""

    ok: bool
    what: str  # what was tried
    advice: str = ""  # what to do when not ok


class Burner(Protocol):
    """One way to burn, made from its URI. Nothing here raises for what the device or a file system did."""

    @property
    def copies_at_once(self) -> bool:
        """Whether it takes all copies of a volume in one request."""

    @property
    def label_kind(self) -> str:
        """pdf, png, jpeg, bmp; "" when it takes no label."""

    @property
    def forms(self) -> tuple[str, ...]:
        """What it takes: iso, folder, zip."""

    def submit(self, request: BurnRequest) -> BurnResult:
        """Begin, and do as much as is done here."""

    def status(self, request: BurnRequest) -> BurnResult:
        """How the burn of that job name stands; RETRY when it surely never began. Asked also after an interruption."""

    def cancel(self, request: BurnRequest) -> BurnResult:
        """Stop it where that is possible: CANCELED, else how it stands."""

    def verify(self, request: BurnRequest) -> Verification:
        """Read back what was made."""

    def close(self, request: BurnRequest) -> None:
        """It is verified: eject the disc, remove what was only for the burner."""

    def supplies(self) -> BurnerStatus:
        """Its state and supplies now; bounded in time."""

    def probe(self) -> list[Finding]:
        """Why a disc would not come out, step by step: for the admin who adds it."""
