"""An archive (dcmqrscp) an appliance fetches a study from, and how far it is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.events import process_actor
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store.store import Store, open_store
from appliance.studies import retrieving
from tests.faults.instances import ROOT, instance
from tests.faults.plant import Plant
from tests.media.made import as_file
from tests.studies.pacs import archive_process, send

WHO = process_actor("tests")
MANY = 12
"""Instances of its study."""


@contextlib.contextmanager
def opened(works: Plant) -> Iterator[Store]:
    """The appliance as its command line sees it."""
    store = open_store(works.data, settings=works.settings())
    try:
        yield store
    finally:
        store.close()


@contextlib.contextmanager
def archive_of_ours(works: Plant, folder: Path, move_to: int) -> Iterator[subprocess.Popen[bytes]]:
    """dcmqrscp with a study, our peer "pacs"; it moves to the port `move_to`."""
    sent = folder / "sent"
    sent.mkdir()
    for number in range(1, MANY + 1):
        (sent / f"{number}.dcm").write_bytes(as_file(instance(number)))
    with archive_process(folder / "pacs", move_to) as (port, process):
        assert send(port, "PACS", sent).returncode == 0
        with opened(works) as store:
            add_peer(store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=port), WHO)
        yield process


def asked(works: Plant, method: str) -> int:
    """A retrieval of the study; its number."""
    with opened(works) as store:
        return retrieving.request_retrieve(store, "pacs", f"{ROOT}.1", WHO, method=method)


def retrieved(works: Plant, number: int) -> dict[str, Any]:
    with opened(works) as store:
        return retrieving.get_retrieval(store, number)


def here(works: Plant) -> int:
    """Instances in the index."""
    return int(works.query("select count(*) from instance")[0][0])


def give_up(archive: subprocess.Popen[bytes]) -> None:
    """The archive ends its associations: dcmqrscp would hold its own lock for a minute for one that stands still."""
    children = Path(f"/proc/{archive.pid}/task/{archive.pid}/children").read_text().split()
    assert children, "it served nobody"
    for child in children:
        os.kill(int(child), signal.SIGKILL)
