"""Find studies by what a person knows of them, and show them: for page, command line and API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from appliance.errors import NotFoundError, UsageError
from appliance.store import studies
from appliance.store.store import Store
from appliance.studies import normal
from appliance.studies.rejection_reasons import REASONS
from appliance.words import say

ANYWHERE = "niad"
"""Kinds of words that free text is looked for in: names, IDs, accession numbers, descriptions."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What studies are looked for by; all that is given must fit. Texts are found by the beginnings of words."""

    text: str = ""  # anywhere
    patient_name: str = ""
    patient_id: str = ""
    accession_number: str = ""
    description: str = ""
    modality: str = ""
    since: str = ""  # Study Date from: YYYYMMDD or YYYY-MM-DD
    until: str = ""
    source: str = ""  # AE title, peer or person it came from last
    before: int | None = None  # paging: "page" of the last study shown
    limit: int = 50


def find_studies(store: Store, query: Query) -> list[dict[str, Any]]:
    """Studies that fit, the one that came last first. Raises UsageError naming a date that is none."""
    search = studies.Search(
        prefixes=tuple(_prefixes(query)),
        since=_date(query.since, "since"),
        until=_date(query.until, "until"),
        source=query.source,
        before=query.before,
        limit=query.limit,
    )
    with store.database.read() as connection:
        return [view(row) for row in studies.page(connection, search)]


def _prefixes(query: Query) -> Iterable[tuple[str, str]]:
    for kinds, text in (
        (ANYWHERE, query.text),
        ("n", query.patient_name),
        ("d", query.description),
        ("m", query.modality),
    ):
        yield from ((kinds, word[: normal.LONGEST]) for word in normal.words(text))
    for kind, text in (("i", query.patient_id), ("a", query.accession_number)):
        whole = "".join(normal.words(text))[: normal.LONGEST]
        if whole:
            yield kind, whole


def _date(text: str, name: str) -> str:
    digits = text.replace("-", "").strip()
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) <= 8):
        raise UsageError(say("%(text)s is no date: write YYYY-MM-DD.", text=text), field=name)
    return digits.ljust(8, "9") if digits and name == "until" else digits


def get_study(store: Store, study_instance_uid: str) -> studies.Study:
    """A study's row. Raises NotFoundError."""
    with store.database.read() as connection:
        row = studies.get(connection, study_instance_uid)
    if row is None:
        raise NotFoundError(
            say("There is no study %(study_instance_uid)s here.", study_instance_uid=study_instance_uid)
        )
    return row


def patient_names(store: Store, uids: Iterable[str]) -> dict[str, str]:
    """Study Instance UID -> Patient's Name, of those studies that are here."""
    with store.database.read() as connection:
        return {row.study_instance_uid: row.patient_name for row in studies.get_many(connection, list(uids))}


def view(row: studies.Study) -> dict[str, Any]:
    """A study for lists."""
    return {
        "study_instance_uid": row.study_instance_uid,
        "patient_name": row.patient_name,
        "patient_id": row.patient_id,
        "patient_birth_date": row.patient_birth_date,
        "patient_sex": row.patient_sex,
        "accession_number": row.accession_number,
        "study_date": row.study_date,
        "study_time": row.study_time,
        "study_description": row.study_description,
        "modalities": row.modalities,
        "series": row.series,
        "instances": row.instances,
        "bytes": row.bytes,
        "complete": not incomplete_because(row),
        "expected": row.expected,
        "incomplete_reason": incomplete_because(row),
        "kept_aside": row.kept_aside,
        "identities": row.identities,
        "source": row.source,
        "received": row.received,
        "updated": row.updated,
        "page": row.study_id,
    }


def incomplete_because(row: studies.Study) -> str:
    """Why a study is known to be incomplete; "" when nothing says so."""
    if row.incomplete_reason:
        return str(row.incomplete_reason)
    if row.expected is not None and row.instances < row.expected:
        return say("%(instances)s of %(expected)s instances are here", instances=row.instances, expected=row.expected)
    return say("%(missing)s instances are missing", missing=len(row.missing)) if row.missing else ""


def show_study(store: Store, study_instance_uid: str) -> dict[str, Any]:
    """A study with its series, and what is odd about it. Raises NotFoundError."""
    row = get_study(store, study_instance_uid)
    with store.database.read() as connection:
        found = studies.series_of(connection, row.study_id)
        first = studies.first_instances(connection, [each.series_id for each in found])
        aside = studies.kept_aside(connection, row.study_id)
        rejected = studies.rejected(connection, study_instance_uid)
        committed = studies.has_committed(connection, row.study_id)
    return {
        **view(row),
        "referring_physician_name": row.referring_physician_name,
        "issuer_of_patient_id": row.issuer_of_patient_id,
        "expected_by": row.expected_by,
        "missing": row.missing,
        "retrieved_from": row.retrieved_from,
        "committed": committed,
        "rejected": [{"sop_instance_uid": each.sop_instance_uid, "reason": REASONS[each.code]} for each in rejected],
        "kept_aside_instances": [
            {"sop_instance_uid": each.sop_instance_uid, "sha256": each.sha256.hex(), "bytes": each.size}
            for each in aside
        ],
        "series_list": [_series(each, first.get(each.series_id, "")) for each in found],
    }


def _series(row: Any, first: str) -> dict[str, Any]:
    return {
        "series_instance_uid": row.series_instance_uid,
        "series_number": row.series_number,
        "modality": row.modality,
        "series_description": row.series_description,
        "body_part_examined": row.body_part_examined,
        "instances": row.instances,
        "bytes": row.bytes,
        "first_instance": first,
    }
