"""Whose instances these are: names compared as people compare them, and what must stop for a person."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from appliance.studies.keys import InstanceKeys
from appliance.studies.single import one_text
from appliance.words import say


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the things that contradict each other, for a person to look at."""

    text: str  # "DOE^JANE, born 1980-02-29, F"
    instances: int
    example: str  # SOP Instance UID of one of them


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Something only a person may decide."""

    kind: str  # "patient", "study", "instance", "several-patients"
    subject: str  # Patient ID, Study Instance UID or SOP Instance UID
    sides: tuple[Side, ...]
    message: str

    @property
    def decision(self) -> str:
        """What to record when a person decided that this is right. It holds for these very sides only."""
        sides = "\n".join(sorted(side.text for side in self.sides))
        return f"{self.kind}:{self.subject}:{hashlib.sha256(sides.encode()).hexdigest()[:16]}"


def placeholder_patient_id(keys: InstanceKeys) -> str:
    """The Patient ID written in the directory for a patient without one: the same for the same person, else another."""
    who = "|".join((*sorted(name_groups(keys.PatientName)), keys.PatientBirthDate, keys.PatientSex))
    if not who.strip("|"):
        who = keys.StudyInstanceUID
    return "NOID_" + hashlib.sha256(who.encode()).hexdigest()[:10].upper()


def has_id(keys: InstanceKeys) -> bool:
    """Whether an instance has a Patient ID of its own."""
    return bool(one_text(keys.PatientID.strip()))


def patient_id(keys: InstanceKeys) -> str:
    """The Patient ID an instance is filed under: one value, whatever the instance holds."""
    return one_text(keys.PatientID.strip()) or placeholder_patient_id(keys)


def name_groups(name: str) -> frozenset[str]:
    """The groups of a person name (alphabetic, ideographic, phonetic), normalised; empty ones left out."""
    groups = (
        "^".join(" ".join(part.split()) for part in group.split("^") if part.strip())
        for group in unicodedata.normalize("NFKC", name).casefold().split("=")
    )
    return frozenset(group for group in groups if group)


def same_name(one: str, other: str) -> bool:
    """Whether two names can be one person's: a group in common, or nothing to compare."""
    first, second = name_groups(one), name_groups(other)
    return not first or not second or bool(first & second)


def patient_conflicts(instances: Sequence[InstanceKeys]) -> list[Conflict]:
    """Two names, birth dates, sexes or issuers under one Patient ID."""
    found = []
    for identifier, members in _grouped(instances, patient_id).items():
        persons = _persons(members)
        if len(persons) > 1:
            sides = tuple(_side(_person(group[0]), group) for group in persons)
            message = say(
                "Patient ID %(identifier)s stands for %(persons)s different people, or one written differently",
                identifier=identifier,
                persons=len(persons),
            )
            found.append(Conflict(kind="patient", subject=identifier, sides=sides, message=message))
    return found


def study_conflicts(instances: Sequence[InstanceKeys]) -> list[Conflict]:
    """One study under two patients."""
    found = []
    for study, members in _grouped(instances, lambda keys: keys.StudyInstanceUID).items():
        patients = _grouped(members, patient_id)
        if study and len(patients) > 1:
            sides = tuple(_side(f"{name}: {_person(group[0])}", group) for name, group in patients.items())
            message = say("Study %(study)s is filed under %(patients)s patients", study=study, patients=len(patients))
            found.append(Conflict(kind="study", subject=study, sides=sides, message=message))
    return found


def several_patients(instances: Sequence[InstanceKeys]) -> list[Conflict]:
    """More than one patient on one disc."""
    patients = _grouped(instances, patient_id)
    if len(patients) < 2:
        return []
    sides = tuple(_side(f"{name}: {_person(group[0])}", group) for name, group in patients.items())
    message = say(
        "The disc would hold %(patients)s patients; ask for that, or make a disc for each", patients=len(patients)
    )
    return [Conflict(kind="several-patients", subject="", sides=sides, message=message)]


def _grouped(instances: Iterable[InstanceKeys], of: Callable[[InstanceKeys], str]) -> dict[str, list[InstanceKeys]]:
    found: dict[str, list[InstanceKeys]] = {}
    for keys in instances:
        found.setdefault(of(keys), []).append(keys)
    return found


def _persons(members: list[InstanceKeys]) -> list[list[InstanceKeys]]:
    """Members by the person they seem to speak of."""
    alike: dict[tuple[str, ...], list[InstanceKeys]] = {}
    for keys in members:
        alike.setdefault(_identity(keys), []).append(keys)
    persons: list[list[InstanceKeys]] = []
    for group in alike.values():
        for person in persons:
            if all(_could_be_same(group[0], other) for other in person):
                person.extend(group)
                break
        else:
            persons.append(list(group))
    return persons


def _identity(keys: InstanceKeys) -> tuple[str, ...]:
    return keys.PatientName, keys.PatientBirthDate, keys.PatientSex, keys.IssuerOfPatientID


def _could_be_same(one: InstanceKeys, other: InstanceKeys) -> bool:
    facts = ("PatientBirthDate", "PatientSex", "IssuerOfPatientID")
    pairs = ((getattr(one, fact).strip().casefold(), getattr(other, fact).strip().casefold()) for fact in facts)
    return same_name(one.PatientName, other.PatientName) and all(a == b or not a or not b for a, b in pairs)


def _person(keys: InstanceKeys) -> str:
    parts = [keys.PatientName or say("no name")]
    if keys.PatientBirthDate:
        parts.append(say("born %(date)s", date=keys.PatientBirthDate))
    if keys.PatientSex:
        parts.append(keys.PatientSex)
    if keys.IssuerOfPatientID:
        parts.append(say("ID issued by %(issuerofpatientid)s", issuerofpatientid=keys.IssuerOfPatientID))
    return ", ".join(parts)


def _side(text: str, members: Sequence[InstanceKeys]) -> Side:
    return Side(text=text, instances=len(members), example=members[0].SOPInstanceUID)
