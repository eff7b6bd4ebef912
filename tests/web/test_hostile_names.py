"""Names that are an attack come out as text: on every page, in pictures, in CSV and in answers of the API."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule

from appliance.media.copy_types import CopyType, set_copy_type
from appliance.media.discs import create_disc
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.media.worker import DiscWorker
from appliance.printing import printer_verbs
from appliance.printing.profiles import PrintProfile
from appliance.printing.worker import FilmWorker
from appliance.security import peers, tokens
from appliance.security.peer_verbs import add_peer
from appliance.store import callers, print_jobs
from appliance.store import peers as peer_rows
from appliance.store.callers import Call
from appliance.store.store import Store, open_store
from appliance.studies import uploads
from appliance.studies.upload_worker import Importer
from appliance.web.app import create_app
from tests.printing.films import submit_films
from tests.web import made
from tests.web.conftest import TESTER, PageClient, settings

SCRIPT = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>{{7*7}}"""
TURNED = "\u202egnp.exe\u2066"
TITLE = "<b>'\"&{{7*7}}"  # 16 characters of an AE title allow as much
FORMULA = '=HYPERLINK("http://evil.example","x")'
NAME = f"{SCRIPT}{TURNED}"
TURNS = re.compile("[\u202e\u2066]")
RAW = re.compile(r"""<script>alert|<img src=x|<b>'|<i>"'|onerror=alert\(2\)>49""")


@pytest.fixture(scope="module")
def hostile(filled_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Everything a peer, a patient's data or a careless admin can name, named as an attack. Tests only read it."""
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copytree(filled_data, folder / "data")
    store = open_store(folder / "data", settings=settings())
    fill(store, folder)
    yield store
    store.close()


@pytest.fixture
def app(hostile: Store) -> Flask:
    return create_app(hostile)


def fill(store: Store, tmp_path: Path) -> None:
    made.devices(store)
    uid = made.study(store, tmp_path, name=f"{SCRIPT}^{TURNED}", description=NAME[:60])
    jobs = [submit_films(store, printer_verbs.get_printer(store, "film"), FilmSessionLabel=NAME)]
    FilmWorker(store).work_off()
    with store.database.write("print") as connection:
        for job_id in jobs:
            print_jobs.change(
                connection, job_id, originator=NAME[:64], called_ae_title=TITLE, job_state_message=NAME, warnings=[NAME]
            )
        who = {"ae_title": TITLE, "address": "::1", "called_ae_title": TITLE, "peer": ""}
        callers.put(connection, [Call(**who, asked=SCRIPT[:16], outcome="rejected", message=NAME)])
    name = SCRIPT.replace("/", "")[:60]
    add_peer(store, peers.Peer(name=name, ae_title=TITLE, port=104), TESTER)
    with store.database.write("peer") as connection:  # as an older version took it
        settings = dict(peer_rows.get(connection, name).settings)
        peer_rows.change(connection, name, settings=settings | {"host": SCRIPT})
    profile = PrintProfile(name="<i>\"'", printer="film", called_ae_title=TITLE, aliases={SCRIPT: SCRIPT})
    printer_verbs.add_profile(store, profile, TESTER)
    set_copy_type(store, "odd", CopyType(description=NAME), TESTER)
    tokens.create_token(store, SCRIPT, "viewer", TESTER)
    create_disc(store, DiscOrder(selection=Selection(studies=(uid,)), label_text=SCRIPT[:60]), TESTER)
    DiscWorker(store).work_off()
    number = uploads.begin(store, TESTER)
    uploads.add(store, number, [(f"{SCRIPT}{TURNED}.dcm", [b"\0" * 128 + b"DICM" + b"x" * 40])], TESTER)
    uploads.end(store, number, TESTER)
    Importer(store).work_off()


VALUES = {
    "uid": "1.2.826.0.1.3680043.10.1499.1",
    "series_uid": "1.2.826.0.1.3680043.10.1499.1.1",
    "job_id": 1,
    "disc_id": 1,
    "import_id": 1,
    "number": 1,
    "frame": 1,
}
NAMES = {  # first part of the address -> things there
    "printers": ["film"],
    "calibration": ["film"],
    "peers": [SCRIPT.replace("/", "")[:60]],
    "profiles": ["<i>\"'", "odd"],
    "burners": ["folder"],
    "users": ["clerk"],
}


def addresses(rule: Rule) -> list[str]:
    """The rule's addresses of what is there; none when it names something this appliance has none of."""
    first = rule.rule.strip("/").split("/")[0]
    names = NAMES.get(first, []) if "name" in rule.arguments else [""]
    built = [rule.build({**VALUES, "name": name, "filename": "app.css", "key": "x"}) for name in names]
    return [each[1] for each in built if each]


def pages(app: Flask) -> list[str]:
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()) and "/api/" not in rule.rule]
    found = [address for rule in rules for address in addresses(rule) if rule.endpoint != "static"]
    searched = [f"{path}?text={SCRIPT}" for path in ("/studies", "/print-jobs", "/discs", "/audit")]
    return [
        *found,
        *searched,
        f"/peers/new?ae_title={SCRIPT}&address={SCRIPT}",
        f"/studies/archives?PatientName={SCRIPT}",
    ]


def test_no_page_takes_a_name_for_markup(hostile: Store, app: Flask, admin: PageClient) -> None:
    seen = ""
    for path in pages(app):
        got = admin.get(path)
        assert got.status_code < 500, path
        if got.mimetype in ("text/html", "image/svg+xml"):
            seen += got.text
            # a field keeps what it has, and turns nothing beside it
            shown = re.sub(r'value="[^"]*"|<textarea.*?</textarea>', "", got.text, flags=re.S)
            wrong = RAW.search(got.text) or TURNS.search(shown)
            assert not wrong, (path, wrong[0])
            bare = re.sub(r'="[^"]*"', "", got.text)  # a quote in a value is written &#34;: what ends one is ours
            assert not re.search(r"<[^>]*\son\w+", bare), path
    # they were there to be seen, or this test could not fail
    assert seen.count("&lt;script&gt;alert(1)") > 30 and "{{7*7}}" in seen


def test_pictures_and_documents_hold_no_markup(hostile: Store, admin: PageClient) -> None:
    for path in ("/print-jobs/1/films/1/preview.png", "/print-jobs/1/films/1/document", "/discs/1/volumes/1/label.pdf"):
        got = admin.get(path)
        assert got.status_code == 200, path
        assert got.mimetype in ("image/png", "application/pdf") and got.headers["X-Content-Type-Options"] == "nosniff"
        assert "script" not in got.headers.get("Content-Disposition", "")


def test_the_audit_export_runs_nothing_in_a_spreadsheet(hostile: Store, admin: PageClient) -> None:
    for text in (FORMULA, "+1", "@SUM(A1)", "-2+3", "\t=1", TURNED):
        admin.get("/studies/search", query_string={"text": text})
    exported = admin.get("/audit/export.csv").text
    cells = [cell for row in csv.reader(io.StringIO(exported.removeprefix("\ufeff"))) for cell in row]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not [cell for cell in cells if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t"))]
    assert "\u202e" not in exported


def test_the_disc_of_such_a_patient_holds_text_alone(hostile: Store) -> None:
    (image,) = hostile.folder.disc(1).glob("*.iso")
    content = image.read_bytes()
    assert b"<script>alert(1)" not in content.replace(b"\0", b"") or _only_in_dicom(content)
    assert b'onerror=alert(2)>"' not in content


def _only_in_dicom(content: bytes) -> bool:
    """Whether the name stands raw only where DICOM keeps it: never in a page."""
    html = b"".join(re.findall(rb"<!DOCTYPE html.*?</html>", content, re.S))
    return bool(html) and b"<script>alert(1)" not in html and b"&lt;script&gt;" in html


def test_the_api_gives_names_as_json_and_never_as_a_page(hostile: Store, app: Flask, admin: PageClient) -> None:
    secret = tokens.create_token(hostile, "api", "admin", TESTER)
    client = app.test_client()
    for path in ("/api/v1/studies", "/api/v1/print-jobs", "/api/v1/peers", "/api/v1/discs", "/api/v1/imports/1"):
        got = client.get(path, headers={"Authorization": f"Bearer {secret}"})
        assert got.status_code == 200 and got.mimetype == "application/json", path
        assert got.headers["X-Content-Type-Options"] == "nosniff"
