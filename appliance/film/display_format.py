"""Image Display Format (2010,0010): what it says, read tolerantly (PS3.3 C.13.3).

The value is ST: the backslash is part of it. Nothing is guessed: what can't be read is refused with what was read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.errors import RefusedError
from appliance.words import say

INVALID_ATTRIBUTE_VALUE = 0x0106
MOST_IN_A_LINE = 50
MOST_BOXES = 1000

HOW_MANY_NUMBERS = {  # kind -> least and most numbers after the backslash
    "STANDARD": (2, 2),  # columns, rows
    "ROW": (1, MOST_IN_A_LINE),  # boxes in each row
    "COL": (1, MOST_IN_A_LINE),  # boxes in each column
    "SLIDE": (0, 0),
    "SUPERSLIDE": (0, 0),
    "CUSTOM": (1, 1),  # number of the layout
}


@dataclass(frozen=True, kw_only=True)
class DisplayFormat:
    """A page pattern."""

    kind: str  # a key of HOW_MANY_NUMBERS
    numbers: tuple[int, ...] = ()  # STANDARD: columns, rows. ROW, COL: boxes in each. CUSTOM: number of the layout

    def __str__(self) -> str:
        return "\\".join([self.kind, *([",".join(map(str, self.numbers))] if self.numbers else [])])


def parse(ImageDisplayFormat: str) -> DisplayFormat:
    """Read an Image Display Format; spaces and small letters are forgiven.

    Raises RefusedError (0106) that says what was read and what would do.
    """
    text = ImageDisplayFormat.strip(" \0").upper()
    kind, backslash, rest = (part.strip() for part in text.partition("\\"))
    if kind not in HOW_MANY_NUMBERS:
        raise _refused(
            ImageDisplayFormat, say("known are %(how_many_numbers)s", how_many_numbers=", ".join(HOW_MANY_NUMBERS))
        )
    display_format = DisplayFormat(kind=kind, numbers=_numbers(rest, ImageDisplayFormat) if backslash else ())
    _check(display_format, ImageDisplayFormat)
    return display_format


def _numbers(text: str, whole: str) -> tuple[int, ...]:
    parts = [part.strip(" ") for part in text.split(",")] if text else []
    for part in parts:
        if not re.fullmatch("[0-9]{1,6}", part):
            raise _refused(
                whole,
                say("%(part)s is not a number; numbers are separated by commas, as in STANDARD\\2,3", part=repr(part)),
            )
    return tuple(map(int, parts))


def _check(display_format: DisplayFormat, whole: str) -> None:
    kind, numbers = display_format.kind, display_format.numbers
    least, most = HOW_MANY_NUMBERS[kind]
    if not least <= len(numbers) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise _refused(
            whole,
            say(
                "%(kind)s takes %(wanted)s numbers, %(numbers)s were read",
                kind=kind,
                wanted=wanted,
                numbers=len(numbers),
            ),
        )
    if any(number < 1 for number in numbers):
        raise _refused(whole, say("every number must be at least 1"))
    if kind == "CUSTOM":
        return
    boxes = numbers[0] * numbers[1] if kind == "STANDARD" else sum(numbers)
    if any(number > MOST_IN_A_LINE for number in numbers) or boxes > MOST_BOXES:
        raise _refused(
            whole,
            say(
                "at most %(most_in_a_line)s boxes in a line and %(most_boxes)s on a film",
                most_in_a_line=MOST_IN_A_LINE,
                most_boxes=MOST_BOXES,
            ),
        )


def _refused(whole: str, why: str) -> RefusedError:
    return RefusedError(
        INVALID_ATTRIBUTE_VALUE,
        say("Image Display Format %(whole)s can't be used: %(why)s", whole=repr(whole), why=why),
    )
