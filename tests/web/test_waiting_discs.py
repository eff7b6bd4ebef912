"""Discs that wait for a person, in Chromium: what can't go on them left out by a tick, one in doubt looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from appliance.media.burners import BurnerSettings, StoredBurner, add_burner
from appliance.media.discs import create_disc
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.media.views import show_disc
from appliance.media.worker import DiscWorker
from appliance.store.store import Store
from appliance.studies import importing
from tests.media.made import as_file, common
from tests.support.robots import Robot
from tests.web import made
from tests.web.conftest import TESTER
from tests.web.test_browser import AXE, faults, log_in

Windows = Callable[..., BrowserContext]
PLAIN = {"viewer": False, "web_content": False}


def with_private(store: Store, folder: Path) -> str:
    """A study with an object of a private class."""
    uid = made.study(store, folder)
    private = common(90, "1.3.12.2.1107.5.9.1", series=9, StudyInstanceUID=uid, PatientID="P100", PatientName="")
    private.PatientBirthDate, private.PatientSex = "", ""
    (folder / "private").mkdir()
    (folder / "private" / "1.dcm").write_bytes(as_file(private))
    importing.import_path(store, folder / "private", TESTER)
    return uid


def test_a_clerk_ticks_what_to_leave_out_and_says_that_a_disc_in_doubt_came_out(
    store: Store, live_url: str, window: Windows, tmp_path: Path
) -> None:
    made.devices(store)
    uid = with_private(store, tmp_path)
    context = window()
    context.add_init_script(AXE)
    page = context.new_page()
    log_in(page, live_url, "clerk")
    page.goto(f"{live_url}/discs/new?study={uid}")
    page.get_by_text("court", exact=False).first.click()
    expect(page.locator("#plan")).to_contain_text("Refused: 1")
    expect(page.locator("#plan")).to_contain_text("no directory record exists")
    assert faults(page) == []
    page.get_by_label("Leave out what can't go on it").check()
    expect(page.locator("#plan")).to_contain_text("Ready to be made")
    robot = Robot(store.folder.root / "robot", "forgets")
    try:
        uri = f"primera:{robot.folder}"
        add_burner(store, StoredBurner(name="robot", burner_uri=uri, settings=BurnerSettings()), TESTER)
        order = DiscOrder(selection=Selection(series=(f"{uid}.1",)), burner="robot", choices=PLAIN)
        disc_id = create_disc(store, order, TESTER)
        DiscWorker(store).work_off(until=lambda: bool(show_disc(store, disc_id)["held"]))
        page.goto(f"{live_url}/discs/{disc_id}")
        assert faults(page) == []
        page.get_by_role("button", name="I looked: it came out").click()
        page.wait_for_url(f"{live_url}/discs/{disc_id}")
        DiscWorker(store).work_off(until=lambda: show_disc(store, disc_id)["execution_status"] == "DONE")
        expect(page.locator("main")).to_contain_text("clerk looked at it")
    finally:
        robot.stop()
