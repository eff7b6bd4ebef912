"""A clerk in Chromium asks a real archive (dcmqrscp), fetches a study and makes a disc of it; an admin sees an echo."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect
from pydicom.data import get_testdata_file
from pydicom.filereader import dcmread

from appliance.config import Settings
from appliance.dicom.server import DicomServer
from appliance.media.worker import DiscWorker
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store import tally
from appliance.store.store import Store, open_store
from appliance.studies.fetching import Retriever
from tests.studies.pacs import archive, send
from tests.web import made
from tests.web.conftest import TESTER
from tests.web.test_browser import AXE, faults_in_every_look, log_in
from tests.web.test_journeys import SOON, working

Windows = Callable[..., BrowserContext]
UID = "1.2.826.0.1.3680043.10.1499.77"


def judged(window: Windows) -> Page:
    """A page that axe-core can look at."""
    context = window(reduced_motion="reduce")
    context.add_init_script(AXE)
    return context.new_page()


def kept_there(folder: Path, port: int) -> None:
    """A study of three images in the archive."""
    folder.mkdir()
    for number in range(1, 4):
        dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
        dataset.PatientName, dataset.PatientID = "SHEVCHENKO^TARAS", "P77"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.StudyDate = UID, f"{UID}.1", "20260301"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{UID}.1.{number}"
        dataset.save_as(folder / f"{number}.dcm")
    assert send(port, "PACS", folder).returncode == 0


def test_a_study_comes_from_an_archive_and_goes_on_a_disc(
    store: Store, live_url: str, window: Windows, tmp_path: Path
) -> None:
    made.devices(store)
    page = judged(window)
    with archive(tmp_path / "pacs", 1) as port:
        kept_there(tmp_path / "there", port)
        add_peer(store, Peer(name="archive", ae_title="PACS", host="127.0.0.1", port=port), TESTER)
        log_in(page, live_url, "clerk")
        page.get_by_role("link", name="Patients").first.click()
        page.get_by_role("link", name="From an archive").click()
        page.get_by_label("Archive").select_option("archive")
        page.get_by_label("Name", exact=True).fill("NOBODY")
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.get_by_text("The archive has nothing that fits.")).to_be_visible()
        page.get_by_label("Name", exact=True).fill("SHEV")
        page.get_by_role("button", name="Ask", exact=True).click()
        page.get_by_label("SHEVCHENKO TARAS").check()
        with working(Retriever(store, moves=False)):
            page.get_by_role("button", name="Fetch the ticked ones").click()
            expect(page.locator("#retrievals tbody tr").first).to_contain_text("3 / 3", timeout=SOON)
            expect(page.locator("#retrievals tbody .state").first).to_have_text("done", timeout=SOON)
    store.tally.write(store.database)
    assert tally.read(store.database, "steps")["retrieve"].count == 1
    assert not faults_in_every_look(page)
    page.locator("#retrievals tbody a").first.click()
    expect(page.locator("h1")).to_contain_text("SHEVCHENKO TARAS")
    page.get_by_role("link", name="Make a disc").first.click()
    with working(DiscWorker(store)):
        page.get_by_role("button", name="Make the disc").click()
        expect(page.locator("#status article .state").first).to_have_text("done", timeout=SOON)


def test_an_archive_that_does_not_answer_says_what_to_do(store: Store, live_url: str, window: Windows) -> None:
    add_peer(store, Peer(name="gone", ae_title="PACS", host="127.0.0.1", port=1), TESTER)
    page = window().new_page()
    log_in(page, live_url, "clerk")
    page.goto(f"{live_url}/studies/archives?peer=gone&PatientID=P77")
    expect(page.get_by_role("alert")).to_contain_text("nothing listens on that port")
    expect(page.get_by_label("Patient ID")).to_have_value("P77")


def test_an_admin_sees_the_echo_of_a_modality_arrive(store: Store, live_url: str, window: Windows) -> None:
    quick = Settings.model_validate({"dicom": {"ports": [0], "unknown_peers": "refuse"}})
    beside = open_store(store.folder.root, settings=quick)
    server = DicomServer(beside)
    server.start()
    try:
        add_peer(store, Peer(name="CT 1", ae_title="CT1", address="127.0.0.1"), TESTER)
        page = judged(window)
        log_in(page, live_url)
        page.goto(f"{live_url}/peers/CT%201/check")
        expect(page.locator("#calls")).to_contain_text("No echo of it has arrived yet")
        subprocess.run(["echoscu", "-aet", "CT1", "127.0.0.1", str(server.port)], check=True, timeout=10)
        expect(page.locator("#calls")).to_contain_text("Its echo arrived", timeout=SOON)
        assert not faults_in_every_look(page)
        page.goto(f"{live_url}/peers")
        subprocess.run(["echoscu", "-aet", "MR9", "127.0.0.1", str(server.port)], check=False, timeout=10)
        server.calls.write()
        expect(page.get_by_text("Strangers who called")).to_be_visible(timeout=SOON)
    finally:
        server.stop(0)
        beside.close()
