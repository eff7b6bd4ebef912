"""Orders for tests: instances in the index as intake keeps them, discs of them, workers that make them."""

from __future__ import annotations

import atexit
import hashlib
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from appliance.config import Settings
from appliance.events import Actor, process_actor
from appliance.media.burners import BurnerSettings, StoredBurner, add_burner, add_first_burner
from appliance.media.discs import create_disc
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.media.views import show_disc
from appliance.media.worker import DiscWorker
from appliance.store import discs
from appliance.store.database import Database
from appliance.store.store import Store, open_store
from appliance.studies.intake import Arrival, Intake
from appliance.studies.part10 import read_file_meta
from tests.media import made
from tests.support import killing

ROOT = Path(__file__).parents[2]
CLERK = Actor(name="clerk", kind="user", address="127.0.0.1")
STUDY = f"{made.ROOT}.1"
SETTINGS = Settings.model_validate(
    {
        "web": {"port": 0},
        "storage": {"reserve_percent": 0, "reserve_mib": 1},
        "discs": {"institution": "St Elsewhere"},
    }
)
PLAIN = {"viewer": False, "web_content": False}
"""Choices that keep a test quick."""


def opened(folder: Path) -> Store:
    return open_store(folder, settings=SETTINGS)


def keep(store: Store, datasets: Iterable[Dataset], peer: str = "", *, has_rule: bool | None = None) -> None:
    """Put instances into the index, in Explicit VR Little Endian, or as compressed as they are."""
    intake = Intake(store)
    for dataset in datasets:
        meta = getattr(dataset, "file_meta", None)
        data = made.as_file(dataset, meta.TransferSyntaxUID if meta else ExplicitVRLittleEndian)
        path = store.folder.spool / f"{secrets.token_hex(8)}.part"
        path.write_bytes(data)
        meta = read_file_meta(path)
        body = data[meta.data_set_offset :]
        arrival = Arrival(
            path=path,
            offset=meta.data_set_offset,
            size=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            transfer_syntax=meta.TransferSyntaxUID,
            source="CT1",
            peer=peer,
            has_rule=bool(peer) if has_rule is None else has_rule,
        )
        intake.take(arrival, process_actor("test"))


def with_study(store: Store, count: int = 3, **values: Any) -> Store:
    """A CT study of a few images, and the first burner."""
    keep(store, [made.image(number, **values) for number in range(1, count + 1)])
    add_first_burner(store)
    return store


def fresh(folder: Path) -> Store:
    """A data folder with a study and the first burner, copied from one made once."""
    shutil.copytree(_made_once(), folder)
    store = opened(folder)
    add_first_burner(store)
    return store


@cache
def _made_once() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="appliance-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = opened(folder / "data")
    keep(store, [made.image(number) for number in range(1, 4)])
    store.close()
    return folder / "data"


def ordered(store: Store, **values: Any) -> int:
    """A disc of the study on order."""
    values.setdefault("selection", Selection(studies=(STUDY,)))
    values["choices"] = PLAIN | values.get("choices", {})
    return create_disc(store, DiscOrder(**values), CLERK)


def work_off(store: Store, disc_id: int) -> dict[str, Any]:
    """Make it in the foreground; how it is then."""

    def is_over() -> bool:
        with store.database.read() as connection:
            row = discs.get(connection, disc_id)
        return row is not None and (row.held or row.execution_status in discs.FINAL)

    DiscWorker(store).work_off(until=is_over)
    return show_disc(store, disc_id)


def add(store: Store, name: str, uri: str, **options: Any) -> None:
    add_burner(store, StoredBurner(name=name, burner_uri=uri, settings=BurnerSettings(options=options)), CLERK)


def burned(store: Store) -> list[str]:
    """What lies in the folder burner's folder."""
    return sorted(path.name for path in store.folder.burned.iterdir())


def eventually(true: Callable[[], bool]) -> None:
    """Wait until something is true; fails the test when it never is."""
    for _ in range(1500):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it never came true")


def killed_at(store: Store, failpoint: str) -> None:
    """Let a worker die at a failpoint."""
    killing.killed_at(failpoint, lambda: _work(store))


def killed_after_noting(store: Store, state: str) -> None:
    """The same when the transaction is durable in which a piece of media came to `state`."""

    def work() -> None:
        _die_after_noting(state)
        _work(store)

    killing.killed(work, state)


def _work(store: Store) -> None:
    DiscWorker(opened(store.folder.root)).work_off()


def _die_after_noting(state: str) -> None:
    """In the process that is to die."""
    write, change_piece, noted = Database.write, discs.change_piece, []

    def noting(connection: Any, piece_id: int, **values: Any) -> None:
        change_piece(connection, piece_id, **values)
        if values.get("state") == state:
            noted.append(piece_id)

    @contextmanager
    def dying(database: Database, *topics: str) -> Iterator[Any]:
        with write(database, *topics) as connection:
            yield connection
        if noted:
            os.kill(os.getpid(), signal.SIGKILL)

    discs.change_piece, Database.write = noting, dying  # type: ignore[assignment, method-assign]
