"""The page in Debian's Chromium: with the keyboard alone, without script, and judged by axe-core."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect

from appliance.security import first_admin, peer_verbs, tokens, users
from appliance.security.peers import Peer
from appliance.store.store import Store
from tests.web.conftest import PASSWORD, TESTER

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")

PAGES = [
    "/",
    "/peers",
    "/peers/new",
    "/peers/CT%202",
    "/peers/CT%202/check",
    "/users",
    "/users/new",
    "/users/clerk",
    "/tokens",
    "/settings",
    "/audit",
    "/about",
    "/account",
    "/no-such-page",
]
"""Pages to judge; a page of another file adds its own in that file's tests with :func:`faults`."""

Windows = Callable[..., BrowserContext]
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def log_in(page: Page, url: str, name: str = "admin") -> None:
    page.goto(f"{url}/login")
    page.fill("[name=name]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url(f"{url}/")


def faults(page: Page, **options: Any) -> list[str]:
    """What axe-core finds serious or critical; the page's window has AXE as an init script."""
    found = page.evaluate("async options => (await axe.run(options)).violations", options)
    return [
        f"{page.url}: {fault['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


CONTRAST = {"runOnly": ["color-contrast"]}


def faults_in_every_look(page: Page) -> list[str]:
    """Faults of a page in light, in dark, and on a phone."""
    found = faults(page)
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {fault}" for fault in faults(page, **CONTRAST)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 360, "height": 740})
    found += [f"phone: {fault}" for fault in faults(page, runOnly=["target-size", "color-contrast"])]
    overhang = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    found += [f"{page.url} is {overhang} px wider than a phone"] if overhang > 0 else []
    page.set_viewport_size({"width": 1280, "height": 800})
    return found


def test_axe_finds_nothing_serious_and_no_page_breaks_its_policy(store: Store, live_url: str, window: Windows) -> None:
    tokens.create_token(store, "PACS", "viewer", TESTER)
    context = window(reduced_motion="reduce")
    context.add_init_script(AXE)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{live_url}/login")
    found = faults_in_every_look(page)
    log_in(page, live_url)
    for path in PAGES:
        page.goto(live_url + path)
        found += faults_in_every_look(page)
    assert found == []
    assert [text for text in said if "404 (NOT FOUND)" not in text] == []


def type_and_go(page: Page, *keys: str) -> None:
    for key in keys:
        if len(key) > 1 and key[0] == "<":
            page.keyboard.press(key.strip("<>"))
        else:
            page.keyboard.type(key)


def test_first_run_with_the_keyboard_alone(empty_store: Store, empty_url: str, window: Windows) -> None:
    page = window().new_page()
    page.goto(f"{empty_url}/first-run/{first_admin.new_key(empty_store)}")
    type_and_go(page, "olena", "<Tab>", PASSWORD, "<Tab>", PASSWORD, "<Enter>")
    page.wait_for_url(f"{empty_url}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("To the content")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text().strip() == "Users":
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"{empty_url}/users")
    add = page.get_by_role("link", name="Add a user")
    add.focus()
    assert add.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
    page.keyboard.press("Enter")
    page.wait_for_url(f"{empty_url}/users/new")
    page.get_by_label("User name").focus()
    type_and_go(page, "petro", "<Tab>", "<ArrowUp>", "<Tab>", "quiet river 7", "<Enter>")
    page.wait_for_url(f"{empty_url}/users")
    assert users.get_user(empty_store, "petro").role == "clerk"


def test_everything_works_without_script(store: Store, live_url: str, window: Windows) -> None:
    page = window(java_script_enabled=False).new_page()
    page.goto(f"{live_url}/login")
    page.select_option("[name=language]", "ru")
    page.click("header button")
    expect(page.locator("h1")).to_have_text("Войти")
    page.fill("[name=name]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.goto(f"{live_url}/peers/CT%202")
    page.click("summary")
    page.click("details button")
    expect(page.get_by_role("status")).to_have_text("Узел удалён.")
    assert peer_verbs.all_peers(store) == []
    page.click("header button")
    expect(page.locator("h1")).to_have_text("Войти")


def test_a_complaint_stands_at_its_field_and_has_the_focus(live_url: str, window: Windows) -> None:
    page = window().new_page()
    log_in(page, live_url)
    page.goto(f"{live_url}/peers/new")
    page.fill("[name=name]", "MR 1")
    page.fill("[name=ae_title]", "MR\\1")
    page.click("main form button[type=submit] >> nth=0")
    expect(page.get_by_label("AE title it calls with")).to_be_focused()
    expect(page.locator("#ae_title-complaint")).to_contain_text("is no AE title")
    expect(page.get_by_label("Name", exact=True)).to_have_value("MR 1")


def test_the_overview_is_live_and_leaves_when_the_session_ends(store: Store, live_url: str, window: Windows) -> None:
    page = window().new_page()
    log_in(page, live_url)
    before = page.locator("#parts").get_attribute("data-hx-get")
    with page.expect_response(lambda response: "/overview/live" in response.url and response.status == 204):
        pass
    peer_verbs.add_peer(store, Peer(name="MR", ae_title="MR"), TESTER)
    expect(page.locator("#parts")).not_to_have_attribute("data-hx-get", before or "", timeout=10_000)
    users.set_disabled(store, "clerk", True, TESTER)
    users.set_password(store, "admin", "quiet river 7", TESTER)
    page.wait_for_url("**/login**", timeout=10_000)


def test_the_menu_of_a_phone_opens_and_leads(live_url: str, window: Windows) -> None:
    page = window(**PHONE).new_page()
    log_in(page, live_url)
    menu = page.get_by_role("navigation", name="Pages")
    expect(menu).to_be_hidden()
    page.get_by_role("link", name="Menu", exact=True).click()
    expect(menu).to_be_visible()
    menu.get_by_role("link", name="Peers").click()
    page.wait_for_url(f"{live_url}/peers")
    expect(menu).to_be_hidden()
