"""Every page in a language whose words have no Latin letter, with data in which much went wrong: no English is left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from pydicom.datadict import keyword_dict
from pydicom.filereader import dcmread

from appliance import language
from appliance.media import burners, discs
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.media.worker import DiscWorker
from appliance.printing import jobs, own_pages, printer_verbs
from appliance.printing.worker import FilmWorker
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store import instances, studies
from appliance.store.store import Store
from appliance.studies import importing, uploads
from appliance.studies.upload_worker import Importer
from appliance.web import language as web_language
from appliance.web.app import create_app
from tests.web import made
from tests.web.conftest import PageClient
from tests.web.test_language import translations

ALLOWED = frozenset(
    # names in this data: of people, devices, who did it
    "IVANOVA OLGA DOE JANE Thorax admin clerk viewer film folder tests example "
    # terms of DICOM, printing and discs
    "DICOM PDF PostScript zip STANDARD CUSTOM ROW COL BLUE FILM CMX INX MED DVD USB cd-700 "
    # languages and programs by their own names
    "English Portugu Werkzeug GiB xorriso version Python".split()
)
PATHS_AND_NUMBERS = re.compile(r"(folder:)?/\S+|\S*\d\S*")
LETTER = re.compile(r"%\(\w+\)[sd]|%%|<[^>]*>|&\w+;|[A-Za-z]")
"""A place, markup, or a letter of a message."""


def masked(text: str) -> str:
    """A translation that has no Latin letter, with all its places."""
    return LETTER.sub(lambda found: found[0] if len(found[0]) > 1 else "я", text)


@pytest.fixture
def other_tongue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Russian, with every word of it replaced."""
    catalog = read_po(BytesIO(translations.path_of("ru").read_bytes()), locale="ru")
    for message in catalog:
        if isinstance(message.id, str):
            message.string = masked(message.id) if message.id else message.string
        else:
            message.string = (masked(message.id[0]), *[masked(message.id[1])] * 2)
    folder = tmp_path / "tongues" / "ru" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "messages.mo").open("wb") as file:
        write_mo(file, catalog)
    for module in (language, web_language):
        monkeypatch.setattr(module, "CATALOGS", tmp_path / "tongues")
    forget()
    yield
    forget()


def forget() -> None:
    for kept in (language._again, language._templates, language._keys, language._catalog):
        kept.cache_clear()


class Text(HTMLParser):
    """What a person reads of a page, and is read to them; without code, and data marked as not to be translated."""

    SILENT = ("script", "style", "code", "svg")
    EMPTY = ("input", "br", "img", "meta", "link", "hr", "use")

    def __init__(self) -> None:
        super().__init__()
        self.silent: list[bool] = [False]
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        silent = self.silent[-1] or tag in self.SILENT or ("translate", "no") in attrs
        if not silent:
            told = ("title", "aria-label", "placeholder", "alt")
            self.found += [value or "" for name, value in attrs if name in told]
        if tag not in self.EMPTY:
            self.silent.append(silent)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            self.silent.pop()

    def handle_data(self, data: str) -> None:
        if not self.silent[-1]:
            self.found.append(data)


def english(page: str) -> set[str]:
    """Latin words on a page that are no data of ours and no keywords of DICOM."""
    text = Text()
    text.feed(page)
    bare = (PATHS_AND_NUMBERS.sub(" ", part) for part in text.found)
    words = {word for part in bare for word in re.findall(r"[A-Za-z][A-Za-z'’-]{2,}", part)}
    return words - ALLOWED - set(keyword_dict)


BARE = {"viewer": False, "web_content": False}
"""Quickly made."""


def troubled(store: Store, folder: Path) -> None:
    """Printers and burners that work and that don't, films and discs done, held, failed, cancelled; odd files."""
    made.devices(store)
    film = printer_verbs.get_printer(store, "film")
    printer_verbs.add_printer(
        store,
        replace(film, name="p1", ae_titles=("P1",), device_uri=f"folder:{store.folder.printed}/gone/p1"),
        made.TESTER,
    )
    made.film(store)
    held, canceled = made.film(store, printed=False), made.film(store, printed=False)
    jobs.hold(store, held, made.TESTER)
    jobs.cancel(store, canceled, made.TESTER)
    own_pages.submit_test_page(store, printer_verbs.get_printer(store, "p1"), made.TESTER)
    FilmWorker(store).work_off()
    uid = made.study(store, folder)
    two = made.study(store, folder, name="DOE^JANE", number=2)
    with store.database.write("study") as connection:
        studies.change(connection, two, expected=9)
    burners.add_burner(
        store, burners.StoredBurner(name="b1", burner_uri=f"folder:{store.folder.burned}/gone/b1"), made.TESTER
    )
    for uids, burner in (((uid,), "folder"), ((uid,), "b1"), ((two,), "folder"), ((uid, two), "folder")):
        order = DiscOrder(selection=Selection(studies=uids), burner=burner, choices=BARE)
        discs.create_disc(store, order, made.TESTER)
    DiscWorker(store).work_off()
    add_peer(store, Peer(name="x1", ae_title="X1", host="127.0.0.1", port=9), made.TESTER)
    refused(store, folder)
    broken_upload(store)
    unreachable(store)


ODD = "1.2.826.0.1.3680043.10.1499.9"


def refused(store: Store, folder: Path) -> None:
    """A study of a SOP class no disc has a record for, and a disc of a study whose files are gone."""
    dataset = dcmread(folder / "made-1" / "1.dcm")
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = f"{ODD}.9"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.PatientID = ODD, f"{ODD}.1", "P900"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{ODD}.1.1"
    (folder / "odd").mkdir()
    dataset.save_as(folder / "odd" / "1.dcm")
    importing.import_path(store, folder / "odd", made.TESTER)
    gone = made.study(store, folder, name="DOE^JANE", number=3)
    for uid in (ODD, gone):
        order = DiscOrder(selection=Selection(studies=(uid,)), choices=BARE)
        discs.create_disc(store, order, made.TESTER)
    with store.database.read() as connection:
        study = studies.get(connection, gone)
        assert study is not None
        for path in instances.paths_of_study(connection, study.study_id):
            (store.folder.instances / path).unlink()
    DiscWorker(store).work_off()


def broken_upload(store: Store) -> None:
    number = uploads.begin(store, made.TESTER)
    files = {"letter.txt": b"Dear colleague", "cd.zip": b"PK\3\4 torn", "cut.dcm": bytes(128) + b"DICM\2\0"}
    uploads.add(store, number, [(name, [content]) for name, content in files.items()], made.TESTER)
    uploads.end(store, number, made.TESTER)
    Importer(store).work_off()


def unreachable(store: Store) -> None:
    """A printer of each kind where nobody listens; one gives its film up."""
    film = printer_verbs.get_printer(store, "film")
    for number, uri in enumerate(("ipp://127.0.0.1:9/film", "socket://127.0.0.1:9", "lpd://127.0.0.1:9/film"), 2):
        settings = film.settings.model_copy(update={"error_policy": "abort-job", "retry_limit": 1})
        printer = replace(film, name=f"p{number}", ae_titles=(f"P{number}",), device_uri=uri, settings=settings)
        printer_verbs.add_printer(store, printer, made.TESTER)
        own_pages.submit_test_page(store, printer, made.TESTER)
    FilmWorker(store).work_off()


PAGES = (
    "/ /login /account /print-jobs /print-jobs/1 /print-jobs/2 /print-jobs/3 /print-jobs/4 /print-jobs/5 /print-jobs/6 "
    f"/print-jobs/7 /studies /studies/{ODD} /studies/import /studies/import/1 /discs/new?study={ODD} "
    "/discs/5 /discs/6 /printers/p2 /printers/p2/check /printers/p3/check /printers/p4/check "
    "/studies/archives /discs /discs/new /discs/1 /discs/2 /discs/3 /discs/4 /printers /printers/film /printers/p1 "
    "/printers/p1/check /printers/new /calibration /calibration/film /burners /burners/b1/check /burners/new /profiles "
    "/profiles/new /peers /peers/new /peers/x1/check /users /users/new /tokens /settings /audit /health "
    "/health?thorough=1 /about /nowhere"
).split()


def test_no_english_is_left_on_any_page(other_tongue: None, store: Store, tmp_path: Path) -> None:
    troubled(store, tmp_path)
    app = create_app(store)
    app.test_client_class = PageClient
    client = app.test_client()
    assert client.log_in("admin").status_code == 303
    left = {}
    for path in PAGES:
        page = client.get(path, headers={"Accept-Language": "ru"}, follow_redirects=True).text
        left[path] = sorted(english(page))
    assert {path: words for path, words in left.items() if words} == {}
