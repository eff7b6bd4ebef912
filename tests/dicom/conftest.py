"""One running DICOM front door for a whole module, with the peers and printers the tests call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.config import Settings
from appliance.dicom.server import DicomServer
from appliance.events import process_actor
from appliance.film.boxes import FilmSession, from_json
from appliance.printing.printer_verbs import add_printer, add_profile
from appliance.printing.printers import Printer, PrinterSettings
from appliance.printing.profiles import PrintProfile
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store.store import Store, open_store
from tests.dicom.clients import PrintClient, print_client

ADMIN = process_actor("tests")

PRINTERS = {
    "film": ("APPLIANCE", {}),
    "colour": ("COLOUR", {"color": True}),
    "small": (
        "SMALL",
        {
            "media": [
                {"medium_type": "BLUE FILM", "film_size_id": "14INX17IN", "max_density": 2.8},
                {"medium_type": "PAPER", "film_size_id": "A4", "loaded": False},
            ],
            "high_resolution": 600,
            "maximum_jobs": 2,
        },
    ),
}
PEERS = (
    Peer(name="strict", ae_title="STRICT", answering="strict"),
    Peer(name="masked", ae_title="MASKED", mask_warnings=True),
    Peer(name="together", ae_title="TOGETHER", separate_classes=False),
    Peer(name="russian", ae_title="RUSSIAN", assumed_charset="cp1251"),
    Peer(name="quiet", ae_title="QUIET", events=False),
    Peer(name="storing", ae_title="STORING", allows=("store",)),
)
SETTINGS: dict[str, dict[str, object]] = {
    "dicom": {"ports": [0], "film_boxes": 3, "image_boxes": 60},
    "storage": {"reserve_percent": 0, "reserve_mib": 1},
}


@dataclass(frozen=True)
class Door:
    """A running front door."""

    store: Store
    server: DicomServer

    @property
    def port(self) -> int:
        return self.server.port

    def client(self, **options: object) -> AbstractContextManager[PrintClient]:
        return print_client(self.port, **options)  # type: ignore[arg-type]

    def jobs(self) -> list[int]:
        return sorted(int(path.name) for path in self.store.folder.jobs.iterdir())

    def newest(self) -> tuple[Path, FilmSession]:
        """The folder and the film session of the newest job."""
        folder = self.store.folder.job(self.jobs()[-1])
        return folder, from_json(json.loads((folder / "film.json").read_text("utf-8")))


@contextmanager
def open_door(
    folder: Path, tls: dict[str, object] | None = None, limits: dict[str, object] | None = None, **dicom: object
) -> Iterator[Door]:
    """A front door on a fresh data folder, with other settings of its own."""
    settings = {**SETTINGS, "dicom": {**SETTINGS["dicom"], **dicom}, "tls": tls or {}, "limits": limits or {}}
    store = open_store(folder, settings=Settings.model_validate(settings))
    for name, (title, settings) in PRINTERS.items():
        printer = Printer(
            name=name,
            device_uri=f"folder:{store.folder.printed}",
            ae_titles=(title,),
            settings=PrinterSettings.model_validate(settings),
        )
        add_printer(store, printer, ADMIN)
    for peer in PEERS:
        add_peer(store, peer, ADMIN)
    add_profile(
        store,
        PrintProfile(
            name="house",
            printer="film",
            called_ae_title="HOUSE",
            defaults={"MediumType": "CLEAR FILM", "BorderDensity": "WHITE", "FilmOrientation": "LANDSCAPE"},
            overrides={"NumberOfCopies": 2, "MagnificationType": "BILINEAR"},
            aliases={"BIG": "14INX17IN"},
        ),
        ADMIN,
    )
    server = DicomServer(store)
    server.start()
    yield Door(store, server)
    server.stop(0)
    store.close()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A front door shared by the tests of a module."""
    with open_door(tmp_path_factory.mktemp("door")) as opened:
        yield opened
