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

from appliance import language
from appliance.media import burners, discs
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.media.worker import DiscWorker
from appliance.printing import jobs, own_pages, printer_verbs
from appliance.printing.worker import FilmWorker
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store import studies
from appliance.store.store import Store
from appliance.web import language as web_language
from appliance.web.app import create_app
from tests.web import made
from tests.web.conftest import PageClient
from tests.web.test_language import translations

ALLOWED = frozenset(
    # names in this data: of people, devices, who did it
    "IVANOVA OLGA DOE JANE Thorax admin clerk viewer film folder tests example "
    # terms of DICOM, printing and discs
    "DICOM PDF PostScript STANDARD CUSTOM ROW COL BLUE FILM CMX INX MED DVD USB cd-700 "
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


PAGES = (
    "/ /login /account /print-jobs /print-jobs/1 /print-jobs/2 /print-jobs/3 /print-jobs/4 /studies /studies/import "
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
