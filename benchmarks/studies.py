"""Intake and index: C-STORE beside DCMTK's storescp, memory during a large instance, search in two million instances.

Run as ``python -m benchmarks studies``. Needs dcmtk.
"""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from appliance.config import Settings
from appliance.store.store import Store, open_store
from appliance.store.tables.base import now
from appliance.studies import normal, search
from benchmarks.scanner import ROOT
from benchmarks.storing import intake
from benchmarks.support import timed, workplace

STUDIES, A_STUDY = 20_000, 100
SEARCHES = 400
GIVEN = ("Anna", "Bernd", "Chen", "Dmitri", "Elif", "Fatima", "George", "Hanako", "Ivan", "José", "小明", "Юлия", "Zoë")
FAMILY = (
    *("Müller", "Schmidt", "Иванов", "Wang", "Yılmaz", "García", "Kowalski", "Nguyễn", "山田", "O'Brien"),
    *("Petrov", "Rossi", "Dubois", "Ökten"),
)


def run() -> list[dict[str, Any]]:
    """Every row of the table."""
    with workplace() as folder:
        return [*intake(folder), *searching(folder)]


def searching(folder: Path) -> list[dict[str, Any]]:
    """Search as a clerk types, in an index of 2,000,000 instances of 20,000 studies."""
    settings = Settings.model_validate({"storage": {"reserve_percent": 0, "reserve_mib": 1}})
    store = open_store(folder / "index", settings=settings)
    fill(store)
    chance = random.Random(1)
    kinds: dict[str, Callable[[], search.Query]] = {
        "one letter of a name": lambda: search.Query(text=chance.choice(FAMILY)[0]),
        "family name": lambda: search.Query(patient_name=chance.choice(FAMILY)),
        "two names": lambda: search.Query(text=f"{chance.choice(FAMILY)[:3]} {chance.choice(GIVEN)[:2]}"),
        "patient ID": lambda: search.Query(patient_id=f"PID{chance.randrange(STUDIES):06}"),
        "accession number": lambda: search.Query(accession_number=f"ACC{chance.randrange(STUDIES):06}"),
        "name, modality, dates": lambda: search.Query(
            text=chance.choice(FAMILY)[:2], modality="CT", since="2025-03-01", until="2025-03-31"
        ),
        "nothing there": lambda: search.Query(text="xyzzy"),
        "the newest": search.Query,
    }
    times = {name: [timed(lambda: search.find_studies(store, ask())) for _ in range(SEARCHES // 8)]  # noqa: B023
             for name, ask in kinds.items()}  # fmt: skip
    rows = [_row(f"search, 2,000,000 instances: {name}", seconds) for name, seconds in times.items()]
    every = [second for seconds in times.values() for second in seconds]
    uids = [f"{ROOT}.{chance.randrange(STUDIES)}" for _ in range(50)]
    shown = [timed(lambda: search.show_study(store, uid)) for uid in uids]  # noqa: B023
    store.close()
    return [_row("search, 2,000,000 instances: all", every), _row("a study with its series", shown), *rows]


def _row(name: str, seconds: list[float]) -> dict[str, Any]:
    ranked = sorted(seconds)
    return {
        "name": name,
        "median_ms": statistics.median(ranked) * 1000,
        "p95_ms": ranked[int(len(ranked) * 0.95)] * 1000,
        "goal": "p95 < 50 ms",
    }


def fill(store: Store) -> None:
    """Made-up rows, straight into the tables."""
    chance = random.Random(0)
    moment = now().replace(tzinfo=None).isoformat(" ")
    with store.database.write("study") as connection:
        many = connection.connection.cursor().executemany  # type: ignore[union-attr]
        many(*_rows("study", list(_studies(chance, moment))))
        many(*_rows("series", list(_series())))
        many(*_rows("header", list(_headers())))
        many(*_rows("study_word", list(_words(random.Random(0)))))
        for start in range(0, STUDIES, 2000):
            many(*_rows("instance", list(_instances(range(start, start + 2000), moment))))
    with store.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")


def _rows(table: str, rows: list[dict[str, Any]]) -> tuple[str, list[tuple[Any, ...]]]:
    columns = list(rows[0])
    marks = ", ".join("?" * len(columns))
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) VALUES ({marks})", [tuple(row.values()) for row in rows]


def _person(chance: random.Random) -> str:
    return f"{chance.choice(FAMILY)}^{chance.choice(GIVEN)} {chr(65 + chance.randrange(26))}"


def _studies(chance: random.Random, moment: str) -> Iterator[dict[str, Any]]:
    for number in range(STUDIES):
        yield {
            "study_id": number + 1,
            "study_instance_uid": f"{ROOT}.{number}",
            "patient_name": _person(chance),
            "patient_id": f"PID{number:06}",
            "issuer_of_patient_id": "",
            "patient_birth_date": "19700101",
            "patient_sex": "O",
            "study_date": f"2025{number % 12 + 1:02}{number % 28 + 1:02}",
            "study_time": "120000",
            "study_id_text": "",
            "accession_number": f"ACC{number:06}",
            "study_description": "Chest",
            "referring_physician_name": "",
            "modalities": json.dumps([("CT", "MR", "CR", "US")[number % 4]]),
            "series": 4,
            "instances": A_STUDY,
            "bytes": A_STUDY * 525_000,
            "kept_aside": 0,
            "identities": 1,
            "expected_by": "",
            "missing": "[]",
            "incomplete_reason": "",
            "retrieved_from": "",
            "source": "SCANNER",
            "peer": "",
            "received": moment,
            "updated": moment,
            "used": moment,
            "awaits_rule": 0,
        }


def _series() -> Iterator[dict[str, Any]]:
    for number in range(STUDIES * 4):
        yield {
            "series_id": number + 1,
            "study_id": number // 4 + 1,
            "series_instance_uid": f"{ROOT}.{number // 4}.{number % 4}",
            "series_number": str(number % 4),
            "modality": ("CT", "MR", "CR", "US")[number // 4 % 4],
            "series_description": "Axial",
            "body_part_examined": "CHEST",
            "instances": A_STUDY // 4,
            "bytes": A_STUDY // 4 * 525_000,
        }


def _headers() -> Iterator[dict[str, Any]]:
    attributes = json.dumps({"PatientName": "X" * 20, "StudyDescription": "Chest", "Rows": 512, "Columns": 512})
    for number in range(STUDIES * 4):
        digest = number.to_bytes(16, "big")
        yield {
            "header_id": number + 1,
            "series_id": number + 1,
            "digest": digest,
            "attributes": attributes,
            "records": bytes(400),
        }


def _words(chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(STUDIES):
        words = {("n", word) for word in normal.indexed(_person(chance))}
        words |= {("i", f"pid{number:06}"), ("a", f"acc{number:06}"), ("d", "chest"), ("d", "axial")}
        words |= {("m", ("ct", "mr", "cr", "us")[number % 4])}
        yield from ({"kind": kind, "word": word, "study_id": number + 1} for kind, word in sorted(words))


def _instances(studies: range, moment: str) -> Iterator[dict[str, Any]]:
    attributes = json.dumps({"SOPInstanceUID": ROOT, "InstanceNumber": "1", "ContentDate": "20250101"})
    for study in studies:
        for number in range(A_STUDY):
            serial = study * A_STUDY + number
            name = f"{serial * 2654435761 % (1 << 32):08x}{serial:024x}"
            yield {
                "sop_instance_uid": f"{ROOT}.{study}.{number % 4}.{number}",
                "series_id": study * 4 + number % 4 + 1,
                "header_id": study * 4 + number % 4 + 1,
                "attributes": attributes,
                "record": bytes(200),
                "path": f"{name[:2]}/{name}",
                "offset": 400,
                "size": 525_000,
                "sha256": serial.to_bytes(32, "big"),
                "received": moment,
                "source": "SCANNER",
                "kept_aside": 0,
                "committed": 0,
            }
