"""Print jobs, printers, profiles and calibration on the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import UsageError
from appliance.printing import calibration, jobs, printer_verbs, views
from appliance.printing.printers import Medium, PrinterSettings
from appliance.security import audit_verbs, tokens
from appliance.security.audit_verbs import Wanted
from appliance.store import printers
from appliance.store.store import Store
from tests.web import made
from tests.web.conftest import TESTER, PageClient

READINGS = [round(3.1 - 2.88 * (step / 17) ** 0.85, 2) for step in range(18)]


@pytest.fixture(autouse=True)
def _devices(store: Store) -> None:
    made.devices(store)


def states(store: Store) -> dict[int, str]:
    return {job["job_id"]: job["job_state"] for job in views.list_jobs(store)}


def test_a_job_shows_its_film_attributes_and_history(store: Store, admin: PageClient) -> None:
    printer = printer_verbs.get_printer(store, "film")
    settings = printer.settings.model_copy(update={"resolution": 320.0})
    printer_verbs.set_printer(store, replace(printer, settings=settings), TESTER)
    job_id = made.film(store)
    page = admin.get(f"/print-jobs/{job_id}").text
    for words in ("printed", "As sent and as used", "ImageDisplayFormat", "BLUE FILM", "on its way to the printer"):
        assert words in page
    preview = admin.get(f"/print-jobs/{job_id}/films/1/preview.png")
    full = admin.get(f"/print-jobs/{job_id}/films/1/full.png")
    document = admin.get(f"/print-jobs/{job_id}/films/1/document")
    assert preview.data[:4] == full.data[:4] == b"\x89PNG"
    width = int.from_bytes(full.data[16:20])
    assert width == 2560 > int.from_bytes(preview.data[16:20])  # 8 in at 320 dpi
    assert document.data[:5] == b"%PDF-" and f"{job_id}-01.pdf" in document.headers["Content-Disposition"]


def test_verbs_work_on_many_at_once_and_say_what_failed(store: Store, visitor_as: Callable[[str], PageClient]) -> None:
    waiting = [made.film(store, printed=False) for _ in range(2)]
    done = made.film(store)
    clerk = visitor_as("clerk")
    got = clerk.submit("/print-jobs/act", verb="hold", job=[waiting[0], waiting[1]])
    assert got.status_code == 409  # they were printed with the third
    held = made.film(store, printed=False)
    assert clerk.submit("/print-jobs/act", verb="hold", job=[held]).status_code == 303
    assert states(store)[held] == "pending-held"
    got = clerk.submit("/print-jobs/act", verb="cancel", job=[held, done])
    assert got.status_code == 409 and f"Job {done} is completed" in got.text
    assert states(store)[held] == "canceled"
    assert clerk.submit("/print-jobs/act", verb="reprint", job=[done], copies="2").status_code == 303
    assert jobs.get_job(store, max(states(store))).copies == 2


def test_a_job_says_that_its_printer_prints_nothing(store: Store, admin: PageClient) -> None:
    job_id = made.film(store, printed=False)
    said = "Printer film prints nothing now."
    assert said not in admin.get(f"/print-jobs/{job_id}").text
    printer_verbs.pause(store, "film", TESTER)
    page = admin.get(f"/print-jobs/{job_id}").text
    assert said in page and 'value="confirm"' not in page


def test_a_printer_that_does_not_answer_is_not_called_ready(store: Store, admin: PageClient) -> None:
    assert "> ready<" in admin.get("/printers/film").text
    with store.database.write("printer") as connection:
        printers.report_state(connection, "film", printer_state="idle", printer_state_reasons=["connecting-to-device"])
    page = admin.get("/printers/film").text
    assert "> ready<" not in page and "can't be reached" in page


def test_the_list_is_filtered_and_paged(store: Store, admin: PageClient) -> None:
    numbers = [made.film(store, printed=False) for _ in range(3)]
    jobs.hold(store, numbers[1], TESTER)
    page = admin.get("/print-jobs?state=held").text
    assert f"/print-jobs/{numbers[1]}" in page and f'/print-jobs/{numbers[0]}"' not in page
    assert "Nothing fits." in admin.get("/print-jobs?since=2999-01-01").text
    assert f'/print-jobs/{numbers[0]}"' in admin.get(f"/print-jobs?before={numbers[1]}").text
    assert admin.get("/print-jobs?since=nonsense&before=x&until=9999-12-31").status_code == 200


def test_looks_at_films_stand_in_the_audit_trail_once(store: Store, admin: PageClient) -> None:
    job_id = made.film(store)
    for _ in range(3):
        admin.get(f"/print-jobs/{job_id}")
        admin.get(f"/print-jobs/{job_id}/live")
    wanted = Wanted(event="print-job-viewed", text=str(job_id))
    assert len(audit_verbs.read_entries(store, wanted, TESTER)) == 1


@pytest.mark.parametrize(
    ("host", "words"),
    [("127.0.0.1", "this machine itself"), ("localhost", "this machine itself"), ("::1", "this machine itself")],
)
def test_a_printer_typed_on_the_page_never_is_this_machine(admin: PageClient, host: str, words: str) -> None:
    got = admin.submit("/printers/new", name="evil", kind="ipp", host=host, ae_titles="EVIL", document_format="pdf")
    assert got.status_code == 200 and words in got.text
    assert admin.get("/printers/evil").status_code == 404


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "http://192.0.2.1/", "folder:/etc", "dicoms://A@127.0.0.1:1"])
def test_other_schemes_and_places_are_refused(admin: PageClient, uri: str) -> None:
    page = admin.get("/printers/film/edit").text
    version = page.split('name="version"')[1].split('value="')[1].split('"')[0]
    form = form_of(admin, "/printers/film/edit") | {"device_uri": uri, "version": version}
    got = admin.submit("/printers/film/edit", **form)
    assert got.status_code == 200 and "complaint" in got.text


def test_a_form_without_a_row_of_media_is_answered(admin: PageClient) -> None:
    """No browser sends it; the table took its heads from the first row."""
    form = {key: value for key, value in form_of(admin, "/printers/film/edit").items() if "media-" not in key}
    got = admin.submit("/printers/film/edit", **form | {"retry_limit": "none"})
    assert got.status_code == 200 and "complaint" in got.text


def test_a_name_that_comes_to_mean_this_machine_later_is_refused_then(store: Store, admin: PageClient) -> None:
    got = admin.submit("/printers/new", name="later", kind="ipp", host="no-such-name.invalid", document_format="pdf")
    assert got.status_code == 303
    assert printer_verbs.get_printer(store, "later").settings.device_options["allow_loopback"] is False
    assert "does not resolve" in admin.get("/printers/later/check").text


def form_of(client: PageClient, path: str) -> dict[str, str]:
    """The fields of the printer's form as it is shown."""
    from html.parser import HTMLParser

    class Fields(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.values: dict[str, str] = {}
            self.open: str | None = None
            self.area: str | None = None

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            given = dict(attributes)
            name = given.get("name")
            if tag == "input" and name and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
                self.values[name] = given.get("value") or ""
            elif tag == "select":
                self.open = name
            elif tag == "option" and self.open and ("selected" in given or self.open not in self.values):
                self.values[self.open] = given.get("value") or ""
            elif tag == "textarea" and name:
                self.area = name
                self.values[name] = ""

        def handle_endtag(self, tag: str) -> None:
            self.open = None if tag == "select" else self.open
            self.area = None if tag == "textarea" else self.area

        def handle_data(self, data: str) -> None:
            if self.area:
                self.values[self.area] += data.lstrip("\r\n")

    fields = Fields()
    fields.feed(client.get(path).text)
    fields.values.pop("csrf_token")
    return fields.values


def test_the_machine_that_drives_a_printer_is_set_and_shown(store: Store, admin: PageClient) -> None:
    assert "Machine that drives it" not in admin.get("/printers").text
    form = form_of(admin, "/printers/film/edit") | {"node": "north"}
    assert admin.submit("/printers/film/edit", **form).status_code == 303
    assert printer_verbs.get_printer(store, "film").settings.node == "north"
    for path in ("/printers", "/printers/film"):
        assert "<dt>Machine that drives it</dt><dd>north</dd>" in admin.get(path).text


def test_nobody_reads_a_printers_password_and_it_stays(store: Store, admin: PageClient) -> None:
    kept = {"username": "films", "password": "hunter2", "connect_deadline": 1, "allow_loopback": False}
    uri = "ipps://192.0.2.7:1/ipp/print"
    settings = printer_verbs.printer_settings({"device_options": kept})
    printer = printer_verbs.get_printer(store, "film")
    printer_verbs.set_printer(store, replace(printer, device_uri=uri, settings=settings), TESTER)
    head = {"Authorization": f"Bearer {tokens.create_token(store, 'sees', 'admin', TESTER)}"}
    seen = admin.get("/api/v1/printers/film", headers=head)
    form = form_of(admin, "/printers/film/edit")
    shown = [seen.text, str(form), str(views.printer_view(printer_verbs.get_printer(store, "film")))]
    shown += [str(entry.detail) for entry in audit_verbs.read_entries(store, Wanted(), TESTER)]
    assert [text for text in shown if "hunter2" in text] == []

    assert admin.submit("/printers/film/edit", **form | {"retry_limit": "3"}).status_code == 303
    assert printer_verbs.get_printer(store, "film").settings.device_options == kept
    body = {key: seen.json[key] for key in ("device_uri", "ae_titles", "settings")}  # type: ignore[index]
    tag = admin.get("/api/v1/printers/film", headers=head).headers["ETag"]
    put = admin.put("/api/v1/printers/film", json=body, headers=head | {"If-Match": tag})
    assert put.status_code == 200 and printer_verbs.get_printer(store, "film").settings.device_options == kept

    elsewhere = form_of(admin, "/printers/film/edit") | {"device_uri": "ipps://192.0.2.66/ipp/print"}
    assert "Type the password again" in admin.submit("/printers/film/edit", **elsewhere).text
    assert printer_verbs.get_printer(store, "film").device_uri == uri


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ('{"stall_deadline": "a minute"}', "stall_deadline: Input should be a valid number"),
        ('{"connect_deadline": -1}', "connect_deadline: Input should be greater"),
        ('{"connect_deadline": NaN}', "connect_deadline: Input should be a finite number"),
        ('{"allowed_networks": ["ward 5"]}', "allowed_networks: &#39;ward 5&#39; does not appear"),
    ],
)
def test_an_option_no_device_can_follow_is_refused_at_once(
    store: Store, admin: PageClient, options: str, words: str
) -> None:
    form = form_of(admin, "/printers/film/edit") | {"device_uri": "socket://192.0.2.7", "device_options": options}
    got = admin.submit("/printers/film/edit", **form)
    assert got.status_code == 200 and words in got.text
    assert printer_verbs.get_printer(store, "film").device_uri != "socket://192.0.2.7"


def test_a_password_typed_into_an_address_is_not_shown(store: Store, admin: PageClient) -> None:
    printer = printer_verbs.get_printer(store, "film")
    settings = printer.settings.model_copy(update={"device_options": {"allow_loopback": False}})
    uri = "ipp://films:hunter2@192.0.2.7/ipp/print"
    printer_verbs.set_printer(store, replace(printer, device_uri=uri, settings=settings), TESTER)
    for path in ("/printers", "/printers/film", "/printers/film/edit"):
        page = admin.get(path).text
        assert "films@192.0.2.7" in page and "hunter2" not in page, path


def test_the_form_of_a_printer_as_shown_changes_nothing_but_what_is_typed(store: Store, admin: PageClient) -> None:
    before = printer_verbs.get_printer(store, "film")
    media = (Medium(film_size_id="14INX17IN", medium_type="BLUE FILM", media_source="tray-1", x_scale=1.01),)
    settings = before.settings.model_copy(update={"media": media, "destinations": {"BIN_1": "face-down"}})
    printer_verbs.set_printer(store, replace(before, settings=settings), TESTER)
    form = form_of(admin, "/printers/film/edit") | {
        "gap_mm": "2.5",
        "media-1-film_size_id": "10INX12IN",
        "media-1-loaded": "y",
    }
    assert admin.submit("/printers/film/edit", **form).status_code == 303
    after = printer_verbs.get_printer(store, "film").settings
    assert after.gap_mm == 2.5 and after.media[1] == Medium(film_size_id="10INX12IN")
    assert after == settings.model_copy(update={"gap_mm": 2.5, "media": after.media}) and after.media[0] == media[0]


def test_two_admins_do_not_overwrite_one_another(store: Store, admin: PageClient) -> None:
    form = form_of(admin, "/printers/film/edit")
    assert admin.submit("/printers/film/edit", **form | {"gap_mm": "2"}).status_code == 303
    got = admin.submit("/printers/film/edit", **form | {"gap_mm": "3"})
    assert got.status_code == 200 and "changed by someone else" in got.text
    assert printer_verbs.get_printer(store, "film").settings.gap_mm == 2


def test_a_layout_is_drawn_as_the_composer_places_it(admin: PageClient) -> None:
    picture = admin.get("/printers/film/layout.svg", query_string={"format": "ROW\\1,3"}).text
    assert picture.count("<text") == 4
    assert admin.get("/printers/film/layout.svg", query_string={"format": "NONSENSE"}).status_code == 422


def test_readings_become_the_characteristic_and_can_be_gone_back_on(store: Store, admin: PageClient) -> None:
    path = "/calibration/film"
    typed = "\n".join(f"{number + 1};{str(value).replace('.', ',')}" for number, value in enumerate(READINGS))
    assert admin.submit(f"{path}/measure", medium_type="BLUE FILM", densities=typed, label="batch 7").status_code == 303
    settings = printer_verbs.get_printer(store, "film").settings
    assert list(settings.characteristics[0].densities) == READINGS and settings.characteristics[0].kind == "measured"
    page = admin.get(path).text
    assert "batch 7" in page and page.count("<circle") == 18 and "Largest error with this curve" in page
    curves = calibration.curves(settings, "BLUE FILM")
    assert curves.worst < 0.05 < abs(curves.uncorrected - curves.target).max()
    assert admin.submit(f"{path}/use", medium_type="BLUE FILM", kind="assumed").status_code == 303
    assert printer_verbs.get_printer(store, "film").settings.characteristics == ()
    at = settings.measurements[0].at
    assert admin.submit(f"{path}/use", medium_type="BLUE FILM", at=at).status_code == 303
    assert printer_verbs.get_printer(store, "film").settings.characteristics == settings.characteristics


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        (READINGS[:-1], "has 18 steps; here are 17"),
        (READINGS[::-1], "Step 1 is the darkest"),
        ([1.0] * 18, "less than 0.5 OD"),
        ([*READINGS[:-1], "dark"], "Line 18 is no density"),
        ([9, *READINGS[1:]], "a density is from 0 to 6"),
    ],
)
def test_readings_no_printer_has_are_refused(admin: PageClient, readings: list, words: str) -> None:
    text = "\n".join(map(str, readings))
    got = admin.submit("/calibration/film/measure", medium_type="BLUE FILM", densities=text)
    assert got.status_code == 400 and words in got.text


@pytest.mark.parametrize(
    "text", ["1,2;3,4;0,5", "1.2 3.4 0.5", "1.2,3.4,0.5", "1;1,2\n2;3,4\n3;0,5", "n,OD\n1,1.2\n2,3.4\n3,0.5"]
)
def test_lists_of_densities_are_read_in_every_spelling(text: str) -> None:
    assert calibration.read_densities(text) == (1.2, 3.4, 0.5)


def test_rulers_set_the_scale_and_keep_the_other_sizes(store: Store, admin: PageClient) -> None:
    data = {"medium_type": "BLUE FILM", "film_size_id": "14INX17IN", "across_mm": "99.5", "down_mm": "100.4"}
    assert admin.submit("/calibration/film/scale", **data).status_code == 303
    settings = printer_verbs.get_printer(store, "film").settings
    scaled = next(medium for medium in settings.media if medium.film_size_id == "14INX17IN")
    assert (scaled.x_scale, scaled.y_scale) == (round(100 / 99.5, 5), round(100 / 100.4, 5))
    assert len(settings.media) > 10
    assert admin.submit("/calibration/film/scale", **data | {"across_mm": "60"}).status_code == 400


def test_a_print_profile_is_made_changed_and_removed(store: Store, admin: PageClient) -> None:
    new = {
        "name": "CT",
        "printer": "film",
        "called_ae_title": "CTFILM",
        "defaults": "FilmSizeID=8INX10IN",
        "aliases": "35CMX43CM=14INX17IN",
        "without_lut": "lin-od",
        "lin_od_zero": "max",
    }
    assert admin.submit("/profiles/new", **new).status_code == 303
    profile = printer_verbs.get_profile(store, "CT")
    assert profile.defaults == {"FilmSizeID": "8INX10IN"} and profile.grey.without_lut == "lin-od"
    got = admin.submit("/profiles/print/CT", **new | {"overrides": "NoSuch=1", "version": "1"})
    assert "is no film attribute" in got.text
    assert admin.submit("/profiles/print/CT/remove").status_code == 303
    assert printer_verbs.all_profiles(store) == []


def test_hostile_words_come_out_as_text(store: Store, admin: PageClient, tmp_path: Path) -> None:
    job_id = made.film(store, printed=False)
    with store.database.write("print") as connection:
        from appliance.store import print_jobs

        print_jobs.change(
            connection, job_id, label=made.HOSTILE, job_state_message=made.HOSTILE, warnings=[made.HOSTILE]
        )
    for path in ("/print-jobs", f"/print-jobs/{job_id}", "/", f"/print-jobs?text={made.HOSTILE}"):
        page = admin.get(path).text
        assert "<script>alert" not in page and "<img src=x" not in page, path
        assert "&lt;script&gt;" in page, path


def test_settings_without_measurements_are_still_read() -> None:
    assert PrinterSettings.model_validate({}).measurements == ()
    with pytest.raises(UsageError):
        calibration.sheet_of_medium(PrinterSettings(), "PAPER")
