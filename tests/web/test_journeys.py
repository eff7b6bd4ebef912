"""People at work in Chromium: a new administrator to a printed test page, a clerk with the keyboard to a disc."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect
from pydicom import dcmread
from pydicom.data import get_testdata_file
from reportlab.pdfgen.canvas import Canvas

from appliance.media.views import show_disc
from appliance.media.worker import DiscWorker
from appliance.printing import jobs
from appliance.printing.worker import FilmWorker
from appliance.security import first_admin
from appliance.store.store import Store
from appliance.studies.upload_worker import Importer
from tests.web import made
from tests.web.conftest import PASSWORD, TESTER
from tests.web.test_browser import AXE, faults_in_every_look, log_in

Windows = Callable[..., BrowserContext]
SOON = 30_000


@contextmanager
def working(worker: Any) -> Iterator[None]:
    """A worker at work in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def tab_to(page: Page, name: str = "", text: str = "", key: str = "Tab") -> None:
    """Press a key until the focus is on the field of that name, or on what has that text."""
    for _ in range(80):
        page.keyboard.press(key)
        here = page.evaluate("[document.activeElement.name ?? '', document.activeElement.innerText ?? '']")
        if (name and here[0] == name) or (text and text in here[1]):
            return
    raise AssertionError(f"the keyboard does not reach {name or text}")


def test_a_new_admin_adds_a_printer_and_prints_its_test_page(
    empty_store: Store, empty_url: str, window: Windows
) -> None:
    page = window().new_page()
    page.goto(f"{empty_url}/first-run/{first_admin.new_key(empty_store)}")
    page.get_by_label("User name").fill("olena")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password once more").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.get_by_role("link", name="Printers").first.click()
    page.get_by_role("link", name="Add a printer").click()
    page.get_by_label("Name", exact=True).fill("ward")
    page.get_by_label("Folder on this machine").check()
    page.get_by_label("Queue, path or folder").fill("/etc")
    page.get_by_role("button", name="Add the printer").click()
    expect(page.locator(".notice, .complaint").first).to_contain_text("/etc")  # what was typed is refused and kept
    expect(page.get_by_label("Name", exact=True)).to_have_value("ward")
    page.get_by_label("Queue, path or folder").fill(str(empty_store.folder.printed / "ward"))
    page.get_by_role("button", name="Add the printer").click()
    expect(page.locator("h1")).to_have_text("Check ward")
    with working(FilmWorker(empty_store)):
        page.get_by_role("button", name="Print the test page").click()
        expect(page.locator("#status article p .state").first).to_have_text("printed", timeout=SOON)
    expect(page.locator("#status img")).to_be_visible()
    assert list((empty_store.folder.printed / "ward").glob("1-01.pdf"))


def test_a_clerk_adds_scanned_papers_to_a_study_reads_them_there_and_takes_them_along_on_a_disc(
    store: Store, live_url: str, window: Windows, tmp_path: Path
) -> None:
    made.devices(store)
    uid = made.study(store, tmp_path)
    referral, scan = tmp_path / "Направление на КТ.pdf", tmp_path / "scan.jpg"
    canvas = Canvas(str(referral))
    canvas.drawString(72, 700, "Referral")
    canvas.save()
    Image.new("RGB", (60, 40), (200, 30, 30)).save(scan)
    page = window().new_page()
    log_in(page, live_url, "clerk")
    page.goto(f"{live_url}/studies/{uid}")

    def add(path: Path, patient: str, title: str = "") -> None:
        if not page.get_by_label("PDF or JPEG").is_visible():
            page.get_by_text("Add a scanned paper").click()
        page.get_by_label("PDF or JPEG").set_input_files(path)
        page.get_by_label("Title").fill(title)
        page.get_by_label("Patient ID, typed again").fill(patient)
        page.get_by_role("button", name="Add", exact=True).click()

    add(scan, "P200", "Consent")
    expect(page.get_by_role("alert")).to_contain_text("look again")
    expect(page.get_by_label("Title")).to_have_value("Consent")
    add(scan, "P100", "Consent")
    expect(page.locator(".series a.tile", has_text="Consent")).to_be_visible()
    (tmp_path / "note.txt").write_text("no paper")
    add(tmp_path / "note.txt", "P100")
    expect(page.get_by_role("alert")).to_contain_text("neither a PDF nor a JPEG")
    add(referral, "P100")
    page.locator(".series a.tile", has_text="Направление на КТ").click()  # named as the file is
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Open the PDF").click()
    assert waiting.value.path().read_bytes() == referral.read_bytes()
    page.goto(f"{live_url}/studies/{uid}")
    page.get_by_role("link", name="Make a disc").first.click()
    expect(page.locator("#plan")).to_contain_text("Ready to be made", timeout=SOON)
    with working(DiscWorker(store)):
        page.get_by_role("button", name="Make the disc").click()
        expect(page.locator("h1")).to_have_text("Disc 1", timeout=SOON)
        expect(page.locator("#status article .state").first).to_have_text("done", timeout=SOON)
    (image,) = store.folder.burned.rglob("*.iso")
    extract = ["-osirrox", "on", "-extract", "/", tmp_path / "disc"]
    subprocess.run(["xorriso", "-indev", image, *extract], check=True, capture_output=True)
    directory = dcmread(tmp_path / "disc" / "DICOMDIR").DirectoryRecordSequence
    assert sorted(record.DirectoryRecordType for record in directory)[:2] == ["ENCAP DOC", "IMAGE"]
    assert sum(record.DirectoryRecordType == "IMAGE" for record in directory) == 4
    assert "Consent" in (tmp_path / "disc" / "INDEX.HTM").read_text("utf-8")


def test_a_clerk_makes_a_disc_with_the_keyboard_alone(
    store: Store, live_url: str, window: Windows, tmp_path: Path
) -> None:
    made.devices(store)
    made.study(store, tmp_path)
    made.study(store, tmp_path, name="DOE^JANE", number=7)
    page = window().new_page()
    log_in(page, live_url, "clerk")
    page.goto(f"{live_url}/studies")
    page.keyboard.type("иван")
    expect(page.locator("#found tbody tr")).to_have_count(1)
    tab_to(page, name="study")
    page.keyboard.press("Space")
    tab_to(page, text="Make a disc of", key="Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("New disc")
    expect(page.locator("#plan")).to_contain_text("Ready to be made")
    tab_to(page, name="copies")
    page.keyboard.press("ArrowUp")
    tab_to(page, text="Make the disc")
    with working(DiscWorker(store)):
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Disc 1")
        expect(page.locator("#status article .state").first).to_have_text("done", timeout=SOON)
    assert show_disc(store, 1)["copies"] == 2


def test_files_are_dropped_with_progress(store: Store, live_url: str, window: Windows) -> None:
    page = window().new_page()
    log_in(page, live_url, "clerk")
    page.goto(f"{live_url}/studies/import")
    paths = [str(get_testdata_file(name)) for name in ("CT_small.dcm", "MR_small.dcm")]
    page.set_input_files("#files", paths)
    with working(Importer(store)):
        page.get_by_role("button", name="Import").click()
        expect(page.locator("h1")).to_have_text("Import 1")
        expect(page.locator("#status dd").first).to_have_text("2", timeout=SOON)
    expect(page.get_by_role("link", name="Look at the study")).to_have_count(2)


def test_a_disc_chosen_as_a_folder_says_what_its_dicomdir_names_and_it_lacks(
    store: Store, live_url: str, window: Windows, tmp_path: Path
) -> None:
    disc = tmp_path / "TINY_ALPHA"
    shutil.copytree(Path(str(get_testdata_file("DICOMDIR"))).parent / "TINY_ALPHA", disc)
    lost = disc / "PT000000/ST000000/SE000000/IM000002"
    lost.unlink()
    page = window().new_page()
    log_in(page, live_url, "clerk")
    page.goto(f"{live_url}/studies/import")
    page.set_input_files("#folder", disc)
    with working(Importer(store)):
        page.get_by_role("button", name="Import").click()
        expect(page.locator("h1")).to_have_text("Import 1")
        expect(page.locator("#status")).to_contain_text("Named in the DICOMDIR, but not there", timeout=SOON)
    expect(page.locator("#status li code")).to_have_text([str(lost.relative_to(tmp_path))])


def test_images_scroll_by_key_and_the_window_by_dragging(
    store: Store, live_url: str, window: Windows, tmp_path: Path
) -> None:
    uid = made.study(store, tmp_path, window=(40, 300))
    page = window().new_page()
    log_in(page, live_url, "viewer")
    page.goto(f"{live_url}/studies/{uid}/series/{uid}.1")
    page.locator("#viewer").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#image-now")).to_have_text("2")
    expect(page.locator("#picture[src*='.1.2/frames/1.jpg']")).to_be_visible()
    box = page.locator("#viewer").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 250)
    page.mouse.up()
    expect(page.locator("#picture[src*='center=90&width=400']")).to_be_visible()  # begun from its own 40, 300
    page.get_by_role("link", name="Lung").click()
    expect(page.locator("#picture[src*='center=-600&width=1500']")).to_be_visible()
    page.get_by_role("link", name="Window as sent").click()
    expect(page.locator("#picture:not([src*='center'])")).to_be_visible()
    expect(page.locator("#width")).to_have_value("300")


def test_ticks_stay_when_the_list_is_made_anew(store: Store, live_url: str, window: Windows) -> None:
    made.devices(store)
    numbers = [made.film(store, printed=False) for _ in range(2)]
    page = window().new_page()
    log_in(page, live_url)
    page.goto(f"{live_url}/print-jobs")
    page.check(f"#job-{numbers[0]}")
    jobs.hold(store, numbers[1], TESTER)
    expect(page.locator("#rows")).to_contain_text("Held by a person", timeout=SOON)
    expect(page.locator(f"#job-{numbers[0]}")).to_be_checked()
    expect(page.locator(f"#job-{numbers[1]}")).not_to_be_checked()


def test_axe_finds_nothing_serious_on_films_patients_and_discs(
    store: Store, live_url: str, window: Windows, tmp_path: Path
) -> None:
    made.devices(store)
    uid = made.study(store, tmp_path)
    job = made.film(store)
    context = window(reduced_motion="reduce")
    context.add_init_script(AXE)
    page = context.new_page()
    log_in(page, live_url)
    found: list[str] = []
    for path in (
        "/", "/print-jobs", f"/print-jobs/{job}", "/printers", "/printers/new", "/printers/film", "/printers/film/edit",
        "/printers/film/check", "/calibration", "/calibration/film", "/profiles", "/profiles/new",
        "/profiles/disc/patient", "/studies", f"/studies/{uid}", f"/studies/{uid}/series/{uid}.1", "/studies/import",
        "/studies/archives", f"/discs/new?study={uid}", "/discs", "/burners", "/burners/new", "/burners/folder/check",
        "/health",
    ):  # fmt: skip
        page.goto(live_url + path)
        found += faults_in_every_look(page)
    assert found == []


def test_films_patients_and_discs_keep_the_pages_policy(
    store: Store, live_url: str, window: Windows, tmp_path: Path
) -> None:
    made.devices(store)
    uid = made.study(store, tmp_path)
    page = window().new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    log_in(page, live_url)
    for path in ("/print-jobs", "/printers/film", "/calibration/film", "/studies", f"/studies/{uid}",
                 f"/studies/{uid}/series/{uid}.1", "/studies/import", f"/discs/new?study={uid}", "/discs"):  # fmt: skip
        page.goto(live_url + path)
        page.wait_for_load_state("networkidle")
    assert said == []
