"""Tables of P-values that an admin gives a print profile, read from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import UsageError
from appliance.words import say

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

TOP = 65535
LARGEST_FILE = 4 << 20  # bytes; 65536 numbers as text are under 1 MB


def read_table(path: Path) -> tuple[int, ...]:
    """P-values 0 .. 65535, one for each step of grey, from text (numbers apart by spaces, commas or lines) or from a
    DICOM file with a Presentation LUT Sequence or a LUT Data of its own, whose entries are widened to 16 bits.

    Raises UsageError.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UsageError(say("%(path)s is too large for a table of grey.", path=path), field="tables")
        return checked_table(path.name, _of_dicom(path) or _of_text(path))
    except OSError as error:
        raise UsageError(
            say("%(path)s can't be read: %(why)s.", path=path, why=error.strerror), field="tables"
        ) from None


def checked_table(name: str, values: tuple[int, ...]) -> tuple[int, ...]:
    """The same values. Raises UsageError when they are no table of P-values."""
    if not 2 <= len(values) <= TOP + 1:
        raise UsageError(
            say(
                "Table %(name)s has %(values)s values; 2 to %(top)s make one.",
                name=name,
                values=len(values),
                top=TOP + 1,
            ),
            field="tables",
        )
    if min(values) < 0 or max(values) > TOP:
        raise UsageError(say("Table %(name)s holds values outside 0 to %(top)s.", name=name, top=TOP), field="tables")
    return values


def _of_text(path: Path) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in path.read_text("ascii").replace(",", " ").split())
    except ValueError:
        raise UsageError(
            say("%(path)s is neither whole numbers as text nor a DICOM file.", path=path), field="tables"
        ) from None


def _of_dicom(path: Path) -> tuple[int, ...]:
    """The table of a DICOM file; () when it is none."""
    import pydicom  # here: every command on printers would wait for it
    from pydicom.errors import InvalidDicomError

    try:
        dataset = pydicom.dcmread(path)
    except InvalidDicomError:
        return ()
    sequence = dataset.get("PresentationLUTSequence")
    lut: Dataset = sequence[0] if sequence else dataset
    if "LUTDescriptor" not in lut or "LUTData" not in lut:
        raise UsageError(say("%(path)s holds no Presentation LUT of its own table.", path=path), field="tables")
    top = (1 << int(lut.LUTDescriptor[2])) - 1
    return tuple(round(min(value, top) * TOP / top) for value in _entries(lut))


def _entries(lut: Dataset) -> list[int]:
    data = lut.LUTData
    if isinstance(data, bytes):
        order = "little" if lut.original_encoding[1] is not False else "big"
        return [int.from_bytes(data[at : at + 2], order) for at in range(0, len(data) - 1, 2)]  # type: ignore[arg-type]
    return [int(value) for value in data]
