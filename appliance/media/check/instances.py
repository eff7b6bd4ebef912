"""Each instance against its record: is it the one it is said to be, and is all of it there?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.words import say

from . import rules
from .dataset import (
    DEFLATED,
    PADDING,
    UNDEFINED,
    Element,
    MalformedError,
    TruncatedError,
    elements,
    encoding_of,
    inflated,
    is_dicom,
    read_head,
)
from .directory import Directory, Record, other_ids
from .finding import Findings, tell_padding
from .medium import DiscFile

_IDENTITY = (
    (0x00041510, 0x02, 0x00080016, "SOP Class UID"),
    (0x00041511, 0x03, 0x00080018, "SOP Instance UID"),
    (0x00041512, 0x10, 0, "Transfer Syntax UID"),
)
_PERSON = _CHARSET, _NAME, _BIRTH_DATE = 0x00080005, 0x00100010, 0x00100030
_KEPT = frozenset(
    {0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00100020, _CHARSET, _NAME, _BIRTH_DATE},
)
_REFERENCED_IMAGES = 0x00081140
_REFERENCED_UID = b"\x08\x00\x55\x11"
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)


@dataclass(frozen=True, kw_only=True)
class Demands:
    """What is asked of the disc; what was not promised is only warned about."""

    keys: str = ""  # table of profile keys: see rules.PROFILE_KEYS; "" for D.3-2 as a warning
    transfer_syntaxes: frozenset[str] | None = None  # allowed; None: any


class InstanceChecker:
    """Checks files one by one."""

    def __init__(self, directory: Directory, demands: Demands, findings: Findings) -> None:
        self.directory = directory
        self.demands = demands
        self.findings = findings
        self._told: set[tuple[str, str]] = set()  # (Patient ID of a record, what instances say otherwise)
        self._persons: dict[int, dict[int, str]] = {}  # by offset of the PATIENT record

    def check(self, file: DiscFile, record: Record) -> None:
        """Compare a file with its record, and walk to its end."""
        data = file.content()
        if not is_dicom(data):
            self.findings.error("no-dicom", file.path, say("the directory references it, but it is no DICOM file"))
            return
        try:
            self._check(file.path, data, record)
        except TruncatedError:
            self.findings.error("truncated", file.path, say("the instance is cut short"))
        except MalformedError as error:
            self.findings.error("malformed", file.path, say("the instance can't be read: %(why)s", why=error))

    def _check(self, where: str, data: memoryview, record: Record) -> None:
        head = read_head(data)
        if data[:128].tobytes().strip(b"\0"):
            self.findings.warning(
                "preamble", where, say("its preamble is not empty and could hold a program (PS3.10 7.5)")
            )
        syntax = head.values.get(0x10, "")
        allowed = self.demands.transfer_syntaxes
        if allowed is not None and syntax not in allowed:
            self.findings.error(
                "transfer-syntax",
                where,
                say("the profile does not allow transfer syntax %(syntax)s", syntax=syntax),
            )
        body = inflated(data[head.data_set :]) if syntax == DEFLATED else data[head.data_set :]
        values, present = self._walk(where, body, syntax)
        for tag, number, inner, name in _IDENTITY:
            said = record.text(tag)
            for place, value in (
                ("file meta information", head.values.get(number, "")),
                ("data set", values.get(inner, "")),
            ):
                if said and value != said and (place[0] == "f" or inner):
                    text = say(
                        "the record says %(name)s %(said)s, its %(place)s says %(value)s",
                        name=name,
                        said=said,
                        place=place,
                        value=value or "nothing",
                    )
                    self.findings.error("other-instance", where, text)
        self._check_place(where, record, values)
        self._check_profile_keys(where, record, present)

    def _walk(self, where: str, body: memoryview, syntax: str) -> tuple[dict[int, str], set[int]]:
        """Values that identify the instance, and which elements are there and not empty."""
        values: dict[int, str] = {}
        present: set[int] = set()
        pixels, last = False, -1
        for element in elements(body, 0, len(body), encoding_of(syntax)):
            tag = element.tag
            if tag == PADDING and last > PADDING:
                tell_padding(self.findings, where, element.length)
                break
            if tag <= last:
                self.findings.warning(
                    "order", where, say("%(tag)s is out of order (PS3.5 7.1)", tag=rules.name_of(tag))
                )
            last = tag
            if tag in _KEPT:
                values[tag] = body[element.start : element.end].tobytes().strip(b"\0 ").decode("latin-1")
            if element.length and _filled(body, element):
                present.add(tag)
            if tag in _PIXELS:
                pixels = True
        if not pixels and 0x00280010 in present and 0x00280100 in present:
            self.findings.warning("no-pixels", where, say("it describes an image, but has no pixels"))
        return values, present

    def _check_place(self, where: str, record: Record, values: dict[int, str]) -> None:
        """Whether it lies below its own patient, study and series."""
        series = self._above(record)
        study = self._above(series)
        patient = self._above(study)
        for above, tag, name in (
            (series, 0x0020000E, "series"),
            (study, 0x0020000D, "study"),
            (patient, 0x00100020, "patient"),
        ):
            own = values.get(tag, "")
            if above is None or not own or not own.isascii() or _is_same(above.text(tag), own):
                continue
            if name == "patient" and any(_is_same(other, own) for other in other_ids(above)):
                self._say_two_ids(where, above.text(tag), own)
                continue
            text = say(
                "it lies below %(name)s %(tag)s, but belongs to %(own)s", name=name, tag=above.text(tag), own=own
            )
            self.findings.error("wrong-place", where, text)
        if patient is not None:
            self._check_person(where, patient, values)

    def _check_person(self, where: str, patient: Record, values: dict[int, str]) -> None:
        """Whether record and instance speak of one person: makers that go by the Patient ID alone merge two.

        Who it is stays unsaid: findings get around.
        """
        known = self._persons.setdefault(patient.offset, {tag: patient.text(tag) for tag in _PERSON})
        if not known[_NAME]:
            known |= {tag: values.get(tag, "") for tag in (_NAME, _CHARSET)}
        known[_BIRTH_DATE] = known[_BIRTH_DATE] or values.get(_BIRTH_DATE, "")
        if all(known[tag] == values.get(tag, "") for tag in _PERSON):
            return
        same_charset = known[_CHARSET] == values.get(_CHARSET, "")
        said, own = (_names(name, same_charset) for name in (known[_NAME], values.get(_NAME, "")))
        dates = {known[_BIRTH_DATE], values.get(_BIRTH_DATE, "")}
        if said and own and not any(one <= other or other <= one for one in said for other in own):
            what = "Patient's Name"
        elif len(dates) > 1 and all(len(each) == 8 for each in dates):
            what = "Patient's Birth Date"
        else:
            return
        key = (patient.text(0x00100020), f"{values.get(_NAME)} {values.get(_BIRTH_DATE)}")
        if key not in self._told:
            self._told.add(key)
            text = say(
                "its %(what)s is another one than that of its PATIENT record or of other instances below it. Two "
                "patients may share one record here: look whose this is before it is imported",
                what=what,
            )
            self.findings.warning("other-person", where, text)

    def _say_two_ids(self, where: str, filed: str, own: str) -> None:
        """Once for each: the directory itself says that both are one patient's, and importers go by the instance."""
        if (filed, own) not in self._told:
            self._told.add((filed, own))
            text = say(
                "it lies below patient %(filed)s and says %(own)s itself; the directory names both as IDs of one "
                "patient. Who imports it has to put them together",
                filed=filed,
                own=own,
            )
            self.findings.warning("two-patient-ids", where, text)

    def _above(self, record: Record | None) -> Record | None:
        return self.directory.records.get(self.directory.parents.get(record.offset, 0)) if record else None

    def _check_profile_keys(self, where: str, record: Record, present: set[int]) -> None:
        if record.type != "IMAGE":
            return
        for tag in rules.PROFILE_KEYS[self.demands.keys or "D.3-2"]:
            if tag in present and not record.keys.get(tag):
                text = say("its record lacks %(tag)s, which the object has", tag=rules.name_of(tag))
                self.findings.add("error" if self.demands.keys else "warning", "profile-key", where, text)


def _is_same(said: str, own: str) -> bool:
    """Whether a record's key is the instance's; of several values (a backslash) a record can only hold one."""
    return said in {own, own.replace("\\", "/"), own.partition("\\")[0]} and bool(said)


def _names(name: str, same_charset: bool) -> list[frozenset[str]]:
    """The words of each group of a name that can be compared; letters beyond ASCII only within one character set."""
    groups = [group for group in name.split("=") if "\x1b" not in group and (same_charset or group.isascii())]
    words = (frozenset(re.findall(r"[^\W_]+", group.casefold())) for group in groups)
    return [each for each in words if each]


def _filled(body: memoryview, element: Element) -> bool:
    """Whether an element says anything, not only padding and parting; a sequence of references references something."""
    if element.tag == _REFERENCED_IMAGES:
        return _REFERENCED_UID in body[element.start : element.end].tobytes()
    if element.length == UNDEFINED or element.length > 1024:
        return True
    return bool(body[element.start : element.end].tobytes().strip(b" \0\\"))
